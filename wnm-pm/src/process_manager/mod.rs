//! A process manager keeps the processes of nodes alive: setsid, systemd, launchd, antctl, or s6 inside Docker.
//!
//! It never sees the store, never opens a firewall port and never decides. What it learns (a name, paths, a pid) is
//! its return value. Every operation takes many nodes and answers for each of them, in the order of the call: one
//! node's failure is that node's outcome, never the batch's. Every operation may be repeated: starting what runs,
//! stopping what stands still, creating what is created already and removing what is gone are successes.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use async_trait::async_trait;
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::command::CommandError;
use crate::container_host::ContainerHost;
use crate::node::{NodeId, NodeRef, NodeSpec, Ports, ProcessId};

/// What became of one node of a batch.
pub type Outcome<T> = Result<T, ManagerError>;

/// The program that keeps processes alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Supervisor {
    /// Plain background processes, started by wnm itself.
    Setsid,
    /// Units of systemd.
    Systemd,
    /// Jobs of launchd.
    Launchd,
    /// The `antctl` program.
    Antctl,
    /// s6-overlay inside Docker containers.
    S6overlay,
}

/// In whose name the nodes run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In the name of whoever calls wnm.
    User,
    /// In the machine's name.
    Sudo,
    /// antctl only: it chooses all paths by itself.
    Zen,
}

/// A process manager and its mode, written `systemd+user`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ManagerKind {
    /// The program that keeps processes alive.
    pub supervisor: Supervisor,
    /// In whose name.
    pub mode: Mode,
}

impl ManagerKind {
    /// Every kind there is, with the word that names it.
    pub const ALL: [(&'static str, Self); 10] = [
        ("setsid+user", Self::new(Supervisor::Setsid, Mode::User)),
        ("setsid+sudo", Self::new(Supervisor::Setsid, Mode::Sudo)),
        ("systemd+user", Self::new(Supervisor::Systemd, Mode::User)),
        ("systemd+sudo", Self::new(Supervisor::Systemd, Mode::Sudo)),
        ("launchd+user", Self::new(Supervisor::Launchd, Mode::User)),
        ("launchd+sudo", Self::new(Supervisor::Launchd, Mode::Sudo)),
        ("antctl+user", Self::new(Supervisor::Antctl, Mode::User)),
        ("antctl+sudo", Self::new(Supervisor::Antctl, Mode::Sudo)),
        ("antctl+zen", Self::new(Supervisor::Antctl, Mode::Zen)),
        ("s6overlay+user", Self::new(Supervisor::S6overlay, Mode::User)),
    ];

    const fn new(supervisor: Supervisor, mode: Mode) -> Self {
        Self { supervisor, mode }
    }

    /// The word that names this kind.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("unknown", |(word, _)| word)
    }
}

impl fmt::Display for ManagerKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A word that names no process manager.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no process manager is called {0:?}; there are {known}", known = ManagerKind::ALL.map(|(word, _)| word).join(", "))]
pub struct UnknownManager(pub String);

impl FromStr for ManagerKind {
    type Err = UnknownManager;

    fn from_str(text: &str) -> Result<Self, UnknownManager> {
        Self::ALL
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, kind)| *kind)
            .ok_or_else(|| UnknownManager(text.to_owned()))
    }
}

impl Serialize for ManagerKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ManagerKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// How a process manager's nodes are numbered.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum NumberingKind {
    /// The lowest number not in use.
    FillGaps,
    /// One more than the highest ever used.
    NeverReuse,
    /// Balanced over the blocks of container groups.
    Blocks,
}

/// What a process manager can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// How its nodes are numbered.
    pub numbering: NumberingKind,
    /// Whether its nodes come back by themselves after a crash.
    pub restarts_crashed: bool,
    /// Whether its nodes come back by themselves after the machine was restarted.
    pub starts_at_boot: bool,
}

/// A node program to copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binary {
    /// Where it lies.
    pub path: PathBuf,
    /// What it says it is.
    pub version: Version,
}

/// What a process manager settled when it created a node; it may differ from what was wished.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Created {
    /// The name under which the process manager knows the node.
    pub service: String,
    /// The node's own directory.
    pub root_dir: PathBuf,
    /// The node's own copy of the program.
    pub binary: PathBuf,
    /// Where the node writes its logs.
    pub log_dir: PathBuf,
}

impl Created {
    /// What is created when everything goes as the specification says.
    #[must_use]
    pub fn as_specified(spec: &NodeSpec, service: String) -> Self {
        Self { service, root_dir: spec.root_dir.clone(), binary: spec.binary.clone(), log_dir: spec.log_dir.clone() }
    }
}

/// A started node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// Its process, where the manager knows it.
    pub process: Option<ProcessId>,
}

/// What a process manager sees of a node's process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum ProcessState {
    /// It lives.
    Running {
        /// Its process, where the manager knows it.
        process: Option<ProcessId>,
    },
    /// It is on its way: the manager will start it again by itself (systemd's `auto-restart`, s6's back-off).
    Waiting {
        /// What the manager says about it.
        reason: String,
    },
    /// It does not live; the node's files are in place.
    Stopped {
        /// Why, where the manager knows: an exit code, a signal, the last line of its log.
        reason: Option<String>,
    },
    /// Its directory is there, and what the manager needs to start it is not (unit file, binary): `create` mends it.
    Incomplete {
        /// What is missing.
        missing: String,
    },
    /// Nothing of it is there: no process and no directory.
    Absent,
}

