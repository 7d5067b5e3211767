//! Databases that earlier releases left: each schema that was ever published is kept here as it was, and is still opened.

use std::path::{Path, PathBuf};

use proptest::option;
use proptest::prelude::*;
use rusqlite::Connection;
use tempfile::TempDir;
use wnm_core::event::Event;
use wnm_core::node::{Desired, NodeId, PortKind, Ports, Status, Verb};
use wnm_core::store::{EventKind, HistoryFilter, Problem, Store};
use wnm_pm::port::Range;

use crate::rows::{NOW, added, node};

/// A database of schema version 1 with a row in every table.
const FIRST: &str = include_str!("../data/schema-1.sql");

/// That database after this SQL.
fn first(sql: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("colony.db");
    let connection = Connection::open(&path).expect("a new database");
    connection.execute_batch(FIRST).expect("it is SQL");
    connection.execute_batch(sql).expect("it is SQL");
    (directory, path)
}

#[test]
fn a_database_of_the_first_schema_is_migrated() {
    let (_directory, path) = first("");
    let mut store = Store::open(&path).expect("it is migrated");
    let stored = store.load().expect("the database is read");
    assert!(stored.initialised);
    assert_eq!(stored.settings["node_cap"], "20");
    assert_eq!((stored.last_surveyed_boot, stored.highest_number_used), (1_789_991_000, 7));
    assert_eq!(stored.version_cache.as_deref(), Some("null"));
    let counters = stored.counters.expect("they are kept");
    assert_eq!((counters.boot_id.as_deref(), counters.net_sent), (Some("5d0b3c1e"), 6));
    let group = &stored.groups[0].spec;
    let node_ports = (PortKind::Node, Range { first: 55_001, last: 55_200 });
    let metrics_ports = (PortKind::Metrics, Range { first: 13_001, last: 13_200 });
    assert_eq!((group.name.as_str(), &group.ports), ("a1", &[node_ports, metrics_ports].into()));
    let kept = &stored.nodes[0];
    let life = kept.life();
    assert_eq!((kept.id(), kept.status(), life.pending()), (NodeId(7), Status::Restarting, Some(Verb::Start)));
    assert_eq!((kept.created_at(), life.status_since(), life.desired()), (1_789_990_000, 1_789_999_000, Desired::Run));
    assert_eq!((life.failures(), life.retry_at(), life.last_error()), (2, Some(1_790_000_060), Some("it was tired")));
    let ports = Ports::default().with(PortKind::Node, 55_007).with(PortKind::Metrics, 13_007);
    assert_eq!(kept.spec().ports, ports.with(PortKind::Rpc, 30_007));
    assert_eq!(kept.spec().environment, [("RUST_LOG".to_owned(), "info".to_owned())]);
    let rewards = kept.metrics().and_then(|metrics| metrics.rewards.as_deref());
    assert_eq!(rewards, Some("24691357802469137000000000000001"));
    let history = store.history(&HistoryFilter::default()).expect("the history is read");
    assert_eq!((history[0].kind, history[0].cycle), (EventKind::Intended, 3));

    store.apply(NOW, &[added(node(8)), Event::Noted { id: None, what: "it works".to_owned() }]).expect("and written");
    let history = store.history(&HistoryFilter::default()).expect("the history is read");
    assert_eq!(history[0].cycle, 4, "cycles go on where they were");
}

#[test]
fn a_reader_says_that_the_first_schema_is_too_old() {
    let (_directory, path) = first("");
    let problem = Store::open_read_only(&path).expect_err("reading does not migrate").problem;
    let Problem::Older { found: 1, known } = problem else { panic!("{problem:?}") };
    assert_eq!(problem.to_string(), format!("schema version 1 is older than {known}"));
}

#[test]
fn what_was_settled_in_the_history_is_found_as_reconciled() {
    let entry = "INSERT INTO history VALUES (42, 1789999100, 3, 'settled', 7, NULL, 'RUNNING', 'RESTARTING -> RUNNING: it runs', NULL)";
    let (_directory, path) = first(entry);
    let store = Store::open(&path).expect("it is migrated");
    let filter = HistoryFilter { kind: Some(EventKind::Reconciled), ..HistoryFilter::default() };
    let entries = store.history(&filter).expect("the history is read");
    assert_eq!(entries.iter().map(|entry| entry.text.as_str()).collect::<Vec<_>>(), ["RESTARTING -> RUNNING: it runs"]);
}

