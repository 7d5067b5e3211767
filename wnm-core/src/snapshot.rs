//! A snapshot is everything that a decision may know: time, boot time, host load, what is recorded and what was just
//! seen. The time and the dice are in it, so that a decision can be made again.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::node::{Flavour, HealthFrom, Node, NodeId, NodeMetrics, PortKind, Status, UnixSeconds};
use crate::observe::signs::Signs;
use crate::pause::CyclePause;
use crate::rollout::Rollouts;
use wnm_pm::container_host::Group;
use wnm_pm::port_use::Protocol;
use wnm_pm::process_manager::{Binary, NumberingKind, ProcessState};

/// What the machine measures. Rates are averages in bytes per second; percentages run from 0 to 100.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HostLoad {
    /// Processor time in use.
    pub used_cpu_percent: f64,
    /// The processors that it is a part of, where a control group has fewer than the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub cpu_allowance: Option<Allowance>,
    /// Memory in use.
    pub used_mem_percent: f64,
    /// The bytes that it is a part of, where a control group may have fewer than the machine.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mem_allowance: Option<Allowance>,
    /// Space in use on the disk that `node_storage` lies on; of several disks the fullest.
    pub used_hd_percent: f64,
    /// Inodes in use on that disk: each file and directory needs one. 0 where it does not count them.
    #[serde(default)]
    pub used_inodes_percent: f64,
    /// Free inodes on that disk; none where it does not count them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub free_inodes: Option<u64>,
    /// Free space on that disk, in bytes.
    pub free_hd_bytes: u64,
    /// Size of that disk, in bytes.
    pub total_hd_bytes: u64,
    /// Load average of the last minute.
    pub load_average_1: f64,
    /// Load average of the last 5 minutes.
    pub load_average_5: f64,
    /// Load average of the last 15 minutes.
    pub load_average_15: f64,
    /// Read from disks, bytes per second.
    pub hdio_read_bytes: u64,
    /// Written to disks, bytes per second.
    pub hdio_write_bytes: u64,
    /// Received from the network, bytes per second.
    pub netio_read_bytes: u64,
    /// Sent to the network, bytes per second.
    pub netio_write_bytes: u64,
}

/// One of the disks that nodes lie on, and how full it is. Percentages run from 0 to 100.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct DiskLoad {
    /// The storage on it.
    pub storage: PathBuf,
    /// Whether the storage's mark is there: where it is not, the disk is not mounted, and the figures say nothing.
    pub is_there: bool,
    /// Space in use.
    pub used_percent: f64,
    /// Inodes in use. 0 where it does not count them.
    pub used_inodes_percent: f64,
    /// Free inodes; none where it does not count them.
    pub free_inodes: Option<u64>,
    /// Free space, in bytes.
    pub free_bytes: u64,
    /// Its size, in bytes.
    pub total_bytes: u64,
}

impl DiskLoad {
    /// How full it is, of space or of inodes.
    #[must_use]
    pub fn fullness(&self) -> f64 {
        self.used_percent.max(self.used_inodes_percent)
    }
}

impl HostLoad {
    /// The machine's figures as those of the disk that this storage is on.
    #[must_use]
    pub fn disk(&self, storage: &Path, is_there: bool) -> DiskLoad {
        DiskLoad {
            storage: storage.to_owned(),
            is_there,
            used_percent: self.used_hd_percent,
            used_inodes_percent: self.used_inodes_percent,
            free_inodes: self.free_inodes,
            free_bytes: self.free_hd_bytes,
            total_bytes: self.total_hd_bytes,
        }
    }

    /// With the figures of a disk as those of the machine's.
    #[must_use]
    pub fn on(self, disk: &DiskLoad) -> Self {
        Self {
            used_hd_percent: disk.used_percent,
            used_inodes_percent: disk.used_inodes_percent,
            free_inodes: disk.free_inodes,
            free_hd_bytes: disk.free_bytes,
            total_hd_bytes: disk.total_bytes,
            ..self
        }
    }
}

