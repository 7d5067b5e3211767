//! What planning costs: one machine up to the port limit, and a thousand machines. The cost per node stays the same.
//!
//! `cargo bench -p wnm-core --bench decide`

use std::hint::black_box;
use std::path::Path;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use semver::Version;
use wnm_core::decide::{Request, decide, decide_request};
use wnm_core::node::{Flavour, Node, PortKind, Status, StoredNode};
use wnm_core::plan::Action;
use wnm_core::plan::check::{Authority, check};
use wnm_core::settings::Config;
use wnm_core::snapshot::{HostLoad, NodeSnapshot, Snapshot};
use wnm_pm::process_manager::{Binary, NumberingKind};

/// Ports end at 65535, and node ports begin at 55001.
const PORT_LIMIT: u32 = 10_535;

fn config() -> Config {
    Config {
        node_cap: PORT_LIMIT,
        max_concurrent_operations: PORT_LIMIT,
        max_concurrent_starts: PORT_LIMIT,
        max_concurrent_upgrades: PORT_LIMIT,
        // Blocks that end where the ports do.
        max_node_per_container: 215,
        // A range of 10,535 ports each, so that none reaches into the next.
        metrics_port_start: 13,
        rpc_port_start: 30,
        ..wnm_testing::config(Path::new("/node"))
    }
}

fn machine() -> Snapshot {
    Snapshot {
        now: 1_790_000_000,
        boot_time: 1,
        last_surveyed_boot: 1,
        seed: 7,
        host: HostLoad::default(),
        disks: Vec::new(),
        available: Some(Binary { path: "/usr/bin/antnode".into(), version: Version::new(0, 4, 17) }),
        flavour: Flavour::V1,
        numbering: NumberingKind::Blocks,
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

/// A machine with so many running nodes, all of them outdated.
fn outdated(count: u32) -> Snapshot {
    let mut snapshot = machine();
    let plan = decide_request(&config(), &snapshot, &Request::Add(count)).expect("they fit");
    for action in plan.actions {
        let Action::Add { node } = action else { continue };
        let version = Some(Version::new(0, 4, 16));
        let stored = StoredNode { status: Status::Running, has_run: true, version, ..StoredNode::new(*node, 1) };
        let node = Node::restore(stored).expect("there are such nodes");
        snapshot.nodes.push(NodeSnapshot { node, seen: None });
    }
    snapshot
}

fn planning(criterion: &mut Criterion) {
    let config = config();
    let mut group = criterion.benchmark_group("plan and check");
    group.sample_size(10);
    for count in [1_000, PORT_LIMIT] {
        group.throughput(Throughput::Elements(u64::from(count)));
        let empty = machine();
        group.bench_function(BenchmarkId::new("add", count), |bencher| {
            bencher.iter(|| {
                let plan = decide_request(&config, &empty, &Request::Add(count)).expect("they fit");
                assert!(check(&config, &empty, &plan, Authority::Owner).is_empty());
                black_box(plan)
            });
        });
        let full = outdated(count);
        group.bench_function(BenchmarkId::new("upgrade", count), |bencher| {
            bencher.iter(|| {
                let plan = decide(&config, &full);
                assert!(check(&config, &full, &plan, Authority::Cycle).is_empty());
                black_box(plan)
            });
        });
    }
    let machines = vec![outdated(100); 1_000];
    group.throughput(Throughput::Elements(100_000));
    group.bench_function(BenchmarkId::new("upgrade", "1,000 machines of 100"), |bencher| {
        bencher.iter(|| machines.iter().map(|machine| decide(&config, machine).actions.len()).sum::<usize>());
    });
}

criterion_group!(benches, planning);
criterion_main!(benches);
