//! While the owner has paused the cycles, they look and record and change nothing; what the owner asks for is done.

use insta::assert_snapshot;
use proptest::prelude::*;
use wnm_core::decide::{Request, Selection, decide, decide_request, reconcile};
use wnm_core::machine::{CycleError, Trigger};
use wnm_core::node::{Desired, NodeId};
use wnm_core::pause::CyclePause;
use wnm_core::plan::check::{Authority, check};
use wnm_core::plan::{Action, Plan, Rule};
use wnm_core::progress::Silent;
use wnm_core::report::{Detail, plan_text};
use wnm_core::settings::Config;
use wnm_core::snapshot::Snapshot;
use wnm_core::store::{EventKind, HistoryFilter};
use wnm_pm::container_host::GroupState;
use wnm_pm::process_manager::NumberingKind;
use wnm_testing::{Simulation, alter};

use wnm_core::node::Status::{Dead, Removing, Running, Stopped};

use crate::fleet::{NOW, config, fleet};
use crate::groups::group;
use crate::laws::machines;

fn pause() -> CyclePause {
    CyclePause { since: NOW - 600, until: Some(NOW + 3_600), reason: Some("new disk".to_owned()) }
}

fn paused(snapshot: Snapshot) -> Snapshot {
    Snapshot { pause: Some(pause()), ..snapshot }
}

