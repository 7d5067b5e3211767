//! What it costs to place nodes: the time per node stays about the same from 1,000 nodes on one machine over 10,535,
//! where its ports end, to 100,000 on 1,000 machines.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wnm_allocator::{Numbering, place};

const NUMBERINGS: [(&str, Numbering); 3] = [
    ("fill_gaps", Numbering::FillGaps),
    ("never_reuse", Numbering::NeverReuse),
    ("blocks", Numbering::Blocks { max_node_per_container: 245, min_container_count: 5, active_groups: 5 }),
];

/// As machines, and nodes on each.
const FLEETS: [(u32, u32); 3] = [(1, 1_000), (1, 10_535), (1_000, 100)];

/// Every node is new.
fn empty_machines(criterion: &mut Criterion) {
    fleets(criterion, "empty machines", |_| Vec::new(), |nodes| nodes);
}

/// Every second number is in use, so that half of the nodes are new.
fn machines_with_gaps(criterion: &mut Criterion) {
    fleets(criterion, "machines with gaps", |nodes| (1..=nodes).step_by(2).collect(), |nodes| nodes / 2);
}

fn fleets(criterion: &mut Criterion, name: &str, used: fn(u32) -> Vec<u32>, count: fn(u32) -> u32) {
    let mut group = criterion.benchmark_group(name);
    for (numbering_name, numbering) in NUMBERINGS {
        for (machines, nodes) in FLEETS {
            let (used, count) = (used(nodes), count(nodes));
            group.throughput(Throughput::Elements(u64::from(machines * count)));
            let fleet = BenchmarkId::new(numbering_name, format!("{machines} x {nodes}"));
            group.bench_function(fleet, |bencher| {
                bencher.iter(|| {
                    for _ in 0..machines {
                        black_box(place(black_box(&numbering), black_box(&used), nodes, count)).expect("there is room");
                    }
                });
            });
        }
    }
    group.finish();
}

criterion_group!(benches, empty_machines, machines_with_gaps);
criterion_main!(benches);
