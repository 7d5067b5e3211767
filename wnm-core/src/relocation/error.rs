//! Why nodes were not moved to another disk. They are where they were.

use std::path::PathBuf;

use wnm_pm::hint::{Hint, Hinted, Task};
use wnm_pm::process_manager::{ManagerError, ManagerKind};
use wnm_pm::storages::Storages;

use crate::machine::CycleError;
use crate::node::Status;
use crate::storage::StorageError;
use crate::store::StoreError;

const MEGABYTE: u64 = 1_000_000;

/// Why nodes were not moved to another disk.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RelocationError {
    /// It is not said which nodes.
    #[error("node_storage is {0}: it has to be said which of them is left")]
    Which(Storages),
    /// There are no nodes of this machine.
    #[error("{named} is not a directory of node_storage, which is {storages}", named = named.display())]
    Unknown {
        /// What was named.
        named: PathBuf,
        /// What there is.
        storages: Storages,
    },
    /// They are there.
    #[error("the nodes are in {path} already", path = .0.display())]
    There(PathBuf),
    /// It cannot be done.
    #[error("the nodes of {from} cannot be moved to {to}: {}", obstacles_text(.obstacles), from = from.display(), to = to.display())]
    Refused {
        /// Where they are.
        from: PathBuf,
        /// Where they should go.
        to: PathBuf,
        /// Everything that is in the way.
        obstacles: Vec<Obstacle>,
    },
    /// Containers that see the old disk could not be removed.
    #[error("no node was moved, since the containers of their groups could not be removed: {0}")]
    Groups(String),
    /// The machine cannot be looked at, or its database cannot be used.
    #[error(transparent)]
    Cycle(#[from] CycleError),
}

impl From<StoreError> for RelocationError {
    fn from(error: StoreError) -> Self {
        Self::Cycle(error.into())
    }
}

impl From<StorageError> for RelocationError {
    fn from(error: StorageError) -> Self {
        Self::Cycle(error.into())
    }
}

impl From<ManagerError> for RelocationError {
    fn from(error: ManagerError) -> Self {
        Self::Cycle(error.into())
    }
}

/// One thing that is in the way.
#[derive(Debug, Clone, PartialEq, thiserror::Error)]
#[non_exhaustive]
pub enum Obstacle {
    /// A process manager that places nodes by itself.
    #[error("{kind} places its nodes by itself")]
    Manager {
        /// Which one.
        kind: ManagerKind,
    },
    /// A node that wnm may not touch.
    #[error("{name} is unmanaged")]
    Unmanaged {
        /// Its name.
        name: String,
    },
    /// A node that goes, or is taken over.
    #[error("{name} is {status}")]
    Going {
        /// Its name.
        name: String,
        /// What it is.
        status: Status,
    },
    /// A node whose previous program is kept.
    #[error("{name} has yet to prove itself with a new program")]
    Unproved {
        /// Its name.
        name: String,
    },
    /// Something is where a node's directory should be.
    #[error("{path} exists already", path = .0.display())]
    InTheWay(PathBuf),
    /// A node's directory cannot be read.
    #[error("{path} cannot be read: {reason}", path = path.display())]
    Unreadable {
        /// The directory.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The new disk cannot be measured.
    #[error("the disk of {path} cannot be measured: {reason}", path = path.display())]
    Unmeasured {
        /// The new storage.
        path: PathBuf,
        /// Why not.
        reason: String,
    },
    /// The new disk has too little space.
    #[error("they take {} MB, and {} MB are free there", .needed / MEGABYTE, .free / MEGABYTE)]
    NoRoom {
        /// What they take, in bytes, with what nodes keep free.
        needed: u64,
        /// What is free.
        free: u64,
    },
    /// The new disk has too few inodes.
    #[error("they take {needed} inodes, and {free} are free there")]
    NoInodes {
        /// What they take.
        needed: u64,
        /// What is free.
        free: u64,
    },
    /// The new disk would be fuller than its owner allows.
    #[error("the disk would be {percent:.1} % full, above hd_remove = {limit}, and nodes would be removed")]
    TooFull {
        /// How full it would be.
        percent: f64,
        /// How full it may be.
        limit: f64,
    },
    /// Programs cannot be run there.
    #[error("{path} is on a file system that is mounted noexec", path = .0.display())]
    NoPrograms(PathBuf),
}

impl Obstacle {
    fn hint(&self) -> Option<Hint> {
        Some(match self {
            Self::Manager { .. } => {
                Hint::text("stop the nodes, and move the directories that antctl gave them by its own means")
            }
            Self::Unmanaged { name } => Hint::node("enable", name).to("manage it again"),
            Self::Going { .. } => Hint::text("wait until it is gone, and call again"),
            Self::Unproved { .. } => Hint::run(Task::Rollout { word: "status".into() }).to("see when it has"),
            Self::InTheWay(_) => Hint::text("move it away, or choose another directory"),
            Self::Unreadable { .. } => Hint::text("run wnm as root, or as the user that the nodes' files belong to"),
            Self::Unmeasured { .. } => Hint::text("mount the disk, and make sure that this user may enter it"),
            Self::NoRoom { .. } | Self::NoInodes { .. } => Hint::text("choose a larger disk"),
            Self::TooFull { .. } => Hint::change("hd_remove").to("allow more, or choose a larger disk"),
            Self::NoPrograms(_) => Hint::text("mount it with the option exec"),
        })
    }
}

impl Hinted for RelocationError {
    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Which(storages) => {
                let task = Task::MoveStorage { from: storages.first().to_owned() };
                vec![Hint::run(task).to("move the nodes of the first one")]
            }
            Self::Unknown { .. } => vec![Hint::run(Task::ShowSettings).to("see node_storage")],
            Self::There(_) => vec![Hint::text("name another directory")],
            Self::Refused { obstacles, .. } => {
                let mut hints: Vec<Hint> = Vec::new();
                for hint in obstacles.iter().filter_map(Obstacle::hint) {
                    if !hints.contains(&hint) {
                        hints.push(hint);
                    }
                }
                hints
            }
            Self::Groups(_) => vec![Hint::run(Task::Doctor).to("see what is wrong with them")],
            Self::Cycle(error) => error.hints(),
        }
    }
}

/// The first few, and how many more there are.
fn obstacles_text(obstacles: &[Obstacle]) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = obstacles.iter().take(SHOWN).map(ToString::to_string).collect();
    match obstacles.len().saturating_sub(SHOWN) {
        0 => shown.join("; "),
        more => format!("{}; and {more} more", shown.join("; ")),
    }
}
