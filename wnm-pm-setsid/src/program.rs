//! A node's own copy of the node program: whole or not there at all, and put in place at one stroke.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use wnm_pm::path_policy::check_program;
use wnm_pm::process_manager::ManagerError;

use crate::files::io;

/// A whole copy that is not in its place yet; it goes again unless it is put there.
pub(crate) struct Staged {
    copy: PathBuf,
    place: PathBuf,
}

/// Copies a program next to its place. Whatever goes wrong, no part of it stays.
pub(crate) fn stage(from: &Path, place: &Path) -> Result<Staged, ManagerError> {
    check_program(from)?;
    let staged = Staged { copy: beside(place, "new"), place: place.to_owned() };
    copy_whole(from, &staged.copy).map_err(|source| io("copy the node program to", place, source))?;
    Ok(staged)
}

impl Staged {
    /// Puts the copy where the node's program belongs, in place of what was there.
    pub(crate) fn put_in_place(self) -> Result<(), ManagerError> {
        fs::rename(&self.copy, &self.place).map_err(|source| io("put the node program at", &self.place, source))?;
        sync_directory_of(&self.place);
        Ok(())
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.copy);
    }
}

/// A second name for the present program, under which it stays when another takes its place.
pub(crate) struct Previous {
    kept: PathBuf,
    place: PathBuf,
}

/// Keeps the present program. At every moment there is a whole program in its place.
pub(crate) fn keep_previous(place: &Path) -> Result<Previous, ManagerError> {
    let previous = Previous { kept: beside(place, "previous"), place: place.to_owned() };
    let _ = fs::remove_file(&previous.kept);
    // A file system without second names gets a second copy.
    fs::hard_link(place, &previous.kept)
        .or_else(|_| copy_whole(place, &previous.kept))
        .map_err(|source| io("keep the previous node program as", &previous.kept, source))?;
    Ok(previous)
}

impl Previous {
    /// Puts the previous program back.
    pub(crate) fn put_back(self) -> Result<(), ManagerError> {
        fs::rename(&self.kept, &self.place)
            .map_err(|source| io("put the previous node program back to", &self.place, source))?;
        sync_directory_of(&self.place);
        Ok(())
    }

    /// Deletes the previous program: the newer one lives.
    pub(crate) fn forget(self) {
        let _ = fs::remove_file(&self.kept);
    }
}

fn beside(place: &Path, what: &str) -> PathBuf {
    let mut name = place.file_name().unwrap_or_default().to_owned();
    name.push(".");
    name.push(what);
    place.with_file_name(name)
}

fn copy_whole(from: &Path, to: &Path) -> std::io::Result<()> {
    let copied = remove_stale(to).and_then(|()| {
        let mut source = File::open(from)?;
        let mut copy = OpenOptions::new().write(true).create_new(true).mode(0o755).open(to)?;
        std::io::copy(&mut source, &mut copy)?;
        copy.set_permissions(Permissions::from_mode(0o755))?;
        copy.sync_all()
    });
    copied.inspect_err(|_| drop(fs::remove_file(to)))
}

/// Writes a small file that only this user may read, whole or not at all.
pub(crate) fn write_private(path: &Path, content: &[u8]) -> std::io::Result<()> {
    let unfinished = beside(path, "new");
    let written = remove_stale(&unfinished).and_then(|()| {
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&unfinished)?;
        file.write_all(content)?;
        fs::rename(&unfinished, path)
    });
    written.inspect_err(|_| drop(fs::remove_file(&unfinished)))
}

/// What a run that was killed may have left; it is made anew, so that no link in its place is followed.
fn remove_stale(path: &Path) -> std::io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// So that the new name outlives a loss of power; without it the old program would be back, whole as well.
fn sync_directory_of(path: &Path) {
    let directory = path.parent().map(File::open);
    if let Some(Ok(directory)) = directory {
        let _ = directory.sync_all();
    }
}
