//! The lock, tried with real processes: one holder at a time, gone with its process, and told who it is.
//!
//! Where a lock has to be free again, its holder was a process of its own: this one runs many tests at once, and what one
//! of them starts has copies of what the others have open until it becomes another program.

mod worker;

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;

use tempfile::TempDir;
use wnm_core::lock::{Lock, LockError};
use wnm_core::store::Store;

use wnm_testing::told;
use worker::{Answer, Worker};

fn place() -> TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

fn is_held(database: &Path) -> bool {
    matches!(Lock::acquire(database, "wnm"), Err(LockError::Held { .. }))
}

#[test]
fn f16_a_killed_holder_leaves_no_lock() {
    let place = place();
    let database = place.path().join("colony.db");
    for round in 0..20 {
        let mut holder = Worker::start(&database);
        assert_eq!(holder.take(), Answer::Taken, "round {round}: the lock ended with its process");
        assert!(is_held(&database));
        holder.kill();
    }
}

#[test]
fn f17_of_two_at_once_one_gets_the_lock() {
    let place = place();
    let database = place.path().join("colony.db");
    let mut workers = [Worker::start(&database), Worker::start(&database), Worker::start(&database)];
    for round in 0..300 {
        workers.iter_mut().for_each(Worker::ask);
        let answers: Vec<Answer> = workers.iter_mut().map(Worker::answer).collect();
        let taken = answers.iter().filter(|answer| **answer == Answer::Taken).count();
        assert_eq!(taken, 1, "round {round}: {answers:?}");
        workers.iter_mut().for_each(Worker::release);
    }
}

#[test]
fn f18_each_database_has_a_lock_of_its_own() {
    let place = place();
    let [one, other] = ["one.db", "other.db"].map(|name| place.path().join(name));
    let _one = Lock::acquire(&one, "wnm").expect("it is free");
    let _other = Lock::acquire(&other, "wnm").expect("the other database has its own");
    assert!(is_held(&one) && is_held(&other));
}

#[test]
fn one_database_has_one_lock_by_whatever_path_it_is_reached() {
    let place = place();
    let database = place.path().join("colony.db");
    let _lock = Lock::acquire(&database, "wnm init").expect("it is free");
    drop(Store::create(&database).expect("a new database"));
    symlink(place.path(), place.path().join("directory")).expect("a link");
    symlink(&database, place.path().join("link.db")).expect("a link");
    for path in ["colony.db", "./colony.db", "directory/colony.db", "link.db"] {
        assert!(is_held(&place.path().join(path)), "{path}");
    }
}

#[test]
fn who_is_refused_is_told_who_holds_it() {
    let place = place();
    let database = place.path().join("colony.db");
    let lock = Lock::acquire(&database, "wnm add\n--count 3").expect("it is free");
    let error = Lock::acquire(&database, "wnm run").expect_err("it is held");
    let LockError::Held { holder: Some(holder), path } = &error else { panic!("{error:?}") };
    assert_eq!((path.as_path(), holder.pid), (lock.path(), std::process::id()));
    assert_eq!(holder.program, "wnm add --count 3", "one line");
    let since = jiff::Timestamp::from_second(holder.since).expect("a time");
    assert!(since.duration_until(jiff::Timestamp::now()).abs().as_secs() < 60, "{since}");

    let message = told(&error).replace(&holder.pid.to_string(), "PID");
    let message = message.replace(&since.to_string(), "SINCE").replace(&path.display().to_string(), "PATH");
    insta::assert_snapshot!(message, @r"
    `wnm add --count 3` (process PID, since SINCE) holds the lock PATH
    hint: wait until it is done, or end it with `kill PID`; the lock ends with its process
    ");
}

#[test]
fn a_holder_that_has_not_written_who_it_is_is_still_a_holder() {
    let place = place();
    let database = place.path().join("colony.db");
    let lock = Lock::acquire(&database, "wnm").expect("it is free");
    for content in [&b""[..], b"12", b"12 34 wnm", b"x y z\n", b"-1 5 wnm\n", &[0xff; 9000]] {
        fs::write(lock.path(), content).expect("the file is ours");
        let error = Lock::acquire(&database, "wnm").expect_err("it is held");
        assert!(matches!(error, LockError::Held { holder: None, .. }), "{content:?}: {error:?}");
    }
}

#[test]
fn the_lock_says_nothing_of_a_holder_that_is_gone() {
    let place = place();
    let database = place.path().join("colony.db");
    let lock = Lock::acquire(&database, "wnm").expect("it is free");
    let path = lock.path().to_owned();
    assert_eq!(fs::metadata(&path).expect("it is there").permissions().mode() & 0o777, 0o600);
    drop(lock);
    assert_eq!(fs::read(&path).expect("the file stays"), b"");
}

#[test]
fn programs_that_the_holder_started_do_not_hold_it() {
    let place = place();
    let database = place.path().join("colony.db");
    let [mut holder, mut next] = [Worker::start(&database), Worker::start(&database)];
    assert_eq!(holder.take(), Answer::Taken);
    holder.start_programs();
    // Killed, since a release would take it from everybody who has a copy.
    holder.kill();
    assert_eq!(next.take(), Answer::Taken, "a node outlives the wnm that started it");
}

#[test]
fn what_cannot_be_locked_is_told_and_not_touched() {
    let place = place();
    let missing = Lock::acquire(&place.path().join("none/colony.db"), "wnm").expect_err("no directory");
    assert!(matches!(missing, LockError::NoDirectory { .. }), "{missing:?}");
    assert!(told(&missing).contains("\nhint: Run(Init)"), "{missing}");
    assert!(!place.path().join("none").exists(), "looking makes nothing");

    let victim = place.path().join("victim");
    fs::write(&victim, "precious").expect("a file");
    symlink(&victim, place.path().join("colony.db.lock")).expect("a link");
    let planted = Lock::acquire(&place.path().join("colony.db"), "wnm").expect_err("a link is not followed");
    assert!(matches!(planted, LockError::Io { .. }), "{planted:?}");
    assert_eq!(fs::read(&victim).expect("it is there"), b"precious");
}

#[test]
fn a_directory_that_may_not_be_written_is_told() {
    let place = place();
    fs::set_permissions(place.path(), fs::Permissions::from_mode(0o555)).expect("it is ours");
    let database = place.path().join("colony.db");
    let refused = wnm_testing::as_nobody(|| Lock::acquire(&database, "wnm")).expect_err("nobody can make a file there");
    let said = told(&refused);
    assert!(said.contains("cannot lock") && said.contains("Permission denied"), "{said}");
}