/// A node found on the machine, recorded or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundNode {
    /// The name under which the process manager knows it.
    pub service: String,
    /// Its number, where the name tells one.
    pub id: Option<NodeId>,
    /// Its own directory.
    pub root_dir: Option<PathBuf>,
    /// Its own copy of the program.
    pub binary: Option<PathBuf>,
    /// Where it writes its logs.
    pub log_dir: Option<PathBuf>,
    /// Its ports, where its command line or unit tells them (0: not told).
    pub ports: Option<Ports>,
    /// The address it earns for.
    pub wallet: Option<String>,
    /// The payment network.
    pub network: Option<String>,
    /// The container group that it lives in; none where nodes live in no containers.
    pub group: Option<u32>,
    /// Its process, as far as seen.
    pub state: ProcessState,
}

/// How a process manager took everything down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Teardown {
    /// All nodes are gone at once, files and all (antctl reset); numbering starts again.
    AllAtOnce {
        /// What was done beyond the plain call, a line each.
        notes: Vec<String>,
    },
    /// Nodes have to be removed one by one, as `remove` does; what is left of the manager itself is cleaned up already.
    OneByOne,
}

/// Something that does not work, or will not, and what mends it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// A short stable word: `lingering-off`.
    pub code: String,
    /// Whether something fails already, or would bite later.
    pub severity: Severity,
    /// What was found, with its figure.
    pub what: String,
    /// What follows from it.
    pub consequence: String,
    /// The command or the setting that mends it.
    pub fix: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// Works, and would bite later.
    Warning,
    /// Does not work.
    Error,
}

/// Why a process manager could not do something to a node, or at all.
#[derive(Debug, thiserror::Error)]
pub enum ManagerError {
    /// The manager does not work on this machine, or not for this user.
    #[error("{manager} cannot be used here: {reason}\nhint: {hint}")]
    Unavailable {
        /// Which one.
        manager: String,
        /// What is in the way.
        reason: String,
        /// What to do.
        hint: String,
    },
    /// A program that the manager runs failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A port of the node belongs to somebody else.
    #[error(
        "{protocol} port {port} is in use by {holder}\nhint: stop that program, or remove this node and let wnm choose another number"
    )]
    PortInUse {
        /// `UDP` or `TCP`.
        protocol: &'static str,
        /// The port.
        port: u16,
        /// Who holds it, as far as the machine tells.
        holder: String,
    },
    /// The node program is missing, or cannot be run.
    #[error("the node program {path} cannot be used: {reason}\nhint: set antnode_path to an executable node program", path = path.display())]
    Program {
        /// Where it should lie.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The node was started and ended at once.
    #[error("{name} ended right after its start ({how}){last}\nhint: see its log in {log_dir}", last = if said.is_empty() { String::new() } else { format!(": {said}") }, log_dir = log_dir.display())]
    ExitedAtOnce {
        /// The node's name.
        name: String,
        /// Exit code or signal.
        how: String,
        /// The last thing it said.
        said: String,
        /// Where its log lies.
        log_dir: PathBuf,
    },
    /// A file or directory could not be read, written or deleted.
    #[error("cannot {doing} {path}: {source}", path = path.display())]
    Io {
        /// What was tried: `copy the node program to`.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// A path is not what the record says, so nothing there is touched.
    #[error("{path} is left alone: {reason}", path = path.display())]
    NotOurs {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A value cannot be handed to this manager.
    #[error("{what} cannot be used: {reason}")]
    Unusable {
        /// Which value.
        what: String,
        /// Why not.
        reason: String,
    },
    /// Anything else that the manager said.
    #[error("{0}")]
    Failed(String),
}

/// The door to whatever keeps the processes of nodes alive. See the module's words for the promises that all keep.
#[async_trait]
pub trait ProcessManager: Send + Sync {
    /// Which one this is.
    fn kind(&self) -> ManagerKind;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Its containers, where it has some.
    fn containers(&self) -> Option<&dyn ContainerHost> {
        None
    }

    /// Makes directories, the node's own copy of the program and whatever the manager needs to start it. Starts nothing.
    async fn create(&self, nodes: &[NodeSpec]) -> Vec<Outcome<Created>>;

    /// Starts nodes; returns when each either lives or has failed. Ports held by somebody else are found before.
    async fn start(&self, nodes: &[NodeRef]) -> Vec<Outcome<Started>>;

    /// Stops nodes: asks them to end, and after a grace makes them. They stay stopped, also over a restart of the machine.
    async fn stop(&self, nodes: &[NodeRef]) -> Vec<Outcome<()>>;

    /// Stops nodes, replaces their own copy of the program by `to` and starts them again. When the new program does not
    /// live, the previous one is put back and started, and the outcome is the failure.
    async fn upgrade(&self, nodes: &[NodeRef], to: &Binary) -> Vec<Outcome<Started>>;

    /// Stops nodes and deletes all that `create` made and all that the nodes wrote, nothing else.
    async fn remove(&self, nodes: &[NodeRef]) -> Vec<Outcome<()>>;

    /// What becomes of the nodes' processes. Reads only.
    async fn inspect(&self, nodes: &[NodeRef]) -> Vec<Outcome<ProcessState>>;

    /// What is on this machine, recorded or not. Reads only.
    async fn survey(&self) -> Result<Vec<FoundNode>, ManagerError>;

    /// Takes everything of this manager down, or says that nodes have to be removed one by one.
    async fn teardown(&self) -> Result<Teardown, ManagerError>;

    /// What would not work on this machine, and what mends it.
    async fn examine(&self) -> Vec<Finding>;
}
