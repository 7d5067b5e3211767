//! What a node's owner wants of it is kept: through falls, and through a restart of the machine.

use insta::assert_snapshot;
use wnm_core::decide::{Request, Selection};
use wnm_core::machine::Trigger;
use wnm_core::node::{NodeId, Status, UnixSeconds};
use wnm_core::plan::{Action, Plan};
use wnm_core::progress::Silent;
use wnm_core::settings::Config;
use wnm_pm::process_manager::NumberingKind;
use wnm_testing::{Operation, Simulation};

use crate::rollout::run;

async fn cycle(simulation: &mut Simulation) -> Plan {
    simulation.machine.run(&Trigger::Cycle, &Silent).await.expect("everything is recorded").plan
}

async fn request(simulation: &mut Simulation, request: Request) {
    simulation.machine.run(&Trigger::Request(request), &Silent).await.expect("it is not refused");
}

fn one(name: &str) -> Selection {
    Selection::names(vec![name.to_owned()])
}

/// So many running nodes.
async fn running(count: u32, config: Config) -> Simulation {
    let mut simulation = Simulation::new(Config { node_cap: count, ..config }, NumberingKind::FillGaps);
    request(&mut simulation, Request::Add(count)).await;
    simulation.pass(300);
    cycle(&mut simulation).await;
    simulation
}

fn starts(plan: &Plan) -> usize {
    plan.actions.iter().filter(|action| matches!(action, Action::Start { .. })).count()
}

/// When the node was started, in minutes, while it falls within a minute of each start.
async fn tries(simulation: &mut Simulation, minutes: u32) -> Vec<u32> {
    let mut tries = Vec::new();
    for minute in 0..minutes {
        if starts(&cycle(simulation).await) > 0 {
            tries.push(minute);
        }
        simulation.pass(60);
        simulation.world.crash(NodeId(1));
    }
    tries
}

fn status(simulation: &Simulation) -> Status {
    simulation.machine.store().load().expect("the database is read").nodes[0].status()
}

#[test]
fn a_node_that_falls_again_and_again_is_broken_until_its_owner_starts_it() {
    run(async {
        let mut simulation = running(1, Config { delay_start: 0, ..crate::fleet::config() }).await;
        simulation.world.crash(NodeId(1));
        assert_snapshot!(format!("{:?}", tries(&mut simulation, 2_000).await), @"[0, 2, 5, 10, 19, 36, 69, 130, 191]");
        assert_eq!(status(&simulation), Status::Stopped);
        let reasons = cycle(&mut simulation).await.reasons;
        assert_snapshot!(reasons[0], @"antnode0001: broken, fell too often; not started automatically (broken_after = 10)");
        assert_eq!(simulation.world.existing(), [NodeId(1)], "it is not removed for that");
        request(&mut simulation, Request::Start(one("1"))).await;
        simulation.pass(7_200);
        cycle(&mut simulation).await;
        assert_eq!(status(&simulation), Status::Running);
        simulation.pass(7_200);
        simulation.world.crash(NodeId(1));
        assert_eq!(starts(&cycle(&mut simulation).await), 1, "it has another chance, and is started at once");
    });
}

#[test]
fn a_node_that_cannot_be_started_is_broken_too_and_another_program_mends_it() {
    run(async {
        let mut simulation = running(1, Config { broken_after: 3, ..crate::fleet::config() }).await;
        simulation.world.fail(Operation::Start, NodeId(1), "its key is damaged");
        simulation.world.crash(NodeId(1));
        assert_snapshot!(format!("{:?}", tries(&mut simulation, 600).await), @"[0, 1]");
        simulation.world.repair(Operation::Start, NodeId(1));
        assert_eq!(starts(&cycle(&mut simulation).await), 0);
        simulation.install(&semver::Version::new(0, 5, 0), "");
        request(&mut simulation, Request::Upgrade(one("1"))).await;
        simulation.pass(300);
        cycle(&mut simulation).await;
        assert_eq!(status(&simulation), Status::Running);
    });
}

#[test]
fn a_node_that_falls_once_in_a_while_is_never_broken() {
    run(async {
        let mut simulation = running(1, Config { broken_after: 2, ..crate::fleet::config() }).await;
        for _ in 0..8 {
            simulation.pass(4_000);
            simulation.world.crash(NodeId(1));
            assert_eq!(starts(&cycle(&mut simulation).await), 1, "it is started at once");
            simulation.pass(300);
            cycle(&mut simulation).await;
        }
        let endless = Config { broken_after: 0, delay_start: 0, ..crate::fleet::config() };
        let mut simulation = running(1, endless).await;
        simulation.world.crash(NodeId(1));
        let tries = tries(&mut simulation, 1_500).await;
        assert!(tries.last().is_some_and(|last| *last > 1_400), "0 is never: {tries:?}");
    });
}

