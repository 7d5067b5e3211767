//! A copy is compared with what it was made of before that is given up.

use std::fs::File;
use std::io::{self, Read};
use std::path::Path;

use rustix::fd::OwnedFd;
use rustix::fs::{FileType, Mode, OFlags, openat, readlinkat};
use sha2::{Digest, Sha256};
use wnm_pm::flavour::Flavour;

use super::tree::{Entry, directory, entries, top};

/// Compares two trees: names, kinds, sizes, modes, owners, times and where links lead, and of keys every byte; of all files
/// where that is wanted.
///
/// # Errors
/// With the first file that differs.
pub(crate) fn compare(one: &Path, other: &Path, every_byte: bool) -> io::Result<()> {
    level(&top(one)?, &top(other)?, every_byte, true)
}

fn level(one: &OwnedFd, other: &OwnedFd, every_byte: bool, is_top: bool) -> io::Result<()> {
    let (ours, theirs) = (entries(one)?, entries(other)?);
    if let Some(missing) = ours.iter().find(|entry| !theirs.iter().any(|found| found.name == entry.name)) {
        return Err(missing.error("is missing in the copy"));
    }
    if let Some(more) = theirs.iter().find(|found| !ours.iter().any(|entry| entry.name == found.name)) {
        return Err(more.error("is in the copy only"));
    }
    for (entry, found) in ours.iter().zip(&theirs) {
        if !is_alike(entry, found) {
            return Err(entry.error("differs in the copy"));
        }
        let is_read = every_byte || (is_top && is_key(entry));
        let what = match entry.kind() {
            FileType::Directory => {
                level(&directory(one, &entry.name)?, &directory(other, &found.name)?, every_byte, false)?;
                None
            }
            FileType::RegularFile if is_read => {
                (digest(one, entry)? != digest(other, found)?).then_some("has another content in the copy")
            }
            FileType::Symlink => {
                let leads = |at: &OwnedFd, entry: &Entry| readlinkat(at, &entry.name, Vec::new());
                (leads(one, entry)? != leads(other, found)?).then_some("leads elsewhere in the copy")
            }
            _ => None,
        };
        if let Some(what) = what {
            return Err(entry.error(what));
        }
    }
    Ok(())
}

fn is_alike(one: &Entry, other: &Entry) -> bool {
    let (a, b) = (&one.stat, &other.stat);
    let is_file = one.kind() == FileType::RegularFile;
    let size_and_time = |stat: &rustix::fs::Stat| (stat.st_size, stat.st_mtime, stat.st_mtime_nsec);
    (a.st_mode, a.st_uid, a.st_gid) == (b.st_mode, b.st_uid, b.st_gid)
        && (!is_file || size_and_time(a) == size_and_time(b))
}

fn is_key(entry: &Entry) -> bool {
    Flavour::ALL.iter().any(|flavour| entry.name.as_bytes() == flavour.key_file().as_bytes())
}

fn digest(at: &OwnedFd, entry: &Entry) -> io::Result<[u8; 32]> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let mut file = File::from(openat(at, &entry.name, flags, Mode::empty())?);
    let (mut hasher, mut buffer) = (Sha256::new(), vec![0; 1 << 16]);
    loop {
        match file.read(&mut buffer)? {
            0 => return Ok(hasher.finalize().into()),
            read => hasher.update(&buffer[..read]),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::PathBuf;

    use super::super::copy::copy;
    use super::*;

    fn node(directory: &Path) -> PathBuf {
        let node = directory.join("antnode0001");
        fs::create_dir_all(node.join("record_store")).expect("it is made");
        fs::write(node.join("secret-key"), [7; 32]).expect("it is written");
        fs::write(node.join("record_store/one"), "a record").expect("it is written");
        symlink("record_store", node.join("link")).expect("a link is made");
        node
    }

    /// What is said of a copy that was changed so, with and without reading every byte.
    fn told(change: impl FnOnce(&Path)) -> [Option<String>; 2] {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (from, to) = (node(directory.path()), directory.path().join("copy"));
        copy(&from, &to, &|| false).expect("it is copied");
        assert!(compare(&from, &to, true).is_ok(), "it is the same");
        change(&to);
        [false, true].map(|every_byte| compare(&from, &to, every_byte).err().map(|error| error.to_string()))
    }

    /// Writes what leaves size and time as they are.
    fn alter(path: &Path, content: &[u8]) {
        let modified = fs::metadata(path).and_then(|found| found.modified()).expect("it is there");
        fs::write(path, content).expect("it is written");
        File::options().write(true).open(path).and_then(|file| file.set_modified(modified)).expect("its time is set");
    }

    #[test]
    fn whatever_differs_in_a_copy_is_found() {
        let same = |what: &str| [Some(what.to_owned()), Some(what.to_owned())];
        let altered = told(|to| alter(&to.join("secret-key"), &[8; 32]));
        assert_eq!(altered, same("secret-key has another content in the copy"));
        let altered = told(|to| alter(&to.join("record_store/one"), b"a rEcord"));
        assert_eq!(altered, [None, Some("one has another content in the copy".to_owned())]);
        let shorter = told(|to| fs::write(to.join("record_store/one"), "a rec").expect("it is written"));
        assert_eq!(shorter, same("one differs in the copy"));
        let open = told(|to| {
            fs::set_permissions(to.join("secret-key"), Permissions::from_mode(0o666)).expect("its mode is set");
        });
        assert_eq!(open, same("secret-key differs in the copy"));
        let gone = told(|to| fs::remove_file(to.join("record_store/one")).expect("it is there"));
        assert_eq!(gone, same("one is missing in the copy"));
        let more = told(|to| fs::write(to.join("more"), "").expect("it is written"));
        assert_eq!(more, same("more is in the copy only"));
        let led = told(|to| {
            fs::remove_file(to.join("link")).and_then(|()| symlink("/etc", to.join("link"))).expect("a link is made");
        });
        assert!(led[0].as_deref().is_some_and(|text| text.starts_with("link ")), "{led:?}");
    }

    #[test]
    fn a_copy_overwrites_nothing_follows_no_link_and_stops_when_asked_to() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (from, to) = (node(directory.path()), directory.path().join("copy"));
        let precious = directory.path().join("precious");
        fs::create_dir(&precious).expect("it is made");
        symlink(&precious, &to).expect("a link is made");
        assert_eq!(copy(&from, &to, &|| false).map_err(|error| error.kind()), Err(io::ErrorKind::AlreadyExists));
        assert_eq!(fs::read_dir(&precious).expect("it is read").count(), 0);
        let linked = directory.path().join("linked");
        symlink(&from, &linked).expect("a link is made");
        assert!(copy(&linked, &directory.path().join("other"), &|| false).is_err(), "a node's directory is no link");
        let stopped = copy(&from, &directory.path().join("other"), &|| true);
        assert_eq!(stopped.map_err(|error| error.kind()), Err(io::ErrorKind::Interrupted));
    }
}
