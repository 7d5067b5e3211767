//! What fails is seen by whoever looks where errors go, and by nobody twice.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs::{self, File};
use std::time::{Duration, Instant};

use wnm_core::node::Status::Stopped;
use wnm_testing::{Colony, test_node_that};

use crate::machine;

/// A machine whose new nodes end at once.
fn failing() -> Colony {
    let colony = machine(&["--node_cap=3"]);
    colony.install(&test_node_that("exit:7:0", "0.4.17"));
    colony
}

fn errors_do_not_vanish_with_quiet() {
    let colony = failing();
    let run = colony.wnm(&["run", "--quiet"]);
    assert_eq!((run.code, run.stdout.as_str()), (3, ""), "{run:?}");
    assert!(run.stderr.contains("error: failed to add 3 nodes (antnode0001–0003):"), "{run:?}");
    assert_eq!(run.stderr.matches("(exit code 7)").count(), 1, "once for a cause: {run:?}");

    fs::remove_file(colony.node_program()).expect("the node program is taken away");
    for words in [&["run", "--quiet"][..], &["plan", "--quiet"], &["survey", "--quiet"], &["status", "--quiet"]] {
        let run = colony.wnm(words);
        assert_eq!((run.code, run.stdout.as_str()), (0, ""), "{words:?}: {run:?}");
        assert_eq!(run.stderr.matches("warning: ").count(), 1, "{words:?}: {run:?}");
    }
    let run = colony.wnm(&["doctor", "--quiet"]);
    assert_eq!((run.code, run.stdout.as_str()), (1, ""), "{run:?}");
    assert!(run.stderr.contains("error node-program: "), "{run:?}");
}

fn errors_do_not_vanish_with_an_answer_that_nobody_reads() {
    let colony = failing();
    let run = colony.wnm(&["add", "--count", "2", "--json"]);
    assert_eq!((run.code, run.json()["results"].as_array().map(Vec::len)), (3, Some(2)), "{run:?}");
    assert!(run.stderr.contains("error: failed to add 2 nodes"), "{run:?}");
    let run = colony.wnm(&["start", "1"]);
    assert_eq!(run.code, 3, "{run:?}");
    for said in [&run.stdout, &run.stderr] {
        assert!(said.contains("failed to start antnode0001: "), "{run:?}");
    }
}

fn errors_are_said_once_where_both_outputs_are_one() {
    let colony = failing();
    let path = colony.path().join("both");
    let file = File::create(&path).expect("a file");
    let mut command = colony.command(&["add"]);
    command.stdout(file.try_clone().expect("a copy")).stderr(file);
    assert_eq!(command.status().expect("wnm can be run").code(), Some(3));
    let said = fs::read_to_string(&path).expect("it is read");
    assert_eq!(said.matches("(exit code 7)").count(), 1, "{said}");
}

/// A node that ends some seconds after its start is found out at the next look, however long starts are waited for.
fn a_dead_start_is_seen_at_the_next_look() {
    let colony = machine(&["--node_cap=1", "--delay_start=300"]);
    colony.install(&test_node_that("exit:7:4s", "0.4.17"));
    colony.done(&["add"]);
    assert_eq!(colony.processes().len(), 1, "it lived long enough to count as started");
    let deadline = Instant::now() + Duration::from_secs(10);
    while !colony.processes().is_empty() {
        assert!(Instant::now() < deadline, "it does not end");
        std::thread::sleep(Duration::from_millis(50));
    }
    let gone = "antnode0001: its process is gone: its process ";
    let status = colony.done(&["status"]).stdout;
    assert!(status.contains(gone) && status.contains("STOPPED"), "{status}");
    let findings = colony.wnm(&["doctor"]).stdout;
    assert!(findings.contains(&format!("error node-failed: {gone}")), "{findings}");
    let run = colony.done(&["run"]);
    assert!(run.stderr.contains(&format!("warning: {gone}")), "{run:?}");
    assert!(run.stdout.contains("antnode0001: ended before it was up; will be retried [back_off]"), "{run:?}");
    assert!(colony.done(&["survey"]).stdout.contains(gone));
    assert_eq!(colony.statuses(), [(1, Stopped)]);
}

wnm_testing::trials! {
    &[] =>
        errors_do_not_vanish_with_quiet,
        errors_do_not_vanish_with_an_answer_that_nobody_reads,
        a_dead_start_is_seen_at_the_next_look,
        errors_are_said_once_where_both_outputs_are_one;
}
