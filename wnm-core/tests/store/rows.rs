//! Rows for tests: nodes and groups in which every column has something to lose, and strategies that draw them.

use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;
use semver::Version;
use wnm_core::event::Event;
use wnm_core::node::{
    Desired, Flavour, Node, NodeId, NodeMetrics, NodeSpec, PortKind, ProcessId, Status, StoredNode, UnixSeconds, Verb,
};
use wnm_core::rollout::{Failure, Pause, Phase, Revert, Role, Rollout, Target, Trial, TrialState};
use wnm_core::snapshot::Counters;
use wnm_pm::container_host::{Group, GroupSpec, GroupState, Range};

#[path = "../support/lives.rs"]
pub mod lives;

pub const NOW: UnixSeconds = 1_790_000_000;

/// A running node about which everything is known: its owner stopped it, and it would not stop.
pub fn node(number: u32) -> Node {
    restored(stored(number))
}

/// The node with these columns.
pub fn restored(stored: StoredNode) -> Node {
    Node::restore(stored).expect("its columns agree")
}

/// The columns of [`node`].
pub fn stored(number: u32) -> StoredNode {
    let port = u16::try_from(number % 10_000).expect("it is below 10000");
    let root_dir = format!("/nodes/antnode{number:04}");
    let spec = NodeSpec {
        id: NodeId(number),
        name: NodeId(number).name(),
        flavour: Flavour::V1,
        program: "/usr/bin/antnode".into(),
        version: Some(Version::new(0, 4, 17)),
        binary: format!("{root_dir}/antnode").into(),
        log_dir: format!("/logs/antnode{number:04}").into(),
        root_dir: root_dir.into(),
        bootstrap_cache_dir: "/nodes/bootstrap-cache".into(),
        ports: PortKind::ALL.into_iter().zip([55_000 + port, 13_000 + port, 30_000 + port]).collect(),
        wallet: "0x00455d78f850b0358E8cea5be24d415E01E107CF".to_owned(),
        network: "evm-arbitrum-one".to_owned(),
        no_upnp: true,
        environment: vec![("RUST_LOG".to_owned(), "in fo\n'\"".to_owned())],
        start_args: vec!["--alpha".to_owned(), String::new()],
        group: Some(1),
    };
    StoredNode {
        service: format!("antnode{number:04}.service"),
        status: Status::Running,
        has_run: true,
        version: Some("0.4.17-rc.1+build.5".parse().expect("it is a version")),
        peer_id: Some(format!("12D3KooWPeer{number}")),
        process: Some(ProcessId { pid: 4_000 + number, start_time: 99 }),
        desired: Desired::Stop,
        failures: 3,
        retry_at: Some(NOW + 60),
        last_error: Some("it was tired".to_owned()),
        metrics: Some(metrics(number)),
        ..StoredNode::new(spec, NOW - 1_000)
    }
}

/// What a node reports that reports everything.
pub fn metrics(number: u32) -> NodeMetrics {
    let count = |place: u64| Some(u64::from(number) * 100 + place);
    NodeMetrics {
        uptime_seconds: count(1),
        records: count(2),
        stored_bytes: count(15),
        relevant_records: count(3),
        max_records: count(4),
        puts: count(5),
        gets: count(6),
        connected_peers: count(7),
        open_connections: count(8),
        peers_in_routing_table: count(9),
        bad_peers: count(10),
        shunned: count(11),
        network_size: count(12),
        payments: count(13),
        live_time: count(14),
        rewards: Some("24691357802469137000000000000001".to_owned()),
        memory_megabytes: Some(201.5),
        cpu_percent: Some(0.1),
    }
}

pub fn added(node: Node) -> Event {
    Event::Intended { verb: Verb::Add, node: Box::new(node), why: "there is room".to_owned() }
}

pub fn group(number: u32) -> Group {
    let first = u16::try_from(number * 200).expect("it is small");
    Group {
        spec: GroupSpec {
            group: number,
            name: format!("a{number}"),
            image: "wnm-antnode".to_owned(),
            ports: [
                (PortKind::Node, Range { first: 55_000 + first, last: 55_199 + first }),
                (PortKind::Metrics, Range { first: 13_000 + first, last: 13_199 + first }),
            ]
            .into(),
        },
        container_id: format!("c0ffee{number}"),
        container_name: format!("wnm-a{number}"),
        address: Some("10.72.0.2".parse().expect("it is an address")),
        state: GroupState::Running,
    }
}

pub fn counters() -> Counters {
    Counters {
        at: NOW,
        boot_time: NOW - 9_000,
        boot_id: Some("5d0b3c1e".to_owned()),
        uptime_milliseconds: 9_000_000,
        cpu_busy: 1,
        cpu_total: 2,
        disk_read: 3,
        disk_written: 4,
        net_received: 5,
        net_sent: 6,
    }
}

