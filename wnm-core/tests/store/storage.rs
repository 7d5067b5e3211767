//! The storage under a record: its rights, and what happens when it is full, read-only, locked or out of reach.

use std::fs::{self, File};
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Command;

use rusqlite::Connection;
use rustix::process::geteuid;
use tempfile::TempDir;
use wnm_core::event::Event;
use wnm_core::store::{Problem, Store};
use wnm_testing::skip;

use crate::nobody::as_nobody;
use crate::rows::{NOW, added, node};
use crate::scratch;

/// A small file system of its own, in memory.
struct Volume(TempDir);

impl Volume {
    /// None, loudly, where this user may not mount one.
    fn mount(what: &str, size: &str) -> Option<Self> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let options = format!("size={size},mode=755");
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(directory.path());
        match mount.output() {
            Ok(output) if output.status.success() => Some(Self(directory)),
            Ok(output) => {
                skip(what, &format!("no volume can be mounted: {}", String::from_utf8_lossy(&output.stderr).trim()));
                None
            }
            Err(error) => {
                skip(what, &format!("no volume can be mounted: {error}"));
                None
            }
        }
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn remount(&self, option: &str) {
        let options = format!("remount,{option}");
        let done = Command::new("mount").args(["-o", &options]).arg(self.path()).status().expect("mount runs");
        assert!(done.success());
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).expect("it is there").permissions().mode() & 0o777
}

#[test]
fn a_record_is_for_its_owner_only() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("new/deep/colony.db");
    let mut store = Store::create(&path).expect("a new record, and its directories");
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
fn read_only_storage_is_read_and_not_written() {
    let Some(volume) = Volume::mount("a record on read-only storage", "4m") else { return };
    let path = volume.path().join("a record?#%.db");
    let mut store = Store::create(&path).expect("a new record");
    store.apply(NOW, &[added(node(1))]).expect("it is recorded");
    drop(store);
    volume.remount("ro");
    let error = Store::open(&path).expect_err("it cannot be written");
    assert!(matches!(error.problem, Problem::NoRights(_)), "{error:?}");
    let store = Store::open_read_only(&path).expect("it is read");
    assert_eq!(store.load().expect("the record is read").nodes, [node(1)]);
    let error = Store::create(&volume.path().join("other.db")).expect_err("nothing is made here");
    assert!(matches!(error.problem, Problem::NoRights(_)), "{error:?}");
}

#[test]
fn f25_a_full_disk_loses_nothing_and_the_next_run_goes_on() {
    let Some(volume) = Volume::mount("a record on a full disk", "4m") else { return };
    let path = volume.path().join("colony.db");
    let mut store = Store::create(&path).expect("a new record");
    store.apply(NOW, &[added(node(1))]).expect("it is recorded");
    let before = store.load().expect("the record is read");
    let ballast = volume.path().join("ballast");
    let mut file = File::create(&ballast).expect("there is room");
    while file.write_all(&[0; 512]).is_ok() {}

    let more: Vec<Event> = (2..=300).map(|number| added(node(number))).collect();
    let error = store.apply(NOW, &more).expect_err("there is no room");
    assert!(matches!(error.problem, Problem::Full), "{error:?}");
    assert_eq!(store.load().expect("the record is read"), before);
    drop(store);
    let error = Store::create(&volume.path().join("other.db")).expect_err("there is no room");
    insta::assert_snapshot!(error.problem, @"no space is left on its disk");
    assert!(!volume.path().join("other.db").exists());
    let reader = Store::open_read_only(&path).expect("reading needs no room");
    assert_eq!(reader.load().expect("the record is read"), before);
    drop(reader);

    drop(file);
    fs::remove_file(ballast).expect("it is ours");
    let mut store = Store::open(&path).expect("there is room again");
    assert_eq!(store.load().expect("the record is read"), before);
    store.apply(NOW, &more).expect("there is room again");
    assert_eq!(store.load().expect("the record is read").nodes.len(), 300);
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
