//! Fleets that live in memory and are recorded in a real SQLite database: whatever they begin as, they come to rest, and
//! then nothing more is planned.

use proptest::prelude::*;
use wnm_core::decide::Request;
use wnm_core::event::Event;
use wnm_core::execute::Execution;
use wnm_core::machine::Trigger;
use wnm_core::node::{Node, NodeId, Status};
use wnm_core::plan::{Action, Plan};
use wnm_core::progress::Silent;
use wnm_core::settings::Config;
use wnm_pm::process_manager::NumberingKind;
use wnm_testing::{Operation, Simulation};

/// A fleet on the real machine, and how it is brought from cycle to cycle.
struct Fleet(Simulation);

impl Fleet {
    fn new(config: Config, numbering: NumberingKind) -> Self {
        Self(Simulation::new(config, numbering))
    }

    fn config(&mut self) -> &mut Config {
        &mut self.0.machine.parts_mut().config
    }

    /// One cycle: the plan, and how many rows had to be reconciled before it.
    async fn cycle(&mut self) -> (Plan, usize) {
        let observation = self.0.machine.observe(&Silent).await.expect("the machine is observed");
        let is_reconciled = |event: &&Event| matches!(event, Event::Reconciled { .. });
        let reconciled = observation.events.iter().filter(is_reconciled).count();
        let report = self.0.machine.run(&Trigger::Cycle, &Silent).await.expect("everything is recorded");
        self.agrees();
        (report.plan, reconciled)
    }

    async fn request(&mut self, request: Request) -> Execution {
        let report = self.0.machine.run(&Trigger::Request(request), &Silent).await.expect("it is not refused");
        self.agrees();
        report.execution
    }

    /// No process without a row, no row whose directory is missing (unless it is known to be), nothing half done.
    fn agrees(&self) {
        let record = self.0.machine.store().load().expect("the database is read");
        let recorded: Vec<NodeId> = record.nodes.iter().map(Node::id).collect();
        for living in self.0.world.running() {
            assert!(recorded.contains(&living), "{living} lives and is not in the database");
        }
        for existing in self.0.world.existing() {
            assert!(recorded.contains(&existing), "{existing} exists and is not in the database");
        }
        assert!(record.nodes.iter().all(|node| node.life().pending().is_none()), "nothing is left half done");
    }

    fn statuses(&self) -> Vec<Status> {
        self.0.machine.store().load().expect("the database is read").nodes.iter().map(Node::status).collect()
    }

    /// Cycles a minute apart until nothing is planned and nothing had to be reconciled.
    async fn come_to_rest(&mut self) -> usize {
        for cycle in 0..400 {
            let (plan, reconciled) = self.cycle().await;
            if plan.actions == [Action::Survey] && reconciled == 0 && self.statuses().iter().all(|each| at_rest(*each))
            {
                return cycle;
            }
            self.0.pass(60);
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
            ..crate::fleet::config()
        };
        run(async {
            let mut fleet = Fleet::new(config, numbering);
            fleet.come_to_rest().await;
            assert_eq!(fleet.statuses(), vec![Status::Running; cap as usize]);
            let mut failing = Vec::new();
            for mishap in &mishaps {
                match *mishap {
                    Mishap::Crash(number) => fleet.0.world.crash(NodeId(number)),
                    Mishap::LoseDirectory(number) => fleet.0.world.lose_directory(NodeId(number)),
                    Mishap::FailStart(number) => failing.push((Operation::Start, number)),
                    Mishap::FailCreate(number) => failing.push((Operation::Create, number)),
                    Mishap::FailRemove(number) => failing.push((Operation::Remove, number)),
                    Mishap::FailStop(number) => failing.push((Operation::Stop, number)),
                    Mishap::Pressure => fleet.0.load(|load| load.used_cpu_percent = 99.0),
                    Mishap::Cap(cap) => fleet.config().node_cap = cap,
                }
                for (operation, number) in &failing {
                    fleet.0.world.fail(*operation, NodeId(*number), "it is in a bad mood");
                }
                fleet.cycle().await;
                fleet.0.pass(60);
            }
            for (operation, number) in failing {
                fleet.0.world.repair(operation, NodeId(number));
            }
            fleet.0.load(|load| load.used_cpu_percent = 10.0);
            fleet.0.pass(3_600);
            fleet.come_to_rest().await;
            let cap = fleet.config().node_cap as usize;
            assert_eq!(fleet.statuses(), vec![Status::Running; cap]);
        });
    }
}

