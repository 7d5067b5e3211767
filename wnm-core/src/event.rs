//! An event is one thing that happened; it is the only thing that the store is told, one transaction each.

use serde::{Deserialize, Serialize};

use crate::node::{Node, NodeId, Reading, Status, UnixSeconds, Verb};
use crate::plan::Reason;
use wnm_pm::container_host::Group;

/// Counters of the machine since boot; two of them at different times make rates.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Counters {
    /// When they were read.
    pub at: UnixSeconds,
    /// The boot that they count from.
    pub boot_time: UnixSeconds,
    /// The kernel's own name for that boot, where it gives one: it stays when the clock is set.
    #[serde(default)]
    pub boot_id: Option<String>,
    /// Milliseconds since that boot when they were read: unlike `at`, it goes on evenly when the clock is set.
    #[serde(default)]
    pub uptime_milliseconds: u64,
    /// Processor time in use, in the kernel's ticks, all processors together.
    pub cpu_busy: u64,
    /// Processor time in all, in the same unit.
    pub cpu_total: u64,
    /// Bytes read from disks.
    pub disk_read: u64,
    /// Bytes written to disks.
    pub disk_written: u64,
    /// Bytes received.
    pub net_received: u64,
    /// Bytes sent.
    pub net_sent: u64,
}

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The machine was put under wnm's care with these settings (`name`, `value`), as text.
    Initialised {
        /// The settings that were given; the others have their defaults.
        settings: Vec<(String, String)>,
        /// The boot that is current.
        boot_time: UnixSeconds,
    },
    /// Settings were set, or, without a value, put back to their defaults.
    SettingsChanged {
        /// Name and value.
        changes: Vec<(String, Option<String>)>,
    },
    /// A deed is about to be done. `node` is the row as it stands until the outcome is known, with `intention` set.
    Intended {
        /// What.
        verb: Verb,
        /// The whole row. For `Add` it is new, and its number counts as used from now on.
        node: Box<Node>,
        /// Why.
        why: String,
    },
    /// A deed is done; `node` is the row as it is now.
    Completed {
        /// What.
        verb: Verb,
        /// The whole row.
        node: Box<Node>,
    },
    /// A deed failed; `node` is the row as it is now.
    Failed {
        /// What.
        verb: Verb,
        /// The whole row.
        node: Box<Node>,
        /// Why.
        error: String,
    },
    /// A node is gone, files and all; its row goes too.
    Forgotten {
        /// Its number.
        id: NodeId,
        /// Why.
        why: String,
    },
    /// A node's row was put right by what was seen.
    Settled {
        /// The status it had.
        from: Status,
        /// The whole row.
        node: Box<Node>,
        /// What was seen.
        why: String,
    },
    /// Nodes were asked how they are.
    Surveyed {
        /// What each told, with the version and the peer id it gave.
        readings: Vec<NodeReading>,
    },
    /// The machine's counters were read.
    Measured {
        /// What they were.
        counters: Counters,
    },
    /// The versions of programs were looked up.
    VersionCached {
        /// What is remembered about them, in the form of whoever looked.
        json: String,
    },
    /// The machine was restarted since the last cycle.
    Rebooted {
        /// The boot that is current.
        boot_time: UnixSeconds,
    },
    /// A decision was made.
    Decided {
        /// What was to be done, in words.
        actions: Vec<String>,
        /// Why, and why not.
        reasons: Vec<Reason>,
    },
    /// A container group stands, or was found in another state.
    GroupSeen {
        /// The whole row.
        group: Box<Group>,
    },
    /// A container group was taken down.
    GroupClosed {
        /// Which one.
        group: u32,
    },
    /// A node was found on the machine and taken into the record.
    Adopted {
        /// The whole row.
        node: Box<Node>,
    },
    /// Everything was taken down; numbering starts again.
    TornDown,
    /// Something worth knowing happened that changes no row.
    Noted {
        /// The node it is about.
        id: Option<NodeId>,
        /// What.
        what: String,
    },
}

/// What one node told about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeReading {
    /// Its number.
    pub id: NodeId,
    /// Its name in the network.
    pub peer_id: Option<String>,
    /// Its version.
    pub version: Option<semver::Version>,
    /// What it told.
    pub reading: Reading,
}
