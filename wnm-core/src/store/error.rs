//! What can be wrong with a database. Each thing that an operator would fix in another way is a problem of its own.

use std::fmt;
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::ErrorCode;
use rusqlite::ffi::{SQLITE_CONSTRAINT_PRIMARYKEY, SQLITE_CONSTRAINT_UNIQUE};

use crate::node::NodeId;

/// The database could not be used; it is as it was before.
#[derive(Debug)]
pub struct StoreError {
    /// The database.
    pub path: PathBuf,
    /// What is wrong.
    pub problem: Problem,
}

impl fmt::Display for StoreError {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let path = self.path.display();
        write!(formatter, "cannot use the database {path}: {}", self.problem)?;
        match self.problem.hint(&self.path) {
            Some(hint) => write!(formatter, "\nhint: {hint}"),
            None => Ok(()),
        }
    }
}

impl std::error::Error for StoreError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        std::error::Error::source(&self.problem)
    }
}

/// What is wrong with the database, or with what was to be written to it.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Problem {
    /// There is no such file.
    #[error("it does not exist; this machine is not initialised")]
    Missing,
    /// A database was to be created where something is already.
    #[error("something is there already, and is not overwritten")]
    Exists,
    /// The file has no content; wnm never leaves such a file behind.
    #[error("the file is empty; it has been truncated")]
    Empty,
    /// It is something else: a directory, a text.
    #[error("it is not a SQLite database")]
    NotADatabase,
    /// Its content contradicts itself.
    #[error("it is damaged: {0}")]
    Corrupt(String),
    /// It is the database of the Python wnm.
    #[error("it belongs to the Python wnm ({nodes} nodes), whose database has another layout")]
    PythonWnm {
        /// How many nodes are in it.
        nodes: u64,
    },
    /// It is a SQLite database of some other program.
    #[error("it belongs to another program (application id {application_id:#010x})")]
    Foreign {
        /// What the file says about its program.
        application_id: u32,
    },
    /// A later wnm wrote it.
    #[error("schema version {found} is newer than {known}, the newest that this wnm knows")]
    Newer {
        /// Its schema version.
        found: u32,
        /// The newest schema version known here.
        known: u32,
    },
    /// An earlier wnm wrote it, and it was opened for reading only.
    #[error("schema version {found} is older than {known}")]
    Older {
        /// Its schema version.
        found: u32,
        /// The schema version that is read.
        known: u32,
    },
    /// It could not be migrated; it has the schema version that it had.
    #[error("it could not be migrated to schema version {to}: {source}")]
    Migration {
        /// The schema version that it should have got.
        to: u32,
        /// Why not.
        source: rusqlite::Error,
    },
    /// Another process holds it for longer than one waits.
    #[error("another process has it locked")]
    Busy(#[source] rusqlite::Error),
    /// This user may not read or write it.
    #[error("this user may not read and write it, or its storage is read-only: {0}")]
    NoRights(#[source] io::Error),
    /// The disk is full.
    #[error("no space is left on its disk")]
    Full(#[source] Box<dyn std::error::Error + Send + Sync>),
    /// The file cannot be reached, or the disk does not do as it is told.
    #[error("reading or writing it failed: {0}")]
    Disk(#[source] io::Error),
    /// A new node was given a number that is taken.
    #[error("number {number} is taken by {name}")]
    NumberTaken {
        /// The number.
        number: NodeId,
        /// The node that has it.
        name: String,
    },
    /// Two nodes or groups would have the same name, port or directory.
    #[error("two rows would have the same {what}")]
    Twice {
        /// The column, `node.name`, or the port, `node port 55007`.
        what: String,
    },
    /// The machine is initialised already.
    #[error("this machine is initialised already")]
    AlreadyInitialised,
    /// A stored value, or its mix with another, is not one that wnm writes.
    #[error("the value of {column} is not valid: {reason}")]
    BadValue {
        /// The column.
        column: String,
        /// What is wrong with it.
        reason: String,
    },
    /// A value cannot be stored.
    #[error("{what} cannot be stored: {reason}")]
    Unstorable {
        /// Which value.
        what: String,
        /// Why not.
        reason: String,
    },
    /// Anything else that SQLite says.
    #[error("{0}")]
    Other(#[source] rusqlite::Error),
}

impl Problem {
    /// What an operator can do about it.
    fn hint(&self, path: &Path) -> Option<String> {
        let hint = match self {
            Self::Missing => "`wnm init` initialises wnm on this machine".to_owned(),
            Self::Exists => {
                format!("`wnm status` shows the machine that it is for; to begin anew, move {} away", path.display())
            }
            Self::Empty | Self::NotADatabase | Self::Corrupt(_) | Self::BadValue { .. } => format!(
                "nodes go on running; put a backup of {} in its place, or move it away and let `wnm init` begin anew",
                path.display()
            ),
            Self::PythonWnm { .. } => "it is left as it is; move it away, or give this wnm another path".to_owned(),
            Self::Foreign { .. } => "give wnm another path".to_owned(),
            Self::Newer { .. } => "use the newer wnm; nothing was changed".to_owned(),
            Self::Older { .. } => "run `wnm run` once to upgrade it".to_owned(),
            Self::Busy(_) => "wait for that process to end, or see `fuser` for who it is".to_owned(),
            Self::NoRights(_) => {
                "run wnm as the user who initialised it, and see that the storage is writable".to_owned()
            }
            Self::Full(_) => "free some space; nothing was changed".to_owned(),
            _ => return None,
        };
        Some(hint)
    }

    /// This problem with that database.
    pub(super) fn at(self, path: &Path) -> StoreError {
        StoreError { path: path.to_owned(), problem: self }
    }
}

impl From<io::Error> for Problem {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            io::ErrorKind::AlreadyExists => Self::Exists,
            io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => Self::NoRights(error),
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::Full(error.into()),
            _ => Self::Disk(error),
        }
    }
}

impl From<rusqlite::Error> for Problem {
    fn from(error: rusqlite::Error) -> Self {
        let rusqlite::Error::SqliteFailure(failure, message) = &error else {
            return match &error {
                rusqlite::Error::FromSqlConversionFailure(column, ..)
                | rusqlite::Error::IntegralValueOutOfRange(column, _)
                | rusqlite::Error::InvalidColumnType(column, ..) => {
                    Self::BadValue { column: column.to_string(), reason: error.to_string() }
                }
                _ => Self::Other(error),
            };
        };
        let said = message.clone().unwrap_or_else(|| failure.to_string());
        match failure.code {
            ErrorCode::NotADatabase => Self::NotADatabase,
            ErrorCode::DatabaseCorrupt => Self::Corrupt(said),
            ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Self::Busy(error),
            ErrorCode::ReadOnly | ErrorCode::PermissionDenied | ErrorCode::CannotOpen => {
                Self::NoRights(io::Error::other(error))
            }
            ErrorCode::DiskFull => Self::Full(error.into()),
            ErrorCode::SystemIoFailure => Self::Disk(io::Error::other(error)),
            ErrorCode::ConstraintViolation
                if [SQLITE_CONSTRAINT_UNIQUE, SQLITE_CONSTRAINT_PRIMARYKEY].contains(&failure.extended_code) =>
            {
                let what = said.trim_start_matches("UNIQUE constraint failed: ");
                Self::Twice { what: what.to_owned() }
            }
            _ => Self::Other(error),
        }
    }
}
