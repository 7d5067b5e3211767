//! Nodes are processes of their own: they outlive wnm, hold nothing of it, and are ended together.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use crate::machine::{Machine, files_below, is_process, pid, setsid, spawn_fresh};
use rustix::process::{Pid, Signal, kill_process};
use wnm_pm::node::{Flavour, NodeRef, NodeSpec, PortKind};
use wnm_pm::port_use::Protocol;
use wnm_pm::process_manager::{Binary, ManagerError, ProcessManager, ProcessState};
use wnm_pm::upgrade::upgrade;
use wnm_testing::Need::PidNamespace;
use wnm_testing::{ContractWorld, eventually, only, test_node};

/// Tells a run of this test program that it is the wnm of another run, and where its one node shall be.
const AS_WNM: &str = "WNM_TEST_AS_WNM";

async fn as_wnm() {
    let Ok(spec) = std::env::var(AS_WNM) else { return };
    let spec: NodeSpec = serde_json::from_str(&spec).expect("the other run wrote it");
    let manager = setsid(spec.root_dir.parent().expect("it lies in the storage"))
        .settling(Duration::ZERO, Duration::from_secs(5));
    let node = NodeRef::new(spec);
    only(manager.create(std::slice::from_ref(&node)).await).expect("it is created");
    only(manager.start(&[node]).await).expect("it starts");
    // Killed at this point, it has recorded nothing.
    let own = i32::try_from(std::process::id()).ok().and_then(Pid::from_raw).expect("a pid");
    kill_process(own, Signal::KILL).expect("it is its own");
}

async fn a_node_outlives_a_killed_wnm_and_holds_none_of_its_files() {
    let machine = Machine::hasty();
    let spec = machine.spec(1);
    let lock = machine.path().join("lock");
    let own = std::env::current_exe().expect("a test knows its own program");
    // `flock` hands the open lock to what it runs, as in many a crontab.
    let mut wnm = Command::new("flock");
    wnm.arg(&lock).arg(own).args(["--exact", "processes::as_wnm", "--nocapture"]);
    wnm.env(AS_WNM, serde_json::to_string(&spec).expect("it can be written"));
    wnm.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    // That its output ends shows that the node holds neither of the two.
    let output = wnm.spawn().and_then(|wnm| wnm.wait_with_output()).expect("flock is everywhere");
    assert!(!output.status.success(), "it killed itself: {output:?}");

    let node = NodeRef::new(spec.clone());
    let ProcessState::Running { process: Some(process) } = machine.state(&node).await else {
        panic!("nobody recorded it, and yet it is found: {output:?}");
    };
    fs::File::open(&lock).expect("it is there").try_lock().expect("nobody holds the lock");
    let open = files_below(Path::new(&format!("/proc/{}/fd", process.pid)));
    let targets: Vec<_> = open.iter().filter_map(|file| fs::read_link(file).ok()).collect();
    assert_eq!(targets[0], Path::new("/dev/null"), "{targets:?}");
    assert_eq!(targets[1], spec.log_dir.join("output.log"), "{targets:?}");
    assert!(targets.iter().all(|target| !target.to_string_lossy().contains("lock")), "{targets:?}");
    assert_eq!(fs::read_link(format!("/proc/{}/cwd", process.pid)).expect("it lives"), spec.root_dir);

    let started = only(machine.manager.start(std::slice::from_ref(&node)).await).expect("it runs");
    assert_eq!(started.process, Some(process), "it is not started twice");
    machine.stop(&[node]).await;
}

async fn what_dies_leaves_no_zombie_while_wnm_lives() {
    let machine = Machine::hasty();
    let nodes = machine.start(&[1, 2, 3].map(|number| machine.spec(number))).await;
    for node in &nodes {
        let process = i32::try_from(pid(node)).ok().and_then(Pid::from_raw).expect("a pid");
        kill_process(process, Signal::KILL).expect("it lives");
    }
    for node in &nodes {
        eventually("its end is taken note of", async || !is_process(pid(node))).await;
        let ProcessState::Stopped { reason: Some(reason) } = machine.state(node).await else { panic!("it is stopped") };
        let expected = format!("its process {} was not ended by wnm", pid(node));
        assert!(reason.starts_with(&expected), "{reason}");
    }
}

async fn nodes_end_together_and_those_that_do_not_listen_are_made_to() {
    let machine = Machine::hasty();
    let slow = (1..=8).map(|number| machine.spec_that("slow_term:1s", number));
    let deaf = (9..=10).map(|number| machine.spec_that("ignore_term", number));
    let nodes = machine.start(&slow.chain(deaf).collect::<Vec<_>>()).await;
    let patient = machine.manager.clone().grace(Duration::from_secs(2));
    let began = Instant::now();
    for (_, outcome) in patient.stop(&nodes).await {
        outcome.expect("it is ended");
    }
    let took = began.elapsed();
    assert!(took >= Duration::from_secs(2), "the deaf had their grace: {took:?}");
    assert!(took < Duration::from_secs(5), "they ended together: {took:?}");
    for node in &nodes {
        assert_eq!(machine.state(node).await, ProcessState::Stopped { reason: None });
    }
}

