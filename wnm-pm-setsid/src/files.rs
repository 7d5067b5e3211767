//! The files that wnm makes for a node, and the note of its process that it keeps among them.

use std::fs::{self, DirBuilder, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use wnm_pm::node::{NodeSpec, ProcessId};
use wnm_pm::path_policy;
use wnm_pm::process_manager::{Created, ManagerError};

use crate::program;

/// Makes a node's directories and its own copy of the program. What is there already is left as it is.
pub(crate) fn create(spec: &NodeSpec) -> Result<Created, ManagerError> {
    let has_program = path_policy::check_program(&spec.binary).is_ok();
    if !has_program {
        path_policy::check_program(&spec.program)?;
    }
    let mut made = Made::default();
    made.directory(&spec.root_dir)?;
    made.directory(&spec.log_dir)?;
    made.directory(&spec.bootstrap_cache_dir)?;
    // The node keeps its key there.
    let private = Permissions::from_mode(0o700);
    fs::set_permissions(&spec.root_dir, private).map_err(|source| io("make private", &spec.root_dir, source))?;
    if !has_program {
        program::stage(&spec.program, &spec.binary)?.put_in_place()?;
    }
    made.keep();
    Ok(Created::as_specified(spec, spec.name.clone()))
}

/// Directories that were made and go again, empty as they are, unless they are kept.
#[derive(Default)]
struct Made(Vec<PathBuf>);

impl Made {
    fn directory(&mut self, path: &Path) -> Result<(), ManagerError> {
        let is_new = !path.exists();
        let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
        made.map_err(|source| io("make the directory", path, source))?;
        if is_new {
            self.0.push(path.to_owned());
        }
        Ok(())
    }

    fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            let _ = fs::remove_dir(path);
        }
    }
}

/// Deletes a node's directories; the guard was asked before. No symbolic link in them is followed.
pub(crate) fn remove(spec: &NodeSpec) -> Result<(), ManagerError> {
    if path_policy::owns_log_dir(spec) {
        delete(&spec.log_dir)?;
    } else if !spec.log_dir.starts_with(&spec.root_dir) {
        tracing::warn!("{} is left alone: it is not named after {}", spec.log_dir.display(), spec.name);
    }
    delete(&spec.root_dir)
}

fn delete(directory: &Path) -> Result<(), ManagerError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io("delete", directory, error)),
        _ => Ok(()),
    }
}

/// The process that was started last: kept in the node's directory until wnm ends that process.
///
/// The kernel's word counts, not this note; it tells later that a node that is gone was not ended by wnm.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Note {
    pub(crate) process: ProcessId,
    /// Where its output begins in the file.
    pub(crate) output_start: u64,
}

/// Keeps a note, readable for this user only: `PID START_TIME OUTPUT_START`.
pub(crate) fn note_process(spec: &NodeSpec, note: Note) -> std::io::Result<()> {
    let text = format!("{} {} {}\n", note.process.pid, note.process.start_time, note.output_start);
    program::write_private(&note_path(spec), text.as_bytes())
}

/// The note, if there is one that can be read.
pub(crate) fn noted_process(spec: &NodeSpec) -> Option<Note> {
    let text = fs::read_to_string(note_path(spec)).ok()?;
    let mut words = text.split_whitespace();
    let pid = words.next()?.parse().ok()?;
    let start_time = words.next()?.parse().ok()?;
    Some(Note { process: ProcessId { pid, start_time }, output_start: words.next()?.parse().ok()? })
}

/// Forgets the process: wnm ended it.
pub(crate) fn forget_process(spec: &NodeSpec) {
    let _ = fs::remove_file(note_path(spec));
}

fn note_path(spec: &NodeSpec) -> PathBuf {
    spec.root_dir.join("wnm.process")
}

pub(crate) fn io(doing: &'static str, path: &Path, source: std::io::Error) -> ManagerError {
    ManagerError::Io { doing, path: path.to_owned(), source }
}
