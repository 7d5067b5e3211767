//! A further storage is made as the first one is: whoever runs the nodes gets through to them there as well.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, lchown};
use std::path::Path;
use std::sync::Arc;

use wnm_pm::node_files::make_open;

use super::{Claimant, StorageError, claim, prepare};

/// Makes a storage like another one and marks it as this database's. May be repeated.
///
/// # Errors
/// When it cannot be made or marked, or belongs to another database.
pub fn prepare_like(node_storage: &Path, like: &Path, own: &Claimant) -> Result<(), StorageError> {
    make(node_storage, like)
        .map_err(|source| StorageError::Make { path: node_storage.to_owned(), source: Arc::new(source) })?;
    prepare(node_storage)?;
    claim(node_storage, own, false)
}

fn make(node_storage: &Path, like: &Path) -> io::Result<()> {
    let like = fs::metadata(like)?;
    if !node_storage.is_dir() {
        make_open(node_storage, like.mode() & 0o777)?;
    }
    let found = fs::symlink_metadata(node_storage)?;
    // An empty disk that was just mounted is root's.
    let is_fresh = fs::read_dir(node_storage)?.flatten().all(|entry| entry.file_name() == "lost+found");
    if is_fresh && rustix::process::geteuid().is_root() && (found.uid(), found.gid()) != (like.uid(), like.gid()) {
        lchown(node_storage, Some(like.uid()), Some(like.gid()))?;
        fs::set_permissions(node_storage, like.permissions())?;
    }
    Ok(())
}
