//! A node's own copy of the node program: whole or not there at all, put in place at one stroke, with the one before it kept
//! until the new one has proved itself.

use std::fs::{self, File, OpenOptions, Permissions};
use std::io::{self, ErrorKind, Write};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};

use crate::node::NodeSpec;
use crate::path_policy::check_program;
use crate::process_manager::ManagerError;
use crate::user::Owner;

mod held;
pub mod shared;
mod stamp;
#[cfg(test)]
mod tests;

pub use held::{Held, held};

/// A whole copy that is not in its place yet; it goes again unless it is put there.
#[derive(Debug)]
pub struct Staged {
    copy: PathBuf,
    place: PathBuf,
    owner: Option<Owner>,
    digest: String,
    held: Held,
}

/// Copies a program next to its place, for `owner` where that is another user. Whatever goes wrong, no part of it stays.
///
/// # Errors
/// [`ManagerError::Program`] when it is not a program, [`ManagerError::Io`] when it cannot be copied.
pub fn stage(from: &Path, place: &Path, owner: Option<Owner>) -> Result<Staged, ManagerError> {
    stage_in(None, from, place, owner)
}

/// The same for a node, which shares the program with others where its flavour allows that.
///
/// # Errors
/// As [`stage`].
pub fn stage_for(spec: &NodeSpec, from: &Path, owner: Option<Owner>) -> Result<Staged, ManagerError> {
    stage_in(shared::storage(spec), from, &spec.binary, owner)
}

fn stage_in(storage: Option<&Path>, from: &Path, place: &Path, owner: Option<Owner>) -> Result<Staged, ManagerError> {
    check_program(from)?;
    let failed = |source| ManagerError::io("copy the node program to", place, source);
    let digest = stamp::digest_of(from).map_err(failed)?;
    let mut staged = Staged { copy: beside(place, "new"), place: place.to_owned(), owner, digest, held: Held::Copy };
    staged.held = staged.fill(from, storage).map_err(failed)?;
    Ok(staged)
}

impl Staged {
    /// Makes the copy in the cheapest way that there is.
    fn fill(&self, from: &Path, storage: Option<&Path>) -> io::Result<Held> {
        if clone_whole(from, &self.copy, self.owner).is_ok() {
            return Ok(Held::Reflink);
        }
        let linked = storage.map(|storage| shared::link(storage, from, &self.digest, self.owner, &self.copy));
        match linked {
            Some(Ok(())) => return Ok(Held::HardLink),
            Some(Err(error)) => tracing::debug!("{} gets a copy of its own: {error}", self.place.display()),
            None => {}
        }
        copy_whole(from, &self.copy, self.owner)?;
        Ok(Held::Copy)
    }

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
            .map_err(|source| ManagerError::io("put the node program at", &self.place, source))?;
        if replaces {
            sync_directory_of(&self.place);
        }
        Ok(())
    }

    /// Puts the copy where the node's program belongs, and notes there what was copied, for [`check_own`].
    ///
    /// # Errors
    /// When it cannot be renamed, or the note cannot be written.
    pub fn install(self) -> Result<(), ManagerError> {
        let noted = stamp_of(&self.place);
        let text = stamp::text(&noted, &self.place, &self.copy, &self.digest, Some(self.held))
            .map_err(|source| ManagerError::io("read", &self.copy, source))?;
        write_whole(&noted, text.as_bytes(), 0o600, self.owner)?;
        self.put_in_place()
    }
}

impl Drop for Staged {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.copy);
    }
}

/// Keeps the present program under a second name. At every moment there is a whole program in its place.
///
/// # Errors
/// When it cannot be kept.
pub fn keep_previous(place: &Path, owner: Option<Owner>) -> Result<(), ManagerError> {
    let kept = previous(place);
    let failed = |source| ManagerError::io("keep the previous node program as", &kept, source);
    remove_stale(&kept).map_err(failed)?;
    // A file system without second names gets a second copy.
    fs::hard_link(place, &kept).or_else(|_| copy_whole(place, &kept, owner)).map_err(failed)
}

/// Whether a previous program is kept.
#[must_use]
pub fn has_previous(place: &Path) -> bool {
    check_program(&previous(place)).is_ok()
}

/// Puts the previous program back in its place.
///
/// # Errors
/// When none is kept, or it cannot be renamed.
pub fn restore_previous(place: &Path) -> Result<(), ManagerError> {
    fs::rename(previous(place), place)
        .map_err(|source| ManagerError::io("put the previous node program back to", place, source))?;
    sync_directory_of(place);
    Ok(())
}

/// Deletes the previous program; where none is kept there is nothing to do.
///
/// # Errors
/// When it cannot be deleted.
pub fn forget_previous(place: &Path) -> Result<(), ManagerError> {
    let kept = previous(place);
    remove_stale(&kept).map_err(|source| ManagerError::io("delete the previous node program", &kept, source))
}

/// Where the previous program is kept: `antnode.previous` beside `antnode`.
#[must_use]
pub fn previous(place: &Path) -> PathBuf {
    beside(place, "previous")
}

/// Refuses a node's own program that cannot be run, or that is not what was copied to its place. A program that the node
/// itself renamed there is not compared with what was copied.
///
/// # Errors
/// [`ManagerError::Program`] with what is wrong with it.
pub fn check_own(spec: &NodeSpec) -> Result<(), ManagerError> {
    check_noted(spec, &spec.binary, &stamp_of(&spec.binary))
}

