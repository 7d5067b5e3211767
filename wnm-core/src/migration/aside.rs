//! What a node was is set aside in a private directory within its own, by names of open directories: no link that somebody
//! put there leads anywhere else.

use std::fs::File;
use std::io::{self, Read, Write};
use std::path::Path;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    Access, AtFlags, CWD, Gid, Mode, OFlags, Uid, accessat, fchmod, fchown, fstat, fsync, mkdirat, openat, unlinkat,
};
use rustix::io::Errno;

use super::{FROM, TO};
use crate::node::Ports;
use crate::storage::rename_new;

/// The directory within a node's own.
const ASIDE: &str = ".v1";
/// What was noted there of the node.
const NOTED: &str = "ports.json";
/// No note is longer.
const NOTED_BYTES_MAX: u64 = 4 << 10;

/// What v1 keeps in a node's directory beside its key and its program.
const DATA: [&str; 4] = ["record_store", "network_key_version", "historic_quoting_metrics", "antnode.pid"];

/// Everything that is set aside, the identity last: while that is in its place, it is not done.
fn names() -> Vec<String> {
    let program = FROM.program_name();
    let programs = [program.to_owned(), format!("{program}.stamp"), format!("{program}.previous")];
    let data = DATA.map(str::to_owned);
    programs.into_iter().chain(data).chain([FROM.key_file().to_owned()]).collect()
}

/// Refuses a directory in which nothing can be set aside.
pub(super) fn check(root_dir: &Path) -> Result<(), String> {
    let checked =
        directory(CWD, root_dir).and_then(|_| Ok(accessat(CWD, root_dir, Access::WRITE_OK, AtFlags::EACCESS)?));
    checked.map_err(|error| error.to_string())
}

/// Whether the identity of a node was set aside.
pub(crate) fn is_set_aside(root_dir: &Path) -> bool {
    root_dir.join(ASIDE).join(FROM.key_file()).symlink_metadata().is_ok_and(|found| found.is_file())
}

/// Sets aside what a node was as v1, and notes the ports that it had. May be repeated.
///
/// # Errors
/// When something cannot be moved; calling again goes on.
pub(crate) fn set_aside(root_dir: &Path, ports: Option<&Ports>) -> io::Result<()> {
    let root = directory(CWD, root_dir)?;
    match mkdirat(&root, ASIDE, Mode::RWXU) {
        Err(Errno::EXIST) => {}
        made => made?,
    }
    let aside = directory(root.as_fd(), ASIDE.as_ref())?;
    let owner = fstat(&root)?;
    let of_node = (Some(Uid::from_raw(owner.st_uid)), Some(Gid::from_raw(owner.st_gid)));
    fchmod(&aside, Mode::RWXU)?;
    fchown(&aside, of_node.0, of_node.1)?;
    if let Some(ports) = ports {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        match openat(&aside, NOTED, flags, Mode::RUSR | Mode::WUSR) {
            Err(Errno::EXIST) => {}
            made => {
                let mut file = File::from(made?);
                fchown(&file, of_node.0, of_node.1)?;
                file.write_all(&serde_json::to_vec(ports)?)?;
            }
        }
    }
    for name in names() {
        rename(&root, &aside, &name)?;
    }
    fsync(&aside)?;
    Ok(fsync(&root)?)
}

/// Puts back what was set aside, and removes what wnm had put there for v2. May be repeated.
///
/// # Errors
/// When something cannot be moved; calling again goes on.
pub(crate) fn put_back(root_dir: &Path) -> io::Result<()> {
    let root = directory(CWD, root_dir)?;
    let program = TO.program_name();
    for name in [program.to_owned(), format!("{program}.stamp")] {
        remove(&root, &name, AtFlags::empty())?;
    }
    let aside = match directory(root.as_fd(), ASIDE.as_ref()) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        opened => opened?,
    };
    for name in names() {
        rename(&aside, &root, &name)?;
    }
    fsync(&root)?;
    remove(&aside, NOTED, AtFlags::empty())?;
    remove(&root, ASIDE, AtFlags::REMOVEDIR)?;
    Ok(fsync(&root)?)
}

