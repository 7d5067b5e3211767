//! Users of this machine, as its own name service knows them (`/etc/passwd`, and whatever else it asks).

use std::ffi::CString;
use std::io;
use std::path::PathBuf;

use nix::unistd;

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

    /// The name of whoever runs this program, or else the number.
    #[must_use]
    pub fn own_name() -> String {
        let uid = rustix::process::getuid().as_raw();
        Self::with_id(uid).ok().flatten().map_or_else(|| uid.to_string(), |user| user.name)
    }
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
