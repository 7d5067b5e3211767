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
        match entry.kind() {
            FileType::Directory => {
                level(&directory(one, &entry.name)?, &directory(other, &found.name)?, every_byte, false)?;
            }
            FileType::RegularFile
                if (every_byte || (is_top && is_key(entry))) && digest(one, entry)? != digest(other, found)? =>
            {
                return Err(entry.error("has another content in the copy"));
            }
            FileType::Symlink => {
                let leads = |at: &OwnedFd, entry: &Entry| readlinkat(at, &entry.name, Vec::new());
                if leads(one, entry)? != leads(other, found)? {
                    return Err(entry.error("leads elsewhere in the copy"));
                }
            }
            _ => {}
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
