//! Looking gathers what is there, says what it could not see, and changes nothing.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use wnm_core::decide::{Request, Selection};
use wnm_core::event::Event;
use wnm_core::machine::Trigger;
use wnm_core::node::{Evidence, Node, NodeId, PortKind, Status};
use wnm_core::progress::Silent;
use wnm_core::snapshot::{Answer, Blocker, DirectoryState, Seen};
use wnm_core::storage::STORAGE_MARKER;
use wnm_core::store::HistoryFilter;
use wnm_pm::container_host::ContainerNetwork;
use wnm_pm::port_use::Protocol;
use wnm_pm::process_manager::ProcessState;
use wnm_testing::{Operation, alter, metrics_port, node_port, test_node};

use crate::{NOW, Scene};

fn seen(observation: &wnm_core::machine::Observation, number: u32) -> &Seen {
    let node = observation.snapshot.nodes.iter().find(|each| each.node.id() == NodeId(number));
    node.and_then(|each| each.seen.as_ref()).expect("it was looked at")
}

fn blocked(observation: &wnm_core::machine::Observation) -> Vec<(u32, Blocker)> {
    observation.snapshot.blocked.iter().map(|blocked| (blocked.number.0, blocked.by.clone())).collect()
}

#[tokio::test]
async fn looking_records_nothing() {
    let mut scene = Scene::new();
    scene.recorded(1, None).await;
    let before = (scene.machine.store().load().expect("it is read"), history(&scene));
    let observation = scene.observe().await;
    assert!(!observation.events.is_empty(), "there would be something to record");
    assert_eq!((scene.machine.store().load().expect("it is read"), history(&scene)), before);
}

#[tokio::test]
async fn whoever_is_about_to_change_something_takes_over_before_it_looks_and_whoever_looks_does_not() {
    let mut scene = Scene::new();
    scene.recorded(1, None).await;
    let before = scene.world.calls().len();
    scene.observe().await;
    let calls = |from: usize| -> Vec<Operation> {
        scene.world.calls()[from..].iter().map(|call| call.operation).filter(|what| is_about_looking(*what)).collect()
    };
    let (looked, then) = (calls(before), scene.world.calls().len());
    scene.machine.run(&Trigger::Cycle, &Silent).await.expect("a cycle");
    assert_eq!((looked, calls(then)), (vec![Operation::Inspect], vec![Operation::TakeOver, Operation::Inspect]));
}

fn is_about_looking(operation: Operation) -> bool {
    matches!(operation, Operation::TakeOver | Operation::Inspect)
}

fn history(scene: &Scene) -> usize {
    scene.machine.store().history(&HistoryFilter::default()).expect("it is read").len()
}

#[tokio::test]
async fn the_machine_and_the_program_are_seen() {
    let scene = Scene::new();
    let observation = scene.observe().await;
    let available = observation.snapshot.available.as_ref().expect("the program tells its version");
    assert_eq!(available.path, scene.machine.config().antnode_path);
    assert_eq!(available.version.to_string(), "0.4.17");
    assert!(observation.snapshot.host.total_hd_bytes > 0 && observation.snapshot.boot_time > 0);
    assert_eq!(observation.warnings, Vec::<String>::new());
    let recorded = |wanted: fn(&Event) -> bool| observation.events.iter().any(wanted);
    assert!(recorded(|event| matches!(event, Event::Measured { .. })));
    assert!(recorded(|event| matches!(event, Event::VersionCached { .. })));
}

#[tokio::test]
async fn f46_a_missing_program_is_a_warning() {
    let scene = Scene::new();
    fs::remove_file(&scene.machine.config().antnode_path).expect("it is ours");
    let observation = scene.observe().await;
    assert_eq!(observation.snapshot.available, None);
    let warnings = observation.warnings.join("\n").replace(&scene.base().display().to_string(), "/base");
    insta::assert_snapshot!(warnings, @"there is no node program at /base/program/antnode: No such file or directory (os error 2)");
}

