//! Renaming between open directories, over nothing.

use rustix::fd::AsFd;
use rustix::fs::{AtFlags, RenameFlags, renameat, renameat_with, statat};
use rustix::io::{Errno, Result};

/// Gives a file another name, unless something has that already. File systems that cannot do it at one stroke are asked
/// before.
///
/// # Errors
/// [`Errno::EXIST`] where there is something, [`Errno::NOENT`] where there is nothing to rename.
pub(crate) fn rename_new(from: impl AsFd, old: &str, to: impl AsFd, new: &str) -> Result<()> {
    match renameat_with(&from, old, &to, new, RenameFlags::NOREPLACE) {
        Err(Errno::INVAL | Errno::NOSYS) => match statat(&to, new, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(_) => Err(Errno::EXIST),
            Err(Errno::NOENT) => renameat(from, old, to, new),
            Err(error) => Err(error),
        },
        renamed => renamed,
    }
}
