//! Users of this machine, as its own name service knows them (`/etc/passwd`, and whatever else it asks).

use std::ffi::CString;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::sync::Once;

use nix::unistd;
use rustix::fs::{Access, access};

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

/// Where this user's own systemd and engine listen: what `XDG_RUNTIME_DIR` names, unless that is not there or another
/// user's, as `su` and `sudo` can leave it; then, and where nothing names it, the usual place.
#[must_use]
pub fn runtime_dir() -> PathBuf {
    let usual = || PathBuf::from(format!("/run/user/{}", rustix::process::geteuid().as_raw()));
    named("XDG_RUNTIME_DIR").filter(|path| owner_of(path).is_some_and(is_own)).unwrap_or_else(usual)
}

/// The home directory of this user: what `HOME` names, unless it is another user's; then what the name service says.
#[must_use]
pub fn own_home() -> Option<PathBuf> {
    named("HOME").filter(|path| owner_of(path).is_none_or(|owner| is_own(owner) || owner == 0)).or_else(registered_home)
}

/// Where the files of this user lie: the home directory that `HOME` names. One of another user's, which `su` and `sudo` can
/// leave there, is passed over where this user has one; root is believed, since root may mean it.
#[must_use]
pub fn home() -> Option<PathBuf> {
    static TOLD: Once = Once::new();
    let given = std::env::home_dir();
    let home = choose_home(given.clone(), registered_home(), is_anothers);
    if let (Some(given), Some(home)) = (&given, &home)
        && given != home
    {
        let (given, home) = (given.display(), home.display());
        TOLD.call_once(|| tracing::warn!("HOME is {given}, which is another user's: {home} is used"));
    }
    home
}

fn choose_home(
    given: Option<PathBuf>,
    registered: Option<PathBuf>,
    is_anothers: impl Fn(&Path) -> bool,
) -> Option<PathBuf> {
    let usable = |path: &PathBuf| path.is_absolute() && path.is_dir() && !is_anothers(path);
    let passed_over = given.as_deref().is_some_and(|given| given.is_absolute() && is_anothers(given));
    registered.filter(|registered| passed_over && usable(registered)).or(given)
}

fn registered_home() -> Option<PathBuf> {
    Some(unistd::User::from_uid(unistd::geteuid()).ok()??.dir)
}

/// Whether a place is another user's, so that this user can make nothing there: by what is there, or else by what is above.
#[must_use]
pub fn is_anothers(path: &Path) -> bool {
    let there = path.ancestors().find_map(|path| Some((path, owner_of(path)?)));
    there.is_some_and(|(path, owner)| !is_own(owner) && access(path, Access::WRITE_OK).is_err())
}

/// Has a program reach this user's own session, whatever variables were inherited.
#[must_use]
pub fn in_own_session(command: Command) -> Command {
    let directory = runtime_dir();
    let inherited = std::env::var("DBUS_SESSION_BUS_ADDRESS").ok();
    let command = match inherited.as_deref().and_then(socket_in).filter(|socket| belongs_to_another(socket)) {
        Some(_) => command.env("DBUS_SESSION_BUS_ADDRESS", format!("unix:path={}/bus", directory.display())),
        None => command,
    };
    command.env("XDG_RUNTIME_DIR", directory)
}

/// The socket in the address of a bus; none where it is no file.
fn socket_in(address: &str) -> Option<PathBuf> {
    let path = address.split(';').find_map(|way| way.strip_prefix("unix:path="))?;
    Some(path.split(',').next().unwrap_or(path).into())
}

/// Whether a socket, or what is there of the way to it, belongs to another user.
fn belongs_to_another(socket: &Path) -> bool {
    socket.ancestors().find_map(owner_of).is_some_and(|owner| !is_own(owner))
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
    fn a_home_of_another_users_is_passed_over_where_there_is_one_of_ones_own() {
        let [own, anothers] = [(); 2].map(|()| tempfile::tempdir().expect("a directory"));
        let home = |given: &Path, registered: &Path| {
            choose_home(Some(given.into()), Some(registered.into()), |path| path.starts_with(anothers.path()))
        };
        let (own, anothers) = (own.path(), anothers.path());
        assert_eq!(home(own, anothers).as_deref(), Some(own));
        assert_eq!(home(anothers, own).as_deref(), Some(own));
        assert_eq!(home(anothers, anothers).as_deref(), Some(anothers), "there is none");
        assert_eq!(home(anothers, Path::new("/nonexistent")).as_deref(), Some(anothers), "there is none");
        assert_eq!(home(Path::new("relative"), own).as_deref(), Some(Path::new("relative")), "it is refused elsewhere");
        assert_eq!(choose_home(None, Some(own.into()), |_| false), None);
    }

    #[test]
    fn what_another_user_owns_is_told_by_what_is_there_of_it() {
        let directory = tempfile::tempdir().expect("a directory");
        assert!(!is_anothers(&directory.path().join("not/there")));
        if is_own(0) {
            assert!(!is_anothers(Path::new("/etc/passwd")), "root may write everywhere");
        } else {
            assert!(is_anothers(Path::new("/etc/not/there")));
        }
        let socket = |address| socket_in(address).map(|path| path.display().to_string());
        assert_eq!(socket("unix:path=/run/user/7/bus,guid=1").as_deref(), Some("/run/user/7/bus"));
        assert_eq!(socket("tcp:host=a;unix:path=/b").as_deref(), Some("/b"));
        assert_eq!(socket("unix:abstract=/tmp/dbus"), None);
        assert!(!belongs_to_another(&directory.path().join("bus")));
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
