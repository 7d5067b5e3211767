//! wnm is killed at every step, and by the clock; the next runs find out the truth and go on: nothing is
//! lost, nothing is done twice.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;
use wnm_core::node::Status;
use wnm_core::rollout::Phase;
use wnm_testing::{Colony, test_node, test_node_that};

const SIGKILL: i32 = 128 + 9;

/// An example that cargo built beside this test.
fn example(name: &str) -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own program");
    let profile = test.parent().and_then(Path::parent).expect("it lies in target/PROFILE/deps");
    profile.join("examples").join(name)
}

/// Kills wnm at a moment of a command, then lets cycles go on until the machine is at rest.
fn killed(colony: &Colony, moment: &str, words: &[&str]) {
    let run = colony.wnm(&[&[moment], words].concat());
    assert_eq!(run.code, SIGKILL, "{moment}: {run:?}");
    at_rest(colony, moment);
}

/// No node is left in between, and the database agrees with the machine.
fn at_rest(colony: &Colony, moment: &str) {
    for _ in 0..20 {
        let run = colony.done(&["never:before:1", "run", "--json"]);
        let resting = |status: &Status| matches!(status, Status::Running | Status::Stopped | Status::Disabled);
        if run.json()["results"] == json!([]) && colony.statuses().iter().all(|(_, status)| resting(status)) {
            colony.agrees();
            return;
        }
    }
    panic!("{moment}: it does not come to rest: {:?}", colony.statuses());
}

/// Three running nodes, and a cap that lets a cycle add no more.
fn three_nodes() -> Colony {
    let colony = Colony::new(example("dies-at"));
    colony.init(&["never:before:1"], &["--node_cap=3"]);
    at_rest(&colony, "a first cycle");
    colony
}

fn running(colony: &Colony) -> Vec<u32> {
    let running = colony.statuses().into_iter().filter(|(_, status)| *status == Status::Running);
    running.map(|(number, _)| number).collect()
}

#[test]
fn add_is_killed_at_every_step() {
    let colony = three_nodes();
    for moment in ["add:before:1", "add:intended:1", "add:created:1", "add:done:1", "add:recorded:1"] {
        colony.done(&["never:before:1", "remove", "--count", "2", "--confirm"]);
        killed(&colony, moment, &["add", "--count", "2"]);
        assert_eq!(running(&colony), [1, 2, 3], "{moment}: the cycles after it brought the fleet to its cap");
    }
}

#[test]
fn stop_is_killed_at_every_step() {
    let colony = three_nodes();
    for moment in ["stop:before:1", "stop:intended:1", "stop:done:1", "stop:recorded:1"] {
        killed(&colony, moment, &["stop", "1", "2"]);
        let stopped_by_owner = colony.stored().nodes.iter().filter(|node| node.life().is_stopped_by_owner()).count();
        let done = matches!(moment, "stop:done:1" | "stop:recorded:1");
        assert_eq!(stopped_by_owner, if done { 2 } else { 0 }, "{moment}");
        colony.done(&["never:before:1", "start", "1", "2"]);
        at_rest(&colony, moment);
    }
}

#[test]
fn start_is_killed_at_every_step() {
    let colony = three_nodes();
    for moment in ["start:before:1", "start:intended:1", "start:done:1", "start:recorded:1"] {
        colony.done(&["never:before:1", "stop", "2", "3"]);
        killed(&colony, moment, &["start", "2", "3"]);
        let _ = colony.wnm(&["never:before:1", "start", "2", "3"]);
        at_rest(&colony, moment);
        assert_eq!(running(&colony), [1, 2, 3], "{moment}");
    }
}

