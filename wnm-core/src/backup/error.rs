//! Why a backup was not made, or not restored. What was there before is as it was.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use wnm_pm::hint::{Hint, Hinted, Task};
use wnm_pm::process_manager::ManagerError;

use super::manifest::FORMAT;
use crate::storage::StorageError;
use crate::store::StoreError;

/// Why a backup was not made, read or restored.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BackupError {
    /// A file or directory could not be read or written.
    #[error("cannot {what} {path}", path = path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// What is there already is not replaced.
    #[error("{path} is not replaced by a backup: {reason}", path = path.display())]
    InTheWay {
        /// The place of the backup.
        path: PathBuf,
        /// What is there.
        reason: &'static str,
    },
    /// It is something else.
    #[error("{path} is not a backup of wnm: {reason}", path = path.display())]
    NotABackup {
        /// What should be a backup.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A later wnm made it.
    #[error("{path} has format {found}, which is newer than {FORMAT}, the newest that this wnm knows", path = path.display())]
    Newer {
        /// The backup.
        path: PathBuf,
        /// Its format.
        found: u32,
    },
    /// It is not what was written.
    #[error("the backup {path} is damaged: {}", flaws_text(.flaws), path = path.display())]
    Damaged {
        /// The backup.
        path: PathBuf,
        /// Everything that is wrong with it.
        flaws: Vec<Flaw>,
    },
    /// Nodes have no whole key that could be backed up.
    #[error("nothing is backed up: {}", keys_text(.0))]
    Keys(Vec<KeyFault>),
    /// It is of another machine.
    #[error("{path} is a backup of another machine{}", host_text(.host.as_deref()), path = path.display())]
    OtherMachine {
        /// The backup.
        path: PathBuf,
        /// What that machine called itself.
        host: Option<String>,
    },
    /// There are nodes in the database.
    #[error("{database} has {nodes} nodes, and nothing is restored over them", database = database.display())]
    Living {
        /// The database.
        database: PathBuf,
        /// How many.
        nodes: usize,
    },
    /// Keys of nodes are in the way.
    #[error("there is a node's key already at {}, and nothing is overwritten", paths_text(.0))]
    KeysInTheWay(Vec<PathBuf>),
    /// A node of the backup may not be where it was.
    #[error("{name} cannot be restored: {reason}")]
    Place {
        /// The node.
        name: String,
        /// Why not.
        reason: String,
    },
    /// The process manager keeps a registry of its own.
    #[error("nodes of {0} cannot be restored: it keeps a registry of its own, which no backup holds")]
    OwnRegistry(String),
    /// The database cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The storage cannot be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// The process manager cannot be used.
    #[error(transparent)]
    Manager(#[from] ManagerError),
}

impl BackupError {
    pub(super) fn io(what: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { what, path: path.to_owned(), source }
    }

    /// Whether it was refused, rather than that it failed.
    #[must_use]
    pub fn is_refusal(&self) -> bool {
        !matches!(self, Self::Io { .. } | Self::Store(_) | Self::Storage(_) | Self::Manager(_))
    }
}

impl Hinted for BackupError {
    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::InTheWay { .. } => vec![Hint::text("name another place, or move away what is there")],
            Self::Newer { .. } => vec![Hint::text("use the newer wnm")],
            Self::Damaged { .. } | Self::NotABackup { .. } => vec![Hint::text("use another backup")],
            Self::Keys(faults) if faults.iter().any(|fault| fault.is_out_of_reach) => {
                vec![Hint::text("run wnm as root: these nodes run as another user, who alone may read their keys")]
            }
            Self::Keys(_) => vec![Hint::text(
                "put the whole key back, or remove the node: an older backup may hold its key, and is not replaced",
            )],
            Self::OtherMachine { .. } => vec![Hint::text(
                "`--from-other-machine`, once that machine runs these nodes no more: two machines with the same identities harm both",
            )],
            Self::Living { .. } => vec![
                Hint::run(Task::Status).to("see them"),
                Hint::text("use another database, or tear these nodes down first"),
            ],
            Self::KeysInTheWay(_) => vec![
                Hint::text("move these directories away"),
                Hint::text("`wnm init --import` takes nodes over that run here"),
            ],
            Self::Store(error) => error.hints(),
            Self::Storage(error) => error.hints(),
            Self::Manager(error) => error.hints(),
            Self::Io { .. } | Self::Place { .. } | Self::OwnRegistry(_) => vec![],
        }
    }
}

