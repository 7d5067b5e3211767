//! What nodes write: where it lies under each process manager, its last lines, and what comes after them.
//!
//! A node's own files are read as [`crate::bounded`] reads: no link is followed, nothing waits, and memory is bounded however
//! long a line is.

mod file;
mod journal;
mod line;
mod reader;

use std::fmt;
use std::path::PathBuf;

use serde::Serialize;

use crate::node::NodeSpec;

pub use reader::{LogLine, LogReader};

/// Where something lies that a node writes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum LogPlace {
    /// A file, which may be put aside and begun anew.
    File(PathBuf),
    /// Of several files in a directory the one whose name is the last in order.
    Newest {
        /// The directory.
        directory: PathBuf,
        /// What their names begin with.
        begin: &'static str,
        /// What their names end in.
        end: &'static str,
    },
    /// The journal of systemd.
    Journal {
        /// The unit.
        unit: String,
        /// Whether it is a user's, rather than the machine's.
        of_user: bool,
    },
}

impl LogPlace {
    /// The log that a node keeps by itself.
    #[must_use]
    pub fn own(spec: &NodeSpec) -> Self {
        match spec.flavour.log_name() {
            (name, "") => Self::File(spec.log_dir.join(name)),
            (begin, end) => Self::Newest { directory: spec.log_dir.clone(), begin, end },
        }
    }
}

/// "/var/log/antnode0001/antnode.log", "/var/log/antnode0001/ant-node.*.log", "`journalctl --unit antnode0001.service`".
impl fmt::Display for LogPlace {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::File(path) => write!(formatter, "{}", path.display()),
            Self::Newest { directory, begin, end } => write!(formatter, "{}/{begin}*{end}", directory.display()),
            Self::Journal { unit, of_user: false } => write!(formatter, "`journalctl --unit {unit}`"),
            Self::Journal { unit, of_user: true } => write!(formatter, "`journalctl --user-unit {unit}`"),
        }
    }
}
