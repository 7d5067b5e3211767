//! A node's own copy of the node program: whole or not there at all, put in place at one stroke, with the one before it
//! kept until the new one lives.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use wnm_pm::path_policy;
use wnm_pm::process_manager::ManagerError;

use crate::storage::{Owner, io_error};

/// A whole copy that is not in its place yet; it goes again unless it is put there.
#[derive(Debug)]
pub struct Staged {
    copy: PathBuf,
    place: PathBuf,
}

/// Copies a program next to its place. Whatever goes wrong, no part of it stays.
///
/// # Errors
/// [`ManagerError::Program`] when it is none, [`ManagerError::Io`] when it cannot be copied.
pub fn stage(from: &Path, place: &Path, owner: Owner) -> Result<Staged, ManagerError> {
    path_policy::check_program(from)?;
    let staged = Staged { copy: beside(place, "new"), place: place.to_owned() };
    copy_whole(from, &staged.copy).map_err(|source| io_error("copy the node program to", place, source))?;
    owner.give(&staged.copy)?;
    Ok(staged)
}

impl Staged {
    /// Puts the copy where the node's program belongs, in place of what was there.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn put_in_place(self) -> Result<(), ManagerError> {
        // A program that is replaced must not be lost with the power; a first one is simply copied again.
        let replaces = self.place.exists();
        let synced = if replaces { File::open(&self.copy).and_then(|copy| copy.sync_all()) } else { Ok(()) };
        synced
            .and_then(|()| fs::rename(&self.copy, &self.place))
            .map_err(|source| io_error("put the node program at", &self.place, source))?;
        if replaces {
            sync_directory_of(&self.place);
        }
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.copy);
    }
}

/// A second name for the present program, under which it stays when another takes its place.
#[derive(Debug)]
pub struct Previous {
    kept: PathBuf,
    place: PathBuf,
}

/// Keeps the present program. At every moment there is a whole program in its place.
///
/// # Errors
/// When it cannot be kept.
pub fn keep_previous(place: &Path, owner: Owner) -> Result<Previous, ManagerError> {
    let previous = Previous { kept: beside(place, "previous"), place: place.to_owned() };
    let _ = fs::remove_file(&previous.kept);
    // A file system without second names gets a second copy.
    fs::hard_link(place, &previous.kept)
        .or_else(|_| copy_whole(place, &previous.kept))
        .map_err(|source| io_error("keep the previous node program as", &previous.kept, source))?;
    owner.give(&previous.kept)?;
    Ok(previous)
}

impl Previous {
    /// Puts the previous program back.
    ///
    /// # Errors
    /// When it cannot be renamed.
    pub fn put_back(self) -> Result<(), ManagerError> {
        fs::rename(&self.kept, &self.place)
            .map_err(|source| io_error("put the previous node program back to", &self.place, source))?;
        sync_directory_of(&self.place);
        Ok(())
    }

    /// Deletes the previous program: the newer one lives.
    pub fn forget(self) {
        let _ = fs::remove_file(&self.kept);
    }
}

/// Writes a small file of the owner's, whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write_whole(path: &Path, content: &[u8], mode: u32, owner: Owner) -> Result<(), ManagerError> {
    let unfinished = beside(path, "new");
    let written = make_anew(&unfinished, mode).and_then(|mut file| file.write_all(content));
    let written = written
        .map_err(|source| io_error("write", path, source))
        .and_then(|()| owner.give(&unfinished))
        .and_then(|()| fs::rename(&unfinished, path).map_err(|source| io_error("write", path, source)));
    written.inspect_err(|_| drop(fs::remove_file(&unfinished)))
}

fn copy_whole(from: &Path, to: &Path) -> io::Result<()> {
    let copied = make_anew(to, 0o755).and_then(|mut copy| {
        // The kernel shares or moves the bytes by itself where the file system can.
        io::copy(&mut File::open(from)?, &mut copy).map(drop)
    });
    copied.inspect_err(|_| drop(fs::remove_file(to)))
}

/// A new file of exactly this mode. What a run that was killed may have left goes first, so that no link in its place is
/// followed.
fn make_anew(path: &Path, mode: u32) -> io::Result<File> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    file.set_permissions(Permissions::from_mode(mode))?;
    Ok(file)
}

fn beside(place: &Path, what: &str) -> PathBuf {
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(what);
    place.with_file_name(name)
}

/// So that the new name outlives a loss of power; without it the old program would be back, whole as well.
fn sync_directory_of(path: &Path) {
    if let Some(Ok(directory)) = path.parent().map(File::open) {
        let _ = directory.sync_all();
    }
}
