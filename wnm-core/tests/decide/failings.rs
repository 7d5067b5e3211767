//! What the Python wnm decides wrong: each test is named after the number of that failing.

use crate::fleet::{NOW, alive, config, fleet, gone, node, seen};
use semver::Version;
use wnm_core::decide::{Reconciled, Refusal, Request, Selection, decide, decide_request, reconcile};
use wnm_core::node::{Desired, Flavour, Intent, NodeId, Status, Transition, Verb};
use wnm_core::plan::check::{Authority, check};
use wnm_core::plan::{Action, Rule};
use wnm_core::settings::Config;
use wnm_core::snapshot::{Answer, DirectoryState, Seen, Snapshot};
use wnm_pm::process_manager::{Binary, ProcessState};
use wnm_testing::alter;

use Status::{Disabled, Restarting, Running, Starting, Stopped};

/// What a cycle does, as words; the plan is checked on the way.
pub fn cycle(config: &Config, snapshot: &Snapshot) -> Vec<String> {
    let plan = decide(config, snapshot);
    assert_eq!(check(config, snapshot, &plan, Authority::Cycle), []);
    plan.actions.iter().map(words).collect()
}

fn words(action: &Action) -> String {
    match action.step() {
        Some((verb, id)) => format!("{verb} {id}"),
        None => action.verb().to_owned(),
    }
}

fn reconciled(config: &Config, snapshot: &Snapshot) -> Snapshot {
    reconcile(config, snapshot.clone()).snapshot
}

fn status(snapshot: &Snapshot, number: u32) -> Status {
    let each = snapshot.nodes.iter().find(|each| each.node.id() == NodeId(number));
    each.expect("the node is there").node.status()
}

#[test]
fn f06_lowering_the_cap_by_one_removes_one_node() {
    let config = Config { node_cap: 2, max_concurrent_removals: 2, ..config() };
    let mut snapshot = fleet(&[Running, Running, Running]);
    assert_eq!(cycle(&config, &snapshot), ["remove 3"]);
    alter(&mut snapshot.nodes[2].node, |node| {
        node.status = Status::Removing;
        node.status_since = NOW;
    });
    assert_eq!(cycle(&config, &snapshot), ["survey"], "while it is being removed no other is");
    snapshot.nodes.pop();
    assert_eq!(cycle(&config, &snapshot), ["survey"], "and afterwards neither");
}

#[test]
fn f07_one_io_limit_leaves_the_others_off() {
    let config = Config { hdio_read_less_than: 100_000_000, hdio_read_remove: 200_000_000, node_cap: 1, ..config() };
    let mut snapshot = fleet(&[Running]);
    snapshot.host.netio_write_bytes = 5_000_000;
    snapshot.host.hdio_write_bytes = 5_000_000;
    assert_eq!(cycle(&config, &snapshot), ["survey"]);
}

#[test]
fn f08_pressure_while_an_upgrade_is_due_stops_and_never_removes() {
    let mut snapshot = fleet(&[Running, Running]);
    alter(&mut snapshot.nodes[0].node, |node| node.version = Some(Version::new(0, 4, 16)));
    snapshot.host.used_cpu_percent = 99.0;
    let config = Config { max_concurrent_removals: 1, ..config() };
    assert_eq!(cycle(&config, &snapshot), ["stop 2"]);
}

#[test]
fn f09_a_crashed_node_is_started_again_at_the_cap() {
    let config = Config { node_cap: 2, ..config() };
    let mut snapshot = fleet(&[Running, Running]);
    for each in &mut snapshot.nodes {
        each.seen = Some(gone());
    }
    assert_eq!(cycle(&config, &reconciled(&config, &snapshot)), ["start 1", "start 2"]);
}

#[test]
fn f22_f23_a_node_that_cannot_be_started_keeps_nobody_else_from_starting() {
    let config = Config { max_concurrent_starts: 3, ..config() };
    let mut snapshot = fleet(&[Stopped, Stopped, Stopped]);
    alter(&mut snapshot.nodes[0].node, |node| {
        node.failures = 1;
        node.retry_at = Some(NOW + 60);
    });
    assert_eq!(cycle(&config, &snapshot), ["start 2", "start 3", "add 4"]);
}

