//! A file that is not this wnm's record is told by what it is, and never touched.

use std::fs;
use std::path::Path;

use proptest::prelude::*;
use rusqlite::Connection;
use wnm_core::store::{Problem, Store};
use wnm_testing::told;

use crate::rows::{NOW, added, node};
use crate::scratch;

/// What is wrong with the file that has this content; it must be the same afterwards, with nothing beside it.
fn refused(content: &[u8]) -> Problem {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("colony.db");
    fs::write(&path, content).expect("it is written");
    let read_only = Store::open_read_only(&path).expect_err("it is refused").problem;
    let problem = Store::open(&path).expect_err("it is refused").problem;
    assert_eq!(problem.to_string(), read_only.to_string(), "readers and writers are told the same");
    assert!(matches!(Store::create(&path).expect_err("something is there").problem, Problem::Exists));
    assert!(fs::read(&path).expect("it is read") == content, "not a byte was changed");
    let names: Vec<_> =
        fs::read_dir(directory.path()).expect("it is read").flatten().map(|file| file.file_name()).collect();
    assert_eq!(names, ["colony.db"]);
    problem
}

/// A whole database with ten nodes, as one file.
fn record() -> Vec<u8> {
    let mut scratch = scratch();
    scratch.apply(&(1..=10).map(|number| added(node(number))).collect::<Vec<_>>());
    drop(scratch.store);
    fs::read(&scratch.path).expect("it is read")
}

/// A record after somebody did something to it by SQL.
fn tampered(sql: &str) -> Vec<u8> {
    let scratch = scratch();
    drop(scratch.store);
    let connection = Connection::open(&scratch.path).expect("it is opened");
    connection.execute_batch(sql).expect("it is done");
    drop(connection);
    fs::read(&scratch.path).expect("it is read")
}

fn message(path: &Path) -> String {
    let directory = path.parent().expect("it lies in a directory").display().to_string();
    told(&Store::open(path).expect_err("it is refused")).replace(&directory, "/base")
}

#[test]
fn a_missing_record_says_that_the_machine_is_not_initialised() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    insta::assert_snapshot!(message(&directory.path().join("colony.db")), @"
    cannot use the database /base/colony.db: it does not exist; this machine is not initialised
    hint: Run(Init) to initialise wnm on this machine
    ");
    assert_eq!(fs::read_dir(directory.path()).expect("it is read").count(), 0, "looking makes nothing");
}

#[test]
fn f11_the_record_of_the_python_wnm_is_recognised_and_left_alone() {
    let python = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/colony-0.5.0.db"));
    let problem = refused(&python.expect("it is part of the tests"));
    assert!(matches!(problem, Problem::PythonWnm { nodes: 5 }), "{problem:?}");
    insta::assert_snapshot!(problem, @"it belongs to the Python wnm (5 nodes), whose database has another layout");
}