async fn fifty_nodes_start_together() {
    let machine = Machine::new();
    let began = Instant::now();
    let nodes = machine.start(&(1..=50).map(|number| machine.spec(number)).collect::<Vec<_>>()).await;
    let took = began.elapsed();
    assert!(took < Duration::from_secs(20), "not one after the other: {took:?}");
    assert_eq!(machine.manager.survey().await.expect("it can be surveyed").len(), 50);
    machine.stop(&nodes).await;
}

async fn a_node_that_opens_its_port_late_has_started_all_the_same() {
    let machine = Machine::hasty();
    let manager = machine.manager.clone().settling(Duration::from_millis(50), Duration::from_millis(200));
    let nodes = machine.create(&[machine.spec_that("slow_start:30s", 1)]).await;
    only(manager.start(&nodes).await).expect("it lives");
    assert!(machine.is_running(&nodes[0]).await);
    machine.stop(&nodes).await;
}

async fn a_process_whose_program_was_replaced_or_whose_storage_is_reached_by_a_link_is_still_the_nodes() {
    let machine = Machine::hasty();
    let nodes = machine.start(&[machine.spec(1)]).await;
    let newer = nodes[0].spec.root_dir.join("newer");
    fs::copy(test_node("0.4.18"), &newer).expect("there is room");
    fs::rename(&newer, &nodes[0].spec.binary).expect("it is replaced");
    assert_eq!(machine.state(&nodes[0]).await, ProcessState::Running { process: nodes[0].process });

    let link = machine.path().join("link");
    symlink(machine.world.node_storage(), &link).expect("a link is made");
    let root_dir = link.join("antnode0001");
    let by_link = NodeRef::new(NodeSpec { binary: root_dir.join("antnode"), root_dir, ..nodes[0].spec.clone() });
    let manager = setsid(&link);
    let state = only(manager.inspect(std::slice::from_ref(&by_link)).await).expect("it is inspected");
    assert_eq!(state, ProcessState::Running { process: nodes[0].process });
    only(manager.stop(&[by_link]).await).expect("it is stopped");
    assert!(!machine.is_running(&nodes[0]).await);
}

async fn a_nodes_program_that_runs_for_something_else_is_not_the_node() {
    let machine = Machine::hasty();
    let nodes = machine.create(&[machine.spec(1)]).await;
    let mut other = machine.spec(2);
    other.binary = nodes[0].spec.binary.clone();
    let mut command = Command::new(&other.binary);
    command.args(other.launch().arguments).stdout(Stdio::null()).stderr(Stdio::null());
    let mut child = spawn_fresh(&mut command);
    eventually("it runs", async || machine.world.listens(&other).await).await;
    assert!(!machine.is_running(&nodes[0]).await);
    machine.stop(&nodes).await;
    assert!(child.try_wait().expect("it is ours").is_none(), "it is left alone");
    child.kill().and_then(|()| child.wait()).expect("it is ours to end");
}

/// Nodes of both flavours, on the network that each of them has another word for. What is run is a copy of the shell, which
/// takes any command line and waits.
async fn running_nodes_of_both_flavours_are_found_with_their_network() {
    let machine = Machine::hasty();
    let network = "evm-arbitrum-sepolia-test".to_owned();
    let v1 = NodeSpec { network: network.clone(), ..machine.spec(1) };
    let mut v2 = NodeSpec { flavour: Flavour::V2, network, ..machine.spec(2) };
    v2.binary = v2.root_dir.join("ant-node");
    v2.ports = v2.ports.iter().filter(|(kind, _)| *kind == PortKind::Node).collect();
    let nodes = machine.create(&[v1, v2].map(|spec| NodeSpec { program: "/bin/sh".into(), ..spec })).await;
    let resting = machine.manager.survey().await.expect("it can be surveyed");
    let waiting = nodes.iter().map(|NodeRef { launch, .. }| {
        let mut command = Command::new(&launch.program);
        command.args(["-c", "read line", "node"]).args(&launch.arguments).stdin(Stdio::piped());
        spawn_fresh(&mut command)
    });
    let waiting: Vec<_> = waiting.collect();
    let running = machine.manager.survey().await.expect("it can be surveyed");

    for (NodeRef { spec, .. }, (resting, running)) in nodes.iter().zip(resting.iter().zip(&running)) {
        assert!(matches!(resting.state, ProcessState::Stopped { .. }), "{resting:?}");
        assert_eq!((resting.flavour, resting.binary.as_ref()), (Some(spec.flavour), Some(&spec.binary)));
        assert!(matches!(running.state, ProcessState::Running { .. }), "{running:?}");
        assert_eq!((running.id, running.service.as_str()), (Some(spec.id), spec.name.as_str()));
        assert_eq!((running.flavour, running.network.as_ref()), (Some(spec.flavour), Some(&spec.network)));
        assert_eq!((running.root_dir.as_ref(), running.binary.as_ref()), (Some(&spec.root_dir), Some(&spec.binary)));
        assert_eq!((running.log_dir.as_ref(), &running.ports), (Some(&spec.log_dir), &spec.ports));
        assert_eq!(running.wallet.as_ref(), Some(&spec.wallet));
    }
    assert_eq!([resting.len(), running.len()], [2, 2]);
    for mut child in waiting {
        child.kill().and_then(|()| child.wait()).expect("it is ours to end");
    }
}

