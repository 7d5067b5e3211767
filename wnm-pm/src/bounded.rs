//! Reading where somebody else may write: no link is followed, nothing but files and directories is opened, nothing waits,
//! and nothing is read beyond a limit.

use std::fs::File;
use std::io::{self, ErrorKind, Read, Seek, SeekFrom};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, Stat, fstat, openat, statat};
use serde::{Deserialize, Serialize};

/// What is in the way of reading.
#[derive(Debug, thiserror::Error)]
pub enum Fault {
    /// A link, or something else that is neither a file nor a directory.
    #[error("{path} is not a {wanted}: it is left unread", path = path.display())]
    Kind {
        /// Where.
        path: PathBuf,
        /// What it should be.
        wanted: &'static str,
    },
    /// It is larger than anything that a node writes there.
    #[error("{path} has {bytes} bytes, more than a node writes there: it is left unread", path = path.display())]
    Size {
        /// Where.
        path: PathBuf,
        /// Its size.
        bytes: u64,
    },
    /// It cannot be read.
    #[error("cannot read {path}: {source}", path = path.display())]
    Io {
        /// Where.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

/// Which state of a file was read: one that has not changed since need not be read again.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct Edition {
    inode: u64,
    /// In bytes.
    pub size: u64,
    /// When it was last written to, in seconds since the epoch.
    pub modified: i64,
    nanoseconds: i64,
}

impl Edition {
    fn of(stat: &Stat) -> Self {
        Self {
            inode: stat.st_ino,
            size: u64::try_from(stat.st_size).unwrap_or(0),
            modified: stat.st_mtime,
            nanoseconds: stat.st_mtime_nsec.try_into().unwrap_or(0),
        }
    }

    /// Whether the other is a state of the same file.
    #[must_use]
    pub fn is_same_file(&self, other: &Self) -> bool {
        self.inode == other.inode
    }

    /// Whether the other is the same file, to which something may have been added.
    #[must_use]
    pub fn continues(&self, other: &Self) -> bool {
        self.inode == other.inode && self.size >= other.size
    }
}

/// An open directory.
pub struct Directory {
    descriptor: OwnedFd,
    path: PathBuf,
}

impl Directory {
    /// Opens a directory; none where there is none.
    ///
    /// # Errors
    /// What is in the way.
    pub fn open(path: &Path) -> Result<Option<Self>, Fault> {
        Self::opened(openat(CWD, path, Self::FLAGS, Mode::empty()), path.to_owned())
    }

    const FLAGS: OFlags = OFlags::RDONLY.union(OFlags::DIRECTORY).union(OFlags::NOFOLLOW).union(OFlags::CLOEXEC);

    fn opened(result: rustix::io::Result<OwnedFd>, path: PathBuf) -> Result<Option<Self>, Fault> {
        match result {
            Ok(descriptor) => Ok(Some(Self { descriptor, path })),
            Err(rustix::io::Errno::NOENT) => Ok(None),
            Err(rustix::io::Errno::LOOP | rustix::io::Errno::NOTDIR) => Err(Fault::Kind { path, wanted: "directory" }),
            Err(error) => Err(Fault::Io { path, source: error.into() }),
        }
    }

    /// Opens a directory inside; none where there is none.
    ///
    /// # Errors
    /// What is in the way.
    pub fn inside(&self, name: &str) -> Result<Option<Self>, Fault> {
        Self::opened(openat(&self.descriptor, name, Self::FLAGS, Mode::empty()), self.path.join(name))
    }

    /// The state of a file inside; none where there is none.
    ///
    /// # Errors
    /// What is in the way.
    pub fn edition(&self, name: &str) -> Result<Option<Edition>, Fault> {
        let stat = match statat(&self.descriptor, name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => stat,
            Err(rustix::io::Errno::NOENT) => return Ok(None),
            Err(error) => return Err(self.io(name, error.into())),
        };
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok(Some(Edition::of(&stat))),
            _ => Err(self.not_a_file(name)),
        }
    }

    /// The whole of a file, which may have no more than so many bytes.
    ///
    /// # Errors
    /// What is in the way.
    pub fn read(&self, name: &str, most: u64) -> Result<Vec<u8>, Fault> {
        let (file, edition) = self.file(name)?;
        let mut bytes = Vec::new();
        file.take(most + 1).read_to_end(&mut bytes).map_err(|error| self.io(name, error))?;
        match bytes.len() as u64 {
            read if read > most => Err(Fault::Size { path: self.path.join(name), bytes: edition.size.max(read) }),
            _ => Ok(bytes),
        }
    }

    /// What stands in a file from a place on, so many bytes at most.
    ///
    /// # Errors
    /// What is in the way.
    pub fn read_from(&self, name: &str, place: u64, most: u64) -> Result<Vec<u8>, Fault> {
        let (mut file, _) = self.file(name)?;
        let mut bytes = Vec::new();
        let read = file.seek(SeekFrom::Start(place)).and_then(|_| file.take(most).read_to_end(&mut bytes));
        read.map_err(|error| self.io(name, error))?;
        Ok(bytes)
    }

    /// Opens a file, and answers its state. A pipe would keep whoever opens it waiting for a writer, so nothing waits here.
    ///
    /// # Errors
    /// What is in the way, also that there is none: [`Fault::is_gone`].
    pub fn file(&self, name: &str) -> Result<(File, Edition), Fault> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::NOCTTY | OFlags::CLOEXEC;
        let descriptor = match openat(&self.descriptor, name, flags, Mode::empty()) {
            Ok(descriptor) => descriptor,
            Err(rustix::io::Errno::LOOP) => return Err(self.not_a_file(name)),
            Err(error) => return Err(self.io(name, error.into())),
        };
        let stat = fstat(&descriptor).map_err(|error| self.io(name, error.into()))?;
        match FileType::from_raw_mode(stat.st_mode) {
            FileType::RegularFile => Ok((descriptor.into(), Edition::of(&stat))),
            _ => Err(self.not_a_file(name)),
        }
    }

    /// The names in it that are text, so many at most.
    ///
    /// # Errors
    /// What is in the way.
    pub fn names(&self, most: usize) -> Result<Vec<String>, Fault> {
        let failed = |error: rustix::io::Errno| Fault::Io { path: self.path.clone(), source: error.into() };
        let entries = Dir::read_from(&self.descriptor).map_err(failed)?;
        let names =
            entries.filter_map(Result::ok).filter_map(|entry| entry.file_name().to_str().ok().map(str::to_owned));
        Ok(names.filter(|name| name != "." && name != "..").take(most).collect())
    }

    /// It, for whoever looks at many files in it.
    #[must_use]
    pub fn descriptor(&self) -> &OwnedFd {
        &self.descriptor
    }

    fn io(&self, name: &str, source: io::Error) -> Fault {
        Fault::Io { path: self.path.join(name), source }
    }

    fn not_a_file(&self, name: &str) -> Fault {
        Fault::Kind { path: self.path.join(name), wanted: "file" }
    }
}

impl Fault {
    /// Whether it is only that the file went away meanwhile.
    #[must_use]
    pub fn is_gone(&self) -> bool {
        matches!(self, Self::Io { source, .. } if source.kind() == ErrorKind::NotFound)
    }
}
