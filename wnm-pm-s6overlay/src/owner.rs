//! Nodes run in the name of the owner of `node_storage`, and all their files belong to that owner.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt, lchown};
use std::path::Path;

use wnm_pm::hint::Hint;
use wnm_pm::process_manager::ManagerError;
use wnm_pm::shell;
use wnm_pm::user::Owner;

/// The owner of `node_storage`.
///
/// # Errors
/// When it cannot be read, or belongs to root: nodes never run as root.
pub fn of_storage(node_storage: &Path) -> Result<Owner, ManagerError> {
    let owner = of(node_storage)?;
    if is_root(owner) {
        let what = format!(
            "node_storage {} belongs to {}:{}, and nodes run as its owner, never as root",
            node_storage.display(),
            owner.uid,
            owner.gid
        );
        let hint = Hint::shell(chown_command(node_storage)).to("give it to the user who is to own the nodes");
        return Err(ManagerError::advised(what, hint));
    }
    Ok(owner)
}

/// Whom a file or directory belongs to.
///
/// # Errors
/// When it cannot be read.
pub fn of(path: &Path) -> Result<Owner, ManagerError> {
    let data = fs::metadata(path).map_err(|source| ManagerError::io("read", path, source))?;
    Ok(Owner { uid: data.uid(), gid: data.gid() })
}

/// Whether the user or the group is root's.
#[must_use]
pub fn is_root(owner: Owner) -> bool {
    owner.uid == 0 || owner.gid == 0
}

/// What gives a directory to somebody else, as typed at a shell.
#[must_use]
pub fn chown_command(path: &Path) -> String {
    format!("chown USER:GROUP {}", shell::word(path))
}

/// Makes a directory that this owner alone may use, and its parents; one that exists already stays as it is.
///
/// # Errors
/// When it cannot be made.
pub fn make_dir(path: &Path, owner: Owner) -> Result<(), ManagerError> {
    if path.is_dir() {
        return Ok(());
    }
    if let Some(parent) = path.parent() {
        make_dir(parent, owner)?;
    }
    match fs::create_dir(path) {
        Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
            return Err(ManagerError::io("make the directory", path, error));
        }
        _ => {}
    }
    fs::set_permissions(path, fs::Permissions::from_mode(0o700))
        .map_err(|source| ManagerError::io("set the mode of", path, source))?;
    give(path, owner)
}

/// Gives a file or directory to this owner, where another user (root) made it.
fn give(path: &Path, owner: Owner) -> Result<(), ManagerError> {
    let data = fs::symlink_metadata(path).map_err(|source| ManagerError::io("read", path, source))?;
    if (data.uid(), data.gid()) == (owner.uid, owner.gid) {
        return Ok(());
    }
    lchown(path, Some(owner.uid), Some(owner.gid))
        .map_err(|source| ManagerError::io("change the owner of", path, source))
}