/// A node in a namespace of processes of its own, as a container has one.
async fn start_contained(machine: &Machine, spec: &NodeSpec) -> Child {
    let deadline = Instant::now() + Duration::from_secs(10);
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child"]).arg(&spec.binary).args(spec.launch().arguments);
    command.stdout(Stdio::null()).stderr(Stdio::null());
    let mut inside = command.spawn().expect("unshare can be run");
    while !machine.world.listens(spec).await {
        match inside.try_wait().expect("it is ours").map(|status| status.code()) {
            None => tokio::time::sleep(Duration::from_millis(10)).await,
            // The program was busy: see `spawn_fresh`.
            Some(Some(126)) => inside = command.spawn().expect("unshare can be run"),
            Some(code) => panic!("the node ends with {code:?}"),
        }
        assert!(Instant::now() < deadline, "the node opens its port");
    }
    inside
}

async fn a_process_of_a_container_is_not_a_node_of_the_machine() {
    let machine = Machine::hasty();
    let spec = machine.spec(1);
    let nodes = machine.create(std::slice::from_ref(&spec)).await;
    let mut inside = start_contained(&machine, &spec).await;
    assert!(matches!(machine.state(&nodes[0]).await, ProcessState::Stopped { .. }));
    let error = only(machine.manager.start(&nodes).await).expect_err("its port is in use");
    assert!(matches!(error, ManagerError::PortInUse { protocol: Protocol::Udp, .. }), "{error:?}");
    machine.stop(&nodes).await;
    assert!(inside.try_wait().expect("it is ours").is_none(), "it is left alone");
    inside.kill().and_then(|()| inside.wait()).expect("it is ours to end");
}

async fn an_upgrade_keeps_no_second_program_and_a_broken_one_is_taken_back() {
    let machine = Machine::hasty();
    let nodes = machine.start(&[machine.spec(1)]).await;
    let before = fs::read(&nodes[0].spec.binary).expect("it is there");
    let broken = machine.path().join("broken");
    fs::write(&broken, "#!/bin/sh\necho 'no such thing as a node'\nexit 4\n").expect("it is written");
    let to = |path: &Path| Binary { path: path.to_owned(), version: "0.4.18".parse().expect("a version") };

    let error = only(upgrade(&machine.manager, &nodes, &to(&broken)).await).expect_err("it is not executable");
    assert!(matches!(error, ManagerError::Program { .. }), "{error:?}");
    assert_eq!(machine.state(&nodes[0]).await, ProcessState::Running { process: nodes[0].process }, "untouched");

    fs::set_permissions(&broken, fs::Permissions::from_mode(0o755)).expect("it is ours");
    let error = only(upgrade(&machine.manager, &nodes, &to(&broken)).await).expect_err("it ends");
    assert!(error.text().contains("(exit code 4): no such thing as a node"), "{error}");
    assert!(machine.is_running(&nodes[0]).await);
    assert_eq!(fs::read(&nodes[0].spec.binary).expect("it is there"), before);

    only(upgrade(&machine.manager, &nodes, &to(&test_node("0.4.18"))).await).expect("it lives");
    let left = files_below(&nodes[0].spec.root_dir);
    let names: Vec<_> = left.iter().filter_map(|path| path.file_name()?.to_str()).collect();
    assert!(!names.iter().any(|name| name.ends_with(".previous") || name.ends_with(".new")), "{names:?}");
    machine.stop(&nodes).await;
}

wnm_testing::trials! {
    &[] =>
        as_wnm,
        a_node_outlives_a_killed_wnm_and_holds_none_of_its_files,
        what_dies_leaves_no_zombie_while_wnm_lives,
        nodes_end_together_and_those_that_do_not_listen_are_made_to,
        fifty_nodes_start_together,
        a_node_that_opens_its_port_late_has_started_all_the_same,
        a_process_whose_program_was_replaced_or_whose_storage_is_reached_by_a_link_is_still_the_nodes,
        a_nodes_program_that_runs_for_something_else_is_not_the_node,
        running_nodes_of_both_flavours_are_found_with_their_network,
        an_upgrade_keeps_no_second_program_and_a_broken_one_is_taken_back;
    &[PidNamespace] => a_process_of_a_container_is_not_a_node_of_the_machine;
}