#[test]
fn f65_every_kind_of_bad_file_has_its_own_name() {
    let python_without_nodes = "DROP TABLE node; DROP TABLE machine; PRAGMA application_id = 0";
    let cases = [
        ("", refused(b"")),
        ("text", refused("not a database, but long enough to hold a header of a hundred bytes".repeat(9).as_bytes())),
        ("short text", refused(b"hello")),
        ("another program's", refused(&tampered("PRAGMA application_id = 1"))),
        ("nobody's", refused(&tampered(python_without_nodes))),
        ("a newer wnm's", refused(&tampered("PRAGMA user_version = 99"))),
        ("half of it", refused(&record()[..record().len() / 2])),
        ("its header only", refused(&record()[..100])),
    ];
    let lines: Vec<String> = cases.iter().map(|(what, problem)| format!("{what}: {problem}")).collect();
    insta::assert_snapshot!(lines.join("\n"), @"
    : the file is empty; it has been truncated
    text: it is not a SQLite database
    short text: it is not a SQLite database
    another program's: it belongs to another program (application id 0x00000001)
    nobody's: it belongs to another program (application id 0x00000000)
    a newer wnm's: schema version 99 is newer than 7, the newest that this wnm knows
    half of it: it is damaged: database disk image is malformed
    its header only: it is damaged: database disk image is malformed
    ");
}

#[test]
fn pages_of_noise_are_damage() {
    let mut content = record();
    let page = 4096;
    for position in (2 * page..content.len()).step_by(2 * page) {
        content[position..position + 64].fill(0xa5);
    }
    let problem = refused(&content);
    assert!(matches!(problem, Problem::Corrupt(_)), "{problem:?}");
}

#[test]
fn an_index_that_contradicts_its_table_is_damage() {
    let sql = "PRAGMA writable_schema = ON; UPDATE sqlite_schema SET rootpage =
        (SELECT rootpage FROM sqlite_schema WHERE name = 'node_service') WHERE name = 'node_root_dir'";
    let scratch = scratch();
    drop(scratch.store);
    let connection = Connection::open(&scratch.path).expect("it is opened");
    connection.execute_batch(sql).expect("it is done");
    drop(connection);
    let problem = Store::open(&scratch.path).expect_err("it is refused").problem;
    assert!(matches!(problem, Problem::Corrupt(_)), "{problem:?}");
}

#[test]
fn a_value_that_wnm_does_not_write_is_named() {
    let cases = [
        ("UPDATE node SET status = 'SLEEPING' WHERE number = 3", "node.status"),
        ("UPDATE node SET environment = '{' WHERE number = 3", "node.environment"),
        ("UPDATE node SET version = 'new' WHERE number = 3", "node.version"),
        ("UPDATE port SET kind = 'quic' WHERE kind = 'rpc'", "port.kind"),
        ("UPDATE metrics SET records = -1 WHERE number = 3", "metrics.records"),
        ("UPDATE node SET desired = 'fly' WHERE number = 3", "node.desired"),
        ("DELETE FROM machine", ""),
    ];
    for (sql, column) in cases {
        let mut scratch = scratch();
        scratch.apply(&[added(node(3))]);
        drop(scratch.store);
        Connection::open(&scratch.path).expect("it is opened").execute_batch(sql).expect("it is done");
        let store = Store::open(&scratch.path).expect("its schema is right");
        match store.load().expect_err("it cannot be read").problem {
            Problem::BadValue { column: named, .. } => assert_eq!(named, column),
            Problem::Corrupt(what) => assert_eq!((what.as_str(), column), ("the machine's own row is missing", "")),
            other => panic!("{sql}: {other:?}"),
        }
    }
}

#[test]
fn a_node_that_cannot_come_about_is_named_with_the_column() {
    // The node is RUNNING, its owner stopped it, and a step on it failed.
    let cases = [
        (
            "UPDATE node SET desired = 'unmanaged'",
            "the value of node.desired is not valid: antnode0003 cannot have unmanaged with status RUNNING",
        ),
        (
            "UPDATE node SET status = 'DISABLED'",
            "the value of node.desired is not valid: antnode0003 cannot have stop with status DISABLED",
        ),
        (
            "UPDATE node SET pending = 'add'",
            "the value of node.pending is not valid: antnode0003 cannot have add with status RUNNING",
        ),
        (
            "UPDATE node SET has_run = 0",
            "the value of node.has_run is not valid: antnode0003 cannot have false with status RUNNING",
        ),
        (
            "UPDATE node SET failures = 0",
            "the value of node.retry_at is not valid: antnode0003 cannot have 1790000060 with status RUNNING",
        ),
        (
            "UPDATE node SET retry_at = NULL",
            "the value of node.failures is not valid: antnode0003 cannot have 3 and no retry_at with status RUNNING",
        ),
        (
            "UPDATE node SET status = 'DEAD', retry_at = 5",
            "the value of node.retry_at is not valid: antnode0003 cannot have 5 with status DEAD",
        ),
    ];
    for (sql, expected) in cases {
        let mut scratch = scratch();
        scratch.apply(&[added(node(3))]);
        drop(scratch.store);
        Connection::open(&scratch.path).expect("it is opened").execute_batch(sql).expect("it is done");
        let store = Store::open(&scratch.path).expect("its schema is right");
        assert_eq!(store.load().expect_err("it contradicts itself").problem.to_string(), expected);
    }
}

#[test]
fn what_is_no_file_is_no_database() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("colony.db");
    fs::create_dir(&path).expect("it is made");
    assert!(matches!(Store::open(&path).expect_err("it is refused").problem, Problem::NotADatabase));
    assert!(matches!(Store::create(&path).expect_err("it is there").problem, Problem::Exists));
    let dangling = directory.path().join("link.db");
    std::os::unix::fs::symlink("nowhere", &dangling).expect("it is made");
    assert!(matches!(Store::open(&dangling).expect_err("it is refused").problem, Problem::Missing));
    assert!(matches!(Store::create(&dangling).expect_err("it is there").problem, Problem::Exists));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(64))]

    /// However much of a record is left, it is refused, or it is the database.
    #[test]
    fn a_truncated_record_is_never_taken_for_another(part in 0.0_f64..1.0) {
        let content = record();
        let left = &content[..(content.len() as f64 * part) as usize];
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("colony.db");
        fs::write(&path, left).expect("it is written");
        match Store::open(&path).and_then(|store| store.load()) {
            Ok(record) => prop_assert_eq!(record.nodes, (1..=10).map(node).collect::<Vec<_>>()),
            Err(error) => {
                let told = matches!(error.problem, Problem::Empty | Problem::NotADatabase | Problem::Corrupt(_));
                prop_assert!(told, "{:?}", error);
            }
        }
    }

    /// Noise anywhere may change a value, as SQLite has no checksums; it never makes anything panic or hang.
    #[test]
    fn noise_in_a_record_never_panics(places in proptest::collection::vec((0_usize..70_000, any::<u8>()), 1..40)) {
        let mut content = record();
        for (place, byte) in places {
            let place = place % content.len();
            content[place] = byte;
        }
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("colony.db");
        fs::write(&path, content).expect("it is written");
        if let Ok(mut store) = Store::open(&path) {
            let _ = store.load();
            let _ = store.apply(NOW, &[added(node(11))]);
            let _ = store.history(&wnm_core::store::HistoryFilter::default());
        }
    }
}
