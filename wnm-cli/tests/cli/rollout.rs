//! New versions on a real fleet: a good one comes to all, a broken one to its canary alone.

#![expect(clippy::disallowed_methods, reason = "tests wait for real processes")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use serde_json::{Value, json};
use wnm_core::node::{Node, Status};
use wnm_core::rollout::{Phase, Rollout};
use wnm_testing::{Colony, test_node, test_node_that};

use crate::machine;

/// Three running nodes of 0.4.17, and a policy that does not take long.
fn fleet(more: &[&str]) -> Colony {
    let policy = ["--node_cap=3", "--upgrade_canary=1", "--upgrade_settle_seconds=3", "--delay_upgrade=2"];
    let policy = [&policy[..], &["--max_concurrent_upgrades=2"], more].concat();
    let colony = machine(&policy);
    colony.cycle_until_running(3);
    // Whoever has peers and metrics was asked once more.
    colony.done(&["run"]);
    colony
}

fn rollout(colony: &Colony) -> Value {
    colony.done(&["rollout", "--json"]).json()["rollout"].clone()
}

fn versions(colony: &Colony) -> Vec<String> {
    colony.stored().nodes.iter().filter_map(Node::version).map(ToString::to_string).collect()
}

/// Cycles until this is so.
fn cycle_until(colony: &Colony, what: &str, is_so: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}: {:#}\n{:?}", rollout(colony), colony.statuses());
        let _ = colony.wnm(&["run"]);
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn previous(colony: &Colony, number: u32) -> PathBuf {
    colony.node_dir(number).join("antnode.previous")
}

fn a_good_version_goes_to_a_canary_and_then_to_all() {
    let colony = fleet(&[]);
    assert_eq!(colony.done(&["rollout"]).stdout, "No new version has been rolled out on this machine yet.\n");
    colony.install(&test_node("0.4.18"));
    colony.done(&["run"]);
    assert_eq!(versions(&colony), ["0.4.18", "0.4.17", "0.4.17"]);
    assert!(previous(&colony, 1).exists(), "the previous program is kept");
    let why = colony.done(&["plan"]).stdout;
    assert!(why.contains("2 more nodes to upgrade once 0.4.18 has proved itself on 1 canary node"), "{why}");
    let status = rollout(&colony);
    assert_eq!((&status["phase"], &status["canaries"], &status["open"]), (&json!("canary"), &json!([1]), &json!(1)));
    cycle_until(&colony, "it proves itself", || {
        let all = versions(&colony).iter().filter(|version| *version == "0.4.18").count();
        let phase = rollout(&colony)["phase"].clone();
        assert!(all <= 1 || phase != "canary", "{all} nodes have it");
        phase == "done"
    });
    assert_eq!(versions(&colony), ["0.4.18"; 3]);
    colony.done(&["run"]);
    assert!([1, 2, 3].iter().all(|number| !previous(&colony, *number).exists()), "no previous program is left");
    colony.agrees();
}

/// What a node that is no good does, and what is said of it.
const BROKEN: [(&str, &str); 7] = [
    ("exit:7:0", "exit"),
    ("exit:0:0", "exit"),
    ("exit:3:2.5s", "its process is "),
    ("hang", "does not answer in time"),
    ("garbage", "metrics port"),
    ("no_peers", "it had no peers within 5 s"),
    ("eat:200M", "it uses 238 MB of memory, and used 38 MB with the version before"),
];

fn a_broken_version_stops_after_its_canary_and_the_fleet_runs_on() {
    let colony = fleet(&[]);
    for (patch, (words, said)) in (18..).zip(BROKEN) {
        let version = format!("0.4.{patch}");
        let before = [1, 2, 3].map(|number| colony.pid(number));
        colony.install(&test_node_that(words, &version));
        // What is recorded, since looking alone tells of a failure before anything was done about it.
        cycle_until(&colony, words, || {
            let rollouts = colony.stored().rollouts;
            let paused = |last: &Rollout| last.target.version.to_string() == version && last.phase == Phase::Paused;
            let is_back = rollouts.trials.values().all(|trial| !trial.is_to_be_reverted());
            let is_up = colony.statuses().iter().all(|(_, status)| *status == Status::Running);
            rollouts.last.as_ref().is_some_and(paused) && is_back && is_up
        });
        let status = rollout(&colony);
        assert_eq!((&status["failed"], &status["proved"]), (&json!(1), &json!(0)), "{words}: {status:#}");
        let why = status["paused_because"].as_str().unwrap_or_default();
        assert!(why.starts_with("it failed on antnode000") && why.contains(said), "{words}: {why}");
        assert_eq!(status["failed_nodes"][0]["previous"], "its previous program was put back", "{words}");
        assert_eq!(versions(&colony), ["0.4.17"; 3], "{words}");
        let after = [1, 2, 3].map(|number| colony.pid(number));
        let touched = before.iter().zip(after).filter(|(before, after)| *before != after).count();
        assert_eq!(touched, 1, "{words}: nothing was done to the others");
        assert!([1, 2, 3].iter().all(|number| !previous(&colony, *number).exists()), "{words}");
        for _ in 0..3 {
            colony.done(&["run"]);
        }
        assert_eq!([1, 2, 3].map(|number| colony.pid(number)), after, "{words}: it is not tried again");
        colony.agrees();
    }
}

fn a_paused_roll_out_is_told_everywhere_and_goes_on_when_its_owner_says_so() {
    let colony = fleet(&[]);
    colony.install(&test_node_that("exit:7:0", "0.4.18"));
    assert_eq!(colony.wnm(&["run"]).code, 3, "the node that failed is told");
    colony.done(&["config", "set", "node_cap=4"]);
    colony.done(&["run"]);
    let decided = colony.done(&["why", "--last", "1"]).stdout;
    assert!(decided.contains("the roll-out of 0.4.18 is paused: it failed on antnode0001"), "{decided}");
    assert!(decided.contains("no node is added with 0.4.18 before it has proved itself"), "{decided}");
    let node = colony.done(&["why", "1", "--last", "9"]).stdout;
    assert!(node.contains("0.4.18 failed: ") && node.contains("its previous program was put back"), "{node}");
    let findings = colony.wnm(&["doctor", "--json"]).stdout;
    assert!(findings.contains("rollout-paused"), "{findings}");
    let status = colony.done(&["rollout", "status"]).stdout;
    assert!(status.contains("next: waits for `wnm rollout resume`"), "{status}");

    let dry = colony.done(&["rollout", "resume", "--dry-run"]).stdout;
    assert!(dry.starts_with("roll-out of 0.4.18: canary") && dry.ends_with("Nothing was changed.\n"), "{dry}");
    assert_eq!(rollout(&colony)["phase"], "paused");
    colony.done(&["rollout", "resume"]);
    assert_eq!(rollout(&colony)["phase"], "canary");
    let refused = colony.wnm(&["rollout", "resume"]);
    assert_eq!(refused.code, 4);
    assert_snapshot!(refused.stderr, @"
    error: the roll-out of 0.4.18 is not paused
    hint: `wnm rollout status` to see what there is
    ");
    let aborted = colony.done(&["rollout", "abort", "--json"]).json();
    assert_eq!(aborted["rollout"]["phase"], "aborted");
    colony.done(&["run"]);
    assert_eq!(versions(&colony), ["0.4.17"; 3]);
}

fn an_abort_puts_the_previous_program_back() {
    let colony = fleet(&["--upgrade_settle_seconds=600"]);
    colony.install(&test_node("0.4.18"));
    colony.done(&["run"]);
    assert_eq!(versions(&colony), ["0.4.18", "0.4.17", "0.4.17"]);
    colony.done(&["rollout", "abort"]);
    colony.done(&["run"]);
    cycle_until(&colony, "it runs", || colony.statuses().iter().all(|(_, status)| *status == Status::Running));
    assert_eq!(versions(&colony), ["0.4.17"; 3]);
    colony.agrees();
}

fn an_owners_upgrade_is_done_at_once_and_is_judged_too() {
    let colony = fleet(&[]);
    colony.install(&test_node_that("garbage", "0.4.18"));
    colony.done(&["upgrade", "2"]);
    assert_eq!(versions(&colony), ["0.4.17", "0.4.18", "0.4.17"]);
    cycle_until(&colony, "it fails", || rollout(&colony)["phase"] == "paused");
    cycle_until(&colony, "it runs", || colony.statuses().iter().all(|(_, status)| *status == Status::Running));
    assert_eq!(versions(&colony), ["0.4.17"; 3]);
    assert_eq!(rollout(&colony)["failed_nodes"][0]["node"], 2);
}

wnm_testing::trials! {
    &[] =>
        a_good_version_goes_to_a_canary_and_then_to_all,
        a_broken_version_stops_after_its_canary_and_the_fleet_runs_on,
        a_paused_roll_out_is_told_everywhere_and_goes_on_when_its_owner_says_so,
        an_abort_puts_the_previous_program_back,
        an_owners_upgrade_is_done_at_once_and_is_judged_too;
}
