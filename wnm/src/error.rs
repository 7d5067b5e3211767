//! Why the front door stays closed, or what was asked for came to nothing.

use std::io;
use std::path::PathBuf;

use wnm_core::backup::BackupError;
use wnm_core::decide::Refusal;
use wnm_core::lock::LockError;
use wnm_core::machine::{BringBackError, CycleError};
use wnm_core::migration::MigrationError;
use wnm_core::node::{Flavour, NodeId};
use wnm_core::relocation::RelocationError;
use wnm_core::report::{counted, names};
use wnm_core::settings::{NoHome, Problems};
use wnm_core::store::StoreError;
use wnm_pm::hint::{Hint, Hinted, Task};
use wnm_pm::process_manager::ManagerError;

/// Why something came to nothing. What was recorded before stays; nothing is half done.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The settings cannot be used.
    #[error(transparent)]
    Settings(#[from] Problems),
    /// There is no home directory to put files in.
    #[error(transparent)]
    Home(#[from] NoHome),
    /// The config file cannot be read.
    #[error("cannot read the config file {path}", path = path.display())]
    ConfigFile {
        /// The file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A directory for the database cannot be made.
    #[error("cannot make the directory {path}", path = path.display())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// A setting that does not exist, or cannot be unset.
    #[error("{setting} {reason}")]
    Setting {
        /// Its name.
        setting: String,
        /// What is wrong with it.
        reason: &'static str,
        /// What to do.
        hint: Box<Hint>,
    },
    /// The database cannot be opened, read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Another process is at work on it.
    #[error(transparent)]
    Lock(#[from] LockError),
    /// An initialisation began and never ended.
    #[error("{path} is not initialised: an initialisation began and did not end", path = .0.display())]
    NotInitialised(PathBuf),
    /// It belongs to another user, whose nodes run as that user.
    #[error("the database {path} belongs to {owner}, whose nodes run as {owner}, and this is {user}", path = path.display())]
    AnotherUsers {
        /// The database.
        path: PathBuf,
        /// Whom it belongs to.
        owner: String,
        /// Who runs this.
        user: String,
    },
    /// The process manager cannot be used here.
    #[error(transparent)]
    Manager(#[from] ManagerError),
    /// What was asked for cannot be done.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The storage holds nodes of another flavour than the program.
    #[error(
        "the storage {storage} holds {} of {found} ({first}), and {program} is a program of {flavour}: a machine's nodes are of one flavour",
        counted(*.nodes, "node"), storage = storage.display(), first = first.display(), program = program.display()
    )]
    Mixed {
        /// The storage.
        storage: PathBuf,
        /// How many nodes of the other flavour are in it.
        nodes: usize,
        /// The first of them.
        first: PathBuf,
        /// Their flavour.
        found: Flavour,
        /// Where the program is.
        program: PathBuf,
        /// What it is.
        flavour: Flavour,
    },
    /// A storage is left out that nodes live in.
    #[error("node_storage must keep {storage}, where {} {}", names(.nodes), if nodes.len() == 1 { "lives" } else { "live" }, storage = storage.display())]
    StorageInUse {
        /// The storage.
        storage: PathBuf,
        /// The nodes.
        nodes: Vec<NodeId>,
    },
    /// Another storage would be the first one, and that is where container groups have what they need.
    #[error("node_storage must begin with {first}: the container groups of this machine keep there how their nodes are run", first = first.display())]
    FirstStorage {
        /// The first one.
        first: PathBuf,
    },
    /// A move would change what a file or a variable says.
    #[error(
        "node_storage is not what the database says alone, but also named by {origin}, which would go on naming the old place"
    )]
    NamedElsewhere {
        /// Who names it.
        origin: String,
    },
    /// Nodes were not moved to another disk.
    #[error(transparent)]
    Relocation(#[from] RelocationError),
    /// Nodes were not moved to another flavour.
    #[error(transparent)]
    Migration(#[from] MigrationError),
    /// A backup was not made, read or restored.
    #[error(transparent)]
    Backup(#[from] BackupError),
    /// A removed node was not brought back.
    #[error(transparent)]
    BringBack(#[from] BringBackError),
    /// A cycle came to nothing.
    #[error(transparent)]
    Cycle(#[from] CycleError),
}

impl Hinted for Error {
    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Settings(problems) => problems.hints(),
            Self::Home(error) => error.hints(),
            Self::Setting { hint, .. } => vec![(**hint).clone()],
            Self::Store(error) => error.hints(),
            Self::Refused(_) => vec![],
            Self::Lock(error) => error.hints(),
            Self::NotInitialised(_) => vec![Hint::run(Task::Init).to("continue it")],
            Self::Manager(error) => error.hints(),
            Self::Cycle(error) => error.hints(),
            Self::Backup(error) => error.hints(),
            Self::BringBack(error) => error.hints(),
            Self::Migration(error) => error.hints(),
            Self::Relocation(error) => error.hints(),
            Self::NamedElsewhere { .. } => {
                vec![Hint::text("take node_storage out there: the database has it since it was initialised")]
            }
            Self::Mixed { found, .. } => vec![
                Hint::change("antnode_path").to(format!("name a program of {found}")),
                Hint::text("give this database a node_storage of its own"),
            ],
            Self::StorageInUse { storage, .. } | Self::FirstStorage { first: storage } => {
                vec![Hint::run(Task::MoveStorage { from: storage.clone() }).to("move its nodes to another disk")]
            }
            Self::AnotherUsers { owner, .. } => {
                vec![Hint::text(format!("run wnm as {owner}")), Hint::text("as root, `--as-owner` does that")]
            }
            Self::ConfigFile { .. } | Self::Directory { .. } => vec![],
        }
    }
}
