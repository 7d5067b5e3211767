//! How a database file is created, told from other programs' files, and migrated to the schema version of this wnm.

use std::ffi::OsString;
use std::fs::{self, DirBuilder, File};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rusqlite::{Connection, MAIN_DB, OpenFlags, TransactionBehavior};

use super::error::Problem;

/// Says in the file's header whose it is: "wnm1".
const APPLICATION_ID: u32 = u32::from_be_bytes(*b"wnm1");

/// What leads from each schema version to the next; `user_version` says how many of them a file has been through. What is
/// published is never changed, only added to.
const MIGRATIONS: &[&str] = &[
    include_str!("migrations/001_first.sql"),
    include_str!("migrations/002_life_and_ports.sql"),
    include_str!("migrations/003_signs.sql"),
    include_str!("migrations/004_rollout.sql"),
    include_str!("migrations/005_pause.sql"),
    include_str!("migrations/006_removed.sql"),
    include_str!("migrations/007_moves.sql"),
];

/// The tables that decisions rest on: checked whole at each opening, since they are small.
const STATE_TABLES: [&str; 12] = [
    "machine",
    "setting",
    "counters",
    "container_group",
    "group_ports",
    "node",
    "port",
    "metrics",
    "signs",
    "rollout",
    "trial",
    "move",
];

/// How long another process's transaction is waited for.
const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Makes the directory that `database` lies in, for its owner only, if it is not there.
pub(super) fn make_directory(database: &Path) -> io::Result<PathBuf> {
    let directory = match database.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent,
        _ => Path::new("."),
    };
    DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    Ok(directory.to_owned())
}

/// Makes an empty database.
pub(super) fn create(path: &Path) -> Result<(), Problem> {
    create_from(path, |connection| migrate(connection, MIGRATIONS))
}

