//! The storage under a record: its rights, and what happens when it is locked or out of reach.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use rusqlite::Connection;
use rustix::process::geteuid;
use wnm_core::store::{Problem, Store};
use wnm_testing::as_nobody;

use crate::rows::{NOW, added, node};
use crate::scratch;

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[test]
fn a_record_is_for_its_owner_only() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("new/deep/colony.db");
    let mut store = Store::create(&path).expect("a new database, and its directories");
    store.apply(NOW, &[added(node(1))]).expect("it is recorded");
    for name in ["colony.db", "colony.db-wal", "colony.db-shm", "colony.db.reserve"] {
        assert_eq!(mode(&path.with_file_name(name)), 0o600, "{name}");
    }
    assert_eq!(mode(&directory.path().join("new")), 0o700);
    assert_eq!(mode(&directory.path().join("new/deep")), 0o700);
}

#[test]
fn a_record_is_made_whole_or_not_at_all() {
    let scratch = scratch();
    let names = || -> Vec<String> {
        let files = fs::read_dir(scratch.directory.path()).expect("it is read").flatten();
        let names = files.map(|file| file.file_name().to_string_lossy().into_owned());
        let mut names: Vec<String> = names.filter(|name| !name.contains('-')).collect();
        names.sort();
        names
    };
    assert_eq!(names(), ["colony.db", "colony.db.reserve"], "nothing is left of its making");
    let again = Store::create(&scratch.path).expect_err("it is there");
    assert!(matches!(again.problem, Problem::Exists));
    assert_eq!(names(), ["colony.db", "colony.db.reserve"]);
}

#[test]
fn another_users_record_is_out_of_reach() {
    let scratch = scratch();
    drop(scratch.store);
    fs::set_permissions(scratch.directory.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
    if !geteuid().is_root() {
        fs::set_permissions(&scratch.path, fs::Permissions::from_mode(0o000)).expect("it is ours");
    }
    let content = fs::metadata(&scratch.path).expect("it is there").len();
    for opened in as_nobody(|| [Store::open(&scratch.path), Store::open_read_only(&scratch.path)]) {
        let error = opened.expect_err("it is refused");
        assert!(matches!(error.problem, Problem::NoRights(_)), "{error:?}");
        assert!(error.to_string().contains("hint: run wnm as the user who initialised it"), "{error}");
    }
    assert_eq!(fs::metadata(&scratch.path).expect("it is there").len(), content);
}

#[test]
fn a_record_that_may_be_read_only_is_read_and_not_opened() {
    let mut scratch = scratch();
    scratch.apply(&[added(node(1))]);
    drop(scratch.store);
    fs::set_permissions(&scratch.path, fs::Permissions::from_mode(0o444)).expect("it is ours");
    fs::set_permissions(scratch.directory.path(), fs::Permissions::from_mode(0o555)).expect("it is ours");
    let (opened, read) = as_nobody(|| {
        let read = Store::open_read_only(&scratch.path).and_then(|store| store.load());
        (Store::open(&scratch.path), read)
    });
    assert!(matches!(opened.expect_err("it is refused").problem, Problem::NoRights(_)));
    assert_eq!(read.expect("reading is enough for reports").nodes, [node(1)]);
    fs::set_permissions(scratch.directory.path(), fs::Permissions::from_mode(0o755)).expect("it is ours");
}

#[test]
fn f65_a_locked_record_is_called_locked() {
    let mut scratch = scratch();
    let other = Connection::open(&scratch.path).expect("it is opened");
    other.execute_batch("BEGIN IMMEDIATE").expect("nobody writes");
    let error = scratch.store.apply(NOW, &[added(node(1))]).expect_err("somebody else writes");
    assert!(matches!(error.problem, Problem::Busy), "{error:?}");
    assert!(Store::open_read_only(&scratch.path).is_ok(), "reading goes on");
    drop(other);
    scratch.apply(&[added(node(1))]);
}
