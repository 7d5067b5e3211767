//! A node's directory is copied as it is: modes, owners, times, holes, and files that have several names there. Nothing in
//! its place is overwritten.

use std::collections::HashMap;
use std::ffi::CStr;
use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fd::{AsFd, OwnedFd};
use rustix::fs::{
    AtFlags, CWD, FileType, Gid, Mode, OFlags, SeekFrom, Stat, Timespec, Timestamps, Uid, chownat, fchmod, fchown,
    fstat, fsync, ftruncate, futimens, linkat, mkdirat, openat, readlinkat, seek, symlinkat, utimensat,
};
use rustix::io::Errno;

use super::tree::{Entry, directory, entries, top};

/// A copy in the making.
struct Copy<'c> {
    /// Where it is copied to.
    top: OwnedFd,
    /// Files with several names, by device and inode: where their copies are.
    linked: HashMap<(u64, u64), PathBuf>,
    /// Whether somebody asked to stop.
    stops: &'c dyn Fn() -> bool,
}

/// Copies a directory and all that is below it to a new place. What was made of it stays where that fails.
///
/// # Errors
/// [`io::ErrorKind::Interrupted`] when somebody asked to stop; [`io::ErrorKind::AlreadyExists`] where something is there.
pub(crate) fn copy(from: &Path, to: &Path, stops: &dyn Fn() -> bool) -> io::Result<()> {
    let source = top(from)?;
    mkdirat(CWD, to, Mode::RWXU)?;
    let mut copy = Copy { top: top(to)?, linked: HashMap::new(), stops };
    let target = top(to)?;
    copy.below(&source, &target, Path::new(""))?;
    finish(&target, &fstat(&source)?)?;
    written(&target)
}

/// Copies one file, for which there is a name in an open directory of the same kind.
pub(crate) fn copy_file(from: &Path, to: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let source = File::from(openat(CWD, from, flags, Mode::empty())?);
    let stat = fstat(&source)?;
    if FileType::from_raw_mode(stat.st_mode) != FileType::RegularFile {
        return Err(io::Error::other("it is not a file"));
    }
    let target = create(CWD, to)?;
    fill(&source, &target, &stat)?;
    finish(&target, &stat)?;
    Ok(fsync(&target)?)
}

/// Has all of a copy on its disk before anything is said about it.
#[cfg(target_os = "linux")]
fn written(target: &OwnedFd) -> io::Result<()> {
    Ok(rustix::fs::syncfs(target)?)
}

#[cfg(not(target_os = "linux"))]
fn written(target: &OwnedFd) -> io::Result<()> {
    rustix::fs::sync();
    Ok(fsync(target)?)
}

impl Copy<'_> {
    fn below(&mut self, from: &OwnedFd, to: &OwnedFd, path: &Path) -> io::Result<()> {
        for entry in entries(from)? {
            if (self.stops)() {
                return Err(io::ErrorKind::Interrupted.into());
            }
            let name = Path::new(std::ffi::OsStr::from_bytes(entry.name.as_bytes()));
            self.one(from, to, &entry, &path.join(name)).map_err(|error| named(&path.join(name), &error))?;
        }
        Ok(())
    }

    fn one(&mut self, from: &OwnedFd, to: &OwnedFd, entry: &Entry, path: &Path) -> io::Result<()> {
        match entry.kind() {
            FileType::Directory => {
                let source = directory(from, &entry.name)?;
                mkdirat(to, &entry.name, Mode::RWXU)?;
                let target = directory(to, &entry.name)?;
                self.below(&source, &target, path)?;
                finish(&target, &entry.stat)
            }
            FileType::RegularFile => self.file(from, to, entry, path),
            FileType::Symlink => link(from, to, entry),
            _ => Err(io::Error::other("it is a device, which no node has")),
        }
    }

    fn file(&mut self, from: &OwnedFd, to: &OwnedFd, entry: &Entry, path: &Path) -> io::Result<()> {
        let key = (entry.stat.st_dev, entry.stat.st_ino);
        if let Some(first) = self.linked.get(&key) {
            return Ok(linkat(&self.top, first, to, &entry.name, AtFlags::empty())?);
        }
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let source = File::from(openat(from, &entry.name, flags, Mode::empty())?);
        let stat = fstat(&source)?;
        if (stat.st_dev, stat.st_ino) != key {
            return Err(io::Error::other("another file took its place meanwhile"));
        }
        let target = create(to, &entry.name)?;
        fill(&source, &target, &stat)?;
        finish(&target, &stat)?;
        if stat.st_nlink > 1 {
            self.linked.insert(key, path.to_owned());
        }
        Ok(())
    }
}

