//! Fleets that live in memory and are recorded in a real SQLite database: whatever they begin as, they come to rest, and
//! then nothing more is planned.

use proptest::prelude::*;
use tempfile::TempDir;
use wnm_core::clock::Clock;
use wnm_core::decide::{Request, decide, decide_request, reconcile};
use wnm_core::event::Event;
use wnm_core::execute::{Execution, Executor};
use wnm_core::node::{Node, NodeId, Status, UnixSeconds};
use wnm_core::plan::check::{Authority, check};
use wnm_core::plan::{Action, Plan};
use wnm_core::progress::Silent;
use wnm_core::settings::Config;
use wnm_core::snapshot::{Answer, DirectoryState, NodeSnapshot, Seen, Snapshot};
use wnm_core::store::Store;
use wnm_pm::process_manager::{ManagerKind, NumberingKind, ProcessManager, ProcessState};
use wnm_testing::{MemoryManager, MemoryWorld, Operation};

use crate::fleet::{self, NOW};

/// A machine whose world is in memory and whose record is real.
struct Simulation {
    config: Config,
    world: MemoryWorld,
    manager: MemoryManager,
    store: Store,
    now: UnixSeconds,
    used_cpu_percent: f64,
    _directory: TempDir,
}

struct FixedClock(UnixSeconds);

impl Clock for FixedClock {
    fn now(&self) -> UnixSeconds {
        self.0
    }
}

impl Simulation {
    fn new(config: Config, numbering: NumberingKind) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut store = Store::create(&directory.path().join("colony.db")).expect("a new record");
        let boot_time = NOW - 100_000;
        store.apply(NOW, &[Event::Initialised { settings: Vec::new(), boot_time }]).expect("it is initialised");
        let world = MemoryWorld::new();
        let kind: ManagerKind = "setsid+user".parse().expect("there is such a manager");
        let manager = MemoryManager::new(kind, numbering, &world);
        Self { config, world, manager, store, now: NOW, used_cpu_percent: 10.0, _directory: directory }
    }

    async fn observe(&self) -> Snapshot {
        let record = self.store.load().expect("the record is read");
        let references: Vec<_> = record.nodes.iter().map(Node::reference).collect();
        let states = self.manager.inspect(&references).await;
        let seen = record.nodes.into_iter().zip(states).map(|(node, state)| {
            let process = state.map_err(|error| error.to_string());
            let lives = matches!(process, Ok(ProcessState::Running { .. }));
            let answer = if lives { fleet::alive(&node).answer } else { Answer::NotAsked };
            let missing = matches!(process, Ok(ProcessState::Absent));
            let directory = if missing { DirectoryState::Missing } else { DirectoryState::Present };
            NodeSnapshot { node, seen: Some(Seen { process, answer, directory }) }
        });
        let mut snapshot = Snapshot {
            now: self.now,
            last_surveyed_boot: record.last_surveyed_boot,
            numbering: self.manager.capabilities().numbering,
            highest_number_used: record.highest_number_used,
            nodes: seen.collect(),
            groups: record.groups,
            ..fleet::machine()
        };
        snapshot.host.used_cpu_percent = self.used_cpu_percent;
        snapshot
    }

    /// One cycle: the plan, and how many rows had to be put right before it.
    async fn cycle(&mut self) -> (Plan, usize) {
        let reconciled = reconcile(&self.config, self.observe().await);
        self.store.apply(self.now, &reconciled.events).expect("what was reconciled is stored");
        let plan = decide(&self.config, &reconciled.snapshot);
        assert_eq!(check(&self.config, &reconciled.snapshot, &plan, Authority::Cycle), Vec::<String>::new());
        self.execute(&plan, reconciled.snapshot).await;
        self.agrees().await;
        (plan, reconciled.events.len())
    }

    async fn request(&mut self, request: &Request) -> Execution {
        let reconciled = reconcile(&self.config, self.observe().await);
        self.store.apply(self.now, &reconciled.events).expect("what was reconciled is stored");
        let plan = decide_request(&self.config, &reconciled.snapshot, request).expect("it is not refused");
        let execution = self.execute(&plan, reconciled.snapshot).await;
        self.agrees().await;
        execution
    }

    async fn execute(&mut self, plan: &Plan, snapshot: Snapshot) -> Execution {
        let nodes = snapshot.nodes.into_iter().map(|each| each.node).collect();
        let mut hands = Executor {
            config: &self.config,
            manager: &self.manager,
            firewall: &wnm_core::firewall::Null,
            store: &mut self.store,
            clock: &FixedClock(self.now),
            progress: &Silent,
            storage_is_marked: true,
        };
        hands.execute(plan, nodes).await.expect("everything is recorded")
    }

    /// No process without a row, no row whose directory is missing (unless it is known to be), nothing half done.
    async fn agrees(&self) {
        let record = self.store.load().expect("the record is read");
        let recorded: Vec<NodeId> = record.nodes.iter().map(Node::id).collect();
        for living in self.world.running() {
            assert!(recorded.contains(&living), "{living} lives and is not recorded");
        }
        for existing in self.world.existing() {
            assert!(recorded.contains(&existing), "{existing} exists and is not recorded");
        }
        assert!(record.nodes.iter().all(|node| node.life().pending().is_none()), "nothing is left half done");
    }

    fn statuses(&self) -> Vec<Status> {
        self.store.load().expect("the record is read").nodes.iter().map(Node::status).collect()
    }

    /// Cycles a minute apart until nothing is planned and nothing had to be put right.
    async fn come_to_rest(&mut self) -> usize {
        for cycle in 0..400 {
            let (plan, reconciled) = self.cycle().await;
            if plan.actions == [Action::Survey] && reconciled == 0 && self.statuses().iter().all(|each| at_rest(*each))
            {
                return cycle;
            }
            self.now += 60;
        }
        panic!("it never comes to rest: {:?}", self.statuses());
    }
}

