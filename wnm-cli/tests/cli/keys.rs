//! No key goes by a slip: what removes nodes is asked for and confirmed, and what was removed can be brought back.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;
use serde_json::{Value, json};
use wnm_core::node::Status::Running;
use wnm_testing::Colony;

use crate::running;

fn key(colony: &Colony, number: u32) -> Vec<u8> {
    fs::read(colony.node_dir(number).join("secret-key")).expect("the node has a key")
}

fn nothing_is_done_to_nodes_that_nobody_chose() {
    let colony = running(3);
    for verb in ["stop", "start", "restart", "upgrade", "disable", "enable", "remove"] {
        let run = colony.wnm(&[verb]);
        assert_eq!(run.code, 2, "{verb}: {run:?}");
        assert!(run.stderr.contains("name nodes, or give --count, --all or a filter"), "{run:?}");
        let run = colony.wnm(&[verb, "--json"]);
        assert_eq!(run.json()["exit_code"], json!(2), "{verb}: {run:?}");
    }
    assert_eq!(colony.statuses(), [(1, Running), (2, Running), (3, Running)]);
    colony.agrees();
}

fn a_removal_is_shown_and_confirmed() {
    let colony = running(3);
    let run = colony.wnm(&["remove", "2-3"]);
    assert_eq!(run.code, 4, "{run:?}");
    let said = run.stderr.lines().next().unwrap_or_default();
    assert!(
        said.starts_with("error: this removes 2 nodes with their files and keys, and was not confirmed: antnode0002 ("),
        "{said}"
    );
    let dry = colony.done(&["remove", "2-3", "--dry-run"]);
    assert!(dry.stdout.contains("With their files and keys:\n  antnode0002 ("), "{dry:?}");
    let going = colony.done(&["remove", "2-3", "--dry-run", "--json"]).json()["going"].take();
    assert_eq!(going[1]["name"], json!("antnode0003"));
    assert!(going[0]["age_seconds"].is_number() && going[0]["records"].is_number(), "{going}");
    assert_eq!(colony.statuses().len(), 3);
    let run = colony.done(&["remove", "2", "--confirm"]);
    assert!(
        run.stderr.contains("the next cycles add 1 node again (node_cap = 3); `--lower-cap` keeps them from it"),
        "{run:?}"
    );
    let run = colony.done(&["remove", "3", "--confirm", "--lower-cap"]);
    assert!(run.stderr.contains("node_cap = 1 (was 3)"), "{run:?}");
    colony.done(&["run"]);
    assert_eq!(colony.statuses(), [(1, Running)]);
    colony.agrees();
}

fn a_removed_node_comes_back_as_who_it_was() {
    let colony = running(3);
    colony.done(&["survey"]);
    let before = colony.stored().nodes[1].clone();
    let was = key(&colony, 2);
    colony.done(&["remove", "2", "--confirm"]);
    assert!(!colony.node_dir(2).exists(), "its space is free");
    let kept = colony.done(&["removed", "--json"]).json()["removed"].take();
    assert_eq!((&kept[0]["name"], &kept[0]["wallet"]), (&json!("antnode0002"), &json!(before.spec().wallet)));
    assert!(!kept.to_string().contains("key"), "it is shown to nobody: {kept}");
    assert!(colony.done(&["removed"]).stdout.contains("antnode0002"));
    let mode = fs::metadata(colony.database()).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o077, 0, "the database is its owner's alone");
    let dry = colony.done(&["restore", "2", "--dry-run"]);
    assert_snapshot!(dry.stdout, @"Would restore antnode0002 with its key, wallet and ports.");
    assert!(!colony.node_dir(2).exists());
    let run = colony.done(&["restore", "antnode0002"]);
    assert!(run.stdout.starts_with("Restored antnode0002 with its key, wallet and ports.\n"), "{run:?}");
    colony.cycle_until_running(3);
    let node = colony.stored().nodes[1].clone();
    assert_eq!(key(&colony, 2), was);
    assert_eq!((&node.spec().wallet, &node.spec().ports), (&before.spec().wallet, &before.spec().ports));
    assert_eq!((node.peer_id(), node.created_at()), (before.peer_id(), before.created_at()));
    let mode = fs::metadata(colony.node_dir(2).join("secret-key")).expect("it is there").permissions().mode();
    assert_eq!(mode & 0o777, 0o600);
    assert_eq!(colony.done(&["removed", "--json"]).json()["removed"], json!([]), "it is kept no more");
    colony.agrees();
}

