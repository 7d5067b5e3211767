//! The real antnode 0.4.17 stands the sandbox: offline, and the first of its network.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::process_manager::{Binary, ManagerError, Mode, ProcessManager, ProcessState};
use wnm_testing::Need::{SystemdImage, Tool};
use wnm_testing::{ContractWorld, on_machine, tool};

use crate::world::World;

fn spec(world: &World, program: PathBuf, number: u32) -> NodeSpec {
    let start_args = vec!["--first".to_owned()];
    NodeSpec { program, no_upnp: true, environment: vec![], start_args, ..world.spec(number) }
}

async fn lives(mode: Mode) {
    let program = tool("antnode").expect("this test needs it");
    let world = World::new(mode);
    // A program that was built without optimisation takes its time.
    let manager = world.manager().settling(Duration::from_secs(1), Duration::from_secs(30));
    let specs = [spec(&world, program.clone(), 1), spec(&world, program.clone(), 2)];
    let nodes = world.create(&manager, &specs).await;
    for started in manager.start(&nodes).await {
        started.expect("it starts");
    }
    for node in &nodes {
        answers(node).await;
    }
    let mut keys = Vec::new();
    for node in &nodes {
        keys.push(world.read(&node.spec.root_dir.join("secret-key")).await.expect("it has a key"));
        let log = world.read(&node.spec.log_dir.join("antnode.log")).await.expect("it writes its log");
        assert!(
            !String::from_utf8_lossy(&log).contains("Operation not permitted"),
            "nothing that it needs is kept from it"
        );
    }

    let to = Binary { version: "0.4.17".parse().expect("it is a version"), path: program };
    for upgraded in manager.upgrade(&nodes, &to).await {
        upgraded.expect("it lives");
    }
    answers(&nodes[0]).await;
    let key = world.read(&nodes[0].spec.root_dir.join("secret-key")).await.expect("it has a key");
    assert_eq!(key, keys[0], "it is the same node");
    for stopped in manager.stop(&nodes).await {
        stopped.expect("it stops");
    }
    world.write(&nodes[1].spec.root_dir.join("secret-key"), b"no key").await;
    let error = manager.start(&nodes[1..]).await.remove(0).expect_err("its key is no key");
    let ManagerError::ExitedAtOnce { how, said, .. } = error else { panic!("{error:?}") };
    assert_eq!(how, "exit code 1");
    // A user's journal is closed to the user where the machine keeps none on disk.
    assert!(mode == Mode::User || said.contains("failed to parse Ed25519 secret key"), "{said}");
    for removed in manager.remove(&nodes).await {
        removed.expect("it is removed");
    }
    assert_eq!(world.state(&manager, &nodes[0]).await, ProcessState::Absent);
}

async fn answers(node: &NodeRef) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while tokio::net::TcpStream::connect(("127.0.0.1", node.spec.ports.metrics)).await.is_err() {
        assert!(Instant::now() < deadline, "{} opens its metrics port", node.spec.name);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn the_real_antnode_stands_the_machines_sandbox() {
    on_machine("root", "antnode::the_real_antnode_stands_the_machines_sandbox", async || lives(Mode::Sudo).await);
}

fn the_real_antnode_stands_a_users_sandbox() {
    on_machine("resident", "antnode::the_real_antnode_stands_a_users_sandbox", async || lives(Mode::User).await);
}

wnm_testing::trials! {
    &[SystemdImage, Tool("antnode")] =>
        the_real_antnode_stands_the_machines_sandbox,
        the_real_antnode_stands_a_users_sandbox;
}