fn at_rest(status: Status) -> bool {
    matches!(status, Status::Running | Status::Stopped | Status::Disabled)
}

/// What happens to a fleet from outside.
#[derive(Debug, Clone)]
enum Mishap {
    Crash(u32),
    LoseDirectory(u32),
    FailStart(u32),
    FailCreate(u32),
    FailRemove(u32),
    FailStop(u32),
    Pressure,
    Cap(u32),
}

fn mishaps() -> impl Strategy<Value = Vec<Mishap>> {
    let number = || 1_u32..8;
    proptest::collection::vec(
        prop_oneof![
            number().prop_map(Mishap::Crash),
            number().prop_map(Mishap::LoseDirectory),
            number().prop_map(Mishap::FailStart),
            number().prop_map(Mishap::FailCreate),
            number().prop_map(Mishap::FailRemove),
            number().prop_map(Mishap::FailStop),
            Just(Mishap::Pressure),
            (0_u32..10).prop_map(Mishap::Cap),
        ],
        0..6,
    )
}

fn numberings() -> impl Strategy<Value = NumberingKind> {
    proptest::sample::select(vec![NumberingKind::FillGaps, NumberingKind::NeverReuse, NumberingKind::Blocks])
}

fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(future)
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn every_fleet_comes_to_rest(cap in 0_u32..9, hands in 1_u32..4, numbering in numberings(), mishaps in mishaps()) {
        let config = Config {
            node_cap: cap,
            max_concurrent_operations: hands,
            max_concurrent_starts: hands,
            max_concurrent_removals: hands,
            max_node_per_container: 3,
            min_container_count: 2,
            ..fleet::config()
        };
        run(async {
            let mut simulation = Simulation::new(config, numbering);
            simulation.come_to_rest().await;
            assert_eq!(simulation.statuses(), vec![Status::Running; cap as usize]);
            let mut failing = Vec::new();
            for mishap in &mishaps {
                match *mishap {
                    Mishap::Crash(number) => simulation.world.crash(NodeId(number)),
                    Mishap::LoseDirectory(number) => simulation.world.lose_directory(NodeId(number)),
                    Mishap::FailStart(number) => failing.push((Operation::Start, number)),
                    Mishap::FailCreate(number) => failing.push((Operation::Create, number)),
                    Mishap::FailRemove(number) => failing.push((Operation::Remove, number)),
                    Mishap::FailStop(number) => failing.push((Operation::Stop, number)),
                    Mishap::Pressure => simulation.used_cpu_percent = 99.0,
                    Mishap::Cap(cap) => simulation.config.node_cap = cap,
                }
                for (operation, number) in &failing {
                    simulation.world.fail(*operation, NodeId(*number), "it is in a bad mood");
                }
                simulation.cycle().await;
                simulation.now += 60;
            }
            for (operation, number) in failing {
                simulation.world.repair(operation, NodeId(number));
            }
            simulation.used_cpu_percent = 10.0;
            simulation.now += 3_600;
            simulation.come_to_rest().await;
            let cap = simulation.config.node_cap as usize;
            assert_eq!(simulation.statuses(), vec![Status::Running; cap]);
        });
    }
}

