//! The storage is the volume that containers share with the machine: `node_storage`, and beside it the logs and the
//! peers that nodes know. Its id distinguishes containers that see it from those that see what is beneath an unmounted
//! disk.

use std::fs;
use std::path::{Path, PathBuf};

use wnm_pm::hint::Hint;
use wnm_pm::node_files::{self, Made};
use wnm_pm::path_policy::STORAGE_MARKER;
use wnm_pm::process_manager::ManagerError;
use wnm_pm::program::{self, write_whole};
use wnm_pm::shell;
use wnm_pm::user::Owner;

use crate::owner;
use crate::settings::{MANAGER, S6Settings};

/// Where the definitions of all nodes are, within the storage.
const DEFINITIONS: &str = ".s6";

/// The file that holds the storage's id, within the storage. Volumes of running fleets have it under this name.
pub const ID_FILE: &str = ".s6/seal";

/// Where the definitions of all nodes are.
#[must_use]
pub fn definitions(node_storage: &Path) -> PathBuf {
    node_storage.join(DEFINITIONS)
}

/// Where it is noted what rules and network looked like when a helper last found them in place.
#[must_use]
pub fn verified(node_storage: &Path) -> PathBuf {
    definitions(node_storage).join("verified")
}

/// Where it is written down whose turn it is to change nodes.
#[must_use]
pub fn turn(node_storage: &Path) -> PathBuf {
    definitions(node_storage).join("turn")
}

/// Where the keeper of a group listens.
#[must_use]
pub fn keeper(node_storage: &Path, group: &str) -> PathBuf {
    definitions(node_storage).join(group).join("keeper")
}

/// Makes sure that what containers mount is there. `occupied`: whether containers of this machine exist already.
///
/// # Errors
/// When the storage is not there or cannot be used; nothing was changed then.
pub fn prepare(settings: &S6Settings, occupied: bool) -> Result<Owner, ManagerError> {
    let storage = &settings.node_storage;
    if !storage.is_dir() || ((occupied || has_groups(storage)) && !is_known(storage)) {
        return Err(missing(storage));
    }
    let owner = owner::of_storage(storage)?;
    let definitions = definitions(storage);
    refuse_links(&[&definitions])?;
    let mut made = Made::default();
    for directory in [&definitions, &settings.log_dir, &settings.bootstrap_cache_dir] {
        made.directory(directory, Some(owner))?;
    }
    made.keep();
    Ok(owner)
}

/// Whether this is a storage of nodes, and not what is beneath one whose disk is not mounted: whatever else may be found
/// there, an id or wnm's own marker is not.
#[must_use]
pub fn is_known(node_storage: &Path) -> bool {
    node_storage.join(ID_FILE).is_file() || node_storage.join(STORAGE_MARKER).is_file()
}

/// That a storage is not known to be one.
#[must_use]
pub fn missing(node_storage: &Path) -> ManagerError {
    let found = if node_storage.is_dir() {
        format!("has neither {ID_FILE} nor {STORAGE_MARKER}, though nodes live in it")
    } else {
        "does not exist".to_owned()
    };
    let reason = format!("node_storage {} {found}; nothing was started or changed", node_storage.display());
    let touch = shell::word(&node_storage.join(STORAGE_MARKER));
    let hint = format!("mount its disk; if this is the right directory all the same, run `touch {touch}`");
    ManagerError::unavailable(MANAGER, reason, Hint::text(hint))
}

/// Whether groups of nodes are defined in a directory.
fn has_groups(node_storage: &Path) -> bool {
    let groups = fs::read_dir(definitions(node_storage));
    groups.into_iter().flatten().flatten().any(|entry| entry.path().is_dir())
}

/// Refuses what exists and is not a real directory. What nodes run as may write to the volume, and wnm, which may be
/// root, writes and deletes in these: a link there would lead it elsewhere.
///
/// # Errors
/// [`ManagerError::NotOurs`] with the path.
pub fn refuse_links(directories: &[&Path]) -> Result<(), ManagerError> {
    for directory in directories {
        if fs::symlink_metadata(directory).is_ok_and(|data| !data.is_dir()) {
            let reason = "it is a link or a file where wnm keeps a directory".to_owned();
            return Err(ManagerError::NotOurs { path: directory.to_path_buf(), reason });
        }
    }
    Ok(())
}

/// The storage's id as the machine sees it; none when it has none. A link in its place does not count.
#[must_use]
pub fn id(node_storage: &Path) -> Option<String> {
    let path = node_storage.join(ID_FILE);
    fs::symlink_metadata(&path).ok().filter(fs::Metadata::is_file)?;
    fs::read_to_string(path).ok()
}

/// The storage's id, made when it has none.
///
/// # Errors
/// When it cannot be made.
pub fn ensure_id(node_storage: &Path, owner: Owner) -> Result<String, ManagerError> {
    if let Some(id) = id(node_storage).filter(|id| !id.is_empty()) {
        return Ok(id);
    }
    let path = node_storage.join(ID_FILE);
    let id = fs::read_to_string("/proc/sys/kernel/random/uuid")
        .map_err(|source| ManagerError::io("draw a random id for", &path, source))?;
    write_whole(&path, id.as_bytes(), 0o644, Some(owner))?;
    Ok(id)
}

/// Removes what was made for groups and is empty by now; the id goes when no container can see it any more.
pub fn sweep(node_storage: &Path, is_unseen: bool) {
    let definitions = definitions(node_storage);
    if refuse_links(&[&definitions]).is_err() {
        return;
    }
    for entry in fs::read_dir(&definitions).into_iter().flatten().flatten() {
        if is_unseen {
            // A keeper that was killed leaves its socket.
            let _ = fs::remove_file(entry.path().join("keeper"));
        }
        // Refused while there is anything in it.
        let _ = fs::remove_dir(entry.path());
    }
    if is_unseen {
        let _ = fs::remove_file(verified(node_storage));
        let _ = fs::remove_file(turn(node_storage));
    }
    let only_id = fs::read_dir(&definitions).is_ok_and(|entries| entries.count() <= 1);
    if is_unseen && only_id {
        let _ = fs::remove_file(node_storage.join(ID_FILE));
        let _ = fs::remove_dir(&definitions);
    }
}

/// Deletes what was kept for groups in a storage that is this machine's no more.
pub fn vacate(node_storage: &Path) {
    program::shared::sweep(node_storage);
    let definitions = definitions(node_storage);
    if refuse_links(&[&definitions]).is_err() {
        return;
    }
    if let Err(error) = node_files::delete(&definitions) {
        tracing::warn!("{}", error.text());
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn an_id_is_not_written_through_a_link() {
        let dir = tempfile::tempdir().unwrap();
        let owner = owner::of(dir.path()).unwrap();
        fs::create_dir(dir.path().join(".s6")).unwrap();
        let (id_path, precious) = (dir.path().join(ID_FILE), dir.path().join("precious"));
        fs::write(&precious, "").unwrap();
        symlink(&precious, &id_path).unwrap();
        assert_eq!(id(dir.path()), None);
        let made = ensure_id(dir.path(), owner).unwrap();
        assert_eq!(fs::read(&precious).unwrap(), b"");
        assert_eq!(id(dir.path()), Some(made.clone()));
        assert_eq!(ensure_id(dir.path(), owner).unwrap(), made, "it stays");
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
