//! Access is what antctl's own user needs to the nodes' directories: root's antctl runs every node as `ant`, whatever the
//! mode is called.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use wnm_pm::process_manager::{ManagerError, Outcome};

use crate::Antctl;

/// Whom root's antctl runs nodes as.
pub(crate) const NODE_USER: &str = "ant";

impl Antctl {
    /// Lets the nodes' own user pass through where nodes and logs are kept, though not list them.
    ///
    /// # Errors
    /// [`ManagerError::Unusable`] where a directory above lets it not: that one is not wnm's to open.
    pub(crate) fn open_storages(&self) -> Outcome<()> {
        if !self.places().system {
            return Ok(());
        }
        if let Some(closed) = self.closed() {
            return Err(ManagerError::Unusable {
                what: "node_storage or log_dir".to_owned(),
                reason: format!("{}\nhint: {}", refusal(&closed), repair(&closed)),
            });
        }
        for storage in self.storages() {
            let Ok(found) = fs::metadata(&storage) else { continue };
            let mode = found.permissions().mode();
            if mode & 0o001 == 0 {
                let opened = fs::set_permissions(&storage, Permissions::from_mode(mode | 0o001));
                opened.map_err(|source| ManagerError::Io { doing: "open", path: storage, source })?;
            }
        }
        Ok(())
    }

    /// The first directory above the storages that does not let the nodes' own user pass.
    pub(crate) fn closed(&self) -> Option<PathBuf> {
        if !self.places().system {
            return None;
        }
        let user = fs::read_to_string("/etc/passwd").ok().and_then(|users| ids(&users));
        self.storages().iter().find_map(|storage| closed_to(user, storage.parent()?))
    }
}

/// What is wrong with a directory.
pub(crate) fn refusal(closed: &Path) -> String {
    format!("{} does not let {NODE_USER} pass, and antctl of root runs nodes as {NODE_USER}", closed.display())
}

/// What mends it.
pub(crate) fn repair(closed: &Path) -> String {
    format!("`chmod o+x {}`; or begin another record with node_storage and log_dir elsewhere", closed.display())
}

/// User and group of the nodes' own user; none until antctl has made it.
fn ids(users: &str) -> Option<(u32, u32)> {
    let mut lines = users.lines().map(|line| line.split(':').collect::<Vec<_>>());
    let fields = lines.find(|fields| fields[0] == NODE_USER)?;
    Some((fields.get(2)?.parse().ok()?, fields.get(3)?.parse().ok()?))
}

/// The first directory on the way to a path that somebody may not pass: a user and a group, or anybody.
fn closed_to(user: Option<(u32, u32)>, path: &Path) -> Option<PathBuf> {
    let mut way: Vec<&Path> = path.ancestors().collect();
    way.reverse();
    let closed = way.into_iter().find(|directory| {
        fs::metadata(directory).is_ok_and(|found| {
            let bit = match user {
                Some((user, _)) if found.uid() == user => 0o100,
                Some((_, group)) if found.gid() == group => 0o010,
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
        assert_eq!(closed_to(Some((owner.uid(), owner.gid())), &below), None);
        let users = "root:x:0:0:root:/root:/bin/bash\nant:x:1001:1002::/home/ant:/bin/bash\n";
        assert_eq!(ids(users), Some((1001, 1002)));
        assert_eq!(ids("antonia:x:1:1::/:/bin/sh\n"), None);
    }
}