#[tokio::test]
async fn directories_are_seen_as_they_are() {
    let mut scene = Scene::new();
    for number in 1..=3 {
        scene.recorded(number, None).await;
    }
    let storage = scene.storage().to_owned();
    fs::remove_dir_all(storage.join("antnode0002")).expect("it is ours");
    fs::rename(storage.join("antnode0003"), scene.base().join("moved")).expect("it is ours");
    std::os::unix::fs::symlink(scene.base().join("moved"), storage.join("antnode0003")).expect("it is ours");
    let observation = scene.observe().await;
    let states = [1, 2, 3].map(|number| seen(&observation, number).directory);
    assert_eq!(states, [DirectoryState::Present, DirectoryState::Missing, DirectoryState::NotADirectory]);
    assert_eq!(observation.snapshot.nodes[1].node.status(), Status::Stopped, "it lives");
    scene.world.crash(NodeId(2));
    assert_eq!(scene.observe().await.snapshot.nodes[1].node.status(), Status::Dead);

    fs::remove_file(storage.join(STORAGE_MARKER)).expect("it is ours");
    let observation = scene.observe().await;
    assert_eq!(seen(&observation, 2).directory, DirectoryState::Unknown);
    assert_eq!(observation.snapshot.nodes[1].node.status(), Status::Stopped, "nothing is known of it");
}

#[tokio::test]
async fn what_the_manager_cannot_tell_is_a_warning_and_no_death() {
    let mut scene = Scene::new();
    let recorded = scene.recorded(1, None).await;
    scene.recorded(2, None).await;
    for number in 1..=2 {
        scene.world.fail(Operation::Inspect, NodeId(number), "the bus is down");
    }
    let observation = scene.observe().await;
    assert_eq!(observation.snapshot.nodes[0].node, recorded);
    assert_eq!(seen(&observation, 1).answer, Answer::NotAsked);
    insta::assert_snapshot!(observation.warnings.join("\n"), @"cannot check antnode0001–0002: the bus is down");
}

#[tokio::test]
async fn f35_numbers_whose_ports_others_hold_are_blocked() {
    let mut scene = Scene::new();
    scene.recorded(1, None).await;
    let _udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, scene.ports.node_port(4))).expect("it is free");
    let _tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, scene.ports.metrics_port(6))).expect("it is free");
    let _own = UdpSocket::bind((Ipv4Addr::LOCALHOST, scene.ports.node_port(1))).expect("it is free");
    let _unused = TcpListener::bind((Ipv4Addr::LOCALHOST, scene.ports.rpc_port(8))).expect("it is free");
    let observation = scene.observe().await;
    let expected = [
        (4, Blocker::PortInUse { protocol: Protocol::Udp, port: scene.ports.node_port(4) }),
        (6, Blocker::PortInUse { protocol: Protocol::Tcp, port: scene.ports.metrics_port(6) }),
    ];
    let found: Vec<_> = blocked(&observation).into_iter().filter(|(number, _)| *number < 1_000).collect();
    assert_eq!(found, expected);
}

#[tokio::test]
async fn a_port_that_a_node_was_recorded_with_blocks_the_number_it_belongs_to() {
    let mut scene = Scene::new();
    let own = scene.ports.ports(1);
    let port = scene.ports.metrics_port(5);
    let odd = own.with(PortKind::Metrics, port);
    scene.recorded(1, Some(odd)).await;
    let observation = scene.observe().await;
    let found = blocked(&observation).into_iter().find(|(number, _)| *number == 5);
    assert_eq!(found, Some((5, Blocker::PortOfNode { port, node: "antnode0001".to_owned() })));
}

#[tokio::test]
async fn a_directory_that_no_node_of_the_record_has_is_not_given_to_a_new_one() {
    let mut scene = Scene::new();
    scene.recorded(1, None).await;
    scene.node_directory(&scene.storage().join("antnode0002"));
    std::os::unix::fs::symlink("/nowhere", scene.storage().join("antnode0003")).expect("it is ours");
    fs::create_dir(scene.storage().join("lost+found")).expect("it is ours");
    let observation = scene.observe().await;
    let found: Vec<_> = blocked(&observation).into_iter().filter(|(number, _)| *number < 1_000).collect();
    let there = |number| (number, Blocker::Directory { path: scene.storage().join(NodeId(number).name()) });
    assert_eq!(found, [there(2), there(3)]);
}

#[tokio::test]
async fn a_number_whose_nodes_directory_went_away_waits_for_its_owner() {
    let mut scene = Scene::new();
    let node = scene.recorded(2, None).await;
    scene.world.crash(NodeId(2));
    let moved = scene.base().join("moved");
    fs::rename(&node.spec().root_dir, &moved).expect("it is ours");
    for _ in 0..2 {
        scene.machine.run(&Trigger::Cycle, &Silent).await.expect("it is a cycle");
    }
    assert_eq!(scene.machine.store().load().expect("it can be read").nodes, [], "it is dead, and forgotten");
    let (number, by) = blocked(&scene.observe().await).remove(0);
    assert_eq!((number, by.clone()), (2, Blocker::Name { why: WITHHELD.to_owned() }));

    // Its owner says that it is gone.
    let changes = [("withheld_numbers".to_owned(), None)];
    let store = &mut scene.machine.parts_mut().store;
    store.apply(NOW, &[Event::SettingsChanged { changes: changes.into() }]).expect("it is written");
    assert!(blocked(&scene.observe().await).iter().all(|(number, _)| *number != 2));

    // What the owner removes by hand is not withheld.
    let node = scene.recorded(3, None).await;
    scene.world.crash(NodeId(3));
    fs::remove_dir_all(&node.spec().root_dir).expect("it is ours");
    let request = Request::Remove(Selection::names(vec!["antnode0003".to_owned()]));
    scene.machine.run(&Trigger::Request(request), &Silent).await.expect("it is removed");
    assert!(blocked(&scene.observe().await).iter().all(|(number, _)| *number != 3));
}

