//! The storage is the directory that all node directories lie in. A mark in it tells it from an empty directory that is
//! left where a disk was unmounted: nodes are not dead because their disk is away.

use std::fs::{self, DirBuilder, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use wnm_pm::hint::{Hint, Hinted};

use crate::snapshot::DirectoryState;

pub use wnm_pm::path_policy::STORAGE_MARKER;

/// The storage cannot be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot make {path} the storage of nodes", path = path.display())]
pub struct StorageError {
    /// The storage.
    pub path: PathBuf,
    /// Why not.
    pub source: io::Error,
}

impl Hinted for StorageError {
    fn hints(&self) -> Vec<Hint> {
        vec![Hint::text("node_storage must be on a mounted disk that this user may write to")]
    }
}

/// Makes the storage, for its owner's eyes only, and marks it. May be repeated.
///
/// # Errors
/// When the directory or the mark cannot be written.
pub fn prepare(node_storage: &Path) -> Result<(), StorageError> {
    let failed = |source| StorageError { path: node_storage.to_owned(), source };
    if !node_storage.is_dir() {
        DirBuilder::new().recursive(true).mode(0o700).create(node_storage).map_err(failed)?;
    }
    let mark = node_storage.join(STORAGE_MARKER);
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&mark) {
        Ok(mut file) => file
            .write_all(b"wnm keeps the directories of nodes here. This file tells wnm that the disk is mounted.\n")
            .map_err(failed),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

/// Whether the storage is there: its mark is.
#[must_use]
pub fn is_marked(node_storage: &Path) -> bool {
    node_storage.join(STORAGE_MARKER).is_file()
}

/// Everything that lies in the storage; nothing when it cannot be read.
pub(crate) fn entries(node_storage: &Path) -> impl Iterator<Item = PathBuf> {
    fs::read_dir(node_storage).into_iter().flatten().flatten().map(|entry| entry.path())
}

/// The state of one node's directory.
#[must_use]
pub fn directory(node_storage: &Path, root_dir: &Path) -> DirectoryState {
    match fs::symlink_metadata(root_dir) {
        Ok(metadata) if metadata.is_dir() => DirectoryState::Present,
        Ok(_) => DirectoryState::NotADirectory,
        Err(error) if error.kind() == io::ErrorKind::NotFound && is_there(node_storage, root_dir) => {
            DirectoryState::Missing
        }
        Err(_) => DirectoryState::Unknown,
    }
}

/// Whether the place where the directory should be can be seen. A directory outside the storage (an adopted node's) has
/// no mark above it, but may have brothers.
fn is_there(node_storage: &Path, root_dir: &Path) -> bool {
    if root_dir.starts_with(node_storage) {
        return is_marked(node_storage);
    }
    let above = root_dir.parent().and_then(|above| fs::read_dir(above).ok());
    above.is_some_and(|mut entries| entries.next().is_some())
}
