//! Setsid with the real antnode 0.4.17, which is offline and the first of its network.

#![expect(clippy::disallowed_methods, reason = "a test runs programs itself, and waits by the clock on the wall")]

use std::fs;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::process_manager::{Binary, ManagerError, ProcessManager, ProcessState};
use wnm_pm::upgrade::upgrade;
use wnm_pm_setsid::Setsid;
use wnm_testing::Need::Tool;
use wnm_testing::{ContractWorld, HostWorld, metrics_port, only, tool};

fn version_of(program: &Path) -> semver::Version {
    let output = Command::new(program).arg("--version").output().expect("it can be run");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    let first = text.lines().next().and_then(|line| line.strip_prefix("Autonomi Node v"));
    first.and_then(|version| version.parse().ok()).unwrap_or_else(|| panic!("no version: {text}"))
}

fn spec(world: &HostWorld, program: &Path, number: u32) -> NodeSpec {
    NodeSpec {
        program: program.to_owned(),
        no_upnp: true,
        environment: vec![],
        start_args: vec!["--first".to_owned()],
        ..world.spec(number)
    }
}

async fn a_real_antnode_is_created_started_upgraded_stopped_and_removed() {
    let program = tool("antnode").expect("this test needs it");
    let directory = tempfile::tempdir().expect("a temporary directory");
    let world = HostWorld::new(directory.path());
    let kind = "setsid+user".parse().expect("it is a kind");
    // A program that was built without optimisation takes its time.
    let manager = Setsid::new(kind, world.node_storage()).settling(Duration::from_secs(1), Duration::from_secs(30));

    let specs = [spec(&world, &program, 1), spec(&world, &program, 2)];
    let nodes = specs.map(NodeRef::new);
    for (_, outcome) in manager.create(&nodes).await {
        outcome.expect("it is created");
    }
    for (_, outcome) in manager.start(&nodes).await {
        outcome.expect("it starts");
    }
    for node in &nodes {
        assert!(is_running(&manager, node).await);
        assert_answers(node).await;
    }
    let key = fs::read(nodes[0].spec.root_dir.join("secret-key")).expect("it has a key");

    let to = Binary { version: version_of(&program), path: program };
    for (_, outcome) in upgrade(&manager, &nodes, &to).await {
        outcome.expect("it lives");
    }
    assert_answers(&nodes[0]).await;
    assert_eq!(fs::read(nodes[0].spec.root_dir.join("secret-key")).expect("it has a key"), key);

    let found = manager.survey().await.expect("this machine can be surveyed");
    for (found, node) in found.iter().zip(&nodes) {
        assert_eq!((&found.ports, found.flavour), (&node.spec.ports, Some(node.spec.flavour)));
        assert_eq!(found.network.as_ref(), Some(&node.spec.network));
    }
    assert_eq!(found.len(), nodes.len());

    for (_, outcome) in manager.stop(&nodes).await {
        outcome.expect("it stops");
    }
    assert!(!is_running(&manager, &nodes[0]).await);
    assert_refused(&manager, &nodes[1]).await;
    for (_, outcome) in manager.remove(&nodes).await {
        outcome.expect("it is removed");
    }
    assert_eq!(fs::read_dir(world.node_storage()).expect("it is there").count(), 0);
}

/// A node that dies by itself is reported with antnode's own reason.
async fn assert_refused(manager: &Setsid, node: &NodeRef) {
    fs::write(node.spec.root_dir.join("secret-key"), "no key").expect("it is written");
    let error = only(manager.start(std::slice::from_ref(node)).await).expect_err("its key is not a key");
    let ManagerError::ExitedAtOnce { how, said, .. } = error else { panic!("{error:?}") };
    assert_eq!(how, "exit code 1");
    assert!(said.contains("failed to parse Ed25519 secret key"), "{said}");
}

async fn assert_answers(node: &NodeRef) {
    let deadline = Instant::now() + Duration::from_secs(60);
    let address = ("127.0.0.1", metrics_port(&node.spec));
    while tokio::net::TcpStream::connect(address).await.is_err() {
        assert!(Instant::now() < deadline, "{} opens its metrics port", node.spec.name);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

async fn is_running(manager: &Setsid, node: &NodeRef) -> bool {
    let state = only(manager.inspect(std::slice::from_ref(node)).await);
    matches!(state.expect("it is inspected"), ProcessState::Running { .. })
}

wnm_testing::trials! {
    &[Tool("antnode")] => a_real_antnode_is_created_started_upgraded_stopped_and_removed;
}

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([trials()])
}
