//! Many nodes are restarted and upgraded in batches, each when the one before is healthy.

#![expect(clippy::disallowed_methods, reason = "tests start programs and end them")]

use std::collections::BTreeMap;
use std::fs;
use std::process::Stdio;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use serde_json::json;
use wnm_core::node::Status::{Running, Stopped};
use wnm_testing::{Colony, test_node};

use crate::running;

/// The process of each node.
fn processes(colony: &Colony) -> BTreeMap<u32, u32> {
    let nodes = colony.stored().nodes;
    nodes.iter().filter_map(|node| Some((node.id().0, node.process()?.pid))).collect()
}

fn restarted(before: &BTreeMap<u32, u32>, after: &BTreeMap<u32, u32>) -> Vec<u32> {
    after.iter().filter(|(id, pid)| before.get(id) != Some(pid)).map(|(id, _)| *id).collect()
}

fn all_nodes_are_restarted_in_batches() {
    let colony = running(5);
    colony.done(&["stop", "4"]);
    let before = processes(&colony);
    let dry = colony.done(&["restart", "--all", "--batch", "2", "--dry-run"]);
    assert_snapshot!(dry.stdout, @"
    Would restart 4 nodes (antnode0001–0003, antnode0005) in 2 batches of 2.
    Nothing was changed.
    ");
    let run = colony.done(&["restart", "--all", "--batch", "2"]);
    let batches: Vec<&str> = run.stderr.lines().filter_map(|line| line.split(", ").next()).collect();
    assert_snapshot!(batches.join("\n"), @"
    batch 1 of 2: restarted antnode0001–0002
    batch 2 of 2: restarted antnode0003
    ");
    assert_snapshot!(run.stdout, @"Restarted 4 nodes, healthy again.");
    assert_eq!(restarted(&before, &processes(&colony)), [1, 2, 3, 5]);
    assert_eq!(colony.statuses()[3], (4, Stopped), "what its owner stopped stays so");
    let json = colony.done(&["restart", "--status", "RUNNING,RESTARTING", "--json"]).json();
    assert_eq!((&json["done"], &json["left"], &json["failed"]), (&json!([1, 2, 3, 5]), &json!([]), &json!([])));
    colony.agrees();
}

fn a_bad_node_stops_it_and_the_others_are_left_as_they_were() {
    let colony = running(4);
    let before = processes(&colony);
    fs::write(colony.node_dir(2).join("misbehave"), "exit:7:0").expect("it is written");
    let run = colony.wnm(&["restart", "--all", "--batch", "1"]);
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stdout.contains("Restarted 1 node, healthy again.\nfailed: antnode0002: "), "{run:?}");
    assert!(run.stdout.contains("Left as they were: 2 nodes (antnode0003–0004)."), "{run:?}");
    assert_eq!(restarted(&before, &processes(&colony)).iter().filter(|id| **id > 2).count(), 0);
    // With more patience the others follow, and those that were done are passed over.
    fs::remove_file(colony.node_dir(2).join("misbehave")).expect("it was there");
    let run = colony.done(&["restart", "--all", "--batch", "1"]);
    assert!(run.stderr.contains("Going on with what was left: 1 node done before."), "{run:?}");
    assert_eq!(restarted(&before, &processes(&colony)).iter().filter(|id| **id > 2).count(), 2);
    colony.cycle_until_running(4);
    colony.agrees();
}

fn more_failures_are_borne_where_their_owner_says_so() {
    let colony = running(3);
    fs::write(colony.node_dir(1).join("misbehave"), "exit:7:0").expect("it is written");
    let run = colony.wnm(&["restart", "--all", "--batch", "1", "--max-failures", "2", "--json"]);
    assert_eq!(run.code, 3, "{run:?}");
    let answer = run.json();
    assert_eq!((&answer["done"], &answer["failed"][0][0]), (&json!([2, 3]), &json!(1)));
}

fn settings_reach_nodes_by_a_restart_of_the_outdated_ones() {
    let colony = running(3);
    let run = colony.done(&["config", "set", "environment=WNM_TEST_MARK=1"]);
    assert_snapshot!(run.stderr, @"3 nodes keep what they were started with: `wnm restart --all --outdated` applies the change.");
    colony.done(&["restart", "2"]);
    let before = processes(&colony);
    let run = colony.done(&["restart", "--all", "--outdated"]);
    assert!(run.stdout.starts_with("Restarted 2 nodes, healthy again.\n"), "{run:?}");
    assert_eq!(restarted(&before, &processes(&colony)), [1, 3]);
    let run = colony.done(&["restart", "--all", "--outdated"]);
    assert_eq!(run.stdout, "Nothing to do.\n");
    assert_eq!(colony.done(&["config", "set", "environment=WNM_TEST_MARK=1"]).stderr, "");
}

fn all_nodes_are_upgraded_in_batches() {
    let colony = running(3);
    colony.install(&test_node("0.4.18"));
    let run = colony.done(&["upgrade", "--all", "--batch", "2"]);
    assert!(run.stdout.starts_with("Upgraded 3 nodes, healthy again.\n"), "{run:?}");
    let versions: Vec<String> =
        colony.stored().nodes.iter().filter_map(|node| Some(node.version()?.to_string())).collect();
    assert_eq!(versions, ["0.4.18"; 3]);
    assert_eq!(colony.done(&["upgrade", "--all"]).stdout, "Nothing to do.\n");
}

fn one_that_was_killed_goes_on_where_it_was() {
    let colony = running(6);
    let before = processes(&colony);
    let mut command = colony.command(&["restart", "--all", "--batch", "1", "--pause", "1s"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("wnm is started");
    let deadline = Instant::now() + Duration::from_mins(1);
    while restarted(&before, &processes(&colony)).len() < 2 {
        assert!(Instant::now() < deadline, "nothing happens");
        std::thread::sleep(Duration::from_millis(20));
    }
    child.kill().expect("it can be killed");
    child.wait().expect("it ends");
    let middle = processes(&colony);
    let run = colony.done(&["restart", "--all", "--batch", "1"]);
    assert!(run.stderr.contains("Going on with what was left: "), "{run:?}");
    assert_eq!(restarted(&before, &processes(&colony)), [1, 2, 3, 4, 5, 6]);
    assert_eq!(middle[&1], processes(&colony)[&1], "the first one was done");
    assert_eq!(colony.statuses().iter().filter(|(_, status)| *status == Stopped).count(), 0);
    colony.cycle_until_running(6);
    assert!(colony.statuses().iter().all(|(_, status)| *status == Running));
    colony.agrees();
}

wnm_testing::trials! {
    &[] =>
        all_nodes_are_restarted_in_batches,
        a_bad_node_stops_it_and_the_others_are_left_as_they_were,
        more_failures_are_borne_where_their_owner_says_so,
        settings_reach_nodes_by_a_restart_of_the_outdated_ones,
        all_nodes_are_upgraded_in_batches,
        one_that_was_killed_goes_on_where_it_was;
}