/// A node that has no whole key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KeyFault {
    /// The node.
    pub name: String,
    /// Where its key is, or should be.
    pub path: PathBuf,
    /// What is wrong with it.
    pub reason: String,
    /// Whether this user may not read it.
    pub is_out_of_reach: bool,
}

/// One thing that is wrong with a backup.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Flaw {
    /// A file that the manifest names is not there.
    Missing(String),
    /// A file is there that no backup has.
    Unknown(String),
    /// It is there twice.
    Twice(String),
    /// It is a link, or something else that is not a file.
    NotAFile(String),
    /// Its content is not what the manifest says.
    Altered(String),
    /// It is longer than such a file can be.
    TooLong(String),
    /// The manifest cannot be read.
    Manifest(String),
    /// A key is not whole.
    Key {
        /// The file.
        file: String,
        /// What is wrong with it.
        reason: String,
    },
    /// The database cannot be read, or says something else than the manifest.
    Database(String),
    /// The archive ends too early, or is not one.
    Archive(String),
}

impl Flaw {
    /// The file that it is about, where it is about one.
    pub(super) fn file(&self) -> Option<&str> {
        match self {
            Self::Missing(file)
            | Self::Unknown(file)
            | Self::Twice(file)
            | Self::NotAFile(file)
            | Self::Altered(file)
            | Self::TooLong(file)
            | Self::Key { file, .. } => Some(file),
            Self::Manifest(_) | Self::Database(_) | Self::Archive(_) => None,
        }
    }
}

impl fmt::Display for Flaw {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Missing(file) => write!(formatter, "{file} is missing"),
            Self::Unknown(file) => write!(formatter, "{file} does not belong in a backup"),
            Self::Twice(file) => write!(formatter, "{file} is there twice"),
            Self::NotAFile(file) => write!(formatter, "{file} is not a plain file"),
            Self::Altered(file) => write!(formatter, "{file} is not what was backed up: its digest differs"),
            Self::TooLong(file) => write!(formatter, "{file} is too long"),
            Self::Manifest(reason) => write!(formatter, "manifest.json cannot be used: {reason}"),
            Self::Key { file, reason } => write!(formatter, "{file} is not a whole key: {reason}"),
            Self::Database(reason) => write!(formatter, "colony.db cannot be used: {reason}"),
            Self::Archive(reason) => write!(formatter, "the archive cannot be read: {reason}"),
        }
    }
}

/// The first of several, and how many more there are.
fn some<T>(things: &[T], text: impl Fn(&T) -> String) -> String {
    const SHOWN: usize = 5;
    let shown: Vec<String> = things.iter().take(SHOWN).map(text).collect();
    let shown = shown.join("; ");
    match things.len().saturating_sub(SHOWN) {
        0 => shown,
        more => format!("{shown}; and {more} more"),
    }
}

fn flaws_text(flaws: &[Flaw]) -> String {
    some(flaws, ToString::to_string)
}

fn keys_text(faults: &[KeyFault]) -> String {
    some(faults, |fault| format!("{} of {}: {}", fault.path.display(), fault.name, fault.reason))
}

fn paths_text(paths: &[PathBuf]) -> String {
    some(paths, |path| path.display().to_string())
}

fn host_text(host: Option<&str>) -> String {
    host.map(|host| format!(" ({})", host.escape_default())).unwrap_or_default()
}
