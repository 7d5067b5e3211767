//! The real antnode 0.4.17 runs in the sandbox: offline, and as the first of its network.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::process_manager::{Binary, ManagerError, Mode, ProcessManager, ProcessState};
use wnm_pm::upgrade::upgrade;
use wnm_testing::Need::{SystemdImage, Tool};
use wnm_testing::{ContractWorld, metrics_port, on_machine, only, tool};

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
    for (id, started) in manager.start(&nodes).await {
        started.unwrap_or_else(|error| panic!("{id} starts: {error}"));
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
    for (id, upgraded) in upgrade(&manager, &nodes, &to).await {
        upgraded.unwrap_or_else(|error| panic!("{id} lives: {error}"));
    }
    answers(&nodes[0]).await;
    let key = world.read(&nodes[0].spec.root_dir.join("secret-key")).await.expect("it has a key");
    assert_eq!(key, keys[0], "it is the same node");
    assert!(manager.stop(&nodes).await.all_good());
    world.write(&nodes[1].spec.root_dir.join("secret-key"), b"no key").await;
    let error = only(manager.start(&nodes[1..]).await).expect_err("its key is not a key");
    let ManagerError::ExitedAtOnce { how, said, .. } = error else { panic!("{error:?}") };
    assert_eq!(how, "exit code 1");
    // A user's journal is closed to the user where the machine keeps none on disk.
    assert!(mode == Mode::User || said.contains("failed to parse Ed25519 secret key"), "{said}");
    assert!(manager.remove(&nodes).await.all_good());
    assert_eq!(world.state(&manager, &nodes[0]).await, ProcessState::Absent);
}

async fn answers(node: &NodeRef) {
    let deadline = Instant::now() + Duration::from_mins(1);
    while tokio::net::TcpStream::connect(("127.0.0.1", metrics_port(&node.spec))).await.is_err() {
        assert!(Instant::now() < deadline, "{} opens its metrics port", node.spec.name);
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn the_real_antnode_runs_in_the_machines_sandbox() {
    on_machine("root", "antnode::the_real_antnode_runs_in_the_machines_sandbox", async || lives(Mode::Sudo).await);
}

fn the_real_antnode_runs_in_a_users_sandbox() {
    on_machine("resident", "antnode::the_real_antnode_runs_in_a_users_sandbox", async || lives(Mode::User).await);
}

wnm_testing::trials! {
    &[SystemdImage, Tool("antnode")] =>
        the_real_antnode_runs_in_the_machines_sandbox,
        the_real_antnode_runs_in_a_users_sandbox;
}
