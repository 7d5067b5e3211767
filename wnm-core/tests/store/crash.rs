//! A writer that is killed at any moment leaves whole slices, in order, and a record that opens.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use wnm_core::event::Event;
use wnm_core::node::{NodeId, Status, StoredNode, Verb};
use wnm_core::store::{EventKind, HistoryFilter, Store};

use crate::rows::{NOW, added, node, restored, stored};

/// Names the database to the process that is going to be killed.
const VARIABLE: &str = "WNM_TEST_KILLED_WRITER";

/// What is recorded in one transaction about the node of this number.
fn slice(number: u32) -> [Event; 3] {
    let (status, pending) = (Status::Stopped, Some(Verb::Add));
    let intended = StoredNode { status, pending, metrics: None, ..stored(number) };
    [
        added(restored(intended)),
        Event::Noted { id: Some(NodeId(number)), what: "it is on its way".to_owned() },
        Event::Completed { verb: Verb::Add, node: Box::new(node(number)) },
    ]
}

#[expect(clippy::print_stdout, reason = "it tells its killer how far it is")]
fn write_until_killed(database: &Path) -> ! {
    let mut store = Store::open(database).expect("it is opened");
    for number in 1..=9_999 {
        store.apply(NOW, &slice(number)).expect("it is recorded");
        println!("\n{number}");
    }
    panic!("nobody killed it");
}

#[test]
fn a_killed_writer_leaves_whole_slices() {
    if let Some(database) = std::env::var_os(VARIABLE) {
        write_until_killed(Path::new(&database));
    }
    for round in 0..12_u32 {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("colony.db");
        drop(Store::create(&path).expect("a new database"));
        let mut writer = Command::new(std::env::current_exe().expect("a test knows its own program"))
            .args(["--exact", "crash::a_killed_writer_leaves_whole_slices", "--nocapture"])
            .env(VARIABLE, &path)
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let lines = BufReader::new(writer.stdout.take().expect("it is piped")).lines();
        let numbers = lines.map_while(Result::ok).filter_map(|line| line.parse::<u32>().ok());
        let reported = numbers.take_while(|number| *number < 1 + round * 3).last().unwrap_or(0);
        // Somewhere in the middle of the next ones.
        for _ in 0..round * 50_000 {
            std::hint::spin_loop();
        }
        writer.kill().expect("it still runs");
        writer.wait().expect("it ends");

        let store = Store::open(&path).expect("whatever happened, it opens");
        let nodes = store.load().expect("the database is read").nodes;
        let count = u32::try_from(nodes.len()).expect("there are a few");
        assert!(count >= reported, "{reported} were reported, {count} are there");
        assert_eq!(nodes, (1..=count).map(node).collect::<Vec<_>>(), "all of each slice, in order");
        for kind in [EventKind::Intended, EventKind::Noted, EventKind::Completed] {
            let told = store.history(&HistoryFilter { kind: Some(kind), ..HistoryFilter::default() });
            assert_eq!(told.expect("the history is read").len(), nodes.len(), "{kind:?}");
        }
    }
}
