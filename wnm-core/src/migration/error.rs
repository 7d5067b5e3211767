//! Why nodes were not moved to another flavour. They are what they were.

use std::path::PathBuf;

use wnm_pm::flavour::Flavour;
use wnm_pm::hint::{Hint, Hinted, Task};
use wnm_pm::process_manager::{ManagerError, ManagerKind};

use crate::machine::CycleError;
use crate::node::Status;
use crate::store::StoreError;

/// Why nodes were not moved to another flavour.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum MigrationError {
    /// It cannot be done.
    #[error("the nodes cannot become {to}: {}", obstacles_text(.obstacles))]
    Refused {
        /// What they should have become.
        to: Flavour,
        /// Everything that is in the way.
        obstacles: Vec<Obstacle>,
    },
    /// Nodes run on.
    #[error("no node was changed: {}", running_text(.0))]
    StillRunning(Vec<(String, ManagerError)>),
    /// The machine cannot be looked at, or its database cannot be used.
    #[error(transparent)]
    Cycle(#[from] CycleError),
}

impl From<StoreError> for MigrationError {
    fn from(error: StoreError) -> Self {
        Self::Cycle(error.into())
    }
}

/// One thing that is in the way.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Obstacle {
    /// The settings ask for nodes of v1.
    #[error("node_flavour is {wanted}")]
    Flavour {
        /// What they ask for.
        wanted: Flavour,
    },
    /// No program.
    #[error("there is no usable node program at {path}", path = path.display())]
    NoProgram {
        /// Where it should be.
        path: PathBuf,
    },
    /// Another program.
    #[error("the node program at {path} is {}, a program of {found}", .found.program_name(), path = path.display())]
    OtherProgram {
        /// Where it is.
        path: PathBuf,
        /// What it is.
        found: Flavour,
    },
    /// A process manager that knows one flavour.
    #[error("{kind} keeps nodes of v1 only")]
    Manager {
        /// Which one.
        kind: ManagerKind,
    },
    /// A payment network that v2 does not know.
    #[error("v2 does not know the network {network}")]
    Network {
        /// Its name in the settings.
        network: String,
    },
    /// A node that wnm may not touch.
    #[error("{name} is unmanaged")]
    Unmanaged {
        /// Its name.
        name: String,
    },
    /// A node that goes.
    #[error("{name} is {status}")]
    Going {
        /// Its name.
        name: String,
        /// What it is.
        status: Status,
    },
    /// A directory in which nothing can be set aside.
    #[error("nothing can be set aside in {path}: {reason}", path = path.display())]
    Directory {
        /// The node's directory.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// No ports follow from a node's number.
    #[error("{name} has no ports: {reason}")]
    Ports {
        /// Its name.
        name: String,
        /// Why not.
        reason: String,
    },
    /// It is too late to undo.
    #[error("{name} was started as v2, and is another node of the network by now")]
    Started {
        /// Its name.
        name: String,
    },
    /// Nothing to undo.
    #[error("no node has a v1 identity that was set aside")]
    NothingAside,
}

impl Hinted for MigrationError {
    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Refused { obstacles, .. } => {
                let mut hints: Vec<Hint> = Vec::new();
                for hint in obstacles.iter().filter_map(Obstacle::hint) {
                    if !hints.contains(&hint) {
                        hints.push(hint);
                    }
                }
                hints
            }
            Self::StillRunning(nodes) => nodes.iter().flat_map(|(_, error)| error.hints()).collect(),
            Self::Cycle(error) => error.hints(),
        }
    }
}

impl Obstacle {
    fn hint(&self) -> Option<Hint> {
        Some(match self {
            Self::NoProgram { .. } | Self::OtherProgram { .. } => {
                Hint::change("antnode_path").to("name the program that the nodes are to become")
            }
            Self::Flavour { .. } => Hint::change("node_flavour").to("ask for the one that the nodes are to become"),
            Self::Manager { .. } => Hint::text("initialise wnm anew with another process manager"),
            Self::Network { .. } => Hint::change("network").to("use one that both know"),
            Self::Unmanaged { name } => Hint::node("enable", name).to("manage it again"),
            Self::Going { .. } => Hint::run(Task::Cycle).to("let it go first"),
            Self::Directory { .. } => Hint::text("run wnm as root where nodes run as another user"),
            Self::Started { .. } => Hint::text("its v1 identity stays in its directory, in `.v1`"),
            Self::Ports { .. } | Self::NothingAside => return None,
        })
    }
}

/// The first of several, and how many more there are.
fn some(texts: impl ExactSizeIterator<Item = String>) -> String {
    const SHOWN: usize = 5;
    let more = texts.len().saturating_sub(SHOWN);
    let shown = texts.take(SHOWN).collect::<Vec<_>>().join("; ");
    if more == 0 { shown } else { format!("{shown}; and {more} more") }
}

fn obstacles_text(obstacles: &[Obstacle]) -> String {
    some(obstacles.iter().map(ToString::to_string))
}

fn running_text(nodes: &[(String, ManagerError)]) -> String {
    some(nodes.iter().map(|(name, error)| format!("{name} did not stop: {}", error.text())))
}
