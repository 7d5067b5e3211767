//! What the doctor finds on a machine that something is wrong with, and what it makes of the exit code.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::PermissionsExt;

use wnm_testing::Colony;

use crate::{machine, running};

/// The finding with this code; the machine that runs the tests may have findings of its own.
fn finding(colony: &Colony, code: &str) -> Option<serde_json::Value> {
    let run = colony.wnm(&["doctor", "--json"]);
    let answer = run.json();
    let findings = answer["findings"].as_array().expect("an array");
    assert_eq!(run.code, i32::from(!findings.is_empty()), "{run:?}");
    for finding in findings {
        for key in ["code", "severity", "what", "consequence", "fix"] {
            assert!(finding[key].as_str().is_some_and(|text| !text.is_empty()), "{finding}");
        }
    }
    findings.iter().find(|finding| finding["code"] == code).cloned()
}

fn told(colony: &Colony, code: &str, key: &str) -> String {
    let found = finding(colony, code).unwrap_or_else(|| panic!("{code} is found"));
    found[key].as_str().unwrap_or_default().to_owned()
}

fn each_thing_is_found_when_it_is_there_and_not_when_it_is_mended() {
    let colony = running(2);
    let codes =
        ["node-program", "node-port-held", "free-port-held", "key-readable", "database-readable", "storage-unmarked"];
    for code in codes {
        assert_eq!(finding(&colony, code), None, "nothing is wrong yet");
    }

    fs::set_permissions(colony.node_program(), fs::Permissions::from_mode(0o644)).expect("its mode is set");
    assert!(told(&colony, "node-program", "what").contains("is not a file that can be run"));
    fs::set_permissions(colony.node_program(), fs::Permissions::from_mode(0o755)).expect("its mode is set");

    colony.done(&["stop", "2"]);
    let held = UdpSocket::bind(("0.0.0.0", colony.ports().node_port(2))).expect("the node ended");
    let what = told(&colony, "node-port-held", "what");
    assert!(what.contains(&format!("UDP {} by", colony.ports().node_port(2))), "{what}");
    assert!(what.contains(&format!("(pid {})", std::process::id())), "{what}");
    drop(held);

    let fix = |code: &str| {
        let command = told(&colony, code, "fix");
        let status = std::process::Command::new("sh").args(["-c", &command]).status().expect("sh can be run");
        assert!(status.success(), "{command}");
    };
    let everybody = |path: &std::path::Path, mode| {
        fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("its mode is set");
    };
    everybody(&colony.database(), 0o644);
    fix("database-readable");
    everybody(&colony.path().join("nodes"), 0o777);
    fix("storage-writable");
    everybody(&colony.path().join("nodes"), 0o755);
    everybody(&colony.node_dir(1), 0o755);
    everybody(&colony.node_dir(1).join("secret-key"), 0o644);
    fix("key-readable");
    for code in codes {
        assert_eq!(finding(&colony, code), None, "it was mended by the command that was told");
    }

    fs::remove_file(colony.path().join("nodes/.wnm-storage")).expect("the mark is there");
    assert!(told(&colony, "storage-unmarked", "fix").contains("touch"));
}

fn a_record_that_cannot_be_read_is_a_finding_and_none_at_all_is_not() {
    let colony = machine(&[]);
    fs::write(colony.database(), b"hello").expect("it is spoilt");
    assert!(told(&colony, "database-unreadable", "what").contains("colony.db"));
    fs::remove_file(colony.database()).expect("it goes");
    assert_eq!(colony.wnm(&["doctor"]).code, 6, "a machine that is not initialised is not ill");
}

fn findings_are_told_in_words_the_worst_first() {
    let colony = machine(&[]);
    fs::remove_file(colony.node_program()).expect("the node program is taken away");
    let run = colony.wnm(&["doctor"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stdout.starts_with("error "), "{run:?}");
    assert!(
        run.stdout
            .contains("\n  consequence: no node can be added or upgraded\n  fix: set antnode_path to a node program"),
        "{run:?}"
    );
}

wnm_testing::trials! {
    &[] =>
        each_thing_is_found_when_it_is_there_and_not_when_it_is_mended,
        a_record_that_cannot_be_read_is_a_finding_and_none_at_all_is_not,
        findings_are_told_in_words_the_worst_first;
}
