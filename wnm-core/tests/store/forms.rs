//! Records that earlier releases left: each form that was ever published is kept here as it was, and is still opened.

use rusqlite::Connection;
use wnm_core::event::Event;
use wnm_core::node::{NodeId, Status, Verb};
use wnm_core::store::{EventKind, HistoryFilter, Store};

use crate::rows::{NOW, added, node};

/// A database of the first form with a row in every table.
const FIRST: &str = include_str!("../data/form-1.sql");

#[test]
fn a_record_of_the_first_form_is_still_opened() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = directory.path().join("colony.db");
    let connection = Connection::open(&path).expect("a new database");
    connection.execute_batch(FIRST).expect("it is SQL");
    drop(connection);

    let mut store = Store::open(&path).expect("it is brought to the newest form");
    let record = store.load().expect("the record is read");
    assert!(record.initialised);
    assert_eq!(record.settings["node_cap"], "20");
    assert_eq!((record.last_surveyed_boot, record.highest_number_used), (1_789_991_000, 7));
    assert_eq!(record.version_cache.as_deref(), Some("null"));
    let counters = record.counters.expect("they are kept");
    assert_eq!((counters.boot_id.as_deref(), counters.net_sent), (Some("5d0b3c1e"), 6));
    assert_eq!(record.groups[0].spec.name, "a1");
    let kept = &record.nodes[0];
    assert_eq!((kept.id(), kept.status, kept.intention), (NodeId(7), Status::Restarting, Some(Verb::Start)));
    assert_eq!(kept.spec.environment, [("RUST_LOG".to_owned(), "info".to_owned())]);
    let rewards = kept.reading.as_ref().and_then(|reading| reading.rewards.as_deref());
    assert_eq!(rewards, Some("24691357802469137000000000000001"));
    let history = store.history(&HistoryFilter::default()).expect("the history is read");
    assert_eq!((history[0].kind, history[0].cycle), (EventKind::Intended, 3));

    store.apply(NOW, &[added(node(8)), Event::Noted { id: None, what: "it works".to_owned() }]).expect("and written");
    let history = store.history(&HistoryFilter::default()).expect("the history is read");
    assert_eq!(history[0].cycle, 4, "cycles go on where they were");
}