/// The same of a node whose program is in this place, where it is noted elsewhere what was copied there.
///
/// # Errors
/// [`ManagerError::Program`] with what is wrong with it.
pub fn check_noted(spec: &NodeSpec, place: &Path, noted: &Path) -> Result<(), ManagerError> {
    check_program(place)?;
    let is_its_own_work = spec.flavour.upgrades_itself() && !stamp::is_of_this_file(noted, place);
    if (is_its_own_work || stamp::matches(noted, place)) && !shared::is_altered(spec) {
        return Ok(());
    }
    let reason = "it is damaged: it is not what was copied there".to_owned();
    Err(ManagerError::Program { path: place.to_owned(), reason })
}

/// What is to be noted, for [`check_noted`], when this copy of the program `from` takes the place of a node's own.
///
/// # Errors
/// When one of them cannot be read.
pub fn note(noted: &Path, place: &Path, copy: &Path, from: &Path) -> Result<String, ManagerError> {
    let text = stamp::digest_of(from).and_then(|digest| stamp::text(noted, place, copy, &digest, None));
    text.map_err(|source| ManagerError::io("read the node program", from, source))
}

/// SHA-256 of a program, in hexadecimal digits: which file it is, whatever it says of itself.
///
/// # Errors
/// When it cannot be read.
pub fn digest(path: &Path) -> io::Result<String> {
    stamp::digest_of(path)
}

/// Has a node that upgraded itself share its program with others that did, where its flavour allows that: a thousand nodes
/// that each fetched the same program would keep it a thousand times. Where that is not possible, nothing is changed.
pub fn share_own(spec: &NodeSpec, owner: Option<Owner>) {
    let (place, Some(storage)) = (&spec.binary, shared::storage(spec)) else { return };
    let noted = stamp_of(place);
    if !noted.exists() || stamp::is_of_this_file(&noted, place) || shared::is_linked(place) {
        return;
    }
    let shared = stamp::digest_of(place).and_then(|digest| {
        let staged = Staged { copy: beside(place, "new"), place: place.clone(), owner, digest, held: Held::HardLink };
        shared::link(storage, place, &staged.digest, owner, &staged.copy)?;
        Ok(staged)
    });
    let done =
        shared.map_err(|error| error.to_string()).and_then(|staged| staged.install().map_err(|error| error.text()));
    if let Err(error) = done {
        tracing::debug!("{} keeps a program of its own: {error}", spec.name);
    }
}

/// Whether the program in its place was copied from this very program, and is whole.
#[must_use]
pub fn is_copy_of(place: &Path, from: &Path) -> bool {
    let noted = stamp_of(place);
    stamp::digest_of(from).is_ok_and(|digest| stamp::digest_in(&noted, place).is_some_and(|own| own == digest))
}

/// Writes a small file of this mode and, where it is another user's, for that owner, whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write_whole(path: &Path, content: &[u8], mode: u32, owner: Option<Owner>) -> Result<(), ManagerError> {
    let unfinished = beside(path, "new");
    let written = make_anew(&unfinished, mode, owner)
        .and_then(|mut file| file.write_all(content))
        .and_then(|()| fs::rename(&unfinished, path));
    written.map_err(|source| {
        let _ = fs::remove_file(&unfinished);
        ManagerError::io("write", path, source)
    })
}

/// A file of its own that shares the blocks of another one until either is written to, where the file system can do that.
fn clone_whole(from: &Path, to: &Path, owner: Option<Owner>) -> io::Result<()> {
    let cloned = make_anew(to, 0o755, owner).and_then(|copy| share_blocks(&File::open(from)?, &copy));
    cloned.inspect_err(|_| drop(fs::remove_file(to)))
}

#[cfg(target_os = "linux")]
fn share_blocks(from: &File, to: &File) -> io::Result<()> {
    Ok(rustix::fs::ioctl_ficlone(to, from)?)
}

#[cfg(not(target_os = "linux"))]
fn share_blocks(_: &File, _: &File) -> io::Result<()> {
    Err(ErrorKind::Unsupported.into())
}

fn copy_whole(from: &Path, to: &Path, owner: Option<Owner>) -> io::Result<()> {
    let copied = make_anew(to, 0o755, owner).and_then(|mut copy| {
        // The kernel shares or moves the bytes by itself where the file system can.
        io::copy(&mut File::open(from)?, &mut copy).map(drop)
    });
    copied.inspect_err(|_| drop(fs::remove_file(to)))
}

/// A new file of exactly this mode. What a run that was killed may have left goes first, so that no link in its place is
/// followed.
fn make_anew(path: &Path, mode: u32, owner: Option<Owner>) -> io::Result<File> {
    remove_stale(path)?;
    let file = OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
    if let Some(Owner { uid, gid }) = owner {
        chown(path, Some(uid), Some(gid))?;
    }
    file.set_permissions(Permissions::from_mode(mode))?;
    Ok(file)
}

fn remove_stale(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}

/// Where it is noted what was copied to a program's place, unless its manager notes it elsewhere.
#[must_use]
pub fn stamp_of(place: &Path) -> PathBuf {
    beside(place, "stamp")
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