/// What a control group may have, where that is less than the machine has.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Allowance {
    /// The control group: its path.
    pub control_group: String,
    /// Bytes of memory, or processors.
    pub amount: f64,
}

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
    /// Processor time in use, in the kernel's ticks, all processors together; or, where a control group may have less than
    /// the machine, that group's in microseconds.
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

/// How a node is: what answers on its metrics port, or what is seen of one that has none.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "answer", rename_all = "snake_case")]
pub enum Answer {
    /// Nobody was asked (no process, a node without a metrics server, or the time for asking was over).
    NotAsked,
    /// A node answered.
    Node {
        /// Its name in the network, where it told it.
        peer_id: Option<String>,
        /// Its version, where it told one that can be read.
        version: Option<semver::Version>,
        /// What it reported about itself.
        metrics: Box<NodeMetrics>,
    },
    /// It answers no questions, and this is what is seen of it.
    Signs {
        /// What is seen.
        signs: Box<Signs>,
    },
    /// A signal has halted its process: it cannot answer, nor do anything else.
    Halted,
    /// Something answered that is no node.
    Foreign {
        /// What it said, shortened.
        said: String,
    },
    /// Nobody listens.
    Refused,
    /// It did not answer in time.
    TimedOut,
    /// It answered, and what came was broken.
    Broken {
        /// What was wrong.
        reason: String,
    },
}

/// What was just seen of one recorded node.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Seen {
    /// Its process; an error's text when the manager could not tell.
    pub process: Result<ProcessState, String>,
    /// What its metrics port answers, or what else is seen of it.
    pub answer: Answer,
    /// What stands wrong with its directory: gone, or a symlink in its place.
    pub directory: DirectoryState,
}

/// The state of a node's directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum DirectoryState {
    /// It is there.
    Present,
    /// It is gone, while the storage that it lay in is there.
    Missing,
    /// Something else stands in its place (a symlink, a file).
    NotADirectory,
    /// The storage itself cannot be read (unmounted, no rights): nothing is known about the node's directory.
    Unknown,
}

/// A recorded node and what was just seen of it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeSnapshot {
    /// What the database says.
    pub node: Node,
    /// What was just seen; none where nothing was looked at.
    pub seen: Option<Seen>,
}

/// Everything that a decision may know.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Snapshot {
    /// The time.
    pub now: UnixSeconds,
    /// When the kernel started.
    pub boot_time: UnixSeconds,
    /// The boot after which all nodes were last looked at.
    pub last_surveyed_boot: UnixSeconds,
    /// The dice: what is drawn is drawn from this.
    pub seed: u64,
    /// What the machine measures.
    pub host: HostLoad,
    /// The disks that nodes lie on, in the order of `node_storage`. Of a single one the machine's figures count.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub disks: Vec<DiskLoad>,
    /// The node program on this machine; none where it is missing or its version cannot be read.
    pub available: Option<Binary>,
    /// Which program that is.
    pub flavour: Flavour,
    /// How nodes are numbered.
    pub numbering: NumberingKind,
    /// The kinds of ports that a new node needs.
    pub port_kinds: Vec<PortKind>,
    /// The highest number that any node ever had.
    pub highest_number_used: u32,
    /// Whether everything was taken down, and nothing was initialised since.
    #[serde(default)]
    pub torn_down: bool,
    /// The container groups, as recorded and seen.
    pub groups: Vec<Group>,
    /// The nodes, by number.
    pub nodes: Vec<NodeSnapshot>,
    /// How new programs do on this machine. None where nobody knows: then upgrades are not rolled out, but done as the limits
    /// allow.
    #[serde(default)]
    pub rollouts: Option<Rollouts>,
    /// The owner's pause of the cycles, while it lasts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub pause: Option<CyclePause>,
    /// Numbers that no new node may get: somebody else holds one of their ports, or has their directory.
    pub blocked: Vec<BlockedNumber>,
}

/// A number that cannot be had.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct BlockedNumber {
    /// The number.
    pub number: NodeId,
    /// What is in the way.
    pub by: Blocker,
}

