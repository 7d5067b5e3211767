//! Nodes of v2 answer no questions and upgrade themselves: what is seen of them decides.

use insta::assert_snapshot;
use semver::Version;
use wnm_core::decide::{decide, reconcile};
use wnm_core::event::Event;
use wnm_core::node::{Flavour, ProcessId, Status};
use wnm_core::observe::signs::Signs;
use wnm_core::plan::check::{Authority, check};
use wnm_core::renewal::outdated;
use wnm_core::report::{Detail, plan_text};
use wnm_core::settings::Config;
use wnm_core::snapshot::{Answer, NodeSnapshot, Seen, Snapshot};
use wnm_pm::process_manager::ProcessState;

use crate::fleet::{NOW, config, fleet, gone, node};
use wnm_testing::alter;

const FIRST: ProcessId = ProcessId { pid: 100, start_time: 1 };
const SECOND: ProcessId = ProcessId { pid: 200, start_time: 2 };

/// A node of v2 with this status for so many seconds, whose process was the first one, and what is seen of it.
fn v2(status: Status, seconds: i64, process: Option<ProcessId>, signs: Signs) -> Snapshot {
    let mut row = node(1, status);
    alter(&mut row, |row| {
        row.spec.flavour = Flavour::V2;
        row.spec.ports = row.spec.ports.clone().without(wnm_core::node::PortKind::Metrics);
        row.version = Some(Version::new(0, 23, 1));
        row.process = Some(FIRST);
        row.status_since = NOW - seconds;
        row.has_run = status != Status::Starting;
    });
    let process = match process {
        Some(_) => ProcessState::Running { process },
        None => ProcessState::Stopped { reason: None },
    };
    let seen = Seen { process: Ok(process), answer: Answer::Signs { signs: Box::new(signs) }, ..gone() };
    let mut snapshot = fleet(&[]);
    snapshot.flavour = Flavour::V2;
    snapshot.nodes = vec![NodeSnapshot { node: row, seen: Some(seen) }];
    snapshot
}

/// What becomes of it, a line for each step.
fn becomes(snapshot: Snapshot) -> String {
    let reconciled = reconcile(&config(), snapshot);
    let line = |event: &Event| match event {
        Event::Reconciled { from, node, why } => format!("{from} -> {}: {why}", node.status()),
        other => format!("{other:?}"),
    };
    let lines: Vec<String> = reconciled.events.iter().map(line).collect();
    if lines.is_empty() { reconciled.snapshot.nodes[0].node.status().to_string() } else { lines.join("\n") }
}

fn bound(has_port: bool) -> Signs {
    Signs { has_port: Some(has_port), uptime_seconds: Some(5), ..Signs::default() }
}

fn with_peers(peers: u64) -> Signs {
    Signs { peers: Some(peers), expects_peers: true, ..bound(true) }
}

#[test]
fn a_start_ends_as_soon_as_the_port_is_bound() {
    let starting = |signs| becomes(v2(Status::Starting, 5, Some(FIRST), signs));
    assert_snapshot!(starting(bound(true)), @"STARTING -> RUNNING: it is running and has its node port bound");
    assert_snapshot!(starting(with_peers(3)), @"STARTING -> RUNNING: it is running and knows peers");
    assert_snapshot!(starting(bound(false)), @"STARTING");
    assert_snapshot!(starting(Signs::default()), @"STARTING");
    let late = |signs| becomes(v2(Status::Starting, 300, Some(FIRST), signs));
    assert_snapshot!(late(bound(false)), @"STARTING -> STOPPED: its process is running, but has not bound its node port 55001");
    assert_snapshot!(late(Signs::default()), @"STARTING -> RUNNING: it is running");
}

#[test]
fn a_running_node_without_its_port_is_not_well_unless_it_is_young() {
    let running = |signs| becomes(v2(Status::Running, 3_600, Some(FIRST), signs));
    assert_snapshot!(running(Signs { uptime_seconds: Some(3_600), ..bound(false) }), @"RUNNING -> STOPPED: its process is running, but has not bound its node port 55001");
    assert_snapshot!(running(bound(false)), @"RUNNING");
    assert_snapshot!(running(Signs::default()), @"RUNNING");
}