#[test]
fn f23_every_action_of_a_plan_is_about_another_node() {
    let config = Config { max_concurrent_removals: 3, ..config() };
    let mut snapshot = fleet(&[Running, Running, Running, Running]);
    snapshot.host.used_mem_percent = 99.0;
    assert_eq!(cycle(&config, &snapshot), ["stop 4", "stop 3", "stop 2"]);
}

#[test]
fn f24_old_nodes_that_do_not_run_hold_nothing_up() {
    let config = Config { node_cap: 3, ..config() };
    let mut snapshot = fleet(&[Disabled, Stopped]);
    for each in &mut snapshot.nodes {
        alter(&mut each.node, |node| node.version = Some(Version::new(0, 4, 1)));
    }
    assert_eq!(cycle(&config, &snapshot), ["start 2", "add 3"]);
}

#[test]
fn f26_looking_at_a_node_does_not_cut_its_delay_short() {
    let config = Config { delay_start: 300, ..config() };
    let mut snapshot = fleet(&[Restarting]);
    alter(&mut snapshot.nodes[0].node, |node| node.status_since = NOW - 299);
    assert_eq!(status(&reconciled(&config, &snapshot), 1), Restarting);
    alter(&mut snapshot.nodes[0].node, |node| node.status_since = NOW - 300);
    assert_eq!(status(&reconciled(&config, &snapshot), 1), Running);
}

#[test]
fn f28_the_cap_holds_for_what_is_asked_for_too() {
    let config = Config { node_cap: 2, ..config() };
    let refusal = decide_request(&config, &fleet(&[Running]), &Request::Add(3)).expect_err("3 more are too many");
    assert_eq!(refusal, Refusal::OverCap { asked: 3, would_be: 4, cap: 2 });
}

#[test]
fn f29_a_node_that_hangs_is_restarted_after_a_while() {
    let config = Config { delay_restart: 600, node_cap: 1, ..config() };
    let mut snapshot = fleet(&[Running]);
    snapshot.nodes[0].seen = Some(Seen { answer: Answer::TimedOut, ..alive(&snapshot.nodes[0].node) });
    let mut snapshot = reconciled(&config, &snapshot);
    assert_eq!(status(&snapshot, 1), Stopped);
    assert_eq!(cycle(&config, &snapshot), ["survey"], "it may come back by itself");
    snapshot.now += 600;
    assert_eq!(cycle(&config, &reconciled(&config, &snapshot)), ["restart 1"]);
}

#[test]
fn f31_another_program_on_the_metrics_port_is_reported_and_the_node_left_alone() {
    let config = Config { node_cap: 1, ..config() };
    let mut snapshot = fleet(&[Running]);
    let foreign = Answer::Foreign { said: "404 Not Found".to_owned() };
    snapshot.nodes[0].seen = Some(Seen { answer: foreign, ..alive(&snapshot.nodes[0].node) });
    let mut snapshot = reconciled(&config, &snapshot);
    assert_eq!(status(&snapshot, 1), Stopped);
    snapshot.now += 100_000;
    assert_eq!(cycle(&config, &snapshot), ["survey"], "a restart would not free the port");
    let plan = decide(&config, &snapshot);
    assert!(plan.reasons.iter().any(|reason| reason.rule() == Rule::PortInUse), "{:?}", plan.reasons);
}

#[test]
fn f37_a_node_without_its_directory_is_dead_and_is_forgotten() {
    let config = Config { node_cap: 1, ..config() };
    let mut snapshot = fleet(&[Running]);
    let missing = Seen { process: Ok(ProcessState::Absent), directory: DirectoryState::Missing, ..gone() };
    snapshot.nodes[0].seen = Some(missing);
    let snapshot = reconciled(&config, &snapshot);
    assert_eq!(status(&snapshot, 1), Status::Dead);
    assert_eq!(cycle(&config, &snapshot), ["remove 1"]);
}

