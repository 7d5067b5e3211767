//! The storage is the volume that containers share with the machine: `node_storage`, and beside it the logs and the
//! peers that nodes know. Its owner is in whose name nodes run.

use std::fs;
use std::io;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use wnm_pm::path_policy::STORAGE_MARKER;
use wnm_pm::process_manager::ManagerError;

use crate::settings::S6Settings;
use crate::{MANAGER, paths, program};

/// The user and the group of the operator: nodes run as these, and all files of nodes belong to them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user's id, never 0.
    pub uid: u32,
    /// The group's id.
    pub gid: u32,
}

impl Owner {
    /// The owner of `node_storage`.
    ///
    /// # Errors
    /// When it cannot be read, or belongs to root: nodes never run as root.
    pub fn of(node_storage: &Path) -> Result<Self, ManagerError> {
        let data = fs::metadata(node_storage).map_err(|source| io_error("read", node_storage, source))?;
        if data.uid() == 0 || data.gid() == 0 {
            return Err(ManagerError::Unusable {
                what: format!("node_storage {}", node_storage.display()),
                reason: format!(
                    "it belongs to {}:{}, and nodes run as its owner, never as root\nhint: `chown USER:GROUP {}` for the user who shall own the nodes",
                    data.uid(),
                    data.gid(),
                    node_storage.display()
                ),
            });
        }
        Ok(Self { uid: data.uid(), gid: data.gid() })
    }

    /// Makes a directory that this owner alone may use, and its parents; what is there already stays as it is.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn make_dir(self, path: &Path) -> Result<(), ManagerError> {
        if path.is_dir() {
            return Ok(());
        }
        if let Some(parent) = path.parent() {
            self.make_dir(parent)?;
        }
        match fs::create_dir(path) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => {
                return Err(io_error("make the directory", path, error));
            }
            _ => {}
        }
        fs::set_permissions(path, fs::Permissions::from_mode(0o700))
            .map_err(|source| io_error("set the mode of", path, source))?;
        self.give(path)
    }

    /// Gives a file or directory to this owner, where another user (root) made it.
    ///
    /// # Errors
    /// When that is refused.
    pub fn give(self, path: &Path) -> Result<(), ManagerError> {
        let data = fs::symlink_metadata(path).map_err(|source| io_error("read", path, source))?;
        if (data.uid(), data.gid()) == (self.uid, self.gid) {
            return Ok(());
        }
        std::os::unix::fs::lchown(path, Some(self.uid), Some(self.gid))
            .map_err(|source| io_error("give its owner", path, source))
    }
}

/// Sees to it that what containers mount is there. `occupied`: whether containers of this machine exist already.
///
/// # Errors
/// When the storage is not there or cannot be used; nothing was changed then.
pub fn prepare(settings: &S6Settings, occupied: bool) -> Result<Owner, ManagerError> {
    let storage = &settings.node_storage;
    if !storage.is_dir() || ((occupied || has_groups(storage)) && !is_known(storage)) {
        return Err(away(storage));
    }
    let owner = Owner::of(storage)?;
    let definitions = paths::definitions(settings);
    paths::refuse_links(&[&definitions])?;
    owner.make_dir(&definitions)?;
    owner.make_dir(&settings.log_dir)?;
    owner.make_dir(&settings.bootstrap_cache_dir)?;
    Ok(owner)
}

/// Whether this is a storage of nodes, and not what lies beneath one whose disk is not mounted: whatever else may be
/// found there, a seal or wnm's own mark is not.
#[must_use]
pub fn is_known(node_storage: &Path) -> bool {
    node_storage.join(SEAL).is_file() || node_storage.join(STORAGE_MARKER).is_file()
}

/// That a storage is not known to be one.
#[must_use]
pub fn away(node_storage: &Path) -> ManagerError {
    let path = node_storage.display();
    let found = if node_storage.is_dir() {
        format!("has neither {SEAL} nor {STORAGE_MARKER}, though nodes live in it")
    } else {
        "is not there".to_owned()
    };
    ManagerError::Unavailable {
        manager: MANAGER.to_owned(),
        reason: format!("node_storage {path} {found}"),
        hint: format!(
            "is its disk mounted? nothing was started or changed; if this is the right directory, `touch {}`",
            node_storage.join(STORAGE_MARKER).display()
        ),
    }
}

/// Whether groups of nodes are defined in a directory.
fn has_groups(node_storage: &Path) -> bool {
    let groups = fs::read_dir(node_storage.join(".s6"));
    groups.into_iter().flatten().flatten().any(|entry| entry.path().is_dir())
}

/// What the storage is told by, within it: containers that see another seal see another storage.
pub const SEAL: &str = ".s6/seal";

/// The seal as the machine sees it; none when there is none. A link in its place is none.
#[must_use]
pub fn seal(node_storage: &Path) -> Option<String> {
    let path = node_storage.join(SEAL);
    fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file)?;
    fs::read_to_string(path).ok()
}

/// The seal, made when there is none.
///
/// # Errors
/// When it cannot be made.
pub fn make_seal(node_storage: &Path, owner: Owner) -> Result<String, ManagerError> {
    if let Some(seal) = seal(node_storage).filter(|seal| !seal.is_empty()) {
        return Ok(seal);
    }
    let path = node_storage.join(SEAL);
    let seal = fs::read_to_string("/proc/sys/kernel/random/uuid")
        .map_err(|source| io_error("draw a seal for", &path, source))?;
    program::write_whole(&path, seal.as_bytes(), 0o644, owner)?;
    Ok(seal)
}

/// Takes away what was made for groups and is empty by now; the seal goes when no container can see it any more.
pub fn sweep(node_storage: &Path, is_unseen: bool) {
    let definitions = node_storage.join(".s6");
    if paths::refuse_links(&[&definitions]).is_err() {
        return;
    }
    for entry in fs::read_dir(&definitions).into_iter().flatten().flatten() {
        // Refused while there is anything in it.
        let _ = fs::remove_dir(entry.path());
    }
    let only_seal = fs::read_dir(&definitions).is_ok_and(|entries| entries.count() <= 1);
    if is_unseen && only_seal {
        let _ = fs::remove_file(node_storage.join(SEAL));
        let _ = fs::remove_dir(&definitions);
    }
}

/// An error of the file system in the manager's words.
#[must_use]
pub fn io_error(doing: &'static str, path: &Path, source: io::Error) -> ManagerError {
    ManagerError::Io { doing, path: path.to_owned(), source }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_seal_is_not_written_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let data = fs::metadata(dir.path()).unwrap();
        let owner = Owner { uid: data.uid(), gid: data.gid() };
        fs::create_dir(dir.path().join(".s6")).unwrap();
        let (seal_path, precious) = (dir.path().join(SEAL), dir.path().join("precious"));
        fs::write(&precious, "").unwrap();
        symlink(&precious, &seal_path).unwrap();
        assert_eq!(seal(dir.path()), None);
        let made = make_seal(dir.path(), owner).unwrap();
        assert_eq!(fs::read(&precious).unwrap(), b"");
        assert_eq!(seal(dir.path()), Some(made.clone()));
        assert_eq!(make_seal(dir.path(), owner).unwrap(), made, "it stays");
    }

    #[test]
    fn nothing_is_swept_away_behind_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let elsewhere = dir.path().join("elsewhere");
        fs::create_dir_all(elsewhere.join("a1")).unwrap();
        symlink(&elsewhere, dir.path().join(".s6")).unwrap();
        sweep(dir.path(), true);
        assert!(elsewhere.join("a1").is_dir());
    }
}