fn versions() -> impl Strategy<Value = Option<Version>> {
    option::of(
        (0_u64..9, 0_u64..99, prop_oneof![Just(""), Just("-rc.1")])
            .prop_map(|(minor, patch, pre)| format!("0.{minor}.{patch}{pre}").parse().expect("it is a version")),
    )
}

fn counts() -> impl Strategy<Value = Option<u64>> {
    option::of(0..=i64::MAX.cast_unsigned())
}

pub fn all_metrics() -> impl Strategy<Value = NodeMetrics> {
    let figures = option::of(prop_oneof![Just(0.0), proptest::num::f64::NORMAL]);
    let counts = (counts(), counts(), counts(), counts(), counts());
    (counts, figures, option::of("[0-9]{1,40}")).prop_map(|((one, two, three, four, five), figure, rewards)| {
        NodeMetrics {
            uptime_seconds: one,
            records: two,
            puts: three,
            shunned: four,
            live_time: five,
            rewards,
            memory_megabytes: figure,
            cpu_percent: figure,
            ..NodeMetrics::default()
        }
    })
}

/// Nodes of a number, any text in them and any life behind them; now and then with the ports or the service of another
/// number.
pub fn nodes(number: u32) -> impl Strategy<Value = Node> {
    let texts = (any::<String>(), vec((any::<String>(), any::<String>()), 0..3), vec(any::<String>(), 0..3));
    let known = (option::of(any::<String>()), versions(), option::of(all_metrics()));
    let clash = prop_oneof![8 => Just((number, number)), 1 => (1_u32..6, Just(number)), 1 => (Just(number), 1_u32..6)];
    (texts, any::<bool>(), lives::courses(), known, clash).prop_map(
        move |((wallet, environment, start_args), is_new, course, known, (ports, service))| {
            let ((peer_id, version, metrics), base) = (known, stored(number));
            let ports = stored(ports).spec.ports;
            let spec = NodeSpec { wallet, environment, start_args, ports, version: version.clone(), ..base.spec };
            let node = match is_new {
                true => Node::planned(spec.clone(), NOW),
                false => Node::adopted(spec.clone(), base.service, NOW),
            };
            let lived = StoredNode::from(lives::after(node, course));
            let service = stored(service).service;
            restored(StoredNode { spec, service, peer_id, version, metrics, ..lived })
        },
    )
}

fn target(digest: &str) -> Target {
    Target { version: Version::new(0, 5, 0), digest: Some(digest.to_owned()) }
}

/// A roll-out in this phase.
pub fn rollout(phase: Phase) -> Rollout {
    let why = Failure::Fell { error: "it ended".to_owned() };
    let pause = (phase == Phase::Paused).then_some(Pause::CanaryFailed { node: NodeId(1), why });
    Rollout { target: target("a"), started_at: NOW, phase, phase_since: NOW, pause }
}

/// A trial of a node that has come to this.
pub fn trial(number: u32, state: TrialState) -> Trial {
    let (from, memory_before) = (Some(Version::new(0, 4, 17)), Some(38.5));
    Trial { node: NodeId(number), target: target("a"), role: Role::Canary, from, memory_before, began_at: NOW, state }
}

fn digests() -> impl Strategy<Value = &'static str> {
    proptest::sample::select(vec!["a", "b"])
}

/// Roll-outs of two programs, in all phases.
pub fn rollouts() -> impl Strategy<Value = Rollout> {
    let phases = vec![Phase::Canary, Phase::Batches, Phase::Paused, Phase::Aborted, Phase::Done];
    (proptest::sample::select(phases), digests())
        .prop_map(|(phase, digest)| Rollout { target: target(digest), ..rollout(phase) })
}

/// Trials of two programs that have come to anything.
pub fn trials(number: impl Strategy<Value = u32>) -> impl Strategy<Value = Trial> {
    let why = || Failure::Memory { before: 38.5, now: 200.25 };
    let failed = move |revert| TrialState::Failed { at: NOW, why: why(), revert };
    let states = vec![
        TrialState::Open { since: None, healthy_since: None, process: None },
        TrialState::Open { since: Some(NOW), healthy_since: Some(NOW), process: stored(1).process },
        TrialState::Proved { at: NOW, forgotten: false },
        TrialState::Proved { at: NOW, forgotten: true },
        failed(Revert::Due),
        failed(Revert::Done),
        failed(Revert::Off),
        failed(Revert::Failed { error: "it is gone".to_owned() }),
    ];
    (number, proptest::sample::select(states), digests())
        .prop_map(|(number, state, digest)| Trial { target: target(digest), ..trial(number, state) })
}
