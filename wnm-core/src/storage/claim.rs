//! A storage belongs to one database, which its mark names: two that take each other's nodes for their own would delete
//! them. A mark of older versions names none, and the first database that changes something there signs it.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use wnm_pm::program::write_whole;

use super::{MARK_TEXT, STORAGE_MARKER, StorageError};
use crate::node::UnixSeconds;
use crate::settings::storages_in;
use crate::store::Store;

/// A database that keeps its nodes in a storage.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Claimant {
    database: PathBuf,
    /// When it was initialised, by which it is known after it was moved.
    initialised_at: Option<UnixSeconds>,
}

impl Claimant {
    /// The database in this file, which need not be there yet.
    #[must_use]
    pub fn new(database: &Path, initialised_at: Option<UnixSeconds>) -> Self {
        Self { database: wnm_pm::path_policy::resolve(&absolute(database)), initialised_at }
    }

    /// Whom a mark names; none where it names nobody.
    fn named_in(mark: &str) -> Option<Self> {
        let value = |name: &str| mark.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix('='));
        let initialised_at = value("initialised_at").and_then(|text| text.parse().ok());
        Some(Self { database: value("database")?.into(), initialised_at })
    }

    fn mark(&self) -> String {
        let id = self.initialised_at.map(|at| format!("initialised_at={at}\n")).unwrap_or_default();
        format!("{MARK_TEXT}database={}\n{id}", self.database.display())
    }

    /// Whether this is `other`, moved to where that is now, or made anew in its place.
    fn became(&self, other: &Self) -> bool {
        let moved = self.initialised_at.is_some() && self.initialised_at == other.initialised_at && self.is_gone();
        self.database == other.database || moved
    }

    /// Whether its file is gone. Where its directory is, too, the disk of both may be away.
    fn is_gone(&self) -> bool {
        let absent = |error: std::io::Error| error.kind() == ErrorKind::NotFound;
        let directory = self.database.parent().is_some_and(Path::is_dir);
        directory && fs::symlink_metadata(&self.database).err().is_some_and(absent)
    }

    /// Whether it still keeps its nodes in this storage; what cannot be read is taken to.
    fn still_uses(&self, node_storage: &Path) -> bool {
        if self.is_gone() {
            return false;
        }
        let resolve = |path: &Path| wnm_pm::path_policy::resolve(path);
        match Store::open_read_only(&self.database).and_then(|store| store.load()) {
            Ok(stored) => stored.settings.get("node_storage").is_none_or(|text| {
                let storages = storages_in(text);
                storages.is_none_or(|own| own.iter().any(|storage| resolve(storage) == resolve(node_storage)))
            }),
            Err(_) => true,
        }
    }
}

fn absolute(path: &Path) -> PathBuf {
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned())
}

/// Makes sure that a storage belongs to this database. Where it belongs to nobody, or is taken over, the mark is signed.
/// Where there is no mark, nothing is claimed: its disk may be away.
///
/// # Errors
/// [`StorageError::Taken`] where another database keeps its nodes there, [`StorageError::Mark`] where nobody can tell.
pub fn claim(node_storage: &Path, own: &Claimant, take_over: bool) -> Result<(), StorageError> {
    let path = node_storage.join(STORAGE_MARKER);
    let unreadable = |source| StorageError::Mark { path: path.clone(), source: Arc::new(source) };
    let mark = match fs::read(&path) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        read => String::from_utf8_lossy(&read.map_err(unreadable)?).into_owned(),
    };
    match Claimant::named_in(&mark) {
        Some(named) if named == *own => return Ok(()),
        Some(named) if !take_over && !named.became(own) && named.still_uses(node_storage) => {
            return Err(StorageError::Taken { path: node_storage.to_owned(), database: named.database });
        }
        _ => {}
    }
    let signed = write_whole(&path, own.mark().as_bytes(), 0o600, None);
    // On a disk that cannot be written nothing is lost to anybody.
    if let Err(error) = signed {
        tracing::debug!("cannot sign {}: {}", path.display(), error.text());
    }
    Ok(())
}

/// Removes the mark of a storage that is this database's, or nobody's; answers with it. With `dry_run` it stays.
pub(crate) fn unmark(node_storage: &Path, own: &Claimant, dry_run: bool) -> Option<PathBuf> {
    let path = node_storage.join(STORAGE_MARKER);
    let mark = fs::read_to_string(&path).ok()?;
    let is_free = mark.starts_with(MARK_TEXT) && Claimant::named_in(&mark).is_none_or(|named| named.became(own));
    (is_free && (dry_run || fs::remove_file(&path).is_ok())).then_some(path)
}

/// Gives a storage free that is this database's: all its nodes are gone.
pub fn release(node_storage: &Path, own: &Claimant) {
    let path = node_storage.join(STORAGE_MARKER);
    let named = fs::read_to_string(&path).ok().and_then(|mark| Claimant::named_in(&mark));
    if named.is_some_and(|named| named.became(own)) {
        let _ = write_whole(&path, MARK_TEXT.as_bytes(), 0o600, None);
    }
}
