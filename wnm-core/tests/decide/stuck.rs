//! One node that something is wrong with keeps wnm from nothing else.

use wnm_core::decide::decide;
use wnm_core::node::{NodeId, Status};
use wnm_core::plan::Rule;
use wnm_core::settings::Config;
use wnm_core::snapshot::{Answer, DirectoryState, Seen, Snapshot};
use wnm_pm::process_manager::ProcessState;
use wnm_testing::alter;

use Status::{Removing, Running, Stopped};

use crate::failings::cycle;
use crate::fleet::{NOW, config, fleet};

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
