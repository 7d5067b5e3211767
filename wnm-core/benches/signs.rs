//! What it costs to look at 1,000 nodes of v2, which answer no questions: at first sight, when nothing has changed, and when all of
//! them have written to their log since.

use std::collections::BTreeMap;
use std::fs::{self, OpenOptions};
use std::hint::black_box;
use std::io::Write;
use std::path::Path;

use criterion::{Criterion, criterion_group, criterion_main};
use wnm_core::node::NodeId;
use wnm_core::observe::signs::{Memory, Target, look};

const NODES: u32 = 1_000;
/// Records that each node has, spread over the 256 directories.
const RECORDS: u32 = 256;

fn log_of(root: &Path) -> std::path::PathBuf {
    root.join("logs/ant-node.2026-01-01.log")
}

/// A node as it is after a while.
fn node(storage: &Path, number: u32) -> Target {
    let root_dir = storage.join(format!("antnode{number:04}"));
    fs::create_dir_all(root_dir.join("logs")).expect("it is made");
    for record in 0..RECORDS {
        let shard = root_dir.join(format!("chunks/{record:02x}"));
        fs::create_dir_all(&shard).expect("it is made");
        fs::write(shard.join(format!("{record:064x}")), "").expect("it is written");
    }
    let peers = vec!["{\"peer_id\":\"x\",\"addresses\":[\"/ip4/127.0.0.1/udp/1/quic\"]}"; 200].join(",");
    fs::write(root_dir.join("routing_snapshot.json"), format!("{{\"peers\":[{peers}]}}")).expect("it is written");
    fs::write(log_of(&root_dir), "INFO ant_node: ant-node starting version=\"0.23.1\"\n".repeat(500))
        .expect("it is written");
    let log_dir = root_dir.join("logs");
    Target { id: NodeId(number), root_dir, log_dir, port: None, process: None }
}

fn signs(criterion: &mut Criterion) {
    let storage = tempfile::tempdir().expect("a temporary directory");
    let nodes: Vec<Target> = (1..=NODES).map(|number| node(storage.path(), number)).collect();
    let kept: BTreeMap<NodeId, Memory> = look(&nodes, &BTreeMap::new(), 0).1.into_iter().collect();
    let mut group = criterion.benchmark_group("signs of 1,000 nodes");
    group.sample_size(10);
    group.bench_function("at first sight", |bencher| bencher.iter(|| black_box(look(&nodes, &BTreeMap::new(), 0))));
    group.bench_function("nothing changed", |bencher| bencher.iter(|| black_box(look(&nodes, &kept, 0))));
    for node in &nodes {
        let mut log = OpenOptions::new().append(true).open(log_of(&node.root_dir)).expect("it is there");
        log.write_all(&b"INFO a line of a log that says nothing that is wanted\n".repeat(100)).expect("it is written");
    }
    group.bench_function("each wrote 5 kB to its log", |bencher| bencher.iter(|| black_box(look(&nodes, &kept, 0))));
    group.finish();
}

criterion_group!(benches, signs);
criterion_main!(benches);