fn named(path: &Path, error: &io::Error) -> io::Error {
    // The innermost name is the whole path below the top already.
    if error.get_ref().is_some_and(|inner| inner.is::<Named>()) || error.kind() == io::ErrorKind::Interrupted {
        return io::Error::new(error.kind(), Named(error.to_string()));
    }
    io::Error::new(error.kind(), Named(format!("{}: {error}", path.display())))
}

#[derive(Debug, thiserror::Error)]
#[error("{0}")]
struct Named(String);

fn create<P: rustix::path::Arg>(at: impl AsFd, name: P) -> io::Result<File> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    Ok(File::from(openat(at, name, flags, Mode::RUSR | Mode::WUSR)?))
}

/// Copies what a file holds; what it leaves out stays left out.
fn fill(mut source: &File, mut target: &File, stat: &Stat) -> io::Result<()> {
    let length = u64::try_from(stat.st_size).unwrap_or(0);
    let mut at = 0;
    while at < length {
        let (begin, end) = match stretch(source, at, length)? {
            Some(stretch) => stretch,
            None => break,
        };
        seek(source, SeekFrom::Start(begin))?;
        seek(target, SeekFrom::Start(begin))?;
        io::copy(&mut Read::by_ref(&mut source).take(end - begin), &mut target)?;
        at = end;
    }
    target.flush()?;
    Ok(ftruncate(target, length)?)
}

/// The next stretch of a file that holds something; none where nothing follows.
#[cfg(target_os = "linux")]
fn stretch(source: &File, at: u64, length: u64) -> io::Result<Option<(u64, u64)>> {
    match seek(source, SeekFrom::Data(at)) {
        Ok(begin) => Ok(Some((begin, seek(source, SeekFrom::Hole(begin))?.min(length).max(begin + 1)))),
        Err(Errno::NXIO) => Ok(None),
        // A file system that knows of no holes.
        Err(Errno::INVAL | Errno::OPNOTSUPP) => Ok(Some((at, length))),
        Err(error) => Err(error.into()),
    }
}

#[cfg(not(target_os = "linux"))]
fn stretch(_: &File, at: u64, length: u64) -> io::Result<Option<(u64, u64)>> {
    Ok(Some((at, length)))
}

/// Owner first, since giving a file away takes rights off it.
fn finish(target: impl AsFd, stat: &Stat) -> io::Result<()> {
    match fchown(&target, Some(Uid::from_raw(stat.st_uid)), Some(Gid::from_raw(stat.st_gid))) {
        // Whoever is not root may not, and has no files of others to copy.
        Err(Errno::PERM) if fstat(&target)?.st_uid == stat.st_uid => {}
        changed => changed?,
    }
    fchmod(&target, Mode::from_raw_mode(stat.st_mode))?;
    Ok(futimens(&target, &times(stat))?)
}

fn link(from: &OwnedFd, to: &OwnedFd, entry: &Entry) -> io::Result<()> {
    let leads_to = readlinkat(from, &entry.name, Vec::new())?;
    let (name, stat): (&CStr, _) = (&entry.name, &entry.stat);
    symlinkat(leads_to, to, name)?;
    match chownat(
        to,
        name,
        Some(Uid::from_raw(stat.st_uid)),
        Some(Gid::from_raw(stat.st_gid)),
        AtFlags::SYMLINK_NOFOLLOW,
    ) {
        Err(Errno::PERM) => {}
        changed => changed?,
    }
    Ok(utimensat(to, name, &times(stat), AtFlags::SYMLINK_NOFOLLOW)?)
}

#[expect(clippy::useless_conversion, reason = "these figures are of other types elsewhere")]
fn times(stat: &Stat) -> Timestamps {
    let time =
        |seconds, nanoseconds: u64| Timespec { tv_sec: seconds, tv_nsec: i64::try_from(nanoseconds).unwrap_or(0) };
    Timestamps {
        last_access: time(stat.st_atime.into(), stat.st_atime_nsec.into()),
        last_modification: time(stat.st_mtime.into(), stat.st_mtime_nsec.into()),
    }
}
