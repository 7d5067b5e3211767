//! Plans that are shown, saved and applied; and dry runs, which change nothing.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use serde_json::json;

use crate::{machine, running};

fn a_saved_plan_is_applied_as_long_as_the_machine_is_as_it_was() {
    let colony = machine(&["--node_cap=2"]);
    let file = colony.path().join("plan.json");
    let path = file.to_str().expect("temporary paths are UTF-8");
    colony.done(&["plan", "--out", path]);
    assert_eq!(fs::metadata(&file).expect("it is there").permissions().mode() & 0o777, 0o600);
    assert_eq!(colony.processes(), []);
    colony.done(&["apply", path, "--dry-run"]);
    assert_eq!(colony.processes(), []);
    let applied = colony.done(&["apply", path, "--json"]).json();
    assert_eq!(applied["results"].as_array().map(Vec::len), Some(2), "{applied:#}");
    let again = colony.wnm(&["apply", path]);
    assert_eq!(again.code, 4, "{again:?}");
    assert!(again.stderr.contains("antnode0001–0002: new"), "{again:?}");
    assert_eq!(colony.processes().len(), 2);
    colony.agrees();
}

fn an_edited_plan_is_refused() {
    let colony = machine(&["--node_cap=2"]);
    let file = colony.path().join("plan.json");
    let path = file.to_str().expect("temporary paths are UTF-8");
    colony.done(&["plan", "--out", path]);
    let text = fs::read_to_string(&file).expect("the plan is read");
    let elsewhere = text.replace("nodes/antnode0002", "antnode0002");
    assert_ne!(elsewhere, text);
    fs::write(&file, elsewhere).expect("the plan is written");
    let run = colony.wnm(&["apply", path]);
    assert_eq!(run.code, 4, "{run:?}");
    assert!(run.stderr.contains("is not a directory of its own in node_storage"), "{run:?}");
    for (content, word) in [("", "not a plan"), ("{\"format\": 2}", "not a plan"), ("[]", "not a plan")] {
        fs::write(&file, content).expect("the plan is written");
        let run = colony.wnm(&["apply", path]);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains(word), "{run:?}");
    }
    let run = colony.wnm(&["apply", "/nonexistent/plan.json"]);
    assert_eq!(run.code, 2, "{run:?}");
    assert_eq!(colony.statuses(), []);
}

fn a_dry_run_of_anything_changes_nothing() {
    let colony = running(2);
    colony.done(&["config", "set", "node_cap=4"]);
    let (record, processes) = (colony.stored(), colony.processes());
    let commands: &[&[&str]] = &[
        &["--dry-run"],
        &["--dry_run"],
        &["run", "--dry-run"],
        &["add", "--count", "2", "--dry-run"],
        &["start", "--all", "--dry-run"],
        &["stop", "1", "--dry-run"],
        &["restart", "--all", "--dry-run"],
        &["upgrade", "--all", "--dry-run"],
        &["remove", "1", "--dry-run"],
        &["disable", "1", "--dry-run"],
        &["enable", "--all", "--dry-run"],
        &["survey", "--dry-run"],
        &["survey", "--adopt", "--dry-run"],
        &["teardown", "--dry-run"],
        &["config", "set", "node_cap=9", "--dry-run"],
        &["config", "unset", "node_cap", "--dry-run"],
        &["plan"],
        &["status"],
        &["why"],
    ];
    for words in commands {
        colony.done(words);
        assert_eq!((colony.stored(), colony.processes()), (record.clone(), processes.clone()), "{words:?}");
    }
    let teardown = colony.done(&["teardown", "--dry-run", "--json"]).json();
    assert_eq!(teardown["plan"]["actions"], json!([{"verb": "teardown", "numbers": [1, 2], "groups": []}]));
}

fn arguments_that_are_wrong_are_told_in_json_too() {
    let run = machine(&[]).wnm(&["add", "--count", "many", "--json"]);
    assert_eq!(run.code, 2);
    let answer = run.json();
    assert_eq!(answer["exit_code"], 2);
    assert!(answer["error"].as_str().is_some_and(|error| error.contains("'many'")), "{answer:#}");
}

fn f60_json_has_one_shape_whatever_the_count() {
    let none = machine(&[]).done(&["status", "--json"]).json();
    assert_eq!(none["nodes"], json!([]));
    let one = running(1).done(&["status", "--json"]).json();
    assert_eq!(one["nodes"].as_array().map(Vec::len), Some(1));
}

wnm_testing::trials! {
    &[] =>
        a_saved_plan_is_applied_as_long_as_the_machine_is_as_it_was,
        an_edited_plan_is_refused,
        a_dry_run_of_anything_changes_nothing,
        arguments_that_are_wrong_are_told_in_json_too,
        f60_json_has_one_shape_whatever_the_count;
}
