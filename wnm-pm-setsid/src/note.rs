//! The note of a node's process, kept in the node's directory until wnm ends that process.
//!
//! What counts is the kernel, not this note: it only shows later that a node that is gone was not ended by wnm.

use std::fs;
use std::io::ErrorKind;
use std::path::PathBuf;

use wnm_pm::node::{NodeSpec, ProcessId};
use wnm_pm::process_manager::ManagerError;
use wnm_pm::program::write_whole;

/// The process that was started last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) process: ProcessId,
    /// Where its output begins in the file.
    pub(crate) output_start: u64,
}

impl Note {
    /// Keeps it, readable for this user only: `PID START_TIME OUTPUT_START`.
    pub(crate) fn keep(self, spec: &NodeSpec) -> Result<(), ManagerError> {
        let text = format!("{} {} {}\n", self.process.pid, self.process.start_time, self.output_start);
        write_whole(&path(spec), text.as_bytes(), 0o600, None)
    }

    /// The note that is kept, if there is one that can be read.
    pub(crate) fn of(spec: &NodeSpec) -> Option<Self> {
        let text = fs::read_to_string(path(spec)).ok()?;
        let mut words = text.split_whitespace();
        let pid = words.next()?.parse().ok()?;
        let start_time = words.next()?.parse().ok()?;
        Some(Self { process: ProcessId { pid, start_time }, output_start: words.next()?.parse().ok()? })
    }

    /// Whether there is one that another user keeps, who started the node then.
    pub(crate) fn is_anothers(spec: &NodeSpec) -> bool {
        fs::read_to_string(path(spec)).is_err_and(|error| error.kind() == ErrorKind::PermissionDenied)
    }

    /// Forgets it: wnm ended the process.
    pub(crate) fn forget(spec: &NodeSpec) {
        let _ = fs::remove_file(path(spec));
    }
}

fn path(spec: &NodeSpec) -> PathBuf {
    spec.root_dir.join("wnm.process")
}
