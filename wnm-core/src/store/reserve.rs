//! A reserve is space that is kept beside the database. On a full disk it is given up, so that what relieves the disk can
//! be written down before it is done.

use std::ffi::OsString;
use std::fs::{self, OpenOptions};
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

const BYTES: u64 = 1 << 20;

/// Gives the reserve up when there is no room left.
pub(super) fn abandon(database: &Path) {
    let reserve = path(database);
    let is_ours = fs::symlink_metadata(&reserve).is_ok_and(|file| file.is_file() && file.len() == BYTES);
    if is_ours && free_bytes(database).is_ok_and(|free| free < BYTES) && fs::remove_file(&reserve).is_ok() {
        tracing::warn!("the disk is full: {} is given up, so that the database can be written", reserve.display());
    }
}

/// Keeps a reserve while there is plenty of room. Without one wnm works as well.
pub(super) fn keep(database: &Path) {
    let reserve = path(database);
    if !reserve.exists()
        && free_bytes(database).is_ok_and(|free| free > 4 * BYTES)
        && let Err(error) = make(&reserve)
    {
        tracing::debug!("no reserve is kept beside the database: {error}");
    }
}

fn path(database: &Path) -> PathBuf {
    let mut name = OsString::from(database);
    name.push(".reserve");
    name.into()
}

fn free_bytes(database: &Path) -> io::Result<u64> {
    let disk = rustix::fs::statvfs(database)?;
    Ok(disk.f_bavail.saturating_mul(disk.f_frsize))
}

fn make(reserve: &Path) -> io::Result<()> {
    let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(reserve)?;
    // Written, not only claimed: a sparse file would hold no room.
    io::copy(&mut io::Read::take(io::repeat(1), BYTES), &mut file)?;
    file.sync_all()
}
