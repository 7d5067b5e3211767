//! The identity of a node is its key: read from a directory that is not trusted, and judged whether it is whole.

use std::ffi::OsString;
use std::fmt;
use std::io::{self, Read, Write};
use std::path::Path;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Gid, Mode, OFlags, Uid, fchmod, fchown, fsync, mkdirat, openat, unlinkat};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use wnm_pm::command::{CommandError, CommandRunner};
use wnm_pm::flavour::Flavour;
use wnm_pm::hint::chain;
use wnm_pm::privilege::Privilege;
use wnm_pm::user::Owner;

use crate::storage::rename_new;

/// The key of a node, which is shown to nobody.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Key(pub(crate) Vec<u8>);

impl From<Vec<u8>> for Key {
    fn from(bytes: Vec<u8>) -> Self {
        Self(bytes)
    }
}

impl fmt::Debug for Key {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "Key({} bytes)", self.0.len())
    }
}

/// No key is longer.
pub(crate) const KEY_BYTES_MAX: u64 = 1 << 20;

/// A v1 key is so long.
const V1_BYTES: usize = 32;

/// No whole v2 key is shorter: it holds two keys of thousands of bytes, written in digits.
const V2_BYTES_MIN: usize = 4 << 10;

/// The key in a node's directory; none where there is none. Neither the directory nor the key may be a symbolic link.
///
/// # Errors
/// When it cannot be read, is not a file, or is far too long for a key.
pub(crate) fn read(root_dir: &Path, flavour: Flavour) -> io::Result<Option<Vec<u8>>> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = match openat(CWD, root_dir, flags | OFlags::DIRECTORY, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        opened => opened?,
    };
    // A pipe would be waited for.
    let file = match openat(&directory, flavour.key_file(), flags | OFlags::NONBLOCK, Mode::empty()) {
        Err(Errno::NOENT) => return Ok(None),
        opened => std::fs::File::from(opened?),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    let mut key = Vec::new();
    file.take(KEY_BYTES_MAX + 1).read_to_end(&mut key)?;
    if key.len() as u64 > KEY_BYTES_MAX {
        return Err(io::Error::other("it is too long for a key"));
    }
    Ok(Some(key))
}

/// The same through sudo, of a node that runs as another user: `dd` follows no link to the key, waits for no pipe, and writes
/// into a file that is there already and only its owner can read.
pub(crate) async fn read_as_root(
    runner: &dyn CommandRunner,
    root_dir: &Path,
    flavour: Flavour,
) -> io::Result<Option<Key>> {
    let copy = tempfile::NamedTempFile::new()?;
    let operand = |name: &str, path: &Path| {
        let mut word = OsString::from(name);
        word.push(path);
        word
    };
    let command = Privilege::of_root()
        .command("dd")
        .arg(operand("if=", &root_dir.join(flavour.key_file())))
        .arg(operand("of=", copy.path()))
        .args(["bs=1M", "count=2", "iflag=nofollow,nonblock,fullblock", "conv=notrunc,nocreat", "status=none"]);
    match runner.succeed(&command).await {
        Ok(_) => {}
        Err(CommandError::Failed { said, .. }) if said.contains("No such file") => return Ok(None),
        Err(CommandError::Failed { said, .. }) if said.contains("symbolic links") => return Ok(None),
        Err(error) => return Err(io::Error::other(chain(&error))),
    }
    let key = std::fs::read(copy.path())?;
    if key.len() as u64 > KEY_BYTES_MAX {
        return Ok(None);
    }
    Ok(Some(Key(key)))
}

/// Whether it is no key that could not be read: a link, or something that no node makes, in its place or in that of the
/// node's directory.
pub(crate) fn is_not_a_key(error: &io::Error) -> bool {
    let strange = [Errno::LOOP, Errno::NOTDIR].map(|errno| Some(errno.raw_os_error()));
    error.kind() == io::ErrorKind::Other || strange.contains(&error.raw_os_error())
}

/// Makes a node's directory with its key in it, both `owner`'s where nodes run as another user than this one. A key that is
/// there already stays.
///
/// # Errors
/// When either cannot be made.
pub(crate) fn place(root_dir: &Path, flavour: Flavour, key: Option<&[u8]>, owner: Option<Owner>) -> io::Result<()> {
    let directory = open_directory(root_dir, owner)?;
    key.map_or(Ok(()), |key| write_key(&directory, flavour.key_file(), key, owner))?;
    Ok(fsync(&directory)?)
}

/// The directory of a node, made when it is missing. No link in its place is followed: nodes may write to the storage.
fn open_directory(path: &Path, owner: Option<Owner>) -> io::Result<OwnedFd> {
    match mkdirat(CWD, path, Mode::RWXU) {
        Err(Errno::EXIST) => {}
        made => made?,
    }
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = openat(CWD, path, flags, Mode::empty())?;
    fchmod(&directory, Mode::RWXU)?;
    give(&directory, owner)?;
    Ok(directory)
}