#[test]
fn what_lives_without_its_directory_is_told_and_left_alone_whatever_there_is_to_do() {
    let lives = [
        ProcessState::Running { process: None },
        ProcessState::Waiting { reason: "systemd will restart it".to_owned() },
    ];
    for (status, process) in
        [Running, Stopped, Restarting].into_iter().flat_map(|status| lives.clone().map(|process| (status, process)))
    {
        let mut snapshot = fleet(&[status, Running]);
        let node = &mut snapshot.nodes[0];
        node.seen = Some(Seen { process: Ok(process), directory: DirectoryState::Missing, ..alive(&node.node) });
        let snapshot = reconciled(&config(), &snapshot);
        assert_eq!(self::status(&snapshot, 1), status, "nothing is concluded");
        let newer = Binary { path: "/usr/bin/antnode".into(), version: "9.9.9".parse().expect("it is a version") };
        for (node_cap, used_mem_percent, available) in
            [(1, 0.0, None), (2, 100.0, None), (2, 0.0, Some(newer)), (2, 0.0, snapshot.available.clone())]
        {
            let config = Config { node_cap, max_concurrent_operations: 9, max_concurrent_removals: 9, ..config() };
            let mut snapshot = snapshot.clone();
            snapshot.host.used_mem_percent = used_mem_percent;
            snapshot.available = available;
            let plan = decide(&config, &snapshot);
            assert!(plan.actions.iter().all(|action| action.step().is_none_or(|(_, id)| id != NodeId(1))), "{plan:?}");
            assert!(plan.reasons.iter().any(|reason| reason.rule() == Rule::DirectoryGone), "{plan:?}");
        }
        let request = Request::Remove(Selection::names(vec!["antnode0001".to_owned()]));
        let plan = decide_request(&config(), &snapshot, &request).expect("its owner may");
        assert_eq!(plan.actions, [Action::Remove { number: NodeId(1), now: true }]);
    }
}

#[test]
fn nodes_whose_storage_is_not_there_are_not_dead() {
    let mut snapshot = fleet(&[Running, Stopped]);
    for each in &mut snapshot.nodes {
        each.seen = Some(Seen { process: Ok(ProcessState::Absent), directory: DirectoryState::Unknown, ..gone() });
    }
    let Reconciled { events, .. } = reconcile(&config(), snapshot);
    assert_eq!(events, []);
}

#[test]
fn f38_a_node_that_is_being_started_is_stopped_when_it_is_disabled() {
    let request = Request::Disable(Selection::names(vec!["antnode0001".to_owned()]));
    let plan = decide_request(&config(), &fleet(&[Restarting]), &request).expect("it can be disabled");
    assert_eq!(plan.actions, [Action::Disable { number: NodeId(1) }]);
}

#[test]
fn f39_what_the_owner_stopped_stays_stopped() {
    let config = Config { node_cap: 2, ..config() };
    let request = Request::Stop(Selection::names(vec!["1".to_owned()]));
    let plan = decide_request(&config, &fleet(&[Running, Running]), &request).expect("it can be stopped");
    assert_eq!(plan.actions, [Action::Stop { number: NodeId(1), by_owner: true }]);
    let mut snapshot = fleet(&[Stopped, Running]);
    alter(&mut snapshot.nodes[0].node, |node| node.desired = Desired::Stop);
    assert_eq!(cycle(&config, &snapshot), ["survey"]);
    let plan = decide_request(&config, &snapshot, &Request::Start(Selection::count(1))).expect("it can be started");
    assert_eq!(plan.actions, [Action::Start { number: NodeId(1) }]);
}

#[test]
fn f40_after_a_restart_of_the_machine_every_cycle_starts_a_node() {
    let config =
        Config { node_cap: 4, delay_start: 0, max_concurrent_operations: 1, max_concurrent_starts: 1, ..config() };
    let config = Config { restart_pace: 0, ..config };
    let mut snapshot = fleet(&[Running, Running, Running, Running]);
    for each in &mut snapshot.nodes {
        each.seen = Some(gone());
    }
    snapshot.boot_time = NOW - 10;
    let mut snapshot = reconciled(&config, &snapshot);
    assert_eq!(cycle(&config, &snapshot), ["resurvey"]);
    snapshot.last_surveyed_boot = snapshot.boot_time;
    for number in 1..=4 {
        assert_eq!(cycle(&config, &snapshot), [format!("start {number}")]);
        let each = &mut snapshot.nodes[number - 1];
        alter(&mut each.node, |node| {
            node.status = Restarting;
            node.comes_back = false;
            node.status_since = snapshot.now;
        });
        *each = seen(each.node.clone());
        snapshot.now += 60;
        snapshot = reconciled(&config, &snapshot);
    }
    assert_eq!(cycle(&config, &snapshot), ["survey"]);
}

#[test]
fn f41_of_nodes_of_one_second_the_highest_number_is_the_youngest() {
    let config = Config { node_cap: 2, ..config() };
    let mut snapshot = fleet(&[Running, Running, Running]);
    for each in &mut snapshot.nodes {
        alter(&mut each.node, |node| node.created_at = NOW - 5);
    }
    assert_eq!(cycle(&config, &snapshot), ["remove 3"]);
}