#[test]
fn f22_a_node_that_cannot_be_created_leaves_no_row() {
    run(async {
        let mut simulation = Simulation::new(fleet::config(), NumberingKind::FillGaps);
        simulation.world.fail(Operation::Create, NodeId(2), "the disk is full");
        let execution = simulation.request(&Request::Add(3)).await;
        assert_eq!(execution.results.iter().filter(|result| result.error.is_some()).count(), 1);
        let record = simulation.store.load().expect("the record is read");
        assert_eq!(record.nodes.iter().map(|node| node.id().0).collect::<Vec<_>>(), [1, 3]);
    });
}

#[test]
fn f36_a_node_that_cannot_be_removed_keeps_its_row() {
    run(async {
        let mut simulation = Simulation::new(Config { node_cap: 1, ..fleet::config() }, NumberingKind::FillGaps);
        simulation.request(&Request::Add(1)).await;
        simulation.world.fail(Operation::Remove, NodeId(1), "a file cannot be deleted");
        let removal = Request::Remove(wnm_core::decide::Selection::Count(1));
        simulation.now += 1_000;
        simulation.cycle().await;
        let execution = simulation.request(&removal).await;
        assert!(execution.results[0].error.is_some());
        assert_eq!(simulation.statuses(), [Status::Removing]);
        simulation.world.repair(Operation::Remove, NodeId(1));
        simulation.config.node_cap = 0;
        simulation.now += 4_000;
        simulation.come_to_rest().await;
        assert_eq!(simulation.statuses(), []);
        assert!(simulation.world.existing().is_empty(), "and its files are gone");
    });
}

#[test]
fn f27_a_removed_node_takes_its_files_with_it() {
    run(async {
        let mut simulation = Simulation::new(Config { node_cap: 1, ..fleet::config() }, NumberingKind::FillGaps);
        simulation.come_to_rest().await;
        simulation.config.node_cap = 0;
        simulation.cycle().await;
        assert_eq!(simulation.statuses(), [Status::Removing]);
        assert_eq!(simulation.world.existing(), [NodeId(1)], "its files stay for delay_remove");
        simulation.now += 300;
        simulation.cycle().await;
        assert!(simulation.world.existing().is_empty());
        assert_eq!(simulation.statuses(), []);
    });
}

#[test]
fn a_whole_group_is_one_call() {
    run(async {
        let mut simulation = Simulation::new(Config { node_cap: 100, ..fleet::config() }, NumberingKind::Blocks);
        simulation.request(&Request::Add(100)).await;
        let starts = simulation.world.calls().into_iter().filter(|call| call.operation == Operation::Start);
        assert_eq!(starts.map(|call| call.nodes.len()).collect::<Vec<_>>(), [100]);
    });
}

#[test]
fn f23_a_node_that_cannot_be_stopped_is_passed_over_from_then_on() {
    run(async {
        let hands = Config { max_concurrent_operations: 1, max_concurrent_removals: 1, ..fleet::config() };
        let mut simulation = Simulation::new(Config { node_cap: 3, ..hands }, NumberingKind::FillGaps);
        simulation.come_to_rest().await;
        simulation.world.fail(Operation::Stop, NodeId(3), "it is in a bad mood");
        simulation.used_cpu_percent = 99.0;
        for expected in [[1, 2, 3].as_slice(), &[1, 3], &[3]] {
            simulation.cycle().await;
            let running: Vec<u32> = simulation.world.running().iter().map(|id| id.0).collect();
            assert_eq!(running, expected);
            simulation.now += 10;
        }
    });
}

#[test]
fn a_node_that_cannot_be_removed_lets_others_be_mended() {
    run(async {
        let hands = Config { max_concurrent_operations: 1, max_concurrent_starts: 1, ..fleet::config() };
        let mut simulation = Simulation::new(Config { node_cap: 2, ..hands }, NumberingKind::FillGaps);
        simulation.come_to_rest().await;
        simulation.world.fail(Operation::Remove, NodeId(2), "a file cannot be deleted");
        simulation.request(&Request::Remove(wnm_core::decide::Selection::Names(vec!["2".to_owned()]))).await;
        assert_eq!(simulation.statuses(), [Status::Running, Status::Removing]);
        simulation.world.crash(NodeId(1));
        simulation.cycle().await;
        assert!(simulation.world.running().contains(&NodeId(1)));
    });
}