/// The ports that were noted of a node; whoever reads this knows that the node itself could have written them.
pub(super) fn noted_ports(root_dir: &Path) -> Option<Ports> {
    let aside = directory(directory(CWD, root_dir).ok()?.as_fd(), ASIDE.as_ref()).ok()?;
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let file = File::from(openat(&aside, NOTED, flags, Mode::empty()).ok()?);
    let mut text = Vec::new();
    file.take(NOTED_BYTES_MAX).read_to_end(&mut text).ok()?;
    serde_json::from_slice(&text).ok()
}

fn directory(at: impl AsFd, path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(at, path, flags, Mode::empty())?)
}

/// Moves what is there; nothing is overwritten.
fn rename(from: &OwnedFd, to: &OwnedFd, name: &str) -> io::Result<()> {
    match rename_new(from, name, to, name) {
        Err(Errno::NOENT) => Ok(()),
        Err(Errno::EXIST) => Err(io::Error::new(io::ErrorKind::AlreadyExists, format!("there are two of {name}"))),
        moved => Ok(moved?),
    }
}

fn remove(at: &OwnedFd, name: &str, flags: AtFlags) -> io::Result<()> {
    match unlinkat(at, name, flags) {
        Err(Errno::NOENT) => Ok(()),
        removed => Ok(removed?),
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;
    use crate::node::PortKind;

    fn node() -> tempfile::TempDir {
        let node = tempfile::tempdir().expect("a temporary directory");
        fs::write(node.path().join("secret-key"), [7; 32]).expect("it is written");
        fs::write(node.path().join("antnode"), "#!program").expect("it is written");
        fs::create_dir(node.path().join("record_store")).expect("it is made");
        fs::write(node.path().join("mine"), "the owner's own").expect("it is written");
        node
    }

    fn listed(directory: &Path) -> Vec<String> {
        let entries = fs::read_dir(directory).expect("it is read").flatten();
        let mut names: Vec<String> = entries.map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
        names.sort();
        names
    }

    #[test]
    fn what_is_set_aside_is_private_and_comes_back() {
        let node = node();
        let before = listed(node.path());
        let ports = Ports::default().with(PortKind::Node, 55_001).with(PortKind::Metrics, 14_000);
        for _ in 0..2 {
            set_aside(node.path(), Some(&ports)).expect("it is set aside");
            assert!(is_set_aside(node.path()));
            assert_eq!(listed(node.path()), [".v1", "mine"]);
        }
        let aside = node.path().join(".v1");
        assert_eq!(listed(&aside), ["antnode", "ports.json", "record_store", "secret-key"]);
        assert_eq!(fs::metadata(&aside).expect("it is there").permissions().mode() & 0o777, 0o700);
        assert_eq!(noted_ports(node.path()), Some(ports));
        fs::write(node.path().join("ant-node"), "#!v2").expect("it is written");
        for _ in 0..2 {
            put_back(node.path()).expect("it is put back");
            assert_eq!(listed(node.path()), before);
        }
    }

    #[test]
    fn no_identity_is_overwritten_and_no_link_followed() {
        let node = node();
        set_aside(node.path(), None).expect("it is set aside");
        fs::write(node.path().join("secret-key"), [8; 32]).expect("it is written");
        set_aside(node.path(), None).expect_err("there are two");
        put_back(node.path()).expect_err("there are two");
        assert_eq!(fs::read(node.path().join("secret-key")).expect("it is there"), [8; 32]);
        assert_eq!(fs::read(node.path().join(".v1/secret-key")).expect("it is there"), [7; 32]);

        let other = self::node();
        let precious = tempfile::tempdir().expect("a temporary directory");
        symlink(precious.path(), other.path().join(".v1")).expect("a link is made");
        set_aside(other.path(), None).expect_err("it is a link");
        put_back(other.path()).expect_err("it is a link");
        assert_eq!(listed(precious.path()), Vec::<String>::new());
        assert!(other.path().join("secret-key").is_file());
        let link = precious.path().join("link");
        symlink(other.path(), &link).expect("a link is made");
        assert!(check(&link).is_err() && check(other.path()).is_ok());
    }
}
