//! What a hundred nodes cost: time and programs, all in one call against one call for each. Needs Docker, as the tests do.
//!
//! `cargo bench -p wnm-pm-systemd --profile dev`

#![expect(clippy::print_stdout, reason = "a benchmark reports its figures")]

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use wnm_pm::batch::Outcomes;
use wnm_pm::command::{Command, CommandError, CommandRunner, Output, SystemRunner};
use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::ProcessManager;
use wnm_pm_systemd::Systemd;
use wnm_testing::{ContractWorld, HostWorld, program_on_machine};

const NODES: u32 = 100;

fn main() {
    program_on_machine("root", "hundred_nodes", async || {
        println!("| {NODES} nodes | create | start | observe | stop | remove |");
        println!("| --- | --- | --- | --- | --- | --- |");
        measure("one call for all", NODES as usize).await;
        measure("one call for each", 1).await;
    });
}

/// Runs programs and counts them.
#[derive(Default)]
struct Counter {
    programs: AtomicUsize,
    systemctl: AtomicUsize,
}

#[async_trait]
impl CommandRunner for Counter {
    async fn run(&self, command: &Command) -> Result<Output, CommandError> {
        self.programs.fetch_add(1, Ordering::Relaxed);
        self.systemctl.fetch_add(usize::from(command.program == "systemctl"), Ordering::Relaxed);
        SystemRunner.run(command).await
    }
}

/// Takes all nodes through their lives, `at_once` in each call.
async fn measure(how: &str, at_once: usize) {
    let world = HostWorld::new(Path::new("/srv/wnm"));
    let counter = Arc::new(Counter::default());
    let kind = "systemd+sudo".parse().expect("it is a kind");
    let manager = Systemd::new(kind, world.node_storage(), counter.clone()).settling(Duration::ZERO, Duration::ZERO);
    let nodes: Vec<NodeRef> = (1..=NODES).map(|number| NodeRef::new(world.spec(number))).collect();
    let mut row = format!("| {how} |");
    row += &cell(&counter, nodes.chunks(at_once), async |nodes| good(manager.create(nodes).await)).await;
    row += &cell(&counter, nodes.chunks(at_once), async |nodes| good(manager.start(nodes).await)).await;
    row += &cell(&counter, nodes.chunks(at_once), async |nodes| good(manager.inspect(nodes).await)).await;
    row += &cell(&counter, nodes.chunks(at_once), async |nodes| good(manager.stop(nodes).await)).await;
    row += &cell(&counter, nodes.chunks(at_once), async |nodes| good(manager.remove(nodes).await)).await;
    println!("{row}");
}

async fn cell<'n>(
    counter: &Counter,
    parts: impl Iterator<Item = &'n [NodeRef]>,
    step: impl AsyncFn(&[NodeRef]),
) -> String {
    let began = Instant::now();
    for part in parts {
        step(part).await;
    }
    let seconds = began.elapsed().as_secs_f64();
    let (programs, systemctl) =
        (counter.programs.swap(0, Ordering::Relaxed), counter.systemctl.swap(0, Ordering::Relaxed));
    format!(" {seconds:.2} s, {programs} programs, {systemctl} of them systemctl |")
}

fn good<T>(outcomes: Outcomes<T>) {
    for (id, outcome) in outcomes {
        outcome.map(drop).unwrap_or_else(|error| panic!("{id}: {}", error.text()));
    }
}
