//! Roll-outs: what a new version does to a fleet, in the simulation, from its canary to its end.

use std::collections::BTreeSet;

use insta::assert_snapshot;
use proptest::prelude::*;
use semver::Version;
use wnm_core::decide::{Request, Selection, advance};
use wnm_core::machine::{CycleError, Trigger};
use wnm_core::node::{NodeId, Status};
use wnm_core::plan::{Action, Plan};
use wnm_core::progress::Silent;
use wnm_core::report::{names, rollout_report, rollout_text};
use wnm_core::rollout::{Phase, Role, Rollouts, Target, Trial};
use wnm_core::settings::Config;
use wnm_pm::process_manager::NumberingKind;
use wnm_testing::{Habit, Operation, Simulation};

const OLD: Version = Version::new(0, 4, 17);
const NEW: Version = Version::new(0, 5, 0);

const HABITS: [Habit; 6] = [Habit::Crash, Habit::End, Habit::Hang, Habit::Garbage, Habit::NoPeers, Habit::EatMemory];

pub fn run<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(future)
}

/// A fleet of the old version, at rest.
struct Fleet(Simulation);

impl Fleet {
    async fn new(count: u32, config: Config) -> Self {
        Self::numbered(count, config, NumberingKind::FillGaps).await
    }

    async fn numbered(count: u32, config: Config, numbering: NumberingKind) -> Self {
        let config = Config { node_cap: count, max_concurrent_operations: 50, ..config };
        let mut fleet = Self(Simulation::new(config, numbering));
        fleet.request(Request::Add(count)).await;
        fleet.0.pass(300);
        fleet.cycle().await;
        assert_eq!(fleet.versions(&OLD), count);
        fleet
    }

    async fn cycle(&mut self) -> Plan {
        self.0.machine.run(&Trigger::Cycle, &Silent).await.expect("everything is recorded").plan
    }

    async fn request(&mut self, request: Request) {
        self.0.machine.run(&Trigger::Request(request), &Silent).await.expect("it is not refused");
    }

    /// What is done in so many cycles, a minute apart.
    async fn course(&mut self, minutes: usize) -> String {
        let mut lines = String::new();
        for minute in 0..minutes {
            let plan = self.cycle().await;
            if plan.actions != [Action::Survey] {
                lines += &format!("{minute} min: {}\n", words(&plan).join("; "));
            }
            self.0.pass(60);
        }
        lines
    }

    fn rollouts(&self) -> Rollouts {
        self.0.machine.store().load().expect("the database is read").rollouts
    }

    fn phase(&self) -> Option<Phase> {
        self.rollouts().last.map(|rollout| rollout.phase)
    }

    /// How many nodes live with this version.
    fn versions(&self, version: &Version) -> u32 {
        let living = self.0.world.living();
        let count = living.values().filter(|own| own.as_ref() == Some(version)).count();
        u32::try_from(count).expect("a few")
    }

    async fn status(&self) -> String {
        let observation = self.0.machine.observe(&Silent).await.expect("it is observed");
        let report = rollout_report(self.0.machine.config(), &observation.snapshot).expect("there is one");
        rollout_text(&report)
    }

    async fn held_back(&self) -> String {
        let observation = self.0.machine.observe(&Silent).await.expect("it is observed");
        let plan = self.0.machine.plan(&observation, &Trigger::Cycle).expect("a cycle is never refused");
        let reasons = plan.reasons.iter().map(|reason| format!("{}: {reason}", reason.rule()));
        reasons.collect::<Vec<_>>().join("\n")
    }

    fn is_running(&self) -> bool {
        let nodes = self.0.machine.store().load().expect("the database is read").nodes;
        nodes.iter().all(|node| node.status() == Status::Running)
    }
}

/// Each kind of action with its nodes.
fn words(plan: &Plan) -> Vec<String> {
    let mut words: Vec<(&str, Vec<NodeId>)> = Vec::new();
    for action in &plan.actions {
        let nodes = match action {
            Action::ForgetPrevious { numbers } => numbers.clone(),
            other => other.step().map(|(_, id)| id).into_iter().collect(),
        };
        match words.last_mut().filter(|(verb, _)| *verb == action.verb()) {
            Some((_, known)) => known.extend(nodes),
            None => words.push((action.verb(), nodes)),
        }
    }
    words.into_iter().map(|(verb, nodes)| format!("{verb} {}", names(&nodes))).collect()
}