#[test]
fn upgrade_is_killed_at_every_step() {
    let colony = three_nodes();
    let keys = |colony: &Colony| [1, 2, 3].map(|number| std::fs::read(colony.node_dir(number).join("secret-key")).ok());
    let before = keys(&colony);
    for (patch, step) in (18_u32..).zip(["before", "intended", "done", "recorded"]) {
        colony.install(&test_node(&format!("0.4.{patch}")));
        killed(&colony, &format!("upgrade:{step}:1"), &["upgrade", "--count", "3"]);
        at_rest(&colony, step);
        let versions: Vec<_> = colony.stored().nodes.into_iter().filter_map(|node| node.version().cloned()).collect();
        assert!(versions.iter().all(|version| u32::try_from(version.patch) == Ok(patch)), "{step}: {versions:?}");
        assert_eq!(running(&colony), [1, 2, 3], "{step}");
        assert_eq!(keys(&colony), before, "{step}: the nodes are who they were");
    }
}

#[test]
fn the_return_to_the_previous_program_is_killed_at_every_step() {
    let colony = three_nodes();
    for (patch, step) in (18_u32..).zip(["before", "intended", "done", "recorded"]) {
        colony.install(&test_node_that("garbage", &format!("0.4.{patch}")));
        colony.done(&["never:before:1", "upgrade", "1"]);
        // A cycle sees that it is no good, and the same or the next one puts the previous program back.
        let killed = (0..5).any(|_| colony.wnm(&[&format!("revert:{step}:1"), "run"]).code == SIGKILL);
        assert!(killed, "{step}");
        at_rest(&colony, step);
        let versions: Vec<_> = colony.stored().nodes.into_iter().filter_map(|node| node.version().cloned()).collect();
        assert!(versions.iter().all(|version| version.patch == 17), "{step}: {versions:?}");
        assert_eq!(running(&colony), [1, 2, 3], "{step}");
        let rollouts = colony.stored().rollouts;
        assert_eq!(rollouts.last.map(|last| last.phase), Some(Phase::Paused), "{step}");
        assert!(rollouts.trials.values().all(|trial| !trial.is_to_be_reverted()), "{step}: {:?}", rollouts.trials);
    }
}

#[test]
fn remove_is_killed_at_every_step() {
    let colony = three_nodes();
    for moment in ["remove:before:1", "remove:intended:1", "remove:done:1", "remove:recorded:1"] {
        killed(&colony, moment, &["remove", "2", "--confirm"]);
        assert_eq!(running(&colony), [1, 2, 3], "{moment}: what was removed was added again");
    }
}

#[test]
fn a_removal_by_the_cap_is_killed_at_every_step() {
    let colony = three_nodes();
    for moment in ["remove:intended:1", "remove:done:1", "remove:intended:2", "remove:done:2"] {
        colony.done(&["never:before:1", "config", "set", "node_cap", "1", "--confirm"]);
        for _ in 0..4 {
            if colony.wnm(&[moment, "run"]).code == SIGKILL {
                break;
            }
        }
        at_rest(&colony, moment);
        assert_eq!(running(&colony), [1], "{moment}");
        colony.done(&["never:before:1", "config", "set", "node_cap", "3"]);
        at_rest(&colony, moment);
    }
}

#[test]
fn disable_and_restart_are_killed_at_every_step() {
    let colony = three_nodes();
    for step in ["before", "intended", "done", "recorded"] {
        killed(&colony, &format!("restart:{step}:1"), &["restart", "1", "2"]);
        assert_eq!(running(&colony), [1, 2, 3], "restart {step}");
        killed(&colony, &format!("disable:{step}:1"), &["disable", "1"]);
        let disabled = colony.statuses().contains(&(1, Status::Disabled));
        assert_eq!(disabled, step != "before", "an intention to disable is carried out");
        colony.done(&["never:before:1", "enable", "1"]);
        at_rest(&colony, step);
    }
}

#[test]
fn killed_by_the_clock_at_any_time() {
    let colony = three_nodes();
    for wait in (0..12_u64).map(|step| step * 17) {
        let words: &[&str] = if wait % 2 == 0 {
            &["never:before:1", "remove", "--count", "2", "--confirm"]
        } else {
            &["never:before:1", "restart", "--count", "2"]
        };
        let mut child = colony.command(words).spawn().expect("wnm is started");
        std::thread::sleep(Duration::from_millis(wait));
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        at_rest(&colony, &format!("{words:?} after {wait} ms"));
        assert_eq!(running(&colony), [1, 2, 3], "{words:?} after {wait} ms");
    }
}