#[test]
fn an_owners_stop_outlives_a_restart_of_the_machine() {
    run(async {
        let mut simulation = running(2, crate::fleet::config()).await;
        request(&mut simulation, Request::Stop(one("2"))).await;
        simulation.reboot();
        for _ in 0..20 {
            cycle(&mut simulation).await;
            simulation.pass(60);
        }
        assert_eq!(simulation.world.running(), [NodeId(1)]);
        request(&mut simulation, Request::Start(one("2"))).await;
        simulation.reboot();
        for _ in 0..20 {
            cycle(&mut simulation).await;
            simulation.pass(60);
        }
        assert_eq!(simulation.world.running(), [NodeId(1), NodeId(2)]);
    });
}

/// What a machine measures with nodes that take a second of a processor in a hundred while they start, and a fifth of that
/// later. The load average follows as the kernel's does.
struct Load {
    started: Vec<UnixSeconds>,
    average: f64,
}

impl Load {
    const PROCESSORS: f64 = 4.0;

    /// What is measured a minute later.
    fn measure(&mut self, simulation: &Simulation) -> (f64, f64) {
        let now = simulation.now();
        let starting = self.started.iter().filter(|at| now - **at <= 90).count();
        let running = simulation.world.running().len() - starting.min(simulation.world.running().len());
        #[expect(clippy::cast_precision_loss, reason = "a few hundred")]
        let work = 0.2 + starting as f64 * 0.04 + running as f64 * 0.008;
        let decay = (-60.0_f64 / 60.0).exp();
        self.average = self.average * decay + work * (1.0 - decay);
        simulation.load(|load| {
            load.used_cpu_percent = (work / Self::PROCESSORS * 100.0).min(100.0);
            load.load_average_1 = self.average;
        });
        (work / Self::PROCESSORS * 100.0, self.average)
    }
}

#[test]
fn after_a_restart_200_nodes_come_back_in_steps_that_the_machine_can_bear() {
    run(async {
        let config = Config {
            desired_load_average: Load::PROCESSORS * 0.6,
            max_load_average_allowed: Load::PROCESSORS,
            max_concurrent_operations: 1,
            max_concurrent_starts: 1,
            ..crate::fleet::config()
        };
        let mut simulation = running(200, config.clone()).await;
        assert_eq!(simulation.world.running().len(), 200);
        simulation.reboot();
        let mut load = Load { started: Vec::new(), average: 0.0 };
        let (mut steps, mut highest) = (Vec::new(), (0.0_f64, 0.0_f64));
        while simulation.world.running().len() < 200 {
            assert!(steps.len() < 200, "{steps:?}");
            let plan = cycle(&mut simulation).await;
            let only_starts =
                |action: &Action| matches!(action, Action::Start { .. } | Action::Survey | Action::Resurvey);
            assert!(plan.actions.iter().all(only_starts), "{:?}", plan.actions);
            let now = simulation.now();
            load.started.extend(std::iter::repeat_n(now, starts(&plan)));
            steps.push(starts(&plan));
            simulation.pass(60);
            let (cpu, average) = load.measure(&simulation);
            highest = (highest.0.max(cpu), highest.1.max(average));
        }
        assert_snapshot!(format!("{} cycles: {steps:?}\nCPU {:.0} % at most, load {:.1}", steps.len(), highest.0, highest.1), @"
        23 cycles: [0, 5, 5, 10, 12, 14, 14, 15, 14, 13, 13, 11, 11, 9, 10, 6, 9, 4, 9, 1, 10, 0, 5]
        CPU 52 % at most, load 2.0
        ");
        assert!(highest.0 < config.cpu_remove && highest.1 < config.max_load_average_allowed);
    });
}

#[test]
fn what_the_last_ones_cost_is_waited_for_however_many_may_be_started_at_once() {
    run(async {
        let limits = Config { max_concurrent_starts: 100, max_concurrent_operations: 100, ..crate::fleet::config() };
        let mut simulation = running(20, limits).await;
        simulation.reboot();
        cycle(&mut simulation).await;
        assert_eq!(starts(&cycle(&mut simulation).await), 5);
        simulation.pass(10);
        let plan = cycle(&mut simulation).await;
        assert_eq!(starts(&plan), 0);
        assert_snapshot!(plan.reasons[0], @"15 more nodes to start after the restart of the machine, as the load allows (restart_pace = 5)");
        simulation.pass(20);
        assert_eq!(starts(&cycle(&mut simulation).await), 5);
    });
}

#[test]
fn without_a_pace_the_return_keeps_to_the_limit_on_starts() {
    run(async {
        let config = Config { restart_pace: 0, max_concurrent_starts: 2, ..crate::fleet::config() };
        let mut simulation = running(9, config).await;
        simulation.reboot();
        cycle(&mut simulation).await;
        assert_eq!(starts(&cycle(&mut simulation).await), 2);
    });
}