fn config() -> Config {
    Config { max_concurrent_upgrades: 2, max_concurrent_starts: 10, ..crate::fleet::config() }
}

#[test]
fn a_good_release_goes_to_a_canary_and_then_in_batches() {
    run(async {
        let mut fleet = Fleet::new(5, config()).await;
        fleet.0.install(&NEW, "");
        assert_snapshot!(fleet.course(30).await, @"
        0 min: upgrade antnode0001
        6 min: forget antnode0001; upgrade antnode0002–0003
        12 min: forget antnode0002–0003; upgrade antnode0004–0005
        18 min: forget antnode0004–0005
        ");
        assert_eq!((fleet.versions(&NEW), fleet.phase()), (5, Some(Phase::Done)));
        assert!(fleet.0.world.kept().is_empty(), "the previous programs are deleted");
    });
}

#[test]
fn a_release_that_is_tried_says_what_it_waits_for() {
    run(async {
        let mut fleet = Fleet::new(5, Config { node_cap: 5, ..config() }).await;
        fleet.0.machine.parts_mut().config.node_cap = 7;
        fleet.0.install(&NEW, "good");
        fleet.cycle().await;
        fleet.0.pass(60);
        assert_eq!(fleet.0.world.kept().len(), 1, "the previous program is kept");
        assert_snapshot!(fleet.held_back().await, @"
        upgrade_settle_seconds: antnode0001: on 0.5.0, not proved yet (upgrade_settle_seconds = 300 s)
        upgrade_canary: 4 more nodes to upgrade once 0.5.0 has proved itself on 1 canary node
        rollout: no node is added with 0.5.0 before it has proved itself
        ");
        fleet.cycle().await;
        assert_snapshot!(fleet.status().await, @"
        roll-out of 0.5.0: canary since 2026-09-21T14:18:20Z
          program: sha256 0.5.0 good
          began: 2026-09-21T14:18:20Z
          canaries: antnode0001
          nodes: 0 proved, 1 on trial, 0 failed, 4 waiting
          next: the other nodes follow once the canaries have proved themselves (not before 2026-09-21T14:24:20Z)
        ");
    });
}

#[test]
fn a_broken_release_stops_after_its_canary_and_the_fleet_runs_on() {
    run(async {
        let mut courses = String::new();
        for habit in HABITS {
            let mut fleet = Fleet::new(5, config()).await;
            fleet.0.install(&NEW, "");
            fleet.0.world.spoil(&NEW, habit, None);
            courses += &format!("{habit:?}\n{}", fleet.course(60).await);
            assert_eq!(fleet.phase(), Some(Phase::Paused), "{habit:?}");
            assert_eq!(fleet.versions(&OLD), 5, "{habit:?}: all run with the old program");
            assert!(fleet.is_running(), "{habit:?}");
            let tried = fleet.0.world.calls().into_iter().filter(|call| call.operation == Operation::ReplaceProgram);
            assert_eq!(tried.map(|call| call.nodes.len()).sum::<usize>(), 1, "{habit:?}: once, on one node");
            let pause = fleet.rollouts().last.and_then(|rollout| rollout.pause).expect("it says why");
            courses += &format!("{}\n\n", wnm_core::report::pause_text(&pause));
        }
        assert_snapshot!(courses, @"
        Crash
        0 min: upgrade antnode0001
        it failed on antnode0001: antnode0001 exited right after its start (exit code 7): told to end

        End
        0 min: upgrade antnode0001
        1 min: revert antnode0001
        it failed on antnode0001: its process is gone

        Hang
        0 min: upgrade antnode0001
        5 min: revert antnode0001
        it failed on antnode0001: its process is running, but its metrics port 13001 does not answer in time

        Garbage
        0 min: upgrade antnode0001
        5 min: revert antnode0001
        it failed on antnode0001: its process is running, but its metrics port 13001 sends an unreadable answer (it is not HTTP)

        NoPeers
        0 min: upgrade antnode0001
        10 min: revert antnode0001
        it failed on antnode0001: it had no peers within 600 s

        EatMemory
        0 min: upgrade antnode0001
        1 min: revert antnode0001
        it failed on antnode0001: it uses 600 MB of memory, and used 60 MB with the version before
        ");
    });
}

#[test]
fn a_failed_version_is_tried_again_when_the_program_changes_or_its_owner_resumes() {
    run(async {
        let mut fleet = Fleet::new(3, config()).await;
        fleet.0.install(&NEW, "broken");
        fleet.0.world.spoil(&NEW, Habit::Hang, None);
        fleet.course(30).await;
        assert_snapshot!(fleet.status().await, @"
        roll-out of 0.5.0: paused since 2026-09-21T14:23:20Z
          program: sha256 0.5.0 broken
          began: 2026-09-21T14:18:20Z
          paused: it failed on antnode0001: its process is running, but its metrics port 13001 does not answer in time
          canaries: antnode0001
          nodes: 0 proved, 0 on trial, 1 failed, 2 waiting
          antnode0001: its process is running, but its metrics port 13001 does not answer in time; its previous program was put back
          next: waits for `wnm rollout resume`, `wnm rollout abort` or another node program
        ");
        assert_snapshot!(fleet.held_back().await, @"
        rollout: the roll-out of 0.5.0 is paused: it failed on antnode0001: its process is running, but its metrics port 13001 does not answer in time
        node_cap: 3 nodes running, the maximum (node_cap = 3)
        ");
        assert_eq!(fleet.course(60).await, "");
        let mut observation = fleet.0.machine.observe(&Silent).await.expect("it is observed");
        fleet.0.machine.resume_rollout(&mut observation, true).expect("nothing is recorded");
        assert_eq!(fleet.phase(), Some(Phase::Paused));
        let mut observation = fleet.0.machine.observe(&Silent).await.expect("it is observed");
        fleet.0.machine.resume_rollout(&mut observation, false).expect("it is paused");
        assert_snapshot!(fleet.course(30).await, @"
        0 min: upgrade antnode0001
        5 min: revert antnode0001
        ");
        assert_eq!(fleet.phase(), Some(Phase::Paused));
        fleet.0.world.spoil(&NEW, Habit::Hang, Some(BTreeSet::new()));
        fleet.0.install(&NEW, "repaired");
        fleet.course(30).await;
        assert_eq!((fleet.versions(&NEW), fleet.phase()), (3, Some(Phase::Done)));
    });
}

#[test]
fn too_many_failures_pause_a_release_that_had_proved_itself() {
    run(async {
        let config = Config { upgrade_failure_percent: 20.0, ..config() };
        let mut fleet = Fleet::new(10, config).await;
        fleet.0.install(&NEW, "");
        fleet.0.world.spoil(&NEW, Habit::End, Some((2..=10).map(NodeId).collect()));
        assert_snapshot!(fleet.course(60).await, @"
        0 min: upgrade antnode0001
        6 min: forget antnode0001; upgrade antnode0002–0003
        7 min: revert antnode0002–0003
        8 min: upgrade antnode0004–0005
        9 min: revert antnode0004–0005
        ");
        assert_eq!((fleet.versions(&NEW), fleet.versions(&OLD)), (1, 9));
        assert_snapshot!(fleet.held_back().await, @"
        upgrade_failure_percent: the roll-out of 0.5.0 is paused: it failed on 4 of 10 nodes (upgrade_failure_percent = 20 %)
        node_cap: 10 nodes running, the maximum (node_cap = 10)
        ");
    });
}

#[test]
fn without_auto_revert_a_node_keeps_the_program_that_failed() {
    run(async {
        let mut fleet = Fleet::new(3, Config { auto_revert: false, ..config() }).await;
        fleet.0.install(&NEW, "");
        fleet.0.world.spoil(&NEW, Habit::Crash, None);
        fleet.course(10).await;
        assert_eq!((fleet.versions(&OLD), fleet.phase()), (2, Some(Phase::Paused)));
        assert_eq!(fleet.0.world.kept().len(), 1);
        assert!(fleet.status().await.contains("not put back (auto_revert = false)"));
    });
}

#[test]
fn an_owner_ends_a_roll_out() {
    run(async {
        let mut fleet = Fleet::new(3, config()).await;
        let refused = |error: CycleError| error.to_string();
        let mut observation = fleet.0.machine.observe(&Silent).await.expect("it is observed");
        let error = fleet.0.machine.abort_rollout(&mut observation, false).expect_err("there is none");
        assert_snapshot!(refused(error), @"no new version has been rolled out on this machine");
        fleet.0.install(&NEW, "");
        fleet.cycle().await;
        let mut observation = fleet.0.machine.observe(&Silent).await.expect("it is observed");
        let error = fleet.0.machine.resume_rollout(&mut observation, false).expect_err("it goes on");
        assert_snapshot!(refused(error), @"the roll-out of 0.5.0 is not paused");
        fleet.0.machine.abort_rollout(&mut observation, false).expect("it goes on");
        assert_snapshot!(fleet.course(30).await, @"0 min: revert antnode0001");
        assert_eq!((fleet.versions(&OLD), fleet.phase()), (3, Some(Phase::Aborted)));
        fleet.0.install(&Version::new(0, 5, 1), "");
        fleet.course(30).await;
        assert_eq!(fleet.phase(), Some(Phase::Done), "another version begins anew");
        let mut observation = fleet.0.machine.observe(&Silent).await.expect("it is observed");
        let error = fleet.0.machine.abort_rollout(&mut observation, false).expect_err("it is done");
        assert_snapshot!(refused(error), @"the roll-out of 0.5.1 is done");
        fleet.0.install(&Version::new(0, 4, 0), "");
        let mut observation = fleet.0.machine.observe(&Silent).await.expect("it is observed");
        let error = fleet.0.machine.resume_rollout(&mut observation, false).expect_err("it is over");
        assert_snapshot!(refused(error), @"the node program has changed since the roll-out of 0.5.1, which is over");
    });
}

#[test]
fn canaries_are_spread_over_container_groups() {
    run(async {
        let groups = Config { max_node_per_container: 4, min_container_count: 3, ..config() };
        let config = Config { upgrade_canary: 3, max_concurrent_upgrades: 3, ..groups };
        let mut fleet = Fleet::numbered(12, config, NumberingKind::Blocks).await;
        fleet.0.install(&NEW, "");
        assert_eq!(words(&fleet.cycle().await), ["upgrade antnode0001, antnode0005, antnode0009"]);
    });
}

#[test]
fn an_owners_word_is_carried_out_at_once_and_counts() {
    run(async {
        let mut fleet = Fleet::new(4, config()).await;
        fleet.0.install(&NEW, "");
        fleet.request(Request::Upgrade(Selection::names(vec!["3".to_owned(), "4".to_owned()]))).await;
        assert_eq!(fleet.versions(&NEW), 2, "more than the one canary");
        assert_snapshot!(fleet.course(30).await, @"
        5 min: forget antnode0003–0004; upgrade antnode0001–0002
        11 min: forget antnode0001–0002
        ");
        assert_eq!(fleet.phase(), Some(Phase::Done));

        let mut fleet = Fleet::new(4, config()).await;
        fleet.0.install(&NEW, "");
        fleet.0.world.spoil(&NEW, Habit::Hang, None);
        fleet.request(Request::Upgrade(Selection::names(vec!["3".to_owned()]))).await;
        fleet.course(30).await;
        assert_eq!((fleet.versions(&OLD), fleet.phase()), (4, Some(Phase::Paused)));
        fleet.request(Request::Upgrade(Selection::names(vec!["1".to_owned()]))).await;
        assert_eq!(fleet.versions(&NEW), 1, "a paused roll-out does not hold its owner back");
    });
}

#[test]
fn a_second_version_waits_until_the_first_is_known_to_be_good_or_bad() {
    run(async {
        let mut fleet = Fleet::new(4, config()).await;
        let newer = Version::new(0, 5, 1);
        fleet.0.install(&NEW, "");
        fleet.cycle().await;
        fleet.0.pass(60);
        fleet.0.install(&newer, "");
        assert_snapshot!(fleet.held_back().await, @"
        rollout: antnode0001: on 0.5.0, not finished; 0.5.1 is not tried before
        node_cap: 4 nodes in total, the maximum (node_cap = 4)
        ");
        assert_snapshot!(fleet.course(40).await, @"
        5 min: forget antnode0001; upgrade antnode0001
        11 min: forget antnode0001; upgrade antnode0002–0003
        17 min: forget antnode0002–0003; upgrade antnode0004
        23 min: forget antnode0004
        ");
        assert_eq!((fleet.versions(&newer), fleet.phase()), (4, Some(Phase::Done)));
    });
}

#[test]
fn a_restart_of_the_machine_is_no_failure_of_a_version() {
    run(async {
        let mut fleet = Fleet::new(3, config()).await;
        fleet.0.install(&NEW, "");
        fleet.cycle().await;
        fleet.0.pass(120);
        fleet.0.reboot();
        fleet.course(60).await;
        assert_eq!((fleet.versions(&NEW), fleet.phase()), (3, Some(Phase::Done)));
    });
}

#[test]
fn a_restart_by_its_owner_begins_a_nodes_trial_anew_and_is_no_failure() {
    run(async {
        let mut fleet = Fleet::new(2, config()).await;
        fleet.0.install(&NEW, "");
        fleet.course(3).await;
        fleet.request(Request::Restart(Selection::names(vec!["1".to_owned()]))).await;
        assert_snapshot!(fleet.course(30).await, @"
        5 min: forget antnode0001; upgrade antnode0002
        11 min: forget antnode0002
        ");
        assert_eq!((fleet.versions(&NEW), fleet.phase()), (2, Some(Phase::Done)));
    });
}

#[test]
fn a_node_that_its_process_manager_starts_again_has_fallen() {
    run(async {
        let mut fleet = Fleet::new(2, config()).await;
        fleet.0.install(&NEW, "");
        fleet.course(5).await;
        fleet.0.world.respawn(NodeId(1));
        fleet.course(30).await;
        let pause = fleet.rollouts().last.and_then(|rollout| rollout.pause).expect("it says why");
        assert_snapshot!(wnm_core::report::pause_text(&pause), @"it failed on antnode0001: it ended and was started again by its process manager");
        assert_eq!(fleet.versions(&OLD), 2);
    });
}

#[test]
fn what_an_interrupted_upgrade_does_to_a_node_is_not_the_programs_fault() {
    let mut snapshot = crate::fleet::fleet(&[Status::Stopped]);
    let node = &mut snapshot.nodes[0].node;
    let target = Target { version: NEW, digest: Some("a file".to_owned()) };
    let trial = Trial::begun(node, target, Role::Canary, snapshot.now);
    let trials = [(node.id(), trial)].into();
    snapshot.rollouts = Some(Rollouts { digest: Some("a file".to_owned()), last: None, trials });
    let mut states = Vec::new();
    for _ in 0..2 {
        let _ = advance(&config(), &mut snapshot, &[NodeId(1)]);
        let rollouts = snapshot.rollouts.as_ref().expect("they are known");
        states.push(rollouts.trials.values().map(|trial| trial.failure().is_some()).collect::<Vec<_>>());
    }
    assert_eq!(states, [[false], [true]], "it is started again, and the second fall counts");
}

#[test]
fn a_saved_plan_brings_a_version_to_no_more_nodes_than_may_try_it() {
    run(async {
        let fleet = Fleet::new(3, config()).await;
        fleet.0.install(&NEW, "");
        let observation = fleet.0.machine.observe(&Silent).await.expect("it is observed");
        let plan = fleet.0.machine.plan(&observation, &Trigger::Cycle).expect("a cycle is never refused");
        let mut edited = plan.clone();
        let more = edited.actions.iter().find_map(|action| match action {
            Action::Upgrade { to, .. } => Some(Action::Upgrade { number: NodeId(2), to: to.clone() }),
            _ => None,
        });
        edited.actions.extend(more);
        let error = fleet.0.machine.still_holds(&observation, &edited).expect_err("it may not be done");
        assert_snapshot!(error, @"the plan is not allowed: it would upgrade too many nodes to a version that has not proved itself (2 > 1)");
        fleet.0.install(&NEW, "another file");
        let observation = fleet.0.machine.observe(&Silent).await.expect("it is observed");
        let error = fleet.0.machine.still_holds(&observation, &plan).expect_err("it is another program");
        assert_snapshot!(error, @"the machine has changed since the plan was made: the roll-out of the node program has changed");
    });
}

#[test]
fn a_fleet_whose_nodes_fall_is_started_while_a_version_is_tried() {
    run(async {
        let mut fleet = Fleet::new(4, config()).await;
        fleet.0.install(&NEW, "");
        fleet.cycle().await;
        fleet.0.pass(60);
        fleet.0.world.crash(NodeId(4));
        assert_eq!(words(&fleet.cycle().await), ["start antnode0004"]);
    });
}

/// How a property's release does.
#[derive(Debug, Clone)]
struct Release {
    habit: Option<Habit>,
    bad: BTreeSet<NodeId>,
}

fn releases() -> impl Strategy<Value = Vec<Release>> {
    let habit = proptest::option::weighted(0.8, proptest::sample::select(HABITS.to_vec()));
    let bad = prop_oneof![Just((1..=12).collect()), proptest::collection::btree_set(1_u32..=12, 0..12),];
    let release = (habit, bad).prop_map(|(habit, bad)| Release { habit, bad: bad.into_iter().map(NodeId).collect() });
    proptest::collection::vec(release, 1..3)
}

/// How many nodes live with each version that has not proved itself.
fn unproved(fleet: &Fleet, proved: &mut BTreeSet<Version>) -> Vec<(Version, u32)> {
    let rollouts = fleet.rollouts();
    let trials = rollouts.trials.values().filter(|trial| trial.is_proved());
    proved.extend(trials.map(|trial| trial.target.version.clone()));
    let versions: BTreeSet<Version> = fleet.0.world.living().into_values().flatten().collect();
    let counted = versions.into_iter().filter(|version| !proved.contains(version));
    counted.map(|version| (version.clone(), fleet.versions(&version))).collect()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(8))]

    #[test]
    fn a_version_that_has_not_proved_itself_is_on_few_nodes(
        count in 2_u32..12,
        canaries in 1_u32..4,
        batch in 1_u32..5,
        percent in 0_u32..60,
        settle in prop_oneof![Just(0_u64), 60_u64..900],
        releases in releases(),
        minutes in 5_i64..50,
    ) {
        let config = Config {
            upgrade_canary: canaries,
            max_concurrent_upgrades: batch,
            upgrade_failure_percent: f64::from(percent),
            upgrade_settle_seconds: settle,
            ..crate::fleet::config()
        };
        run(async {
            let mut fleet = Fleet::new(count, config).await;
            let mut proved = BTreeSet::from([OLD]);
            for (place, release) in (0_u64..).zip(&releases) {
                let version = Version::new(0, 5 + place, 0);
                if let Some(habit) = release.habit {
                    fleet.0.world.spoil(&version, habit, Some(release.bad.clone()));
                }
                fleet.0.install(&version, "");
                for _ in 0..minutes {
                    // What proves itself may be replaced in the same cycle.
                    let before = fleet.0.world.living();
                    let plan = fleet.cycle().await;
                    let forgets = plan.actions.iter().filter_map(|action| match action {
                        Action::ForgetPrevious { numbers } => Some(numbers),
                        _ => None,
                    });
                    proved.extend(forgets.flatten().filter_map(|node| before.get(node)?.clone()));
                    let unproved = unproved(&fleet, &mut proved);
                    assert!(unproved.len() <= 1, "never two at a time: {unproved:?}");
                    assert!(unproved.iter().all(|(_, nodes)| *nodes <= canaries), "{unproved:?}");
                    let failing = count - u32::try_from(fleet.0.world.running().len()).expect("a few");
                    let bound = f64::from(count * percent) / 100.0 + f64::from(batch.max(canaries));
                    assert!(f64::from(failing) <= bound, "{failing} of {count} are down, {bound} may be");
                    fleet.0.pass(60);
                }
            }
            // However it ended, the fleet comes back.
            for _ in 0..200 {
                fleet.cycle().await;
                fleet.0.pass(60);
                if fleet.is_running() && fleet.phase().is_none_or(|phase| !phase.is_active()) {
                    break;
                }
            }
            assert!(fleet.is_running(), "{:?}", fleet.rollouts());
        });
    }
}
