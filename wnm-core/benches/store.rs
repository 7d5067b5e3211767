//! What the database costs: reading all of it, opening it, and taking in what every node told, with 200 and 5,000 nodes.

use std::hint::black_box;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use wnm_core::event::{Event, NodeReport};
use wnm_core::node::{Evidence, Status};
use wnm_core::store::Store;

#[path = "../tests/store/rows.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod rows;

const NODES: [u32; 2] = [200, 5_000];

fn record(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("store");
    group.sample_size(20);
    for count in NODES {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("colony.db");
        let mut store = Store::create(&path).expect("a new record");
        let nodes: Vec<Event> = (1..=count).map(|number| rows::added(rows::node(number))).collect();
        store.apply(rows::NOW, &nodes).expect("it is recorded");
        let report = |number| {
            let stored = rows::stored(number);
            let (peer_id, version, metrics) = (stored.peer_id, stored.version, rows::metrics(number));
            NodeReport { id: stored.spec.id, peer_id, version, metrics }
        };
        let surveyed = Event::Surveyed { reports: (1..=count).map(report).collect() };
        // What a cycle writes that finds every node changed.
        let changed = |number| {
            let (from, why) = (Status::Stopped, Evidence::Running);
            Event::Reconciled { from, node: Box::new(rows::node(number)), why }
        };
        let reconciled: Vec<Event> = (1..=count).map(changed).collect();

        group.throughput(Throughput::Elements(u64::from(count)));
        group.bench_function(BenchmarkId::new("open", count), |bencher| {
            bencher.iter(|| Store::open(black_box(&path)).expect("it is opened"));
        });
        group.bench_function(BenchmarkId::new("load", count), |bencher| {
            bencher.iter(|| black_box(store.load()).expect("the database is read"));
        });
        group.bench_function(BenchmarkId::new("surveyed", count), |bencher| {
            bencher.iter(|| store.apply(rows::NOW, std::slice::from_ref(&surveyed)).expect("it is recorded"));
        });
        group.bench_function(BenchmarkId::new("reconciled", count), |bencher| {
            bencher.iter(|| store.apply(rows::NOW, &reconciled).expect("it is recorded"));
        });
    }
    group.finish();
}

criterion_group!(benches, record);
criterion_main!(benches);
