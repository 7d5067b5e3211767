//! Fleets for tests: a machine at ease with as many nodes as a test asks for.

use std::path::Path;

use semver::Version;
use wnm_core::node::{
    Desired, Flavour, Node, NodeId, NodeMetrics, NodeSpec, PortKind, Ports, Status, StoredNode, UnixSeconds,
};
use wnm_core::settings::Config;
use wnm_core::snapshot::{Answer, DirectoryState, HostLoad, NodeSnapshot, Seen, Snapshot};
use wnm_pm::process_manager::{Binary, NumberingKind, ProcessState};

pub const NOW: UnixSeconds = 1_790_000_000;

/// Settings with room for many at once, so that a test that wants a limit sets it.
pub fn config() -> Config {
    Config {
        node_cap: 10,
        max_concurrent_operations: 10,
        max_concurrent_starts: 10,
        max_concurrent_upgrades: 10,
        max_concurrent_removals: 10,
        ..wnm_testing::config(Path::new("/node"))
    }
}

/// A machine at ease without nodes.
pub fn machine() -> Snapshot {
    Snapshot {
        now: NOW,
        boot_time: NOW - 100_000,
        last_surveyed_boot: NOW - 100_000,
        seed: 7,
        host: HostLoad { used_cpu_percent: 10.0, used_mem_percent: 10.0, used_hd_percent: 10.0, ..HostLoad::default() },
        disks: Vec::new(),
        available: Some(Binary { path: "/usr/bin/antnode".into(), version: Version::new(0, 4, 17) }),
        flavour: Flavour::V1,
        numbering: NumberingKind::FillGaps,
        port_kinds: vec![PortKind::Node, PortKind::Metrics],
        highest_number_used: 0,
        groups: Vec::new(),
        nodes: Vec::new(),
        rollouts: None,
        pause: None,
        torn_down: false,
        blocked: Vec::new(),
    }
}

/// A node that has been what it is for a day, created later the higher its number.
pub fn node(number: u32, status: Status) -> Node {
    let id = NodeId(number);
    let root_dir = Path::new("/node").join(id.name());
    let port = |start: u16| start * 1000 + u16::try_from(number).expect("test nodes have small numbers");
    let spec = NodeSpec {
        id,
        name: id.name(),
        flavour: Flavour::V1,
        program: "/usr/bin/antnode".into(),
        version: Some(Version::new(0, 4, 17)),
        binary: root_dir.join("antnode"),
        log_dir: root_dir.join("logs"),
        root_dir,
        bootstrap_cache_dir: "/node/bootstrap-cache".into(),
        ports: Ports::default().with(PortKind::Node, port(55)).with(PortKind::Metrics, port(13)),
        wallet: "0x00455d78f850b0358E8cea5be24d415E01E107CF".to_owned(),
        network: "evm-arbitrum-one".to_owned(),
        no_upnp: true,
        environment: Vec::new(),
        start_args: Vec::new(),
        group: None,
    };
    let stored = StoredNode {
        status,
        status_since: NOW - 86_400,
        desired: if status == Status::Disabled { Desired::Unmanaged } else { Desired::Run },
        has_run: status != Status::Starting,
        created_at: NOW - 90_000 + UnixSeconds::from(number),
        peer_id: Some(format!("peer-{number}")),
        ..StoredNode::new(spec, NOW)
    };
    Node::restore(stored).expect("its columns agree")
}

/// A machine at ease with nodes 1, 2, 3 … of these statuses; each was seen to be what it is.
pub fn fleet(statuses: &[Status]) -> Snapshot {
    let mut snapshot = machine();
    for (number, status) in (1..).zip(statuses) {
        snapshot.nodes.push(seen(node(number, *status)));
        snapshot.highest_number_used = number;
    }
    snapshot
}

/// A node that was seen to be what the database says.
pub fn seen(node: Node) -> NodeSnapshot {
    let lives = node.status() == Status::Running || node.status().is_underway();
    let seen = if lives { alive(&node) } else { gone() };
    NodeSnapshot { node, seen: Some(seen) }
}

/// What is seen of a node that runs and answers.
pub fn alive(node: &Node) -> Seen {
    Seen {
        process: Ok(ProcessState::Running { process: None }),
        answer: Answer::Node {
            peer_id: node.peer_id().map(str::to_owned),
            version: node.version().cloned(),
            metrics: Box::new(NodeMetrics::default()),
        },
        directory: DirectoryState::Present,
    }
}

/// What is seen of a node whose process is gone.
pub fn gone() -> Seen {
    Seen {
        process: Ok(ProcessState::Stopped { reason: None }),
        answer: Answer::NotAsked,
        directory: DirectoryState::Present,
    }
}
