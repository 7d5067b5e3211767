//! Writing a backup: all of it beside its place, on the disk, and only then to its place at one stroke. Ended at any
//! moment, there is the old backup or the new one.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File, OpenOptions, Permissions};
use std::io::{self, BufWriter, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use rustix::fs::{CWD, RenameFlags, renameat_with};

use super::BackupError;
use super::manifest::MANIFEST;
use crate::node::UnixSeconds;

/// Whether a backup is one file or a directory of several.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// A tar archive.
    Archive,
    /// A directory.
    Directory,
}

impl Form {
    /// What a new backup of this name is: an archive where it ends in `.tar`.
    #[must_use]
    pub fn of(path: &Path) -> Self {
        let is_archive = path.extension().is_some_and(|end| end.eq_ignore_ascii_case("tar"));
        if is_archive { Self::Archive } else { Self::Directory }
    }
}

/// A file of a backup that is about to be written.
pub(super) enum Content<'c> {
    /// These bytes.
    Bytes(&'c [u8]),
    /// Those of this file.
    File(&'c Path),
}

impl Content<'_> {
    fn open(&self) -> io::Result<(u64, Box<dyn Read + '_>)> {
        Ok(match self {
            Self::Bytes(bytes) => (bytes.len() as u64, Box::new(*bytes)),
            Self::File(path) => {
                let file = File::open(path)?;
                (file.metadata()?.len(), Box::new(file))
            }
        })
    }
}

/// The files of a backup, by their paths in it, the manifest first.
pub(super) type Contents<'c> = [(String, Content<'c>)];

/// Refuses a place where something else than a backup is.
pub(super) fn check_place(path: &Path) -> Result<Form, BackupError> {
    let form = Form::of(path);
    let refused = |reason| Err(BackupError::InTheWay { path: path.to_owned(), reason });
    if path.file_name().is_none() {
        return refused("it names no file");
    }
    let found = match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(form),
        found => found.map_err(|source| BackupError::io("look at", path, source))?,
    };
    match form {
        _ if found.is_symlink() => refused("it is a symbolic link"),
        Form::Archive if !found.is_file() => refused("it is not a file"),
        Form::Archive if !begins_as_archive(path) => refused("it is not a backup"),
        Form::Directory if !found.is_dir() => refused("it is not a directory"),
        Form::Directory if !is_empty(path) && !path.join(MANIFEST).is_file() => refused("it is not a backup"),
        _ => Ok(form),
    }
}

fn is_empty(directory: &Path) -> bool {
    fs::read_dir(directory).is_ok_and(|mut entries| entries.next().is_none())
}

/// The manifest is the first file of an archive.
fn begins_as_archive(path: &Path) -> bool {
    let mut name = [0; MANIFEST.len() + 1];
    let read = File::open(path).and_then(|mut file| file.read_exact(&mut name));
    read.is_ok() && name[..MANIFEST.len()] == *MANIFEST.as_bytes() && name[MANIFEST.len()] == 0
}

/// Writes a backup to its place.
pub(super) fn write(path: &Path, contents: &Contents<'_>, now: UnixSeconds) -> Result<(), BackupError> {
    let form = check_place(path)?;
    let unfinished = Beside::begin(path, "new").map_err(|source| BackupError::io("clear the way for", path, source))?;
    let written = match form {
        Form::Archive => archive(&unfinished.0, contents, now),
        Form::Directory => directory(&unfinished.0, contents),
    };
    written.map_err(|source| BackupError::io("write the backup", path, source))?;
    let placed = match form {
        Form::Archive => fs::rename(&unfinished.0, path),
        Form::Directory => place_directory(&unfinished.0, path),
    };
    placed.map_err(|source| BackupError::io("put the backup at", path, source))?;
    let parent = parent(path);
    sync_directory(&parent).map_err(|source| BackupError::io("write to the disk", &parent, source))
}

/// What lies beside a backup while that is made: it goes again. What an interrupted backup left goes first.
pub(super) struct Beside(PathBuf);

impl Beside {
    fn begin(path: &Path, what: &str) -> io::Result<Self> {
        let mut name = OsString::from(".");
        name.push(path.file_name().unwrap_or_default());
        name.push(".wnm-");
        name.push(what);
        let unfinished = Self(parent(path).join(name));
        remove(&unfinished.0)?;
        Ok(unfinished)
    }

    /// An empty directory for its owner alone.
    pub(super) fn directory(path: &Path, what: &str) -> io::Result<Self> {
        let beside = Self::begin(path, what)?;
        create_directory(&beside.0)?;
        Ok(beside)
    }

    /// A file in this directory.
    pub(super) fn join(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }
}

impl Drop for Beside {
    fn drop(&mut self) {
        let _ = remove(&self.0);
    }
}

fn remove(path: &Path) -> io::Result<()> {
    match path.symlink_metadata() {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error),
        Ok(found) if found.is_dir() => fs::remove_dir_all(path),
        Ok(_) => fs::remove_file(path),
    }
}

fn parent(path: &Path) -> PathBuf {
    path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new(".")).to_owned()
}

fn sync_directory(path: &Path) -> io::Result<()> {
    File::open(path)?.sync_all()
}

/// A new file for its owner alone, whatever the umask is.
fn create(path: &Path) -> io::Result<File> {
    let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    file.set_permissions(Permissions::from_mode(0o600))?;
    Ok(file)
}

fn create_directory(path: &Path) -> io::Result<()> {
    DirBuilder::new().mode(0o700).create(path)?;
    fs::set_permissions(path, Permissions::from_mode(0o700))
}

fn archive(path: &Path, contents: &Contents<'_>, now: UnixSeconds) -> io::Result<()> {
    let mut archive = tar::Builder::new(BufWriter::new(create(path)?));
    for (name, content) in contents {
        let (bytes, reader) = content.open()?;
        let mut header = tar::Header::new_ustar();
        header.set_path(name)?;
        header.set_size(bytes);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(now).unwrap_or_default());
        header.set_cksum();
        // A file that grows meanwhile would make nonsense of all that follows it.
        archive.append(&header, reader.take(bytes))?;
    }
    let mut buffer = archive.into_inner()?;
    buffer.flush()?;
    buffer.get_ref().sync_all()
}

fn directory(path: &Path, contents: &Contents<'_>) -> io::Result<()> {
    create_directory(path)?;
    let mut made = vec![path.to_owned()];
    for (name, content) in contents {
        let place = path.join(name);
        let above = place.ancestors().skip(1).take_while(|above| *above != path);
        let mut missing: Vec<PathBuf> = above.filter(|above| !above.exists()).map(Path::to_owned).collect();
        while let Some(directory) = missing.pop() {
            create_directory(&directory)?;
            made.push(directory);
        }
        let mut file = create(&place)?;
        io::copy(&mut content.open()?.1, &mut file)?;
        file.sync_all()?;
    }
    made.iter().try_for_each(|directory| sync_directory(directory))
}

/// Nothing can be renamed over a directory that is not empty, so the two change places, and the old one goes afterwards.
fn place_directory(new: &Path, path: &Path) -> io::Result<()> {
    if path.symlink_metadata().is_ok() {
        let unable = |error: rustix::io::Errno| match error {
            rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS => io::Error::new(
                io::ErrorKind::Unsupported,
                "its file system cannot exchange two directories: name a new directory, or a file that ends in .tar",
            ),
            other => other.into(),
        };
        return renameat_with(CWD, new, CWD, path, RenameFlags::EXCHANGE).map_err(unable);
    }
    fs::rename(new, path)
}