fn a_number_that_is_taken_by_then_leaves_key_and_wallet() {
    let colony = running(3);
    let was = key(&colony, 2);
    colony.done(&["remove", "2", "--confirm"]);
    colony.cycle_until_running(3);
    let run = colony.wnm(&["restore", "2"]);
    assert_eq!(run.code, 4, "{run:?}");
    assert_snapshot!(run.stderr, @"
    error: adding 1 node would exceed node_cap (4 > 3)
    hint: `wnm config set node_cap 4` to allow them
    ");
    colony.done(&["config", "set", "node_cap=4"]);
    let run = colony.done(&["restore", "2"]);
    assert!(
        run.stdout.starts_with(
            "Restored antnode0002 with its key and wallet, as antnode0004: its number is another node's.\n"
        ),
        "{run:?}"
    );
    colony.cycle_until_running(4);
    assert_eq!(key(&colony, 4), was);
    colony.agrees();
}

fn what_cannot_be_brought_back_is_said() {
    let colony = running(2);
    let said = |words: &[&str], code: i32| {
        let run = colony.wnm(words);
        assert_eq!(run.code, code, "{words:?}: {run:?}");
        run.stderr
    };
    assert_snapshot!(said(&["restore", "7"], 4), @"
    error: nothing is kept of a removed node called 7
    hint: `wnm removed` to list what is kept
    ");
    assert_snapshot!(said(&["restore", "--id", "9"], 4), @"
    error: nothing is kept of a removed node called #9
    hint: `wnm removed` to list what is kept
    ");
    assert_snapshot!(said(&["restore", "7", "backup.tar"], 2), @"error: name removed nodes, or one backup");
    assert_snapshot!(colony.done(&["removed"]).stdout, @"No node was removed in the last 7 days.");
    colony.done(&["config", "set", "keep_removed_days=0"]);
    colony.done(&["remove", "2", "--confirm", "--lower-cap"]);
    assert_snapshot!(colony.done(&["removed"]).stdout, @"Nothing is kept of removed nodes (keep_removed_days = 0).");
}

fn a_lower_cap_is_confirmed() {
    let colony = running(3);
    let run = colony.wnm(&["config", "set", "node_cap", "1"]);
    assert_eq!(run.code, 4, "{run:?}");
    assert_snapshot!(run.stderr, @"
    error: cycles would remove 2 nodes with their keys (node_cap = 1, and there are 3), and that was not confirmed
    hint: the same with `--confirm`
    ");
    assert_eq!(colony.wnm(&["config", "set", "hd_remove=0.001", "hd_less_than=0.0001"]).code, 4);
    assert!(
        colony.done(&["config", "set", "node_cap=1", "--dry-run"]).stderr.contains("remove 2 nodes with their keys")
    );
    colony.done(&["run"]);
    assert_eq!(colony.statuses().len(), 3);
    colony.done(&["config", "set", "node_cap=5"]);
    let run = colony.wnm(&["config", "unset", "node_cap"]);
    assert_eq!(run.code, 0, "the default is higher: {run:?}");
    colony.done(&["config", "set", "node_cap=1", "--confirm"]);
    assert_eq!(colony.done(&["config", "--json"]).json()[0]["value"], json!("1"));
}

fn a_teardown_is_the_end_until_a_new_init() {
    let colony = running(2);
    let was = key(&colony, 1);
    colony.done(&["teardown", "--confirm"]);
    let run = colony.done(&["run"]);
    assert_snapshot!(run.stdout, @"
    Nothing to do.
    Not done, because:
      everything was taken down; no node is added before `wnm init` [torn_down]
    ");
    assert!(colony.stored().nodes.is_empty());
    let run = colony.wnm(&["add"]);
    assert_eq!(run.code, 4);
    assert_snapshot!(run.stderr, @"
    error: everything on this machine was taken down
    hint: `wnm init` to begin anew
    ");
    let kept: Value = colony.done(&["removed", "--json"]).json()["removed"].take();
    assert_eq!(kept.as_array().map(Vec::len), Some(2), "a slip costs no key");
    assert_eq!(colony.wnm(&["restore", "1"]).code, 4, "there is no machine");
    colony.init(&[], &["--node_cap=2"]);
    colony.done(&["restore", "1"]);
    assert_eq!(key(&colony, 1), was);
    colony.cycle_until_running(2);
    colony.agrees();
}

wnm_testing::trials! {
    &[] =>
    nothing_is_done_to_nodes_that_nobody_chose,
    a_removal_is_shown_and_confirmed,
    a_removed_node_comes_back_as_who_it_was,
    a_number_that_is_taken_by_then_leaves_key_and_wallet,
    what_cannot_be_brought_back_is_said,
    a_lower_cap_is_confirmed,
    a_teardown_is_the_end_until_a_new_init;
}