#[test]
fn a_paused_cycle_says_what_is_down_and_changes_nothing() {
    let mut snapshot = paused(fleet(&[Running, Stopped, Stopped, Removing, Dead]));
    alter(&mut snapshot.nodes[2].node, |node| node.desired = Desired::Stop);
    let plan = decide(&config(), &snapshot);
    assert!(!plan.changes_anything());
    assert_snapshot!(plan_text(&plan, Detail::Summary), @"
    Would do:
      check all nodes
    Not done, because:
      cycles have been paused since 2026-09-21T14:03:20Z, and will be until 2026-09-21T15:13:20Z (new disk); only what the owner asks for is done [paused]
      antnode0002: down; not started while cycles are paused [paused]
    ");
}

#[test]
fn after_a_restart_of_the_machine_a_paused_cycle_notices_it_and_starts_nothing() {
    let snapshot = paused(Snapshot { boot_time: NOW - 10, ..fleet(&[Stopped, Stopped]) });
    let plan = decide(&config(), &snapshot);
    assert_eq!(plan.actions, [Action::Resurvey]);
    assert!(!plan.changes_anything());
    assert!(plan.reasons.iter().any(|reason| reason.rule() == Rule::Reboot), "{:?}", plan.reasons);
}

/// Two nodes in groups of their own, of which the second is gone.
fn in_groups() -> Snapshot {
    let mut snapshot = fleet(&[Running, Stopped, Stopped]);
    for each in &mut snapshot.nodes {
        alter(&mut each.node, |node| node.spec.group = Some(node.spec.id.0));
    }
    let states = [GroupState::Running, GroupState::Gone, GroupState::Stopped];
    let groups = (1..).zip(states).map(|(number, state)| group(number, &config().docker_image, state)).collect();
    paused(Snapshot { numbering: NumberingKind::Blocks, groups, ..snapshot })
}

#[test]
fn container_groups_are_not_repaired_while_cycles_are_paused() {
    let config = Config { max_node_per_container: 1, ..config() };
    let plan = decide(&config, &in_groups());
    assert_eq!(plan.groups, []);
    let texts: Vec<String> = plan.reasons.iter().map(ToString::to_string).collect();
    assert!(
        texts.contains(&"container groups a2–a3 are not up; not repaired while cycles are paused".to_owned()),
        "{texts:?}"
    );
}

#[test]
fn what_the_owner_asks_for_is_done_and_the_answer_says_that_cycles_are_paused() {
    let config = Config { max_node_per_container: 1, ..config() };
    let start = Request::Start(Selection::names(vec!["2".to_owned()]));
    let plan = decide_request(&config, &in_groups(), &start).expect("it can be started");
    assert_eq!(plan.actions, [Action::Start { number: NodeId(2) }]);
    assert_eq!(plan.groups.iter().map(|group| group.group).collect::<Vec<_>>(), [2], "the other one is not asked for");
    assert!(plan.reasons.iter().any(|reason| reason.rule() == Rule::Paused), "{:?}", plan.reasons);
    let stop = Request::Stop(Selection::names(vec!["1".to_owned()]));
    let plan = decide_request(&config, &in_groups(), &stop).expect("it can be stopped");
    assert_eq!((plan.actions.len(), plan.groups.len()), (1, 0));
}

#[test]
fn a_plan_that_was_edited_to_change_something_is_refused() {
    let snapshot = paused(fleet(&[Stopped]));
    let mut plan = decide(&config(), &snapshot);
    plan.actions = vec![Action::Start { number: NodeId(1) }];
    let wrong = |authority| wnm_core::report::violations_text(&check(&config(), &snapshot, &plan, authority));
    assert_snapshot!(wrong(Authority::Cycle), @"cycles are paused, and it would change something");
    assert_snapshot!(wrong(Authority::Owner), @"");
}

proptest! {
    #[test]
    fn no_paused_cycle_changes_anything((config, snapshot) in machines()) {
        let snapshot = paused(reconcile(&config, snapshot).snapshot);
        let plan = decide(&config, &snapshot);
        prop_assert!(!plan.changes_anything(), "{:?}", plan);
        prop_assert_eq!(check(&config, &snapshot, &plan, Authority::Cycle), []);
    }
}

fn simulation(nodes: u32) -> Simulation {
    Simulation::new(Config { node_cap: nodes, ..config() }, NumberingKind::FillGaps)
}

async fn cycle(simulation: &mut Simulation) -> Plan {
    simulation.pass(301);
    simulation.machine.run(&Trigger::Cycle, &Silent).await.expect("it is carried out").plan
}

async fn up(nodes: u32) -> Simulation {
    let mut simulation = simulation(nodes);
    for _ in 0..3 {
        cycle(&mut simulation).await;
    }
    assert_eq!(simulation.world.living().len(), nodes as usize);
    simulation
}

#[tokio::test]
async fn what_falls_during_a_pause_stays_down_until_it_ends_by_itself() {
    let mut simulation = up(3).await;
    simulation.machine.pause_cycles(Some(1_000), Some("new disk"), false).expect("it is paused");
    simulation.reboot();
    for _ in 0..3 {
        let plan = cycle(&mut simulation).await;
        assert!(!plan.changes_anything(), "{plan:?}");
        assert_eq!(simulation.world.living().len(), 0);
    }
    let stored = simulation.machine.store().load().expect("it is read");
    assert!(stored.nodes.iter().all(|node| node.status() == Stopped), "what is down is recorded as down");
    for _ in 0..3 {
        cycle(&mut simulation).await;
    }
    assert_eq!(simulation.world.living().len(), 3, "the time has passed, and they come back");
    let filter = HistoryFilter { kind: Some(EventKind::Resumed), ..HistoryFilter::default() };
    let resumed = simulation.machine.store().history(&filter).expect("it is read");
    assert_eq!(resumed.iter().map(|entry| entry.text.as_str()).collect::<Vec<_>>(), ["its time has passed"]);
    assert_eq!(simulation.machine.store().load().expect("it is read").pause, None);
}

#[tokio::test]
async fn a_plan_that_was_saved_before_the_pause_is_refused_during_it() {
    let mut simulation = simulation(2);
    let observation = simulation.machine.observe(&Silent).await.expect("it is observed");
    let saved = simulation.machine.plan(&observation, &Trigger::Cycle).expect("a cycle is never refused");
    simulation.machine.pause_cycles(None, None, false).expect("it is paused");
    let error = simulation.machine.apply(saved.clone(), &Silent).await.expect_err("it is refused");
    assert!(matches!(error, CycleError::Changed(_)), "{error}");
    assert_eq!(
        wnm_testing::told(&error),
        "the machine has changed since the plan was made: cycles have been paused since 2026-09-21T14:13:20Z\nhint: Run(Resume) to end the pause"
    );
    simulation.machine.resume_cycles(false).expect("it is resumed");
    simulation.machine.apply(saved, &Silent).await.expect("it holds again");
    assert_eq!(simulation.world.living().len(), 2);
}

#[tokio::test]
async fn a_pause_asked_for_again_is_recorded_only_when_it_changes() {
    let mut simulation = simulation(0);
    let machine = &mut simulation.machine;
    let first = machine.pause_cycles(None, Some("new disk"), false).expect("it is paused").after;
    let again = machine.pause_cycles(None, Some("new disk"), false).expect("it is paused");
    assert_eq!((&again.before, &again.after), (&first, &first));
    machine.pause_cycles(Some(60), None, true).expect("it would be paused");
    let timed = machine.pause_cycles(Some(60), None, false).expect("it is paused").after.expect("it is paused");
    assert_eq!((timed.until.is_some(), timed.reason.as_deref()), (true, Some("new disk")));
    machine.resume_cycles(true).expect("it would be resumed");
    assert!(machine.cycle_pause().expect("it is read").is_some());
    machine.resume_cycles(false).expect("it is resumed");
    assert_eq!(machine.resume_cycles(false).expect("nothing is left to end").before, None);
    let kinds: Vec<EventKind> = machine
        .store()
        .history(&HistoryFilter::default())
        .expect("it is read")
        .iter()
        .map(|entry| entry.kind)
        .collect();
    assert_eq!(kinds, [EventKind::Resumed, EventKind::Paused, EventKind::Paused, EventKind::Initialised]);
}

#[tokio::test]
async fn a_teardown_ends_the_pause() {
    let mut simulation = up(1).await;
    simulation.machine.pause_cycles(None, None, false).expect("it is paused");
    simulation.machine.run(&Trigger::Request(Request::Teardown), &Silent).await.expect("it is torn down");
    assert_eq!(simulation.world.living().len(), 0);
    assert_eq!(simulation.machine.cycle_pause().expect("it is read"), None);
}