const WITHHELD: &str = "withheld_numbers keeps it for a node whose directory went away";

#[tokio::test]
async fn ports_that_the_engine_publishes_for_a_group_block_none_of_its_numbers() {
    let mut scene = Scene::new().in_containers(1).await;
    scene.machine.parts_mut().config.container_network = ContainerNetwork::Docker;
    let held = |number| {
        let udp = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, scene.ports.node_port(number))).expect("it is free");
        (udp, TcpListener::bind((Ipv4Addr::LOCALHOST, scene.ports.metrics_port(number))).expect("it is free"))
    };
    let _held = [held(2), held(3), held(4)];
    let observation = scene.observe().await;
    let numbers = blocked(&observation).into_iter().map(|(number, _)| number);
    // Other programs of this machine hold ports, too.
    let numbers: Vec<u32> = numbers.filter(|number| *number < 1_000).collect();
    assert_eq!(numbers, [4], "4 is not of this group");
}

/// A test node that answers in the place of a process in memory.
struct Answering(Child);

impl Answering {
    fn start(node: &Node) -> Self {
        let child = Command::new(test_node("0.4.18"))
            .arg("--root-dir")
            .arg(&node.spec().root_dir)
            .args(["--port", &node_port(node.spec()).to_string()])
            .args(["--metrics-server-port", &metrics_port(node.spec()).to_string()])
            .args(["--rewards-address", &node.spec().wallet])
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .expect("it starts");
        let deadline = Instant::now() + Duration::from_secs(60);
        while std::net::TcpStream::connect((Ipv4Addr::LOCALHOST, metrics_port(node.spec()))).is_err() {
            assert!(Instant::now() < deadline, "it does not listen after a minute");
            std::thread::sleep(Duration::from_millis(10));
        }
        Self(child)
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn what_a_node_tells_is_taken_over() {
    let mut scene = Scene::new();
    let node = scene.recorded(1, None).await;
    scene.recorded(2, None).await;
    let _answering = Answering::start(&node);
    let observation = scene.observe().await;
    assert!(matches!(seen(&observation, 1).process, Ok(ProcessState::Running { .. })));
    assert!(matches!(seen(&observation, 1).answer, Answer::Node { .. }));
    assert_eq!(seen(&observation, 2).answer, Answer::Refused);
    let told = &observation.snapshot.nodes[0].node;
    assert_eq!(told.status(), Status::Running, "it lives and answers");
    assert_eq!(told.version().map(ToString::to_string).as_deref(), Some("0.4.18"));
    assert!(told.peer_id().is_some() && told.metrics().is_some());
    let surveyed = observation.events.iter().find_map(|event| match event {
        Event::Surveyed { reports } => Some(reports.iter().map(|report| report.id.0).collect::<Vec<_>>()),
        _ => None,
    });
    assert_eq!(surveyed, Some(vec![1]));

    scene.machine.parts_mut().store.apply(NOW, &observation.events).expect("it is recorded");
    assert_eq!(scene.machine.store().load().expect("it is read").nodes[0], *told, "the database is what was seen");
}

#[tokio::test]
async fn f31_an_answer_for_another_peer_changes_nothing() {
    let mut scene = Scene::new();
    let mut node = scene.recorded(1, None).await;
    alter(&mut node, |node| node.peer_id = Some("12D3KooWTheOneItAlwaysHad".to_owned()));
    let row = Event::Reconciled { from: Status::Stopped, node: Box::new(node.clone()), why: Evidence::Running };
    scene.machine.parts_mut().store.apply(NOW, &[row]).expect("it is recorded");
    let _answering = Answering::start(&node);
    let observation = scene.observe().await;
    assert_eq!(observation.snapshot.nodes[0].node, node);
    assert!(!observation.events.iter().any(|event| matches!(event, Event::Surveyed { .. })));
}
