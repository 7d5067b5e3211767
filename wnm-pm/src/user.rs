//! Users of this machine, as its own name service knows them (`/etc/passwd`, and whatever else it asks).

use std::io;

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

impl From<unistd::User> for User {
    fn from(user: unistd::User) -> Self {
        Self { name: user.name, owner: Owner { uid: user.uid.as_raw(), gid: user.gid.as_raw() } }
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