#[test]
fn a_node_that_its_manager_started_again_is_told_and_proves_itself_anew() {
    let again = |signs| becomes(v2(Status::Running, 3_600, Some(SECOND), signs));
    let same = Some(Version::new(0, 23, 1));
    assert_snapshot!(again(Signs { version: same.clone(), ..with_peers(2) }), @"
    RUNNING -> RESTARTING: its process ended, and its process manager started it again
    RESTARTING -> RUNNING: it is running and knows peers
    ");
    assert_snapshot!(again(Signs { version: same, ..bound(false) }), @"RUNNING -> RESTARTING: its process ended, and its process manager started it again");
}

#[test]
fn an_upgrade_of_its_own_has_to_find_back_to_its_peers() {
    let new = Some(Version::new(0, 23, 2));
    let upgraded = |signs| becomes(v2(Status::Running, 3_600, Some(SECOND), Signs { version: new.clone(), ..signs }));
    assert_snapshot!(upgraded(with_peers(2)), @"
    RUNNING -> UPGRADING: it upgraded itself from 0.23.1 to 0.23.2
    UPGRADING -> RUNNING: it is running and knows peers
    ");
    assert_snapshot!(upgraded(with_peers(0)), @"RUNNING -> UPGRADING: it upgraded itself from 0.23.1 to 0.23.2");
    let later = |signs| becomes(v2(Status::Upgrading, 300, Some(FIRST), signs));
    assert_snapshot!(later(with_peers(0)), @"UPGRADING");
    let late = Signs { uptime_seconds: Some(1_260), ..with_peers(0) };
    assert_snapshot!(later(late), @"UPGRADING -> STOPPED: its process is running as another version, but it knows no peers, as it did before");
    assert_snapshot!(later(bound(false)), @"UPGRADING -> STOPPED: its process is running, but has not bound its node port 55001");
    let early = v2(Status::Upgrading, 299, Some(FIRST), bound(false));
    assert_snapshot!(becomes(early), @"UPGRADING");
    assert_snapshot!(later(bound(true)), @"UPGRADING -> RUNNING: it is running and has its node port bound");
}

#[test]
fn a_node_that_ended_to_upgrade_itself_is_started_whatever_the_limits() {
    let left = Signs { left_to_upgrade: true, ..Signs::default() };
    let mut snapshot = v2(Status::Running, 3_600, None, left.clone());
    snapshot.host.used_cpu_percent = 55.0;
    assert_snapshot!(becomes(snapshot.clone()), @"RUNNING -> UPGRADING: it upgraded itself from 0.23.1 and ended, to be started again");
    let config = config();
    let snapshot = reconcile(&config, snapshot).snapshot;
    let plan = decide(&config, &snapshot);
    assert_eq!(check(&config, &snapshot, &plan, Authority::Cycle), vec![]);
    assert_snapshot!(plan_text(&plan, Detail::Summary), @"
    Would do:
      start antnode0001
    Why:
      antnode0001: upgraded itself and ended; starting it again [own_upgrade]
    Not done, because:
      CPU usage is 55.0 %, too high to add or start nodes (cpu_less_than = 50 %)
    ");
    let mut waiting = v2(Status::Running, 3_600, None, left.clone());
    if let Some(seen) = &mut waiting.nodes[0].seen {
        seen.process = Ok(ProcessState::Waiting { reason: "a moment".to_owned() });
    }
    assert_snapshot!(becomes(waiting.clone()), @"RUNNING -> UPGRADING: it upgraded itself from 0.23.1 and ended, to be started again");
    let full = Config { node_cap: 1, ..config };
    let plan = decide(&full, &reconcile(&full, waiting).snapshot);
    assert!(!plan.changes_anything(), "its manager starts it: {plan:?}");
    // Told to start, it ended again before it said a word: that is a failure like any other.
    assert_snapshot!(becomes(v2(Status::Upgrading, 5, None, left)), @"UPGRADING -> STOPPED: its process is gone");
}

#[test]
fn a_setting_that_v2_has_no_use_for_leaves_no_node_outdated() {
    let row = v2(Status::Running, 5, Some(FIRST), bound(true)).nodes.remove(0).node;
    let same = Config { network: row.spec().network.clone(), ..config() };
    let same = Config { no_upnp: !row.spec().no_upnp, bootstrap_cache_dir: "/elsewhere".into(), ..same };
    let told = |config: &Config| outdated(config, &row).into_iter().filter(|name| *name != "rewards_address").count();
    assert_eq!(told(&same), 0);
    assert_eq!(told(&Config { start_args: vec!["--ipv4-only".to_owned()], ..same }), 1);
}
