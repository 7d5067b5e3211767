//! A fleet's life: it comes up, is looked at, stopped, started, upgraded, disabled, removed and torn down.

use insta::assert_snapshot;
use serde_json::{Value, json};
use wnm_core::node::Node;
use wnm_core::node::Status::{self, Disabled, Restarting, Running, Stopped};
use wnm_testing::{Colony, test_node};

use crate::{bare, machine, running, steady};

fn init_and_a_first_cycle() {
    let colony = bare();
    let run = colony.done(&[
        "init",
        "--rewards_address",
        "donate",
        "--node_cap",
        "2",
        "--cpu_less_than=101",
        "--cpu_remove=102",
        "--mem_less_than=101",
        "--mem_remove=102",
        "--hd_less_than=101",
        "--hd_remove=102",
        "--desired_load_average=9999",
        "--max_load_average_allowed=10000",
    ]);
    assert_snapshot!(steady(&colony, &run.stdout), @"
    Initialised [DIR]/colony.db with setsid+user; nodes go to [DIR]/nodes.
    Next: `wnm plan` shows what a cycle would do, `wnm run` does it.
    ");
    let run = colony.done(&["run"]);
    assert_snapshot!(steady(&colony, &run.stdout), @"
    Actions:
      added antnode0001 (0.4.17)
    Why:
      the machine has room (0 of 2 nodes) [add]
    Not done, because:
      1 more node to add in later cycles (max_concurrent_starts = 1)
    ");
    colony.agrees();
}

fn a_fleet_comes_up_and_rests() {
    let colony = running(3);
    colony.agrees();
    assert_eq!(colony.statuses(), [(1, Running), (2, Running), (3, Running)]);
    let run = colony.done(&["--json"]);
    let answer = run.json();
    assert_eq!(answer["results"], json!([]), "plain wnm is a cycle, and a cycle on a fleet at rest does nothing");
    assert_eq!(answer["plan"]["actions"], json!([{"verb": "survey"}]));
}

fn f69_status_shows_what_is_now() {
    let colony = running(2);
    let before = colony.done(&["status", "--json"]).json();
    assert_eq!(statuses(&before), ["RUNNING", "RUNNING"]);
    let row = &before["nodes"][0];
    assert_eq!(row["name"], "antnode0001");
    assert_eq!(row["pid"], colony.pid(1));
    assert_eq!(row["ports"]["node"], colony.ports().node_port(1));
    assert!(row["peer_id"].as_str().is_some_and(|peer| peer.starts_with("12D3KooW")), "{row}");
    assert!(row["metrics"]["uptime_seconds"].is_u64(), "{row}");
    colony.kill(colony.pid(2));
    assert_eq!(statuses(&colony.done(&["status", "--json"]).json()), ["RUNNING", "STOPPED"]);
    assert_eq!(colony.statuses()[1].1, Running, "looking records nothing");
    let one = colony.done(&["status", "--details", "antnode0002.service"]).stdout;
    assert!(one.contains("Last error      its process is gone"), "{one}");
    assert!(!one.contains("antnode0001"), "{one}");
}

fn statuses(status: &Value) -> Vec<&str> {
    let rows = status["nodes"].as_array().expect("there are rows");
    rows.iter().filter_map(|row| row["status"].as_str()).collect()
}

fn stop_start_and_restart_by_name_and_by_count() {
    let colony = running(3);
    colony.done(&["stop", "antnode0001", "3"]);
    assert_eq!(colony.processes().len(), 1);
    colony.done(&["run"]);
    assert_eq!(colony.statuses(), [(1, Stopped), (2, Running), (3, Stopped)], "f39: what was stopped by hand stays so");
    colony.done(&["start", "--count", "2"]);
    colony.cycle_until_running(3);
    let before = colony.pid(2);
    colony.done(&["restart", "2"]);
    assert_ne!(colony.pid(2), before);
    colony.cycle_until_running(3);
    colony.agrees();
}

fn f03_f04_upgrades_bring_running_and_stopped_nodes_to_the_new_program() {
    let colony = running(2);
    let key = |number| std::fs::read(colony.node_dir(number).join("secret-key")).expect("the node has a key");
    let keys = [key(1), key(2)];
    colony.done(&["stop", "2"]);
    colony.install(&test_node("0.4.18"));
    colony.done(&["run"]);
    colony.cycle_until_running(1);
    assert_eq!(versions(&colony), ["0.4.18", "0.4.17"]);
    colony.done(&["start", "2"]);
    colony.cycle_until_running(2);
    colony.done(&["run"]);
    colony.cycle_until_running(2);
    assert_eq!(versions(&colony), ["0.4.18", "0.4.18"]);
    assert_eq!([key(1), key(2)], keys, "they are who they were");
    let again = colony.done(&["upgrade", "--count", "1"]);
    assert!(again.stdout.starts_with("Nothing to do."), "{again:?}");
}

fn versions(colony: &Colony) -> Vec<String> {
    colony.stored().nodes.iter().filter_map(Node::version).map(ToString::to_string).collect()
}

fn disabled_nodes_stay_as_they_are() {
    let colony = running(2);
    colony.done(&["disable", "1"]);
    colony.done(&["run"]);
    colony.done(&["run"]);
    assert_eq!(colony.statuses(), [(1, Disabled), (2, Running)]);
    let refused = colony.wnm(&["start", "1"]);
    assert_eq!(refused.code, 4);
    assert_snapshot!(refused.stderr, @"
    error: cannot start antnode0001: it is DISABLED
    hint: `wnm enable antnode0001` to manage it again
    ");
    colony.done(&["enable", "1"]);
    colony.cycle_until_running(2);
    colony.agrees();
}

fn remove_takes_files_and_teardown_takes_all() {
    let colony = running(3);
    colony.done(&["remove", "2", "--confirm"]);
    assert!(!colony.node_dir(2).exists());
    assert_eq!(colony.statuses(), [(1, Running), (3, Running)]);
    let unconfirmed = colony.wnm(&["teardown"]);
    assert_eq!(unconfirmed.code, 4, "{unconfirmed:?}");
    assert_eq!(colony.processes().len(), 2);
    colony.done(&["teardown", "--confirm"]);
    assert_eq!((colony.statuses(), colony.processes()), (vec![], vec![]));
    assert_eq!(colony.stored().highest_number_used, 0, "numbering starts again");
}

fn the_cap_removes_the_youngest_after_its_delay() {
    let colony = running(3);
    colony.done(&["config", "set", "delay_remove=3600", "node_cap=2", "--confirm"]);
    colony.done(&["run"]);
    assert_eq!(colony.statuses(), [(1, Running), (2, Running), (3, Status::Removing)]);
    assert!(colony.node_dir(3).exists(), "its files stay for an hour");
    colony.done(&["config", "set", "delay_remove", "0"]);
    colony.done(&["config", "set", "node_cap=3"]);
    colony.done(&["start", "3"]);
    assert_eq!(colony.statuses()[2].1, Restarting, "its owner changed their mind in time");
    colony.cycle_until_running(3);
    colony.agrees();
}

fn survey_finds_nodes_that_nobody_recorded_and_takes_them_over() {
    let colony = running(2);
    lose_record(&colony);
    colony.init(&[], &["--node_cap=2"]);
    let found = colony.done(&["survey"]);
    assert!(
        found.stdout.contains("2 nodes (antnode0001–0002) are untracked; `wnm survey --adopt` takes them over."),
        "{found:?}"
    );
    assert_eq!(colony.statuses(), []);
    let pids = colony.processes();
    colony.done(&["survey", "--adopt"]);
    colony.cycle_until_running(2);
    assert_eq!(colony.processes(), pids, "nothing was started anew");
    colony.agrees();
}

pub fn lose_record(colony: &Colony) {
    for more in ["", "-wal", "-shm"] {
        let gone = std::fs::remove_file(format!("{}{more}", colony.database().display()));
        assert!(gone.is_ok() || !more.is_empty(), "the database is lost");
    }
}

fn after_a_lost_record_no_key_is_touched_and_stopped_nodes_are_taken_over_too() {
    let colony = running(2);
    let keys = || [1, 2].map(|number| std::fs::read(colony.node_dir(number).join("secret-key")).expect("it is there"));
    let before = keys();
    colony.done(&["stop", "2"]);
    lose_record(&colony);
    colony.init(&[], &["--node_cap=4"]);
    let plan = colony.done(&["plan"]).stdout;
    assert!(plan.contains("add 4 nodes (0.4.17): antnode0003–0006"), "{plan}");
    assert!(plan.contains("antnode0001–0002: skipped, "), "{plan}");

    lose_record(&colony);
    colony.init(&[], &["--node_cap=2", "--import"]);
    assert_eq!(colony.statuses().iter().map(|(number, _)| *number).collect::<Vec<_>>(), [1, 2]);
    colony.cycle_until_running(2);
    assert_eq!(keys(), before, "they are who they were");
}

fn init_says_which_nodes_it_could_not_take_over() {
    let colony = running(1);
    lose_record(&colony);
    // What has neither a key nor a program is no node's directory.
    for file in ["antnode", "secret-key"] {
        std::fs::remove_file(colony.node_dir(1).join(file)).expect("it is there");
    }
    let run = colony.wnm(&["init", "--rewards_address=faucet", "--import"]);
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stderr.contains("warning: cannot take over antnode0001 in "), "{run:?}");
    let again = colony.wnm(&["init", "--rewards_address=faucet", "--dry-run"]);
    assert_eq!(again.code, 4, "a dry run says what the run would say: {again:?}");
}

fn why_tells_the_reasons_of_cycles_and_of_nodes() {
    let colony = machine(&["--node_cap=1"]);
    assert_eq!(colony.done(&["why"]).stdout, "Nothing has been recorded yet.\n");
    colony.cycle_until_running(1);
    colony.done(&["run"]);
    let cycles = colony.done(&["why", "--json"]).json();
    let rules = cycles["entries"][0]["decision"]["reasons"][0]["rule"].clone();
    assert_eq!(rules, "node_cap", "{cycles:#}");
    let node = colony.done(&["why", "antnode0001", "--last", "20"]).stdout;
    assert!(node.contains("intended add [STOPPED]: the machine has room"), "{node}");
    assert!(node.contains("reconciled [RUNNING]: STARTING -> RUNNING"), "{node}");
}

fn f52_environment_and_arguments_reach_the_node() {
    let colony = machine(&["--environment=WNM_TEST_NODE=record GREETING='hello  world'", "--start_args=--first"]);
    colony.done(&["add"]);
    let seen =
        std::fs::read_to_string(colony.node_dir(1).join("seen.json")).expect("the node wrote down what it was given");
    assert!(seen.contains("hello  world"), "{seen}");
    assert!(seen.contains("--first") && seen.contains("--no-upnp"), "{seen}");
}

wnm_testing::trials! {
    &[] =>
        init_and_a_first_cycle,
        a_fleet_comes_up_and_rests,
        f69_status_shows_what_is_now,
        stop_start_and_restart_by_name_and_by_count,
        f03_f04_upgrades_bring_running_and_stopped_nodes_to_the_new_program,
        disabled_nodes_stay_as_they_are,
        remove_takes_files_and_teardown_takes_all,
        the_cap_removes_the_youngest_after_its_delay,
        survey_finds_nodes_that_nobody_recorded_and_takes_them_over,
        after_a_lost_record_no_key_is_touched_and_stopped_nodes_are_taken_over_too,
        init_says_which_nodes_it_could_not_take_over,
        why_tells_the_reasons_of_cycles_and_of_nodes,
        f52_environment_and_arguments_reach_the_node;
}