/// Makes a database under another name and gives it its own only when it is whole, so that a crash leaves none or all.
pub(super) fn create_from(
    path: &Path,
    fill: impl FnOnce(&mut Connection) -> Result<(), Problem>,
) -> Result<(), Problem> {
    if path.symlink_metadata().is_ok() {
        return Err(Problem::Exists);
    }
    let directory = make_directory(path)?;
    // Such a file is readable by its owner only; SQLite gives its side files the same rights.
    let file = tempfile::Builder::new().prefix(".wnm-new-").suffix(".db").tempfile_in(&directory)?;
    let mut connection = connect(file.path(), OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    fill(&mut connection)?;
    connection.close().map_err(|(_, error)| error)?;
    file.persist_noclobber(path).map_err(|failure| failure.error)?;
    File::open(directory)?.sync_all()?;
    Ok(())
}

/// Opens a database for reading and writing.
pub(super) fn open(path: &Path) -> Result<Connection, Problem> {
    require_content(path)?;
    let mut connection = connect(path, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    identify(&connection, schema_version(MIGRATIONS))?;
    // SQLite falls back to reading where it may not write.
    if connection.is_readonly(MAIN_DB)? {
        return Err(Problem::NoRights(io::ErrorKind::PermissionDenied.into()));
    }
    connection.pragma_update(None, "journal_mode", "wal")?;
    migrate(&mut connection, MIGRATIONS)?;
    connection.pragma_update(None, "foreign_keys", true)?;
    check(&connection, &STATE_TABLES)?;
    Ok(connection)
}

/// Opens a database for reading only, also while another process writes it.
pub(super) fn open_read_only(path: &Path) -> Result<Connection, Problem> {
    require_content(path)?;
    match open_as_reader(path, false) {
        // Where no side files can be made, the file can still be read by itself, if everything is in it.
        Err(Problem::NoRights(_)) if !has_write_ahead_log(path) => open_as_reader(path, true),
        result => result,
    }
}

fn open_as_reader(path: &Path, immutable: bool) -> Result<Connection, Problem> {
    let read_only = OpenFlags::SQLITE_OPEN_READ_ONLY;
    let connection = if immutable {
        connect(&immutable_uri(path), read_only | OpenFlags::SQLITE_OPEN_URI)?
    } else {
        connect(path, read_only)?
    };
    let known = schema_version(MIGRATIONS);
    let found = identify(&connection, known)?;
    if found < known {
        return Err(Problem::Older { found, known });
    }
    check(&connection, &STATE_TABLES)?;
    Ok(connection)
}

fn connect(path: &Path, flags: OpenFlags) -> Result<Connection, Problem> {
    let connection = Connection::open_with_flags(path, flags | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    connection.busy_timeout(BUSY_TIMEOUT)?;
    // A commit is on the disk when it returns: an intention must outlive a power cut.
    connection.pragma_update(None, "synchronous", "full")?;
    connection.pragma_update(None, "trusted_schema", false)?;
    Ok(connection)
}

/// SQLite takes an empty file for a new database, and would wait for ever on a pipe.
fn require_content(path: &Path) -> Result<(), Problem> {
    let metadata = fs::metadata(path)?;
    if !metadata.is_file() {
        return Err(Problem::NotADatabase);
    }
    if metadata.len() == 0 {
        return Err(Problem::Empty);
    }
    Ok(())
}

/// Makes sure that it is wnm's database, and of a schema version up to `known`; answers that version. Changes nothing.
fn identify(connection: &Connection, known: u32) -> Result<u32, Problem> {
    let number = |name| connection.pragma_query_value(None, name, |row| row.get::<_, i32>(0));
    let application_id = number("application_id")?.cast_unsigned();
    if application_id != APPLICATION_ID {
        return Err(match python_node_count(connection) {
            Ok(nodes) => Problem::PythonWnm { nodes },
            Err(_) => Problem::Foreign { application_id },
        });
    }
    let found = number("user_version")?.cast_unsigned();
    if found > known {
        return Err(Problem::Newer { found, known });
    }
    Ok(found)
}

/// How many nodes the Python wnm has here; fails where these are not its tables.
fn python_node_count(connection: &Connection) -> rusqlite::Result<u64> {
    connection.query_row("SELECT node_storage, rewards_address FROM machine LIMIT 1", [], |_| Ok(())).or_else(
        |error| match error {
            rusqlite::Error::QueryReturnedNoRows => Ok(()),
            other => Err(other),
        },
    )?;
    connection.query_row("SELECT count(node_name) FROM node", [], |row| row.get::<_, u32>(0)).map(u64::from)
}

/// Migrates a database through the rest of `migrations`, one transaction each.
fn migrate(connection: &mut Connection, migrations: &[&str]) -> Result<(), Problem> {
    let version =
        |connection: &Connection| connection.pragma_query_value(None, "user_version", |row| row.get::<_, u32>(0));
    while version(connection)? < schema_version(migrations) {
        let transaction = connection.transaction_with_behavior(TransactionBehavior::Immediate)?;
        // Asked again, since another process may have done it in the meantime.
        let found = version(&transaction)?;
        let Some(sql) = migrations.get(found as usize) else { break };
        let to = found + 1;
        transaction.execute_batch(sql).map_err(|error| match Problem::from(error) {
            Problem::Other(error) => Problem::Migration { to, error },
            known => known,
        })?;
        transaction.pragma_update(None, "user_version", to)?;
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.commit()?;
    }
    Ok(())
}

/// The schema version that these lead to.
fn schema_version(migrations: &[&str]) -> u32 {
    u32::try_from(migrations.len()).expect("there are a handful of migrations")
}

/// Looks for contradictions in these tables and their indexes.
pub(super) fn check(connection: &Connection, tables: &[&str]) -> Result<(), Problem> {
    let mut statement = connection.prepare("SELECT integrity_check FROM pragma_integrity_check(?1)")?;
    for table in tables {
        let mut findings = statement.query([table])?;
        while let Some(row) = findings.next()? {
            let finding: String = row.get(0)?;
            if finding != "ok" {
                return Err(Problem::Corrupt(finding));
            }
        }
    }
    Ok(())
}

fn has_write_ahead_log(path: &Path) -> bool {
    let mut log = OsString::from(path);
    log.push("-wal");
    // What cannot be looked at is taken for there.
    fs::metadata(log).map_or_else(|error| error.kind() != io::ErrorKind::NotFound, |log| log.len() > 0)
}

fn immutable_uri(path: &Path) -> PathBuf {
    let mut uri = String::from("file:");
    for byte in path.as_os_str().as_bytes() {
        match byte {
            b'/' | b'.' | b'-' | b'_' | b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' => uri.push(char::from(*byte)),
            _ => uri.push_str(&format!("%{byte:02X}")),
        }
    }
    uri.push_str("?immutable=1");
    PathBuf::from(uri)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: &str = "ALTER TABLE node ADD COLUMN colour TEXT; UPDATE machine SET highest_number_used = 5";

    fn version_one() -> Connection {
        let mut connection = Connection::open_in_memory().expect("a database in memory");
        migrate(&mut connection, &MIGRATIONS[..1]).expect("the first schema is created");
        connection
    }

    fn state(connection: &Connection) -> (u32, u32) {
        let version = connection.pragma_query_value(None, "user_version", |row| row.get(0)).expect("it is read");
        let highest = connection.query_row("SELECT highest_number_used FROM machine", [], |row| row.get(0));
        (version, highest.expect("it is read"))
    }

    #[test]
    fn an_older_database_is_migrated_step_by_step() {
        let mut connection = version_one();
        let third = "UPDATE machine SET highest_number_used = highest_number_used * 2";
        migrate(&mut connection, &[MIGRATIONS[0], SECOND, third]).expect("it is migrated");
        assert_eq!(state(&connection), (3, 10));
        migrate(&mut connection, &[MIGRATIONS[0], SECOND, third]).expect("nothing is left to do");
        assert_eq!(state(&connection), (3, 10));
    }

    #[test]
    fn a_migration_that_fails_leaves_the_version_before_it() {
        let mut connection = version_one();
        let broken = format!("{SECOND}; INSERT INTO nowhere VALUES (1)");
        let problem = migrate(&mut connection, &[MIGRATIONS[0], &broken]).expect_err("it fails");
        assert!(matches!(problem, Problem::Migration { to: 2, .. }), "{problem:?}");
        assert_eq!(state(&connection), (1, 0));
    }

    #[test]
    fn a_wnm_that_knows_an_older_schema_leaves_a_newer_database_alone() {
        let mut connection = Connection::open_in_memory().expect("a database in memory");
        migrate(&mut connection, MIGRATIONS).expect("the newest schema is created");
        let newest = schema_version(MIGRATIONS);
        let problem = identify(&connection, newest - 1).expect_err("it is refused");
        assert!(matches!(problem, Problem::Newer { found, known } if (found, known) == (newest, newest - 1)));
        assert_eq!(identify(&connection, newest).expect("it is known"), newest);
    }

    #[test]
    fn a_reader_leaves_an_older_database_as_it_is() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("colony.db");
        create(&path).expect("a new database");
        let connection = Connection::open(&path).expect("it is opened");
        connection.pragma_update(None, "user_version", 0).expect("it is made older");
        drop(connection);
        let problem = open_read_only(&path).expect_err("it is refused");
        assert!(matches!(problem, Problem::Older { found: 0, .. }), "{problem:?}");
    }
}
