//! A tree of files is walked by open directories, so that no symbolic link that somebody puts into it leads anywhere else.

use std::ffi::CString;
use std::io;
use std::path::Path;

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, openat, statat};

/// An entry of a directory.
pub(super) struct Entry {
    pub name: CString,
    pub stat: Stat,
}

impl Entry {
    pub fn kind(&self) -> FileType {
        FileType::from_raw_mode(self.stat.st_mode)
    }

    /// What is copied: a socket or a pipe is nothing without the process that made it.
    fn is_kept(&self) -> bool {
        !matches!(self.kind(), FileType::Socket | FileType::Fifo)
    }

    /// An error about this entry.
    pub fn error(&self, what: &str) -> io::Error {
        io::Error::other(format!("{} {what}", self.name.to_string_lossy()))
    }
}

/// Opens a directory, unless it is a link.
pub(super) fn directory(at: impl AsFd, name: &std::ffi::CStr) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(at, name, flags, Mode::empty())?)
}

/// Opens the top of a tree.
pub(super) fn top(path: &Path) -> io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(openat(CWD, path, flags, Mode::empty())?)
}

/// What is in a directory, by name.
pub(super) fn entries(at: &OwnedFd) -> io::Result<Vec<Entry>> {
    let mut found = Vec::new();
    for entry in Dir::read_from(at)? {
        let name = entry?.file_name().to_owned();
        if name.as_bytes() == b"." || name.as_bytes() == b".." {
            continue;
        }
        let stat = statat(at, &name, AtFlags::SYMLINK_NOFOLLOW)?;
        found.push(Entry { name, stat });
    }
    found.retain(Entry::is_kept);
    found.sort_by(|one, other| one.name.cmp(&other.name));
    Ok(found)
}

/// How much a tree takes of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Size {
    /// Bytes of disk.
    pub bytes: u64,
    /// Files and directories.
    pub inodes: u64,
}

impl Size {
    pub fn plus(self, other: Self) -> Self {
        Self { bytes: self.bytes.saturating_add(other.bytes), inodes: self.inodes.saturating_add(other.inodes) }
    }

    /// The greater of both, figure by figure.
    pub fn or(self, other: Self) -> Self {
        Self { bytes: self.bytes.max(other.bytes), inodes: self.inodes.max(other.inodes) }
    }
}

/// How much the tree below a directory takes.
pub(crate) fn size(path: &Path) -> io::Result<Size> {
    fn below(at: &OwnedFd) -> io::Result<Size> {
        let mut sum = Size { bytes: 0, inodes: 1 };
        for entry in entries(at)? {
            let bytes = u64::try_from(entry.stat.st_blocks).unwrap_or(0).saturating_mul(512);
            sum = sum.plus(Size { bytes, inodes: 0 });
            let more = match entry.kind() {
                FileType::Directory => below(&directory(at, &entry.name)?)?,
                _ => Size { bytes: 0, inodes: 1 },
            };
            sum = sum.plus(more);
        }
        Ok(sum)
    }
    below(&top(path)?)
}
