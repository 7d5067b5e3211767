//! `wnm pause` and `wnm resume`: what an operator does before working on the machine.

use insta::assert_snapshot;
use serde_json::json;
use wnm_core::lock::Lock;
use wnm_core::node::Status;

use crate::{machine, running};

/// A text without the times in it.
fn timeless(text: &str) -> String {
    let word = |word: &str| {
        let bare = word.trim_end_matches([',', ';', ':', '.']);
        let is_time = bare.len() == 20 && bare.ends_with('Z');
        if is_time { word.replace(bare, "[TIME]") } else { word.to_owned() }
    };
    text.lines().map(|line| line.split(' ').map(word).collect::<Vec<_>>().join(" ") + "\n").collect()
}

fn a_paused_machine_stays_as_it_is_and_says_so_everywhere() {
    let colony = running(2);
    let paused = colony.done(&["pause", "--reason", "new disk"]);
    assert_snapshot!(timeless(&paused.stdout), @"Cycles are paused (new disk): they look and record, and change nothing; `wnm resume` ends that.");
    colony.kill(colony.pid(2));
    colony.done(&["config", "set", "node_cap=4"]);
    let run = colony.done(&["run"]);
    assert_snapshot!(timeless(&run.stdout), @"
    Nothing to do.
    Not done, because:
      cycles have been paused since [TIME] (new disk); only what the owner asks for is done [paused]
      antnode0002: down; not started while cycles are paused [paused]
    ");
    assert_eq!(colony.processes().len(), 1, "what fell stays down");
    assert_eq!(colony.statuses(), [(1, Status::Running), (2, Status::Stopped)], "and is recorded as down");
    let quiet = colony.done(&["run", "--quiet"]);
    assert_eq!((quiet.stdout.as_str(), quiet.stderr.as_str()), ("", ""));
    for words in [&["status"] as &[&str], &["why"], &["plan"]] {
        let said = colony.done(words).stdout;
        assert!(said.to_lowercase().contains("cycles have been paused since"), "{words:?}: {said}");
    }
    let status = colony.done(&["status", "--json"]).json();
    assert_eq!(status["paused"]["reason"], "new disk");
    assert_eq!(status["paused"]["until"], json!(null));
    let resumed = colony.done(&["resume"]);
    assert_snapshot!(resumed.stdout, @"Cycles act again.");
    assert_eq!(colony.done(&["status", "--json"]).json()["paused"], json!(null));
    colony.cycle_until_running(4);
    colony.agrees();
}

fn what_the_owner_asks_for_by_name_is_done_during_a_pause() {
    let colony = running(2);
    colony.done(&["pause", "--for", "2h"]);
    let stopped = colony.done(&["stop", "2"]);
    assert_snapshot!(timeless(&stopped.stdout), @"
    Actions:
      stopped antnode0002 until it is started by hand
    Why:
      requested by the owner [request]
    Not done, because:
      cycles have been paused since [TIME], and will be until [TIME]; only what the owner asks for is done [paused]
    ");
    assert_eq!(colony.processes().len(), 1);
    colony.done(&["start", "2"]);
    assert_eq!(colony.processes().len(), 2);
    colony.done(&["teardown", "--confirm"]);
    assert_eq!(colony.processes(), []);
}

fn a_pause_asked_for_again_changes_its_time_and_resume_without_one_is_no_error() {
    let colony = machine(&[]);
    assert_snapshot!(colony.done(&["resume"]).stdout, @"Cycles are not paused.");
    assert_eq!(colony.done(&["resume", "--json"]).json(), json!({"dry_run": false, "paused": null, "before": null}));
    assert_snapshot!(timeless(&colony.done(&["pause", "--for", "1h30m", "--reason", "new disk", "--dry-run"]).stdout), @"
    Cycles would be paused until [TIME] (new disk): they look and record, and change nothing; `wnm resume` ends that.
    Nothing was changed.
    ");
    assert_eq!(colony.stored().pause, None);
    let first = colony.done(&["pause", "--for", "1h30m", "--reason", "new disk", "--json"]).json();
    let of = |answer: &serde_json::Value, name: &str| answer["paused"][name].as_i64().expect("a time");
    assert_eq!(of(&first, "until") - of(&first, "since"), 5_400);
    let again = colony.done(&["pause", "--json"]).json();
    assert_eq!(again["before"], first["paused"]);
    assert_eq!((&again["paused"]["until"], &again["paused"]["reason"]), (&json!(null), &json!("new disk")));
    assert_snapshot!(colony.done(&["pause"]).stdout, @"Cycles are paused already (new disk): they look and record, and change nothing; `wnm resume` ends that.");
}

fn a_pause_ends_by_itself() {
    let colony = machine(&["--node_cap=1"]);
    colony.done(&["pause", "--for", "2s"]);
    colony.done(&["run"]);
    assert_eq!(colony.processes(), []);
    std::thread::sleep(std::time::Duration::from_secs(2));
    colony.done(&["run"]);
    assert_eq!(colony.processes().len(), 1);
    assert_eq!(colony.done(&["status", "--json"]).json()["paused"], json!(null));
}

fn a_pause_that_cannot_be_meant_is_refused() {
    let colony = machine(&[]);
    for text in ["0s", "-2h", "2", "soon", "1mo", "4000d"] {
        let run = colony.wnm(&["pause", "--for", text]);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains(&format!("invalid value '{text}' for '--for <DURATION>'")), "{run:?}");
    }
    let run = colony.wnm(&["pause", "--reason", "two\nlines"]);
    assert_eq!((run.code, run.stderr.as_str()), (2, "error: the reason \"two\\nlines\" is not one line of text\n"));
    assert_eq!(colony.stored().pause, None);
}

fn a_plan_that_was_saved_before_a_pause_is_refused_during_it() {
    let colony = machine(&["--node_cap=1"]);
    let file = colony.path().join("plan.json");
    let path = file.to_str().expect("temporary paths are UTF-8");
    colony.done(&["plan", "--out", path]);
    colony.done(&["pause"]);
    let run = colony.wnm(&["apply", path]);
    assert_snapshot!(timeless(&run.stderr), @"
    error: the machine has changed since the plan was made: cycles have been paused since [TIME]
    hint: `wnm resume` to end the pause
    ");
    assert_eq!([run.code, colony.wnm(&["apply", path, "--dry-run"]).code], [4, 4]);
    assert_eq!(colony.processes(), []);
}

/// Somebody who wants a pause does not want to try again until no cycle is at work.
fn a_pause_waits_for_the_cycle_in_progress() {
    let colony = machine(&[]);
    let lock = Lock::acquire(&colony.database(), "a cycle").expect("the lock is free");
    std::thread::scope(|scope| {
        let pausing = scope.spawn(|| colony.done(&["pause"]));
        std::thread::sleep(std::time::Duration::from_millis(700));
        assert!(!pausing.is_finished(), "it waits");
        drop(lock);
        pausing.join().expect("it is paused");
    });
    assert!(colony.stored().pause.is_some());
}

wnm_testing::trials! {
    &[] =>
        a_paused_machine_stays_as_it_is_and_says_so_everywhere,
        what_the_owner_asks_for_by_name_is_done_during_a_pause,
        a_pause_asked_for_again_changes_its_time_and_resume_without_one_is_no_error,
        a_pause_ends_by_itself,
        a_pause_that_cannot_be_meant_is_refused,
        a_plan_that_was_saved_before_a_pause_is_refused_during_it,
        a_pause_waits_for_the_cycle_in_progress;
}
