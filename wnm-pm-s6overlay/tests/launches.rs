//! What is run for a node is what its launch says at its start, whatever its program is called.

mod common;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use common::{Machine, all_good, only, open, run};
use wnm_pm::node::{Flavour, NodeRef, NodeSpec, PortKind, Ports};
use wnm_pm::process_manager::{FoundNode, ProcessManager, ProcessState};
use wnm_pm_s6overlay::ContainerNetwork;
use wnm_testing::Need::S6Image;

/// What a node was started with, as it wrote it down itself.
fn seen(node: &NodeRef) -> serde_json::Value {
    let path = node.spec.root_dir.join("seen.json");
    serde_json::from_slice(&fs::read(path).expect("it wrote that down")).expect("test nodes write JSON")
}

async fn a_changed_launch_is_written_down_by_a_start_and_run_by_the_next() {
    let machine = Machine::new(ContainerNetwork::Host).await;
    let manager = machine.manager();
    open(&manager, &machine.group(1)).await;
    let mut nodes = run(&manager, &[machine.spec(1)]).await;
    let definition = machine.settings.node_storage.join(".s6/a1/antnode0001/run");
    let before = fs::read_to_string(&definition).expect("it is there");

    nodes[0].launch.environment.push(("RUST_LOG".to_owned(), "debug".to_owned()));
    nodes[0].launch.arguments.splice(0..0, ["--peer".to_owned(), "/ip4/10.0.0.1/udp/1".to_owned()]);
    all_good(manager.start(&nodes).await);
    let after = fs::read_to_string(&definition).expect("it is there");
    assert!(!before.contains("RUST_LOG") && after.contains("RUST_LOG='debug'"), "{after}");
    assert!(seen(&nodes[0])["environment"]["RUST_LOG"].is_null(), "what runs is left as it is");

    all_good(manager.stop(&nodes).await);
    all_good(manager.start(&nodes).await);
    assert_eq!(seen(&nodes[0])["environment"]["RUST_LOG"], "debug");
    let arguments = &seen(&nodes[0])["arguments"];
    assert_eq!((&arguments[1], &arguments[2]), (&"--peer".into(), &"/ip4/10.0.0.1/udp/1".into()), "{arguments}");
    all_good(manager.remove(&nodes).await);
}

/// A program that stands in for `ant-node`: it takes any arguments and runs until it is ended.
fn ant_node(directory: &Path) -> std::path::PathBuf {
    let program = directory.join("ant-node");
    fs::write(&program, "#!/bin/sh\nexec sleep 100000\n").expect("it is written");
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("its mode is set");
    program
}

async fn a_node_of_v2_is_run_and_found_by_its_own_words() {
    let machine = Machine::new(ContainerNetwork::Host).await;
    let manager = machine.manager();
    open(&manager, &machine.group(1)).await;
    let fetched = tempfile::tempdir().expect("a temporary directory");
    let template = machine.spec(1);
    let spec = NodeSpec {
        flavour: Flavour::V2,
        program: ant_node(fetched.path()),
        binary: template.root_dir.join("ant-node"),
        ports: Ports::default().with(PortKind::Node, machine.node_port(1)),
        network: "evm-arbitrum-sepolia-test".to_owned(),
        environment: vec![],
        ..template
    };
    let nodes = run(&manager, std::slice::from_ref(&spec)).await;
    let [found] = &manager.survey().await.expect("the engine answers")[..] else { panic!("there is one node") };
    let ProcessState::Running { .. } = found.state else { panic!("it runs, not {:?}", found.state) };
    let expected = FoundNode {
        flavour: Some(Flavour::V2),
        root_dir: Some(spec.root_dir),
        binary: Some(spec.binary),
        log_dir: Some(spec.log_dir),
        ports: spec.ports,
        wallet: Some(spec.wallet),
        network: Some(spec.network),
        start_args: Some(spec.start_args),
        group: Some(1),
        ..FoundNode::named(spec.name, Some(spec.id), found.state.clone())
    };
    assert_eq!(found, &expected);

    let missing = nodes[0].clone();
    all_good(manager.remove(&nodes).await);
    assert_eq!(only(manager.inspect(&[missing]).await).expect("it can be asked"), ProcessState::Absent);
}

wnm_testing::trials! {
    &[S6Image] =>
        a_changed_launch_is_written_down_by_a_start_and_run_by_the_next,
        a_node_of_v2_is_run_and_found_by_its_own_words;
}

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([trials()])
}