/// Writes a key, whole or not at all, and over nothing: one that is there was found to be this one.
fn write_key(directory: &OwnedFd, name: &str, key: &[u8], owner: Option<Owner>) -> io::Result<()> {
    let unfinished = format!("{name}.new");
    match unlinkat(directory, &unfinished, AtFlags::empty()) {
        Err(Errno::NOENT) => {}
        removed => removed?,
    }
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::RUSR | Mode::WUSR;
    let mut file = std::fs::File::from(openat(directory, &unfinished, flags, mode)?);
    fchmod(&file, mode)?;
    give(&file, owner)?;
    file.write_all(key)?;
    file.sync_all()?;
    match rename_new(directory, &unfinished, directory, name) {
        Err(Errno::EXIST) => Ok(unlinkat(directory, &unfinished, AtFlags::empty())?),
        renamed => Ok(renamed?),
    }
}

/// Makes it the nodes' user's.
fn give(to: impl AsFd, owner: Option<Owner>) -> io::Result<()> {
    let Some(Owner { uid, gid }) = owner else { return Ok(()) };
    Ok(fchown(to, Some(Uid::from_raw(uid)), Some(Gid::from_raw(gid)))?)
}

/// What keeps a key from being whole; none where nothing is seen to.
pub(crate) fn fault(flavour: Flavour, key: &[u8]) -> Option<String> {
    let bytes = key.len();
    if !key.is_empty() && key.iter().all(|byte| *byte == 0) {
        return Some("it holds nothing but zeros".to_owned());
    }
    match flavour {
        Flavour::V1 if bytes != V1_BYTES => Some(format!("it has {bytes} bytes instead of {V1_BYTES}")),
        Flavour::V2 if bytes < V2_BYTES_MIN => Some(format!("it ends after {bytes} bytes")),
        // It is JSON as of today, of which nothing can be missing without a trace.
        Flavour::V2 if key.starts_with(b"{\n") || key.starts_with(b"{\"") => {
            let parsed = serde_json::from_slice::<serde::de::IgnoredAny>(key);
            parsed.err().map(|error| format!("it is not whole: {error}"))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    #[test]
    fn a_truncated_key_is_told_from_a_whole_one() {
        let text = format!("{{\"secret\":[{}1]}}", "7,".repeat(3_000));
        let faults = [
            fault(Flavour::V1, &[7; 32]),
            fault(Flavour::V1, &[7; 31]),
            fault(Flavour::V1, &[]),
            fault(Flavour::V1, &[0; 32]),
            fault(Flavour::V2, text.as_bytes()),
            fault(Flavour::V2, &text.as_bytes()[..5_000]),
            fault(Flavour::V2, &[7; 50_796]),
            fault(Flavour::V2, &[7; 100]),
        ];
        let words = faults.map(|fault| fault.unwrap_or_else(|| "whole".to_owned()));
        insta::assert_snapshot!(words.join("\n"), @"
        whole
        it has 31 bytes instead of 32
        it has 0 bytes instead of 32
        it holds nothing but zeros
        whole
        it is not whole: EOF while parsing a list at line 1 column 5000
        whole
        it ends after 100 bytes
        ");
    }

    /// Whom sudo would be asked for, root reads directly.
    #[tokio::test]
    async fn what_only_root_may_read_is_read_without_following_links() {
        if !rustix::process::geteuid().is_root() {
            return;
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        let root_dir = directory.path();
        let key = root_dir.join("secret-key");
        let read = || read_as_root(&wnm_pm::command::SystemRunner, root_dir, Flavour::V1);
        assert_eq!(read().await.expect("there is none"), None);
        fs::write(&key, (0..=255).collect::<Vec<u8>>()).expect("it is written");
        assert_eq!(read().await.expect("it is read"), Some(Key((0..=255).collect())), "byte for byte");
        fs::write(&key, vec![7; 3 << 20]).expect("it is written");
        assert_eq!(read().await.expect("it is no key"), None);
        fs::remove_file(&key).and_then(|()| symlink("/etc/hostname", &key)).expect("a link is made");
        assert_eq!(read().await.expect("it is no key"), None);
    }

    #[test]
    fn no_link_leads_to_anothers_key() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let [node, precious] = ["node", "precious"].map(|name| directory.path().join(name));
        fs::create_dir(&node).and_then(|()| fs::write(&precious, [7; 32])).expect("they are made");
        assert!(read(&node, Flavour::V1).expect("there is none").is_none());
        symlink(&precious, node.join("secret-key")).expect("a link is made");
        assert!(read(&node, Flavour::V1).is_err());
        fs::remove_file(node.join("secret-key"))
            .and_then(|()| fs::copy(&precious, node.join("secret-key")))
            .expect("it is copied");
        assert_eq!(read(&node, Flavour::V1).expect("it is read"), Some(vec![7; 32]));
        symlink(&node, directory.path().join("link")).expect("a link is made");
        assert!(read(&directory.path().join("link"), Flavour::V1).is_err());
        fs::write(node.join("node_identity.key"), vec![7; 2 << 20]).expect("it is written");
        assert!(read(&node, Flavour::V2).is_err(), "nobody knows how long it is");
    }
}
