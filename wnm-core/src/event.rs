//! An event is one thing that happened; it is the only thing that the store is given, one transaction each.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::identity::Key;
use crate::node::{Evidence, Flavour, Node, NodeId, NodeMetrics, Status, UnixSeconds, Verb};
use crate::pause::CyclePause;
use crate::plan::Reason;
use crate::relocation::Move;
use crate::rolling::Rolling;
use crate::rollout::{Rollout, Trial};
use crate::snapshot::Counters;
use wnm_pm::container_host::Group;

/// One thing that happened.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "snake_case")]
pub enum Event {
    /// The machine was initialised with these settings (`name`, `value`), as text.
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
    /// A step is about to be carried out. `node` is the row as it is until the outcome is known, with the step pending.
    Intended {
        /// What.
        verb: Verb,
        /// The whole row. For `Add` it is new, and its number counts as used from now on.
        node: Box<Node>,
        /// Why.
        why: String,
    },
    /// A step was carried out; `node` is the row as it is now.
    Completed {
        /// What.
        verb: Verb,
        /// The whole row.
        node: Box<Node>,
    },
    /// A step failed; `node` is the row as it is now.
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
    /// A node's row was brought in line with what was observed.
    Reconciled {
        /// The status it had.
        from: Status,
        /// The whole row.
        node: Box<Node>,
        /// What was seen.
        why: Evidence,
    },
    /// Nodes were asked for their metrics.
    Surveyed {
        /// What each reported.
        reports: Vec<NodeReport>,
    },
    /// The machine's counters were read.
    Measured {
        /// What they were.
        counters: Counters,
    },
    /// The versions of programs were looked up.
    VersionCached {
        /// What is remembered about them, in a format of its owner.
        json: String,
    },
    /// Nodes that answer no questions were looked at.
    SignsKept {
        /// What is kept of each until the next look, in a format of its owner.
        memories: Vec<(NodeId, String)>,
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
    /// A roll-out of a new program began, or went on to another phase.
    RolloutMoved {
        /// The whole row.
        rollout: Box<Rollout>,
    },
    /// A node got a new program, or something was learnt of how it does with it.
    Tried {
        /// The whole row.
        trial: Box<Trial>,
    },
    /// There is nothing to be learnt from a node's trial: it never got the program, or is not wanted to run.
    TrialVoid {
        /// The node.
        node: NodeId,
    },
    /// A container group is up, or was found in another state.
    GroupSeen {
        /// The whole row.
        group: Box<Group>,
    },
    /// A container group was taken down.
    GroupClosed {
        /// Which one.
        group: u32,
    },
    /// A node was found on the machine and taken into the database.
    Adopted {
        /// The whole row.
        node: Box<Node>,
    },
    /// A node is of another flavour now; it does not run.
    FlavourChanged {
        /// What it was.
        from: Flavour,
        /// The whole row.
        node: Box<Node>,
    },
    /// A node is about to be moved to another disk. Of the two directories, the one that its row does not name is deleted in
    /// the end.
    MoveIntended {
        /// Which node, and from where to where.
        moving: Move,
    },
    /// A node lies on another disk now; it does not run.
    Moved {
        /// Where it was.
        from: PathBuf,
        /// The whole row.
        node: Box<Node>,
    },
    /// A move has ended, or was given up: nothing is left of the other directory.
    MoveEnded {
        /// The node.
        node: NodeId,
        /// The directory that is gone.
        gone: PathBuf,
    },
    /// A node was restored from a backup; it does not run.
    Restored {
        /// The whole row.
        node: Box<Node>,
    },
    /// The owner paused the cycles, or changed how long or why they are.
    Paused {
        /// What holds from now on.
        pause: CyclePause,
    },
    /// Cycles are no longer paused.
    Resumed {
        /// Whether the time that was asked for has passed, rather than that the owner ended it.
        expired: bool,
    },
    /// A batch of a rolling step has ended, or all of it.
    Rolling {
        /// How far it is; none where nothing is left of it.
        rolling: Option<Rolling>,
    },
    /// The key of a node that is about to be removed is kept.
    IdentityKept {
        /// The whole row.
        node: Box<Node>,
        /// Its key.
        key: Key,
    },
    /// A node that was removed has its key and its place again; it does not run.
    BroughtBack {
        /// What was kept of it, which is not kept any more.
        id: i64,
        /// The whole row.
        node: Box<Node>,
    },
    /// What was kept of removed nodes is not kept any more.
    IdentitiesExpired {
        /// Of those that were removed before this.
        before: UnixSeconds,
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

/// What one node reported about itself.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeReport {
    /// Its number.
    pub id: NodeId,
    /// Its name in the network.
    pub peer_id: Option<String>,
    /// Its version.
    pub version: Option<semver::Version>,
    /// Its metrics.
    pub metrics: NodeMetrics,
}
