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
use crate::privilege::Privilege;

pub use reader::{LogFault, LogLine, LogReader};

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
        /// Whose unit it is.
        #[serde(flatten)]
        of: JournalOf,
    },
}

/// Whose units a journal is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct JournalOf {
    /// Whether they are a user's, rather than the machine's.
    pub of_user: bool,
    /// In whose name it is read.
    #[serde(skip)]
    pub privilege: Privilege,
}

impl JournalOf {
    /// This user's own units.
    pub const USER: Self = Self { of_user: true, privilege: Privilege::Own };

    /// The machine's units, which only root may read the journal of.
    #[must_use]
    pub fn machine() -> Self {
        Self { of_user: false, privilege: Privilege::of_root() }
    }

    fn option(self) -> &'static str {
        if self.of_user { "--user-unit" } else { "--unit" }
    }
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
            Self::Journal { unit, of } => {
                let sudo = if of.privilege == Privilege::Sudo { "sudo " } else { "" };
                write!(formatter, "`{sudo}journalctl {} {unit}`", of.option())
            }
        }
    }
}