#[test]
fn f50_a_pre_release_is_older_than_its_release() {
    let mut snapshot = fleet(&[Running]);
    alter(&mut snapshot.nodes[0].node, |node| node.version = Version::parse("0.4.17-rc.1").ok());
    assert_eq!(cycle(&config(), &snapshot), ["upgrade 1"]);
}

#[test]
fn f51_a_node_newer_than_the_program_is_not_outdated() {
    let config = Config { node_cap: 2, ..config() };
    let mut snapshot = fleet(&[Running, Running]);
    alter(&mut snapshot.nodes[0].node, |node| node.version = Some(Version::new(0, 5, 0)));
    alter(&mut snapshot.nodes[1].node, |node| node.version = Some(Version::new(0, 4, 16)));
    assert_eq!(cycle(&config, &snapshot), ["upgrade 2"]);
}

#[test]
fn f48_a_node_without_a_version_is_not_outdated() {
    let config = Config { node_cap: 2, ..config() };
    let mut snapshot = fleet(&[Running, Running]);
    alter(&mut snapshot.nodes[0].node, |node| node.version = None);
    alter(&mut snapshot.nodes[1].node, |node| node.version = Some(Version::new(0, 4, 16)));
    assert_eq!(cycle(&config, &snapshot), ["upgrade 2"]);
}

#[test]
fn f46_without_a_node_program_nothing_is_added_and_all_else_goes_on() {
    let config = Config { node_cap: 3, ..config() };
    let mut snapshot = fleet(&[Stopped, Running]);
    snapshot.available = None;
    assert_eq!(cycle(&config, &snapshot), ["start 1"]);
}

#[test]
fn f59_a_node_has_one_name_and_nothing_that_only_begins_like_it() {
    let snapshot = fleet(&[Running, Running]);
    for name in ["antnode0002", "antnode0002.service", "2"] {
        let request = Request::Stop(Selection::names(vec![name.to_owned()]));
        let plan = decide_request(&config(), &snapshot, &request).expect(name);
        assert_eq!(plan.actions.len(), 1, "{name}");
        assert_eq!(plan.actions[0].step(), Some((Verb::Stop, NodeId(2))), "{name}");
    }
    let request = Request::Stop(Selection::names(vec!["antnode0002xyz".to_owned(), "1".to_owned(), "9".to_owned()]));
    let refusal = decide_request(&config(), &snapshot, &request).expect_err("two of them do not exist");
    assert_eq!(refusal, Refusal::UnknownNames(vec!["antnode0002xyz".to_owned(), "9".to_owned()]));
}

#[test]
fn f68_of_more_nodes_than_there_are_those_are_taken_and_counted() {
    let request = Request::Remove(Selection::count(1000));
    let plan = decide_request(&config(), &fleet(&[Running, Stopped]), &request).expect("up to so many");
    assert_eq!(plan.actions.len(), 2);
    let found: Vec<String> = plan.reasons.iter().map(ToString::to_string).collect();
    assert_eq!(found, ["requested by the owner", "found 2 nodes running or stopped (asked for up to 1000)"]);
}

#[test]
fn a_clock_that_was_set_back_holds_no_node_for_ever() {
    let config = Config { node_cap: 3, ..config() };
    let mut snapshot = fleet(&[Restarting, Stopped, Status::Removing]);
    for each in &mut snapshot.nodes {
        alter(&mut each.node, |node| node.status_since = NOW + 86_400);
    }
    alter(&mut snapshot.nodes[1].node, |node| node.retry_at = Some(NOW + 86_400));
    let snapshot = reconciled(&config, &snapshot);
    assert_eq!(status(&snapshot, 1), Running);
    assert_eq!(cycle(&config, &snapshot), ["remove 3", "start 2"]);
}

