//! One node that something is wrong with keeps wnm from nothing else.

use wnm_core::decide::{decide, reconcile};
use wnm_core::node::{Desired, NodeId, Status};
use wnm_core::plan::Rule;
use wnm_core::settings::Config;
use wnm_core::snapshot::{Answer, DirectoryState, Seen, Snapshot};
use wnm_pm::process_manager::ProcessState;
use wnm_testing::alter;

use Status::{Removing, Running, Stopped};

use crate::failings::cycle;
use crate::fleet::{NOW, alive, config, fleet};

fn reason(config: &Config, snapshot: &Snapshot, rule: Rule) -> String {
    let plan = decide(config, snapshot);
    let reason = plan.reasons.iter().find(|reason| reason.rule() == rule);
    reason.unwrap_or_else(|| panic!("no {rule} in {:?}", plan.reasons)).to_string()
}

/// A step on this node failed just now, and is tried again later.
fn fail(snapshot: &mut Snapshot, number: u32) {
    let node = &mut snapshot.nodes.iter_mut().find(|each| each.node.id() == NodeId(number)).expect("it is there").node;
    alter(node, |node| {
        node.failures = 7;
        node.retry_at = Some(NOW + 3_600);
        node.last_error = Some("it is in a bad mood".to_owned());
    });
}

#[test]
fn a_removal_that_fails_keeps_nobody_else_waiting() {
    let config = Config { node_cap: 1, max_concurrent_operations: 1, max_concurrent_removals: 1, ..config() };
    let mut snapshot = fleet(&[Stopped, Removing]);
    alter(&mut snapshot.nodes[1].node, |node| node.status_since = NOW);
    assert_eq!(cycle(&config, &snapshot), ["survey"], "its delay is awaited");
    fail(&mut snapshot, 2);
    assert_eq!(cycle(&config, &snapshot), ["start 1"]);
    snapshot.now += 3_600;
    assert_eq!(cycle(&config, &snapshot), ["remove 2", "start 1"], "and it is tried again in its time");
}

#[test]
fn a_removal_that_fails_keeps_no_pressure_from_being_relieved() {
    let config = Config { max_concurrent_operations: 1, max_concurrent_removals: 1, ..config() };
    let mut snapshot = fleet(&[Running, Removing]);
    fail(&mut snapshot, 2);
    snapshot.host.used_cpu_percent = 99.0;
    assert_eq!(cycle(&config, &snapshot), ["stop 1"]);
}

#[test]
fn a_full_disk_whose_files_cannot_be_deleted_does_not_cost_one_node_after_the_other() {
    let config = Config { max_concurrent_operations: 1, max_concurrent_removals: 1, ..config() };
    let mut snapshot = fleet(&[Running, Removing]);
    fail(&mut snapshot, 2);
    snapshot.host.used_hd_percent = 99.0;
    assert_eq!(cycle(&config, &snapshot), ["survey"]);
    let text = reason(&config, &snapshot, Rule::BackOff);
    assert_eq!(text, "antnode0002: could not be removed; will be retried before other nodes are removed");
}

#[test]
fn a_node_that_could_not_be_started_before_is_removed_like_any_other() {
    let config = Config { max_concurrent_operations: 1, ..config() };
    let mut snapshot = fleet(&[Stopped, Removing]);
    alter(&mut snapshot.nodes[1].node, |node| node.status_since = NOW);
    alter(&mut snapshot.nodes[1].node, |node| node.failures = 3);
    assert_eq!(cycle(&config, &snapshot), ["survey"], "its delay is awaited");
}

#[test]
fn f23_a_node_that_cannot_be_stopped_keeps_no_other_from_being_stopped() {
    let config = Config { max_concurrent_removals: 1, ..config() };
    let mut snapshot = fleet(&[Running, Running]);
    snapshot.host.used_cpu_percent = 99.0;
    assert_eq!(cycle(&config, &snapshot), ["stop 2"]);
    fail(&mut snapshot, 2);
    assert_eq!(cycle(&config, &snapshot), ["stop 1"]);
    let text = reason(&config, &snapshot, Rule::BackOff);
    assert_eq!(text, "antnode0002: last operation failed; will be retried");
    fail(&mut snapshot, 1);
    assert_eq!(cycle(&config, &snapshot), ["survey"]);
    snapshot.now += 3_600;
    assert_eq!(cycle(&config, &snapshot), ["stop 2"]);
}

#[test]
fn a_node_that_hangs_is_stopped_under_pressure_although_it_rests() {
    let config = Config { max_concurrent_removals: 1, ..config() };
    let mut snapshot = fleet(&[Running, Stopped]);
    snapshot.nodes[1].seen = Some(Seen {
        process: Ok(ProcessState::Running { process: None }),
        answer: Answer::TimedOut,
        directory: DirectoryState::Present,
    });
    alter(&mut snapshot.nodes[1].node, |node| node.retry_at = Some(NOW + 300));
    snapshot.host.used_cpu_percent = 99.0;
    assert_eq!(cycle(&config, &snapshot), ["stop 2"]);
}

/// Every sentence of a cycle's reasons with these words.
fn said(config: &Config, snapshot: &Snapshot, words: &str) -> Vec<String> {
    let reasons = decide(config, snapshot).reasons;
    reasons.iter().map(ToString::to_string).filter(|text| text.contains(words)).collect()
}

