//! Backups of nodes that run as another user: in container groups, and as units of the machine.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use wnm_core::node::Status::Stopped;
use wnm_testing::Need::{S6Image, SystemdImage};
use wnm_testing::{Colony, on_machine, test_node};

use crate::containers::Groups;
use crate::systemd::{INIT, PROGRAM, cycle_until, run, try_wnm, wnm};

fn identities(colony: &Colony) -> Vec<(u32, Option<String>, Option<u32>, String)> {
    let nodes = colony.stored().nodes.into_iter();
    let ports = |node: &wnm_core::node::Node| serde_json::to_string(&node.spec().ports).expect("ports are JSON");
    nodes.map(|node| (node.id().0, node.peer_id().map(str::to_owned), node.spec().group, ports(&node))).collect()
}

fn owner(path: &Path) -> (u32, u32) {
    let found = path.symlink_metadata().expect("it is there");
    (found.uid(), found.mode() & 0o777)
}

fn groups_come_back_with_their_nodes() {
    let groups = Groups::new(&["--node_cap=4"]);
    let colony = &groups.colony;
    colony.cycle_until_running(4);
    let before = identities(colony);
    assert!(before.iter().all(|(_, peer_id, group, _)| peer_id.is_some() && group.is_some()), "{before:?}");
    let backup = colony.path().join("backup.tar");
    let backup = backup.to_str().expect("it is UTF-8");
    let storage = owner(&colony.path().join("nodes")).0;
    colony.done(&["backup", backup]);
    colony.done(&["teardown", "--confirm"]);
    colony.done(&["restore", backup]);
    assert!(colony.statuses().iter().all(|(_, status)| *status == Stopped), "{:?}", colony.statuses());
    assert_eq!(owner(&colony.node_dir(1)), (storage, 0o700));
    assert_eq!(owner(&colony.node_dir(1).join("secret-key")), (storage, 0o600));
    colony.done(&["run"]);
    colony.cycle_until_running(4);
    colony.done(&["survey"]);
    assert_eq!(identities(colony), before);
}

/// Name and peer id of each node.
fn peers() -> Vec<(String, String)> {
    let status: serde_json::Value = serde_json::from_str(&wnm("status --json")).expect("it is JSON");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let nodes = status["nodes"].as_array().expect("nodes are a list").clone();
    nodes.iter().map(|node| (text(&node["name"]), text(&node["peer_id"]))).collect()
}

fn units_of_the_machine_come_back_with_their_nodes() {
    on_machine("root", "backups_elsewhere::units_of_the_machine_come_back_with_their_nodes", async || {
        run("cp", &format!("{} {PROGRAM}", test_node("0.4.17").display()));
        wnm(&format!("init --process_manager systemd+sudo --antnode_path {PROGRAM} {INIT}"));
        cycle_until([("RUNNING", "0.4.17"); 3]);
        wnm("survey");
        let before = peers();
        assert!(before.iter().all(|(_, peer_id)| peer_id.starts_with("12D3KooW")), "{before:?}");
        wnm("backup /root/backup");
        let key = Path::new("/var/antctl/services/antnode0001/secret-key");
        let (user, _) = owner(key);
        assert_ne!(user, 0, "nodes run as a user of their own");
        wnm("teardown --confirm");
        assert!(!key.exists());
        wnm("restore /root/backup");
        assert_eq!(owner(key), (user, 0o600));
        wnm("run");
        cycle_until([("RUNNING", "0.4.17"); 3]);
        wnm("survey");
        assert_eq!(peers(), before);
    });
}

fn whoever_may_not_read_the_keys_is_told_who_may() {
    on_machine("keeper", "backups_elsewhere::whoever_may_not_read_the_keys_is_told_who_may", async || {
        run("cp", &format!("{} {PROGRAM}", test_node("0.4.17").display()));
        run("sudo", "install --directory --owner keeper /var/antctl /var/antctl/services");
        wnm(&format!("init --process_manager systemd+sudo --antnode_path {PROGRAM} {INIT}"));
        wnm("add");
        let output = try_wnm("backup /home/keeper/backup");
        let said = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains("hint: run wnm as root: these nodes run as another user"), "{said}");
    });
}

wnm_testing::trials! {
    &[S6Image] => groups_come_back_with_their_nodes;
    &[SystemdImage] => units_of_the_machine_come_back_with_their_nodes, whoever_may_not_read_the_keys_is_told_who_may;
}
