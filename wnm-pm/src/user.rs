//! Users of this machine, as its own name service knows them (`/etc/passwd`, and whatever else it asks).

use std::ffi::CString;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use nix::unistd;

use crate::command::Command;
use crate::privilege::Privilege;

/// A user of this machine.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct User {
    /// The name.
    pub name: String,
    /// The user's id, and that of the user's own group.
    pub owner: Owner,
    /// The home directory.
    pub home: PathBuf,
}

/// Whom a file belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Owner {
    /// The user's id.
    pub uid: u32,
    /// The group's id.
    pub gid: u32,
}

impl User {
    /// The user of this name; none when there is no such user.
    ///
    /// # Errors
    /// When the name service does not answer.
    pub fn named(name: &str) -> io::Result<Option<Self>> {
        Ok(unistd::User::from_name(name)?.map(Self::from))
    }

    /// The user with this id; none when nobody has it.
    ///
    /// # Errors
    /// When the name service does not answer.
    pub fn with_id(uid: u32) -> io::Result<Option<Self>> {
        Ok(unistd::User::from_uid(uid.into())?.map(Self::from))
    }

    /// Makes this process this user's, with all groups of that user; only root may, and there is no way back.
    ///
    /// # Errors
    /// When the kernel refuses it.
    pub fn become_user(&self) -> io::Result<()> {
        let (uid, gid) = (self.owner.uid.into(), self.owner.gid.into());
        unistd::initgroups(&CString::new(self.name.as_str())?, gid)?;
        unistd::setgid(gid)?;
        Ok(unistd::setuid(uid)?)
    }

    /// Whether there is a group of this name.
    ///
    /// # Errors
    /// When the name service does not answer.
    pub fn has_group(name: &str) -> io::Result<bool> {
        Ok(unistd::Group::from_name(name)?.is_some())
    }

    /// The program that makes a user of this name for nodes to run as, in the group of that name: also where such a group is
    /// there and the user is not.
    ///
    /// # Errors
    /// When the name service does not answer.
    pub fn making(name: &str, privilege: Privilege) -> io::Result<Command> {
        let group = if Self::has_group(name)? { vec!["--gid", name] } else { vec!["--user-group"] };
        // cron's PATH does not include root's programs.
        let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
        let command = privilege.command("useradd").env("PATH", path).arg("--system").args(group);
        let command = command.args(["--no-create-home", "--home-dir", "/nonexistent", "--shell", "/usr/sbin/nologin"]);
        Ok(command.args(["--comment", "Autonomi nodes", name]))
    }

    /// The name of whoever runs this program, or else the number.
    #[must_use]
    pub fn own_name() -> String {
        let uid = rustix::process::getuid().as_raw();
        Self::with_id(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
    }
}

/// Where this user's own systemd and engine listen: what `XDG_RUNTIME_DIR` names, unless it is another user's, which `su` and
/// `sudo` can leave there; then, and where nothing names it, the usual place.
#[must_use]
pub fn runtime_dir() -> PathBuf {
    let usual = || PathBuf::from(format!("/run/user/{}", rustix::process::geteuid().as_raw()));
    named("XDG_RUNTIME_DIR").filter(|path| owner_of(path).is_none_or(is_own)).unwrap_or_else(usual)
}

/// The home directory of this user: what `HOME` names, unless it is another user's; then what the name service says.
#[must_use]
pub fn own_home() -> Option<PathBuf> {
    let registered = || Some(unistd::User::from_uid(unistd::geteuid()).ok()??.dir);
    named("HOME").filter(|path| owner_of(path).is_none_or(|owner| is_own(owner) || owner == 0)).or_else(registered)
}

fn named(variable: &str) -> Option<PathBuf> {
    std::env::var_os(variable).map(PathBuf::from).filter(|path| path.is_absolute())
}

/// Whom a directory belongs to; none when it is not there.
fn owner_of(directory: &Path) -> Option<u32> {
    std::fs::metadata(directory).ok().map(|data| data.uid())
}

fn is_own(owner: u32) -> bool {
    owner == rustix::process::geteuid().as_raw()
}

impl From<unistd::User> for User {
    fn from(user: unistd::User) -> Self {
        Self { name: user.name, owner: Owner { uid: user.uid.as_raw(), gid: user.gid.as_raw() }, home: user.dir }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_of_another_users_is_told_from_ones_own() {
        let directory = tempfile::tempdir().expect("a directory");
        assert_eq!(owner_of(directory.path()).map(is_own), Some(true));
        assert_eq!(owner_of(Path::new("/nowhere")), None);
        if is_own(0) {
            std::os::unix::fs::chown(directory.path(), Some(54_321), None).expect("root gives it away");
            assert_eq!(owner_of(directory.path()).map(is_own), Some(false));
        }
    }

    #[test]
    fn root_is_found_by_name_and_by_id() {
        let root = User::named("root").expect("the name service answers").expect("every machine has root");
        assert_eq!(root.owner, Owner { uid: 0, gid: 0 });
        assert_eq!(User::with_id(0).expect("the name service answers"), Some(root));
        assert_eq!(User::named("no-such-user-here").expect("the name service answers"), None);
    }

    #[test]
    fn whoever_runs_this_has_a_name() {
        assert!(!User::own_name().is_empty());
    }
}