#[test]
fn youngest_first_is_said_where_no_younger_one_was_passed_over() {
    let config = Config { max_concurrent_removals: 1, ..config() };
    let mut snapshot = fleet(&[Running, Running]);
    snapshot.host.used_cpu_percent = 99.0;
    assert_eq!(said(&config, &snapshot, "youngest"), ["youngest nodes first"]);
    fail(&mut snapshot, 1);
    assert_eq!(
        said(&config, &snapshot, "youngest"),
        ["youngest nodes first"],
        "the older one would not have come first"
    );
    let mut snapshot = fleet(&[Running, Running]);
    snapshot.host.used_cpu_percent = 99.0;
    fail(&mut snapshot, 2);
    let passed_over = "youngest nodes first, apart from those that wait for another try";
    assert_eq!(said(&config, &snapshot, "youngest"), [passed_over]);
}

#[test]
fn a_failed_start_is_blamed_only_where_a_start_failed() {
    let mut snapshot = fleet(&[Stopped]);
    fail(&mut snapshot, 1);
    assert_eq!(said(&config(), &snapshot, "antnode0001"), ["antnode0001: failed to start recently; will be retried"]);
    alter(&mut snapshot.nodes[0].node, |node| node.last_error = Some("its process is gone: killed".to_owned()));
    assert_eq!(said(&config(), &snapshot, "antnode0001"), ["antnode0001: ended before it was up; will be retried"]);
}

#[test]
fn what_is_measured_against_a_control_group_names_it_where_it_holds_anything_back() {
    let mut snapshot = fleet(&[Running]);
    let allowance = wnm_core::snapshot::Allowance { control_group: "/app".to_owned(), amount: 64e6 };
    snapshot.host.mem_allowance = Some(allowance);
    assert!(said(&config(), &snapshot, "control group").is_empty());
    snapshot.host.used_mem_percent = 97.7;
    let named = "memory usage is a part of the 64 MB that control group /app may have";
    assert_eq!(said(&config(), &snapshot, "control group"), [named]);
}

#[test]
fn a_disk_with_too_few_inodes_for_one_node_gets_none() {
    let mut snapshot = fleet(&[]);
    snapshot.host.free_inodes = Some(1_000);
    assert!(said(&config(), &snapshot, "inodes").is_empty());
    snapshot.host.free_inodes = Some(999);
    assert_eq!(cycle(&config(), &snapshot), ["survey"]);
    assert_eq!(said(&config(), &snapshot, "999 inodes are free").len(), 1);
}

#[test]
fn what_failed_on_a_node_that_is_seen_well_is_forgotten_once_nobody_tries_it_again() {
    let config = config();
    let mut snapshot = fleet(&[Running, Running]);
    fail(&mut snapshot, 1);
    fail(&mut snapshot, 2);
    alter(&mut snapshot.nodes[0].node, |node| node.desired = Desired::Stop);
    let since = snapshot.nodes[0].node.life().status_since();
    let troubles = |snapshot: &Snapshot| {
        let seen = reconcile(&config, snapshot.clone()).snapshot;
        let troubled = seen.nodes.iter().filter(|each| each.node.life().last_error().is_some());
        assert!(
            seen.nodes.iter().all(|each| each.node.status() == Running && each.node.life().status_since() == since)
        );
        troubled.map(|each| each.node.id().0).collect::<Vec<u32>>()
    };
    assert_eq!(troubles(&snapshot), [2], "its owner's stop failed, and it runs on");
    snapshot.now += 3_600;
    assert_eq!(troubles(&snapshot), [2], "it may be tried again now");
    snapshot.now += 600;
    assert_eq!(troubles(&snapshot), Vec::<u32>::new());
    let seen = reconcile(&config, snapshot.clone()).snapshot;
    let lives = [&seen.nodes[0], &seen.nodes[1]].map(|each| each.node.life());
    assert_eq!(lives.map(|life| (life.failures(), life.retry_at())), [(0, None); 2]);
    assert!(lives[0].is_stopped_by_owner(), "what its owner wants of it stays");
    assert_eq!(reconcile(&config, seen).events, [], "and it is said once");
}

#[test]
fn a_living_node_that_does_nothing_is_frozen_and_no_other_is() {
    let with = |status, answer: Answer| {
        let mut each = fleet(&[status]).nodes.remove(0);
        each.seen = Some(Seen { answer, ..alive(&each.node) });
        each.is_frozen()
    };
    for status in [Running, Stopped, Status::Starting, Status::Restarting, Status::Upgrading] {
        assert!(with(status, Answer::Halted), "{status}");
    }
    for status in [Status::Disabled, Removing, Status::Migrating, Status::Dead] {
        assert!(!with(status, Answer::Halted), "{status}: its owner, or a removal, has it");
    }
    assert!(with(Stopped, Answer::TimedOut) && with(Stopped, Answer::Refused));
    assert!(!with(Running, Answer::TimedOut), "the next cycle says what it is");
    assert!(!with(Stopped, Answer::NotAsked), "nobody knows");
    assert!(!fleet(&[Stopped]).nodes[0].is_frozen(), "it does not live");
}
