//! The storage is the directory that all node directories lie in. A mark in it tells it from an empty directory that is
//! left where a disk was unmounted: nodes are not dead because their disk is away.

mod claim;
mod further;
mod reach;
mod rename;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wnm_pm::hint::{Hint, Hinted};
use wnm_pm::shell::word;

use crate::snapshot::DirectoryState;

pub(crate) use claim::unmark;
pub use claim::{Claimant, claim, release};
pub use further::prepare_like;
pub use reach::{Place, reach};
pub(crate) use rename::rename_new;
pub use wnm_pm::path_policy::STORAGE_MARKER;

/// What a mark begins with.
const MARK_TEXT: &str = "wnm keeps the directories of nodes here. This file tells wnm that the disk is mounted.\n";

/// The storage cannot be used.
#[derive(Debug, Clone, thiserror::Error)]
pub enum StorageError {
    /// It cannot be made.
    #[error("cannot make {path} the storage of nodes", path = path.display())]
    Make {
        /// The storage.
        path: PathBuf,
        /// Why not.
        source: Arc<io::Error>,
    },
    /// Its file system keeps no modes.
    #[error("the file system of {path} does not keep who may read what, so anyone could copy the nodes' keys", path = path.display())]
    NoModes {
        /// The storage.
        path: PathBuf,
    },
    /// A file system does not answer.
    #[error("{what} {path} has not answered for {seconds} s: its disk or its server hangs", path = path.display())]
    Hangs {
        /// The setting that names it.
        what: &'static str,
        /// Where it is.
        path: PathBuf,
        /// How long it was waited for.
        seconds: u64,
    },
    /// No thread could be started to ask whether it answers.
    #[error("cannot look at the storage: this machine or this user's limits allow wnm no further thread")]
    NoThread {
        /// Why not.
        source: Arc<io::Error>,
    },
    /// Its mark cannot be read, so nobody knows whose it is.
    #[error("cannot read {path}, which names the database that the storage belongs to", path = path.display())]
    Mark {
        /// The mark.
        path: PathBuf,
        /// Why not.
        source: Arc<io::Error>,
    },
    /// It belongs to another database.
    #[error("the storage {path} belongs to another database, {database}", path = path.display(), database = database.display())]
    Taken {
        /// The storage.
        path: PathBuf,
        /// The database that its mark names.
        database: PathBuf,
    },
}

impl Hinted for StorageError {
    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Make { .. } => {
                vec![Hint::text("node_storage must be on a mounted disk that this user may write to")]
            }
            Self::NoModes { .. } => vec![Hint::text(
                "choose a node_storage on a file system of Linux's own, such as ext4, xfs or btrfs (exFAT, FAT and NTFS do not do)",
            )],
            Self::Hangs { path, .. } => {
                let shows =
                    Hint::shell(format!("findmnt --target {}", word(path))).to("see which file system it is on");
                vec![shows, Hint::text("repair its server, or unmount it with `umount -l`")]
            }
            Self::NoThread { .. } => vec![Hint::text("raise `ulimit -u` or the TasksMax of the service that runs wnm")],
            Self::Mark { .. } => vec![Hint::text("run wnm as the user who initialised that database")],
            Self::Taken { database, .. } => vec![
                Hint::text(format!("use that database: `--database {}`", word(database))),
                Hint::text("give this database a node_storage of its own"),
                Hint::text("`wnm init --take-over` if that database is not used any more"),
            ],
        }
    }
}

/// Makes the storage, for its owner's eyes only, and marks it. May be repeated.
///
/// # Errors
/// When the directory or the mark cannot be written.
pub fn prepare(node_storage: &Path) -> Result<(), StorageError> {
    let failed = |source| StorageError::Make { path: node_storage.to_owned(), source: Arc::new(source) };
    if !node_storage.is_dir() {
        DirBuilder::new().recursive(true).mode(0o700).create(node_storage).map_err(failed)?;
    }
    let mark = node_storage.join(STORAGE_MARKER);
    match OpenOptions::new().write(true).create_new(true).mode(0o600).open(&mark) {
        Ok(mut file) => {
            file.write_all(MARK_TEXT.as_bytes()).map_err(failed)?;
            refuse_without_modes(node_storage, &mark, &file)
        }
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(failed(error)),
    }
}

/// What was just made for its owner alone has to be so.
fn refuse_without_modes(node_storage: &Path, mark: &Path, file: &File) -> Result<(), StorageError> {
    if file.metadata().is_ok_and(|made| made.mode() & 0o777 == 0o600) {
        return Ok(());
    }
    let _ = fs::remove_file(mark);
    Err(StorageError::NoModes { path: node_storage.to_owned() })
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

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    /// As on exFAT, where every file has the mode that the mount gives to all.
    #[test]
    fn a_file_system_without_modes_is_refused_and_left_as_it_was() {
        let storage = tempfile::tempdir().expect("a temporary directory");
        let mark = storage.path().join(STORAGE_MARKER);
        for (mode, is_refused) in [(0o600, false), (0o700, true), (0o755, true), (0o644, true)] {
            let file = File::create(&mark).expect("it is made");
            file.set_permissions(Permissions::from_mode(mode)).expect("its mode is set");
            let refused = refuse_without_modes(storage.path(), &mark, &file);
            assert_eq!((refused.is_err(), mark.exists()), (is_refused, !is_refused), "{mode:o}");
        }
    }
}