/// What node 7 is after the migration, when it was `RESTARTING` and this is changed.
fn status_after(sql: &str) -> Status {
    let (_directory, path) = first(sql);
    Store::open(&path).expect("it is migrated").load().expect("the database is read").nodes[0].status()
}

#[test]
fn a_node_of_the_first_schema_that_was_never_up_is_starting() {
    let nothing_known = "UPDATE node SET peer_id = NULL; DELETE FROM reading; DELETE FROM history;";
    assert_eq!(status_after(nothing_known), Status::Starting);
    let ran = "INSERT INTO history VALUES (42, 1789999100, 3, 'settled', 7, NULL, 'RUNNING', '', NULL)";
    assert_eq!(status_after(&format!("{nothing_known} {ran}")), Status::Restarting);
    let before_it_was_created = "UPDATE history SET at = 5";
    assert_eq!(status_after(&format!("{nothing_known} {ran}; {before_it_was_created}")), Status::Starting);
    let adopted = "INSERT INTO history VALUES (42, 1789999100, 3, 'adopted', 7, NULL, 'STOPPED', '', NULL)";
    assert_eq!(status_after(&format!("{nothing_known} {adopted}")), Status::Restarting);
}

fn tables(path: &Path) -> Vec<String> {
    let connection = Connection::open(path).expect("it is opened");
    let mut statement = connection.prepare("SELECT name FROM sqlite_schema ORDER BY name").expect("it is SQL");
    let names = statement.query_map([], |row| row.get(0)).expect("it is read");
    names.collect::<Result<_, _>>().expect("it is read")
}

#[test]
fn a_port_that_is_not_known_has_no_row_and_nothing_of_the_first_schema_is_left() {
    let (_directory, path) = first("UPDATE node SET rpc_port = 0");
    let store = Store::open(&path).expect("it is migrated");
    let nodes = store.load().expect("the database is read").nodes;
    let ports = Ports::default().with(PortKind::Node, 55_007).with(PortKind::Metrics, 13_007);
    assert_eq!(nodes[0].spec().ports, ports);
    drop(store);
    let rows: u32 = Connection::open(&path)
        .and_then(|connection| connection.query_row("SELECT count(*) FROM port", [], |row| row.get(0)))
        .expect("it is read");
    assert_eq!(rows, 2);
    let new = path.with_file_name("new.db");
    drop(Store::create(&new).expect("a new database"));
    assert_eq!(tables(&path), tables(&new));
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    /// Any mix that the first schema could hold can be read afterwards, and what was begun is not forgotten.
    #[test]
    fn any_node_of_the_first_schema_can_be_read(
        status in proptest::sample::select(Status::ALL.to_vec()),
        held in any::<bool>(),
        intention in option::of(proptest::sample::select(vec![
            Verb::Add, Verb::Start, Verb::Stop, Verb::Restart, Verb::Upgrade, Verb::Remove, Verb::Disable, Verb::Enable,
        ])),
        failures in 0_u32..3,
        retry_at in option::of(1_i64..1_000),
        trouble in option::of("[a-z]{1,5}"),
        peer_id in option::of("[a-z]{1,5}"),
    ) {
        prop_assume!(status != Status::Starting);
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("colony.db");
        let connection = Connection::open(&path).expect("a new database");
        connection.execute_batch(FIRST).expect("it is SQL");
        let sql = "UPDATE node SET status = ?1, held = ?2, intention = ?3, failures = ?4, retry_at = ?5, trouble = ?6, peer_id = ?7";
        let intention_word = intention.map(Verb::as_str);
        connection.execute(sql, (status.as_str(), held, intention_word, failures, retry_at, trouble, peer_id)).expect("it is SQL");
        drop(connection);
        let node = Store::open(&path).and_then(|store| store.load()).expect("it can be read").nodes.remove(0);
        let life = node.life();
        if let Some(verb @ (Verb::Add | Verb::Remove | Verb::Disable | Verb::Enable)) = intention {
            prop_assert_eq!(life.pending(), Some(verb));
        } else {
            let never_up = status == Status::Restarting && !life.has_run();
            prop_assert_eq!(life.status(), if never_up { Status::Starting } else { status });
        }
        if life.status() != Status::Disabled {
            prop_assert_eq!(life.is_stopped_by_owner(), held);
        }
    }
}