#[test]
fn f22_a_node_that_cannot_be_created_leaves_no_row() {
    run(async {
        let mut fleet = Fleet::new(crate::fleet::config(), NumberingKind::FillGaps);
        fleet.0.world.fail(Operation::Create, NodeId(2), "the disk is full");
        let execution = fleet.request(Request::Add(3)).await;
        assert_eq!(execution.results.iter().filter(|result| result.error.is_some()).count(), 1);
        let record = fleet.0.machine.store().load().expect("the database is read");
        assert_eq!(record.nodes.iter().map(|node| node.id().0).collect::<Vec<_>>(), [1, 3]);
    });
}

#[test]
fn f36_a_node_that_cannot_be_removed_keeps_its_row() {
    run(async {
        let mut fleet = Fleet::new(Config { node_cap: 1, ..crate::fleet::config() }, NumberingKind::FillGaps);
        fleet.request(Request::Add(1)).await;
        fleet.0.world.fail(Operation::Remove, NodeId(1), "a file cannot be deleted");
        let removal = Request::Remove(wnm_core::decide::Selection::count(1));
        fleet.0.pass(1_000);
        fleet.cycle().await;
        let execution = fleet.request(removal).await;
        assert!(execution.results[0].error.is_some());
        assert_eq!(fleet.statuses(), [Status::Removing]);
        fleet.0.world.repair(Operation::Remove, NodeId(1));
        fleet.config().node_cap = 0;
        fleet.0.pass(4_000);
        fleet.come_to_rest().await;
        assert_eq!(fleet.statuses(), []);
        assert!(fleet.0.world.existing().is_empty(), "and its files are gone");
    });
}

#[test]
fn f27_a_removed_node_takes_its_files_with_it() {
    run(async {
        let mut fleet = Fleet::new(Config { node_cap: 1, ..crate::fleet::config() }, NumberingKind::FillGaps);
        fleet.come_to_rest().await;
        fleet.config().node_cap = 0;
        fleet.cycle().await;
        assert_eq!(fleet.statuses(), [Status::Removing]);
        assert_eq!(fleet.0.world.existing(), [NodeId(1)], "its files stay for delay_remove");
        fleet.0.pass(300);
        fleet.cycle().await;
        assert!(fleet.0.world.existing().is_empty());
        assert_eq!(fleet.statuses(), []);
    });
}

#[test]
fn a_whole_group_is_one_call() {
    run(async {
        let mut fleet = Fleet::new(Config { node_cap: 100, ..crate::fleet::config() }, NumberingKind::Blocks);
        fleet.request(Request::Add(100)).await;
        let starts = fleet.0.world.calls().into_iter().filter(|call| call.operation == Operation::Start);
        assert_eq!(starts.map(|call| call.nodes.len()).collect::<Vec<_>>(), [100]);
    });
}

#[test]
fn f23_a_node_that_cannot_be_stopped_is_passed_over_from_then_on() {
    run(async {
        let hands = Config { max_concurrent_operations: 1, max_concurrent_removals: 1, ..crate::fleet::config() };
        let mut fleet = Fleet::new(Config { node_cap: 3, ..hands }, NumberingKind::FillGaps);
        fleet.come_to_rest().await;
        fleet.0.world.fail(Operation::Stop, NodeId(3), "it is in a bad mood");
        fleet.0.load(|load| load.used_cpu_percent = 99.0);
        for expected in [[1, 2, 3].as_slice(), &[1, 3], &[3]] {
            fleet.cycle().await;
            let running: Vec<u32> = fleet.0.world.running().iter().map(|id| id.0).collect();
            assert_eq!(running, expected);
            fleet.0.pass(10);
        }
    });
}

#[test]
fn a_node_that_cannot_be_removed_lets_others_be_mended() {
    run(async {
        let hands = Config { max_concurrent_operations: 1, max_concurrent_starts: 1, ..crate::fleet::config() };
        let mut fleet = Fleet::new(Config { node_cap: 2, ..hands }, NumberingKind::FillGaps);
        fleet.come_to_rest().await;
        fleet.0.world.fail(Operation::Remove, NodeId(2), "a file cannot be deleted");
        fleet.request(Request::Remove(wnm_core::decide::Selection::names(vec!["2".to_owned()]))).await;
        assert_eq!(fleet.statuses(), [Status::Running, Status::Removing]);
        fleet.0.world.crash(NodeId(1));
        fleet.cycle().await;
        assert!(fleet.0.world.running().contains(&NodeId(1)));
    });
}
