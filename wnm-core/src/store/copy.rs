//! Copies of a whole database: to a file of its own, and back into the place of a database.

use std::path::Path;
use std::time::Duration;

use rusqlite::backup::Backup;

use super::error::Problem;
use super::{Store, StoreError, open};

/// How long another process's transaction is waited for between two tries.
const PAUSE: Duration = Duration::from_millis(50);

impl Store {
    /// Writes everything as it is at one moment to a new database, or to an empty file, which keeps its mode.
    ///
    /// # Errors
    /// Whatever keeps it from being read or written.
    pub fn copy_to(&self, path: &Path) -> Result<(), StoreError> {
        let copy = || {
            let name = path.to_str().ok_or_else(|| Problem::Unstorable {
                what: format!("the path {}", path.display()),
                reason: "it is not UTF-8".to_owned(),
            })?;
            self.connection().execute("VACUUM INTO ?1", [name])?;
            Ok(())
        };
        copy().map_err(|problem: Problem| problem.at(path))
    }

    /// Makes the database at `path` say what this one says, all of it or nothing; it is made when there is none.
    ///
    /// # Errors
    /// Whatever keeps it from being written.
    pub fn put_in_place_of(&self, path: &Path) -> Result<(), StoreError> {
        let put = || {
            if path.symlink_metadata().is_err() {
                return open::create_from(path, |connection| copy_into(&self.connection(), connection));
            }
            copy_into(&self.connection(), &mut open::open(path)?)
        };
        put().map_err(|problem: Problem| problem.at(path))
    }
}

/// In one transaction of the other database.
fn copy_into(from: &rusqlite::Connection, to: &mut rusqlite::Connection) -> Result<(), Problem> {
    Ok(Backup::new(from, to)?.run_to_completion(i32::MAX, PAUSE, None)?)
}
