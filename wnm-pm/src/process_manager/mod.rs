//! A process manager keeps the processes of nodes alive: setsid, systemd, launchd, antctl, or s6 inside Docker.
//!
//! It never sees the store, never opens a firewall port and never decides. What it learns (a name, paths, a pid) is
//! its return value. Every operation takes many nodes and answers for each of them by its number: one node's failure is
//! that node's outcome, never the batch's. Every operation may be repeated: starting what runs, stopping what is stopped,
//! creating what is created already and removing what is gone are successes.

use std::path::{Path, PathBuf};

use async_trait::async_trait;
use semver::Version;
use serde::{Deserialize, Serialize};

use crate::batch::Outcomes;
use crate::container_host::ContainerHost;
use crate::logs::LogPlace;
use crate::node::{Flavour, NodeId, NodeRef, NodeSpec, PortKind, ProcessId};
use crate::program::shared;
use crate::user::Owner;

pub(crate) mod error;
mod finding;
mod found;
mod kind;

pub use error::{ManagerError, Outcome};
pub use finding::{Finding, Severity};
pub use found::FoundNode;
pub use kind::{ManagerKind, Mode, Supervisor, UnknownManager};

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
    /// The kinds of ports that its nodes need beyond those of their flavour.
    pub extra_ports: &'static [PortKind],
    /// Whether it chooses nodes' directories by itself, so that a number says nothing about a directory and nodes may lie
    /// outside `node_storage`.
    pub places_nodes_itself: bool,
    /// Whether nodes run as whoever calls wnm, so that their files must belong to that user.
    pub runs_nodes_as_caller: bool,
    /// Whether its teardown takes nodes as well that the database does not know.
    pub teardown_takes_untracked: bool,
}

impl Capabilities {
    /// What a manager of this numbering can do that does nothing by itself.
    #[must_use]
    pub const fn plain(numbering: NumberingKind) -> Self {
        Self {
            numbering,
            restarts_crashed: false,
            starts_at_boot: false,
            extra_ports: &[],
            places_nodes_itself: false,
            runs_nodes_as_caller: true,
            teardown_takes_untracked: false,
        }
    }

    /// The kinds of ports that a node of this flavour can have under this manager, as far as the settings give them a range.
    pub fn ports(self, flavour: Flavour) -> impl Iterator<Item = PortKind> {
        flavour.ports().iter().chain(self.extra_ports).copied()
    }
}

/// A node program to copy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Binary {
    /// Where it lies.
    pub path: PathBuf,
    /// What it says it is.
    pub version: Version,
}

/// What a process manager settled when it created a node; it may differ from what was asked for.
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

/// A number that no new node can have, whatever else is free.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TakenNumber {
    /// The number.
    pub number: NodeId,
    /// What is in the way, as a sentence without a full stop.
    pub why: String,
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

/// The door to whatever keeps the processes of nodes alive. See the module's words for the promises that all keep.
#[async_trait]
pub trait ProcessManager: Send + Sync {
    /// Which one this is.
    fn kind(&self) -> ManagerKind;

    /// What it can do.
    fn capabilities(&self) -> Capabilities;

    /// Whom nodes' files belong to, where that is not whoever calls wnm; a user that is missing is made.
    ///
    /// # Errors
    /// When nobody can tell, or nodes would run as root.
    async fn owner(&self) -> Outcome<Option<Owner>> {
        Ok(None)
    }

    /// Its containers, where it has some.
    fn containers(&self) -> Option<&dyn ContainerHost> {
        None
    }

    /// Called by whoever is about to change something and holds the machine's lock, before it looks: what an earlier caller
    /// asked for and has not happened by then does not happen any more, or is waited for by whoever looks.
    async fn take_over(&self) -> Outcome<()> {
        Ok(())
    }

    /// Makes directories, the node's own copy of the program and whatever the manager needs to start it. Starts nothing.
    async fn create(&self, nodes: &[NodeRef]) -> Outcomes<Created>;

    /// Starts nodes with the command lines that they are given; returns when each either lives or has failed. Ports held by
    /// another program are found before.
    async fn start(&self, nodes: &[NodeRef]) -> Outcomes<Started>;

    /// Refuses nodes that could not be started again once they are stopped, as far as that can be seen while they run.
    async fn check_restart(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        nodes.iter().map(|node| (node.id(), Ok(()))).collect()
    }

    /// Stops nodes: asks them to end, and after a grace makes them. They stay stopped, also over a restart of the machine.
    async fn stop(&self, nodes: &[NodeRef]) -> Outcomes<()>;

    /// Stops nodes and puts `to` in the place of their own copy of the program, keeping the one before it. Whatever can be
    /// found wrong is found before a node is stopped: one that cannot be given the program runs on with what it has.
    async fn replace_program(&self, nodes: &[NodeRef], to: &Binary) -> Outcomes<()>;

    /// Stops nodes and puts the program that [`ProcessManager::replace_program`] kept back in its place; a node of which
    /// none is kept fails and is not stopped.
    async fn restore_program(&self, nodes: &[NodeRef]) -> Outcomes<()>;

    /// Deletes the programs that [`ProcessManager::replace_program`] kept; where none is kept there is nothing to do.
    async fn forget_previous(&self, nodes: &[NodeRef]) -> Outcomes<()>;

    /// Stops nodes and deletes all that `create` made and all that the nodes wrote, nothing else.
    async fn remove(&self, nodes: &[NodeRef]) -> Outcomes<()>;

    /// What becomes of the nodes' processes. Reads only.
    async fn inspect(&self, nodes: &[NodeRef]) -> Outcomes<ProcessState>;

    /// Where a node's logs lie: first what it prints, where that is kept, last the log that it keeps by itself. Reads nothing.
    fn logs(&self, node: &NodeRef) -> Vec<LogPlace> {
        vec![LogPlace::own(&node.spec)]
    }

    /// Keeps what the nodes leave behind while they run from growing without end. Once in a cycle; nothing waits for it.
    async fn tidy(&self, _nodes: &[NodeRef]) {}

    /// What is on this machine, in the database or not. Reads only.
    async fn survey(&self) -> Result<Vec<FoundNode>, ManagerError>;

    /// The numbers beside those of the recorded nodes that no new node can have, since their names are somebody else's.
    /// Reads only.
    async fn taken(&self, _recorded: &[NodeRef]) -> Result<Vec<TakenNumber>, ManagerError> {
        Ok(vec![])
    }

    /// Deletes what it keeps beside nodes in a storage that none of them lives in any more. What stays does no harm.
    async fn vacate(&self, node_storage: &Path) {
        shared::sweep(node_storage);
    }

    /// Takes everything of this manager down, or says that nodes have to be removed one by one.
    async fn teardown(&self) -> Result<Teardown, ManagerError>;

    /// What would not work on this machine, and what fixes it.
    async fn examine(&self) -> Vec<Finding>;
}
