//! One file for the programs of all nodes of a storage, where blocks cannot be shared and the nodes' flavour replaces its
//! program by rename. It is named after its digest and lies among the nodes, never where the owner keeps the program that
//! it was copied from: that belongs to somebody else, and what its owner does to it is not done to nodes.

use std::fs::{self, DirBuilder, File, Metadata};
use std::io;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, lchown};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::{beside, copy_whole, remove_stale, stamp};
use crate::node::NodeSpec;
use crate::user::Owner;

/// The directory of first copies, within the storage.
pub const DIRECTORY: &str = ".wnm-programs";

/// What follows the name of a first copy that was altered.
pub const ALTERED: &str = "altered";

/// Where the first copies for a node lie, if it may share its program: beside the nodes' directories.
#[must_use]
pub fn storage(spec: &NodeSpec) -> Option<&Path> {
    spec.root_dir.parent().filter(|_| spec.flavour.replaces_program_by_rename())
}

/// Where the first copy of a program lies, or is to lie.
///
/// # Errors
/// When the program cannot be read.
pub fn first_copy(storage: &Path, from: &Path) -> io::Result<PathBuf> {
    Ok(storage.join(DIRECTORY).join(stamp::digest_of(from)?))
}

/// Whether this is a whole first copy that belongs to whom it should.
#[must_use]
pub fn is_whole(first: &Path, owner: Option<Owner>) -> bool {
    let uid = owner.map_or_else(|| rustix::process::geteuid().as_raw(), |owner| owner.uid);
    let fits = |found: &Metadata| found.is_file() && found.uid() == uid && found.mode() & 0o777 == 0o755;
    let is_named = |digest: String| first.file_name().is_some_and(|name| name == digest.as_str());
    first.symlink_metadata().is_ok_and(|found| fits(&found)) && stamp::digest_of(first).is_ok_and(is_named)
}

/// Gives a program another name. Its first copy is made when there is none, or when that was altered.
pub(super) fn link(storage: &Path, from: &Path, digest: &str, owner: Option<Owner>, to: &Path) -> io::Result<()> {
    let _alone = alone();
    let directory = storage.join(DIRECTORY);
    make_directory(&directory, owner)?;
    let first = directory.join(digest);
    if !is_whole(&first, owner) {
        make_first(from, &first, owner)?;
    }
    remove_stale(to)?;
    fs::hard_link(first, to)
}

/// Nodes that have an altered copy keep that until they are given this one, and are known by it.
fn make_first(from: &Path, first: &Path, owner: Option<Owner>) -> io::Result<()> {
    let unfinished = beside(first, "new");
    copy_whole(from, &unfinished, owner)?;
    if first.symlink_metadata().is_ok() {
        fs::rename(first, beside(first, ALTERED))?;
    }
    let made = File::open(&unfinished).and_then(|copy| copy.sync_all()).and_then(|()| fs::rename(&unfinished, first));
    made.inspect_err(|_| drop(fs::remove_file(&unfinished)))?;
    if is_whole(first, owner) {
        return Ok(());
    }
    let _ = fs::remove_file(first);
    Err(io::Error::other("the node program was altered while it was copied"))
}

fn make_directory(path: &Path, owner: Option<Owner>) -> io::Result<()> {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => return Ok(()),
        Ok(_) => return Err(io::ErrorKind::NotADirectory.into()),
        Err(_) => DirBuilder::new().mode(0o700).create(path)?,
    }
    owner.map_or(Ok(()), |owner| lchown(path, Some(owner.uid), Some(owner.gid)))
}

/// Whether a file has other names.
#[must_use]
pub fn is_linked(place: &Path) -> bool {
    fs::metadata(place).is_ok_and(|found| found.nlink() > 1)
}

/// Whether the program of a node is one of several names of a first copy that is not what it was, by whatever name it was
/// altered.
pub(super) fn is_altered(spec: &NodeSpec) -> bool {
    let Some(storage) = storage(spec).filter(|_| is_linked(&spec.binary)) else { return false };
    let Ok(own) = fs::metadata(&spec.binary) else { return false };
    let is_same = |path: &PathBuf| {
        path.symlink_metadata().is_ok_and(|found| (found.dev(), found.ino()) == (own.dev(), own.ino()))
    };
    let first = copies(storage).into_iter().find(is_same);
    first.is_some_and(|first| {
        let named = first.file_name().unwrap_or_default();
        stamp::digest_of(&first).is_ok_and(|digest| named != digest.as_str())
    })
}

/// First copies that no node of the storage has a name of.
#[must_use]
pub fn unused(storage: &Path) -> Vec<PathBuf> {
    copies(storage).into_iter().filter(|path| path.symlink_metadata().is_ok_and(|found| found.nlink() == 1)).collect()
}

/// Deletes first copies that no node of the storage has a name of.
pub fn sweep(storage: &Path) {
    let _alone = alone();
    for path in unused(storage) {
        let _ = fs::remove_file(path);
    }
    // Refused while there is anything in it.
    let _ = fs::remove_dir(storage.join(DIRECTORY));
}

fn copies(storage: &Path) -> Vec<PathBuf> {
    let directory = storage.join(DIRECTORY);
    if !directory.symlink_metadata().is_ok_and(|found| found.is_dir()) {
        return vec![];
    }
    fs::read_dir(directory).into_iter().flatten().flatten().map(|entry| entry.path()).collect()
}

/// Nodes are made at once; none may sweep away what another is about to give a name.
fn alone() -> MutexGuard<'static, ()> {
    static BUSY: Mutex<()> = Mutex::new(());
    BUSY.lock().unwrap_or_else(PoisonError::into_inner)
}
