//! Access is what antctl's own user needs to the nodes' directories: root's antctl runs every node as `ant`, whatever the
//! mode is called.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use wnm_pm::hint::Hint;
use wnm_pm::privilege::Privilege;
use wnm_pm::process_manager::{ManagerError, Outcome};
use wnm_pm::shell;
use wnm_pm::user::{Owner, User};

use crate::Antctl;

/// Whom root's antctl runs nodes as.
pub(crate) const NODE_USER: &str = "ant";

impl Antctl {
    /// Makes the user that root's antctl runs nodes as where there is a group of that name already: there antctl fails to.
    pub(crate) async fn make_user(&self) -> Outcome<()> {
        let unknown = |error| ManagerError::Failed(format!("cannot look up the user {NODE_USER}: {error}"));
        let is_half =
            User::named(NODE_USER).map_err(unknown)?.is_none() && User::has_group(NODE_USER).map_err(unknown)?;
        if !self.places().system || !is_half {
            return Ok(());
        }
        let make = User::making(NODE_USER, Privilege::Own).map_err(unknown)?;
        Ok(self.caller.runner.succeed(&make).await.map(drop)?)
    }

    /// Lets the nodes' own user pass through where nodes and logs are kept, though not list them.
    ///
    /// # Errors
    /// Where a directory above does not let it: that one is not wnm's to open.
    pub(crate) fn open_storages(&self) -> Outcome<()> {
        if !self.places().system {
            return Ok(());
        }
        if let Some(closed) = self.closed() {
            let what = format!("node_storage or log_dir cannot be used: {}", refusal(&closed));
            return Err(ManagerError::advised(what, Hint::shell(opening(&closed)).to("let it pass")));
        }
        for storage in self.storages() {
            let Ok(found) = fs::metadata(&storage) else { continue };
            let mode = found.permissions().mode();
            if mode & 0o001 == 0 {
                let opened = fs::set_permissions(&storage, Permissions::from_mode(mode | 0o001));
                opened.map_err(|source| ManagerError::io("open", &storage, source))?;
            }
        }
        Ok(())
    }

    /// The first directory above the storages that does not let the nodes' own user pass.
    pub(crate) fn closed(&self) -> Option<PathBuf> {
        if !self.places().system {
            return None;
        }
        // There is none until antctl has made it.
        let user = User::named(NODE_USER).ok().flatten().map(|user| user.owner);
        self.storages().iter().find_map(|storage| closed_to(user, storage.parent()?))
    }
}

/// What is wrong with a directory.
pub(crate) fn refusal(closed: &Path) -> String {
    format!("{} does not let {NODE_USER} pass, and root's antctl runs nodes as {NODE_USER}", closed.display())
}

/// The command that fixes it.
pub(crate) fn opening(closed: &Path) -> String {
    format!("chmod o+x {}", shell::word(closed))
}

/// The first directory on the way to a path that this user may not pass; or anybody, for none.
fn closed_to(user: Option<Owner>, path: &Path) -> Option<PathBuf> {
    let mut way: Vec<&Path> = path.ancestors().collect();
    way.reverse();
    let closed = way.into_iter().find(|directory| {
        fs::metadata(directory).is_ok_and(|found| {
            let bit = match user {
                Some(user) if found.uid() == user.uid => 0o100,
                Some(user) if found.gid() == user.gid => 0o010,
                _ => 0o001,
            };
            found.permissions().mode() & bit == 0
        })
    });
    closed.map(Path::to_owned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_closed_directory_above_the_storage_is_named() {
        let home = tempfile::tempdir().expect("a temporary directory");
        let below = home.path().join("nodes");
        fs::create_dir(&below).expect("it is made");
        fs::set_permissions(home.path(), Permissions::from_mode(0o700)).expect("it is ours");
        let owner = fs::metadata(home.path()).expect("it is there");
        assert_eq!(closed_to(None, &below), Some(home.path().to_owned()));
        assert_eq!(closed_to(Some(Owner { uid: owner.uid(), gid: owner.gid() }), &below), None);
        assert_eq!(opening(Path::new("/srv/my nodes")), "chmod o+x '/srv/my nodes'");
    }
}