#[test]
fn a_living_node_whose_turn_to_be_asked_did_not_come_stays_what_it_is() {
    for status in [Running, Starting, Restarting, Status::Upgrading, Stopped] {
        let mut snapshot = fleet(&[status]);
        let node = snapshot.nodes[0].node.clone();
        let due = NOW - 86_400;
        alter(&mut snapshot.nodes[0].node, |node| node.status_since = due);
        snapshot.nodes[0].seen = Some(Seen { answer: Answer::NotAsked, ..alive(&node) });
        let Reconciled { snapshot, events, .. } = reconcile(&config(), snapshot);
        assert_eq!((snapshot.nodes[0].node.status(), events), (status, vec![]), "{status:?}");
        // One without a metrics server is never asked: its process is all there is.
        let mut snapshot = fleet(&[status]);
        alter(&mut snapshot.nodes[0].node, |node| node.status_since = due);
        alter(&mut snapshot.nodes[0].node, |node| node.spec.flavour = Flavour::V2);
        snapshot.nodes[0].seen = Some(Seen { answer: Answer::NotAsked, ..alive(&node) });
        assert_eq!(reconcile(&config(), snapshot).snapshot.nodes[0].node.status(), Running);
    }
}

#[test]
fn an_interrupted_step_ends_in_what_is_true() {
    let dead = Seen { process: Ok(ProcessState::Absent), directory: DirectoryState::Missing, ..gone() };
    let cases = [
        (Verb::Add, Stopped, alive(&node(1, Running)), Starting),
        (Verb::Add, Stopped, gone(), Stopped),
        (Verb::Add, Stopped, dead.clone(), Status::Dead),
        (Verb::Start, Stopped, alive(&node(1, Running)), Restarting),
        (Verb::Start, Stopped, gone(), Stopped),
        (Verb::Stop, Running, alive(&node(1, Running)), Running),
        (Verb::Stop, Running, gone(), Stopped),
        (Verb::Upgrade, Running, alive(&node(1, Running)), Status::Upgrading),
        (Verb::Upgrade, Running, gone(), Stopped),
        (Verb::Remove, Status::Removing, alive(&node(1, Running)), Status::Removing),
        (Verb::Remove, Status::Removing, dead, Status::Removing),
        (Verb::Disable, Disabled, gone(), Disabled),
    ];
    for (verb, recorded, observation, expected) in cases {
        let mut snapshot = fleet(&[recorded]);
        alter(&mut snapshot.nodes[0].node, |node| {
            node.pending = Some(verb);
            node.has_run = verb != Verb::Add;
        });
        snapshot.nodes[0].seen = Some(observation.clone());
        let Reconciled { snapshot, events, .. } = reconcile(&config(), snapshot);
        let node = &snapshot.nodes[0].node;
        assert_eq!(
            (node.status(), node.life().pending(), events.len()),
            (expected, None, 1),
            "{verb} with {observation:?}"
        );
    }
}

#[test]
fn a_node_that_goes_down_after_an_interrupted_step_has_not_failed_and_is_started_at_once() {
    let config = Config { node_cap: 1, ..config() };
    for verb in [Verb::Start, Verb::Restart, Verb::Upgrade, Verb::Revert] {
        let mut snapshot = fleet(&[Running]);
        alter(&mut snapshot.nodes[0].node, |node| node.pending = Some(verb));
        snapshot.nodes[0].seen = Some(alive(&snapshot.nodes[0].node));
        let mut snapshot = reconciled(&config, &snapshot);
        assert!(snapshot.nodes[0].node.status().is_underway(), "{verb}");
        // The order to stop that the killed run gave takes effect only now.
        snapshot.nodes[0].seen = Some(gone());
        let mut snapshot = reconciled(&config, &snapshot);
        let life = snapshot.nodes[0].node.life();
        assert_eq!((life.falls(), life.failures(), life.retry_at()), (0, 0, None), "{verb}");
        assert_eq!(cycle(&config, &snapshot), ["start 1"], "{verb}");
        // What falls after it was told to start has failed.
        let node = &mut snapshot.nodes[0].node;
        node.apply(Transition::Intended(Intent::Start), NOW).expect("it can be started");
        node.apply(Transition::Started { process: None }, NOW).expect("it was started");
        let life = reconciled(&config, &snapshot).nodes[0].node.life().clone();
        assert_eq!((life.falls(), life.retry_at()), (1, Some(NOW + 60)), "{verb}");
    }
}

#[test]
fn interrupted_disabling_of_a_living_node_is_carried_out_again() {
    let mut snapshot = fleet(&[Disabled]);
    alter(&mut snapshot.nodes[0].node, |node| node.pending = Some(Verb::Disable));
    snapshot.nodes[0].seen = Some(alive(&snapshot.nodes[0].node));
    let config = Config { node_cap: 1, ..config() };
    assert_eq!(cycle(&config, &reconciled(&config, &snapshot)), ["disable 1"]);
}
