//! What the Python wnm's command line does wrong: each test is named after the number of that failing.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::os::unix::fs::PermissionsExt;

use wnm_core::node::Status::Running;

use crate::{bare, machine, running};

fn f01_f02_plain_processes_are_added_stopped_and_removed() {
    let colony = running(1);
    assert_eq!(colony.processes().len(), 1);
    colony.done(&["stop", "1"]);
    assert_eq!(colony.processes(), [], "a stopped node has no process");
    colony.done(&["remove", "1", "--confirm"]);
    assert_eq!((colony.statuses(), colony.processes()), (vec![], vec![]));
}

fn f16_a_killed_wnm_leaves_no_lock() {
    let colony = machine(&["--action_delay=10000", "--node_cap=2"]);
    let mut child = colony.command(&["add", "--count", "2"]).spawn().expect("wnm is started");
    while colony.processes().is_empty() {
        assert!(child.try_wait().expect("it can be asked").is_none(), "it ended too early");
        std::thread::yield_now();
    }
    assert_eq!(colony.wnm(&["run"]).code, 5);
    child.kill().expect("it is killed");
    child.wait().expect("it ends");
    colony.done(&["run"]);
    colony.done(&["config", "set", "action_delay=0"]);
    colony.cycle_until_running(2);
    colony.agrees();
}

fn f18_machines_with_records_of_their_own_do_not_wait_for_each_other() {
    let one = machine(&[]);
    let other = one.beside();
    other.init(&[], &["--node_cap=0"]);
    let _lock = wnm_core::lock::Lock::acquire(&one.database(), "somebody").expect("the lock is free");
    other.done(&["run"]);
}

fn f19_f20_what_is_not_understood_does_nothing() {
    let colony = machine(&[]);
    for words in [
        &["--dry"][..],
        &["--node_capp", "3"],
        &["sttus"],
        &["--remove"],
        &["add", "now"],
        &["--force-action", "remove"],
        &["run", "--count", "3"],
    ] {
        let run = colony.wnm(words);
        assert_eq!(run.code, 2, "{words:?}: {run:?}");
    }
    assert_eq!((colony.statuses(), colony.processes()), (vec![], vec![]));
}

fn f21_a_failed_action_is_no_success() {
    let colony = running(1);
    assert_eq!(colony.wnm(&["start", "nobody"]).code, 4);
    fs::remove_file(colony.node_program()).expect("the node program is taken away");
    assert_eq!(colony.wnm(&["upgrade", "1"]).code, 4);
    fs::remove_file(colony.node_dir(1).join("antnode")).expect("the node's copy is taken away");
    assert_eq!(colony.wnm(&["restart", "1"]).code, 3);
}

fn f32_a_proxy_in_the_environment_is_never_asked() {
    let colony = running(1);
    let mut command = colony.command(&["run"]);
    for name in ["http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"] {
        command.env(name, "http://127.0.0.1:9");
    }
    assert!(command.output().expect("wnm can be run").status.success());
    assert_eq!(colony.statuses(), [(1, Running)]);
}

fn f46_a_path_without_antnode_is_enough() {
    let colony = running(1);
    for words in [&["status"][..], &["run"], &["stop", "1"], &["start", "1"]] {
        let mut command = colony.command(words);
        let output = command.env("PATH", "/usr/bin:/bin").output().expect("wnm can be run");
        assert!(output.status.success(), "{words:?}: {output:?}");
    }
}

fn f54_delays_hold_for_what_is_asked_for_too() {
    let colony = machine(&["--node_cap=3"]);
    let begin = std::time::Instant::now();
    colony.done(&["add", "--count", "3", "--action_delay=700"]);
    assert!(begin.elapsed().as_millis() > 1_400, "two pauses of 0.7 s between three nodes");
    let begin = std::time::Instant::now();
    colony.done(&["survey", "--survey_delay=700"]);
    assert!(begin.elapsed().as_millis() > 1_400, "two pauses of 0.7 s between three nodes");
}

fn f55_a_switch_is_set_to_what_is_said() {
    let colony = machine(&[]);
    colony.done(&["config", "set", "no_upnp=false"]);
    colony.done(&["config", "set", "no_upnp=false"]);
    assert!(colony.done(&["config"]).stdout.contains("no_upnp = false"));
}

fn f56_lists_can_be_cleared() {
    let colony = machine(&["--start_args=--first"]);
    colony.done(&["config", "set", "start_args="]);
    assert!(colony.done(&["config"]).stdout.contains("start_args = \"\"  # database"));
    colony.done(&["config", "unset", "start_args"]);
    assert!(colony.done(&["config"]).stdout.contains("start_args = \"\"  # default"));
}

fn f67_asking_for_the_version_makes_no_directory() {
    let colony = bare();
    let before = fs::read_dir(colony.path()).expect("it is read").count();
    for words in [&["--version"][..], &["--help"], &["add", "--help"], &["completions", "bash"]] {
        let output = std::process::Command::new(crate::WNM).args(words).env("HOME", colony.path()).output();
        assert!(output.expect("wnm can be run").status.success(), "{words:?}");
    }
    assert_eq!(fs::read_dir(colony.path()).expect("it is read").count(), before);
}

fn files_with_addresses_and_keys_are_for_their_owner_only() {
    let colony = running(1);
    let mode = |path: &std::path::Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o077;
    for path in [colony.database(), colony.path().join("nodes"), colony.node_dir(1), colony.path().join("logs")] {
        assert_eq!(mode(&path), 0, "{}", path.display());
    }
}

wnm_testing::trials! {
    &[] =>
        f01_f02_plain_processes_are_added_stopped_and_removed,
        f16_a_killed_wnm_leaves_no_lock,
        f18_machines_with_records_of_their_own_do_not_wait_for_each_other,
        f19_f20_what_is_not_understood_does_nothing,
        f21_a_failed_action_is_no_success,
        f32_a_proxy_in_the_environment_is_never_asked,
        f46_a_path_without_antnode_is_enough,
        f54_delays_hold_for_what_is_asked_for_too,
        f55_a_switch_is_set_to_what_is_said,
        f56_lists_can_be_cleared,
        f67_asking_for_the_version_makes_no_directory,
        files_with_addresses_and_keys_are_for_their_owner_only;
}