/// What keeps a number from being given to a new node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "blocker", rename_all = "snake_case")]
pub enum Blocker {
    /// One of its ports is in use on this machine.
    PortInUse {
        /// What the port is a port of.
        protocol: Protocol,
        /// The port.
        port: u16,
    },
    /// One of its ports belongs to a node with another number.
    PortOfNode {
        /// The port.
        port: u16,
        /// The name of that node.
        node: String,
    },
    /// The process manager has its name for something else: another's service, or one that nobody recorded.
    Name {
        /// What is in the way, as a sentence without a full stop.
        why: String,
    },
    /// A directory of its name exists already. What is in it may be a key.
    Directory {
        /// Where.
        path: PathBuf,
    },
}

impl NodeSnapshot {
    /// Whether its process was just seen alive.
    #[must_use]
    pub fn lives(&self) -> bool {
        matches!(self.seen.as_ref().map(|seen| &seen.process), Some(Ok(ProcessState::Running { .. })))
    }
}

impl NodeSnapshot {
    /// What it rests on that it counts as up; none where its process was not just seen alive.
    #[must_use]
    pub fn health_from(&self) -> Option<HealthFrom> {
        let seen = self.seen.as_ref().filter(|_| self.lives())?;
        Some(match &seen.answer {
            Answer::Halted => return None,
            Answer::Node { .. } => HealthFrom::Metrics,
            Answer::Signs { signs } => signs.health_from(),
            _ => HealthFrom::Process,
        })
    }

    /// Whether its process lives and does nothing that can be seen: a signal has halted it, or it does not answer, nor count as
    /// up, though its owner left it running.
    #[must_use]
    pub fn is_frozen(&self) -> bool {
        let Some(seen) = self.seen.as_ref().filter(|_| self.lives()) else { return false };
        match (self.node.status(), &seen.answer) {
            (Status::Disabled | Status::Removing | Status::Migrating | Status::Dead, _) => false,
            (_, Answer::Halted) => true,
            (status, answer) => status == Status::Stopped && *answer != Answer::NotAsked,
        }
    }

    /// Whether its process lives, or its manager is about to start it again, while its directory is gone. Only its owner
    /// knows where that is.
    #[must_use]
    pub fn lives_without_directory(&self) -> bool {
        self.seen.as_ref().is_some_and(|seen| {
            let lives = matches!(seen.process, Ok(ProcessState::Running { .. } | ProcessState::Waiting { .. }));
            lives && seen.directory == DirectoryState::Missing
        })
    }
}

impl Snapshot {
    /// The nodes with these names, services or numbers, each once, in the order of the names.
    ///
    /// # Errors
    /// The names that no node has.
    pub fn named(&self, names: &[String]) -> Result<Vec<&NodeSnapshot>, Vec<String>> {
        let mut found: Vec<&NodeSnapshot> = Vec::new();
        let mut unknown = Vec::new();
        for name in names {
            match self.nodes.iter().find(|each| each.node.is_called(name)) {
                Some(each) if found.iter().any(|other| other.node.id() == each.node.id()) => {}
                Some(each) => found.push(each),
                None => unknown.push(name.clone()),
            }
        }
        if unknown.is_empty() { Ok(found) } else { Err(unknown) }
    }

    /// How many nodes have this status.
    #[must_use]
    pub fn count(&self, status: Status) -> u32 {
        self.count_where(|each| each == status)
    }

    /// How many nodes were told to start and have not been seen up since.
    #[must_use]
    pub fn starting(&self) -> u32 {
        self.count_where(Status::is_starting)
    }

    fn count_where(&self, counts: impl Fn(Status) -> bool) -> u32 {
        let count = self.nodes.iter().filter(|each| counts(each.node.status())).count();
        u32::try_from(count).unwrap_or(u32::MAX)
    }

    /// How many nodes there are, whatever their status.
    #[must_use]
    pub fn node_count(&self) -> u32 {
        u32::try_from(self.nodes.len()).unwrap_or(u32::MAX)
    }
}
