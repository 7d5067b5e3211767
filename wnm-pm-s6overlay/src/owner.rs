//! Nodes run in the name of the owner of `node_storage`, and all their files belong to that owner.

use std::fs;
use std::os::unix::fs::MetadataExt;
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
