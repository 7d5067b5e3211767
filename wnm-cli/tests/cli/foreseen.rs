//! What `init` says when its nodes will not work as things are.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;

use insta::assert_snapshot;
use wnm_core::event::Event;
use wnm_core::store::Store;
use wnm_testing::Colony;
use wnm_testing::Need::S6Image;

use crate::{bare, machine, steady};

/// What is said beside the answer of an `init` that succeeds.
fn said(colony: &Colony, more: &[&str], variables: &[(&str, &str)]) -> String {
    let words = [&["init", "--rewards_address=0x5aAeb6053F3E94C9b9A09f33669435E7Ef1BeAed"], more].concat();
    let output = colony.command(&words).envs(variables.iter().copied()).output().expect("wnm can be run");
    assert!(output.status.success(), "{output:?}");
    steady(colony, &String::from_utf8_lossy(&output.stderr))
}

fn a_program_that_is_missing_or_cannot_be_run_is_foreseen() {
    let colony = bare();
    fs::set_permissions(colony.node_program(), Permissions::from_mode(0o644)).expect("its mode is set");
    assert_snapshot!(said(&colony, &["--dry-run"], &[]), @"
    warning: [DIR]/antnode is not a file that can be run: no node can be added
    hint: put a node program at [DIR]/antnode, or set antnode_path
    ");
    fs::remove_file(colony.node_program()).expect("it is there");
    assert_snapshot!(said(&colony, &["--dry-run"], &[]), @"
    warning: there is no node program at [DIR]/antnode: No such file or directory (os error 2): no node can be added
    hint: put a node program at [DIR]/antnode, or set antnode_path
    ");
    let answer = colony.done(&["init", "--rewards_address=faucet", "--json"]).json();
    assert_eq!(answer["findings"][0]["code"], "node-program", "{answer}");
    assert!(colony.database().exists(), "it is initialised all the same");
    assert_eq!(said(&bare(), &[], &[]), "", "nothing is said where all is well");
}

fn an_engine_that_does_not_answer_is_foreseen() {
    let colony = Colony::in_containers(crate::WNM);
    let nowhere = ("DOCKER_HOST", "unix:///nonexistent/docker.sock");
    let text = said(&colony, &["--dry-run"], &[nowhere]);
    assert!(text.starts_with("warning: ") && text.contains("/nonexistent/docker.sock"), "{text}");
    assert!(text.contains(": nothing is known of any node, and nothing is changed\nhint: "), "{text}");
}

fn an_image_that_is_missing_is_foreseen() {
    let colony = Colony::in_containers(crate::WNM);
    let text = said(&colony, &["--dry-run", "--docker_image=wnm-none:none"], &[]);
    assert_snapshot!(text, @"
    warning: the image wnm-none:none is not on this engine: it is pulled when it is first needed
    hint: pipe the Dockerfile that wnm prints into `docker build --tag wnm-none:none -`
    ");
}

fn nodes_of_another_database_are_foreseen() {
    let other = machine(&["--node_cap=1"]);
    other.cycle_until_running(1);
    let colony = other.beside();
    let usual = colony.path().join(".local/share/autonomi");
    fs::create_dir_all(&usual).expect("it is made");
    fs::copy(other.database(), usual.join("colony.db")).expect("it is copied");
    assert_snapshot!(said(&colony, &["--dry-run"], &[]), @"
    warning: [DIR]/.local/share/autonomi/colony.db keeps 1 node on this machine: both give their nodes the same ports: the nodes of one do not start while those of the other run
    hint: begin the ports elsewhere (--port_start, --metrics_port_start), or use that database
    ");
    let mut theirs = Store::open(&usual.join("colony.db")).expect("it is a database");
    let ports = [("port_start", "40"), ("metrics_port_start", "41")];
    let changes = ports.map(|(name, value)| (name.to_owned(), Some(value.to_owned()))).to_vec();
    theirs.apply(0, &[Event::SettingsChanged { changes }]).expect("it is written");
    assert_snapshot!(said(&colony, &["--dry-run"], &[]), @"
    warning: [DIR]/.local/share/autonomi/colony.db keeps 1 node on this machine: each measures the load of both, and takes room that the other one counts on
    hint: lower the limits of both (cpu_less_than, mem_less_than, hd_less_than), or use that database
    ");
}

wnm_testing::trials! {
    &[] =>
        a_program_that_is_missing_or_cannot_be_run_is_foreseen,
        an_engine_that_does_not_answer_is_foreseen,
        nodes_of_another_database_are_foreseen;
    &[S6Image] => an_image_that_is_missing_is_foreseen;
}
