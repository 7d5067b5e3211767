//! Nodes' programs on the disk, as an operator sees them.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use wnm_testing::{Colony, test_node_of_v2};

use crate::{bare, running};

/// A machine with so many running nodes of v2.
fn running_v2(count: usize) -> Colony {
    let colony = bare();
    colony.install(&test_node_of_v2("", "0.23.1"));
    colony.init(&[], &[&format!("--node_cap={count}")]);
    colony.cycle_until_running(count);
    colony
}

fn program(colony: &Colony, number: u32) -> PathBuf {
    colony.node_dir(number).join("ant-node")
}

fn held(colony: &Colony) -> Vec<serde_json::Value> {
    let status = colony.done(&["status", "--json"]).json();
    status["nodes"].as_array().expect("a list").iter().map(|node| node["program_held"].clone()).collect()
}

fn inode(path: &PathBuf) -> u64 {
    fs::metadata(path).expect("it is there").ino()
}

fn nodes_of_v2_share_a_program_until_they_upgrade_themselves_and_afterwards() {
    let colony = running_v2(3);
    let first = held(&colony);
    if first[0] == "reflink" {
        assert!(first.iter().all(|held| held == "reflink"));
        return;
    }
    assert_eq!(first, ["hard_link"; 3]);
    let details = colony.done(&["status", "--details"]).stdout;
    assert_eq!(details.matches("Program held as hard link").count(), 3, "{details}");
    assert_ne!(inode(&program(&colony, 1)), inode(&colony.node_program()), "what the owner has is nobody else's");

    for number in [1, 2] {
        // As the node does it: the new program is renamed over its own while it runs, which it then leaves by exit code 0.
        let new = program(&colony, number).with_extension("new");
        fs::copy(test_node_of_v2("", "0.23.2"), &new).expect("it is copied");
        fs::rename(new, program(&colony, number)).expect("it is renamed");
    }
    assert_eq!(held(&colony)[0], serde_json::Value::Null, "nobody knows");
    assert_eq!(held(&colony)[2], "hard_link", "the third has what it had");
    colony.done(&["restart", "1", "2", "3"]);
    colony.cycle_until_running(3);
    assert_eq!(held(&colony), ["hard_link"; 3]);
    let inodes = [1, 2, 3].map(|number| inode(&program(&colony, number)));
    assert!(inodes[0] == inodes[1] && inodes[1] != inodes[2], "{inodes:?}");
    colony.done(&["teardown", "--confirm"]);
    assert!(!colony.path().join("nodes/.wnm-programs").exists(), "the last node took it along");
}

fn nodes_of_v1_have_programs_of_their_own() {
    let colony = running(2);
    let expected = held(&colony);
    assert!(expected.iter().all(|held| held == "copy" || held == "reflink"), "{expected:?}");
    assert_ne!(inode(&colony.node_dir(1).join("antnode")), inode(&colony.node_dir(2).join("antnode")));
}

wnm_testing::trials! {
    &[] => nodes_of_v2_share_a_program_until_they_upgrade_themselves_and_afterwards, nodes_of_v1_have_programs_of_their_own;
}
