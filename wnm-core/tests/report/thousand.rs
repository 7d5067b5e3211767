//! 1,000 nodes in five container groups.

use std::path::PathBuf;

use insta::assert_snapshot;
use wnm_core::decide::{Request, decide, decide_request};
use wnm_core::execute::{Execution, StepResult};
use wnm_core::node::{NodeId, Status, Verb};
use wnm_core::plan::{Action, Effect, Plan};
use wnm_core::report::{Detail, ReasonRow, errors_text, execution_text, history_text, plan_text, reasons_text, status};
use wnm_core::settings::Config;
use wnm_core::snapshot::{BlockedNumber, Blocker, Snapshot};
use wnm_core::store::{Decision, EventKind, HistoryEntry};
use wnm_pm::hint::{Advice, Hint, Hinted};
use wnm_pm::port_use::Protocol;
use wnm_pm::process_manager::{ManagerError, NumberingKind};
use wnm_testing::alter;

use crate::fleet::{NOW, config, fleet, machine};

const NODES: u32 = 1_000;

fn settings() -> Config {
    Config {
        node_cap: NODES,
        max_concurrent_operations: NODES,
        max_concurrent_starts: NODES,
        max_concurrent_removals: NODES,
        max_node_per_container: 200,
        min_container_count: 5,
        ..config()
    }
}

fn in_containers(snapshot: Snapshot) -> Snapshot {
    Snapshot { numbering: NumberingKind::Blocks, ..snapshot }
}

fn addition() -> Plan {
    decide(&settings(), &in_containers(machine()))
}

fn teardown() -> Plan {
    let plan = decide_request(&settings(), &fleet(&[Status::Running; NODES as usize]), &Request::Teardown);
    let mut plan = plan.expect("it can be torn down");
    if let [Action::Teardown { groups, .. }] = plan.actions.as_mut_slice() {
        *groups = (1..=5).collect();
    }
    plan
}

/// The text, which is short.
fn readable(text: String) -> String {
    let lines = text.lines().count();
    assert!(lines <= 25, "{lines} lines:\n{text}");
    text
}

fn result(verb: Verb, number: u32, error: Option<ManagerError>) -> StepResult {
    let hints = error.as_ref().map(Hinted::hints).unwrap_or_default();
    let error = error.map(|error| error.to_string());
    StepResult { verb, number: NodeId(number), name: NodeId(number).name(), error, hints }
}

/// Hints as a program words them that has no commands.
fn advice(hints: &[Hint]) -> Option<String> {
    let words = |hint: &Hint| match &hint.advice {
        Advice::Text(text) => text.to_string(),
        advice => format!("{advice:?}"),
    };
    (!hints.is_empty()).then(|| hints.iter().map(words).collect::<Vec<_>>().join("; or "))
}

fn text(plan: &Plan, execution: &Execution) -> String {
    execution_text(plan, execution, Detail::Summary, &advice)
}

/// What fails, as managers say it: a few nodes end at once, a few ports are taken, one directory is not what it should be.
fn error(number: u32) -> Option<ManagerError> {
    let name = NodeId(number).name();
    Some(match number {
        41..=43 | 977 => ManagerError::ExitedAtOnce {
            log_dir: PathBuf::from("/var/log/antnode").join(&name),
            name,
            how: "exit code 7".to_owned(),
            said: String::new(),
        },
        100 | 300 => ManagerError::PortInUse {
            protocol: Protocol::Udp,
            port: 55_000 + u16::try_from(number).expect("it is small"),
            holder: "nginx (pid 81234)".to_owned(),
        },
        500 => ManagerError::NotOurs {
            path: PathBuf::from("/var/antctl/services").join(name),
            reason: "it is a symbolic link".to_owned(),
        },
        _ => return None,
    })
}

fn decided(plan: &Plan) -> Decision {
    let words = |action: &Action| match action.step() {
        Some((verb, id)) => format!("{verb} {}", id.name()),
        None => action.verb().to_owned(),
    };
    Decision {
        actions: plan.actions.iter().map(words).collect(),
        reasons: plan.reasons.iter().map(ReasonRow::from).collect(),
    }
}

fn entry(cycle: i64, kind: EventKind, decision: Option<Decision>) -> HistoryEntry {
    HistoryEntry {
        id: cycle,
        at: NOW + cycle * 60,
        cycle,
        kind,
        node: None,
        verb: None,
        status: None,
        text: String::new(),
        decision,
    }
}

#[test]
fn a_plan_that_adds_them() {
    assert_snapshot!(readable(plan_text(&addition(), Detail::Summary)));
}

#[test]
fn a_plan_says_each_in_a_line_where_that_is_wanted() {
    let text = plan_text(&addition(), Detail::Each);
    let added = text.lines().filter(|line| line.starts_with("  add a") && line.ends_with("(0.4.17)"));
    assert_eq!(added.count(), NODES as usize);
    assert!(
        text.contains("add a5 antnode0999 (0.4.17)\n    node port 55999, metrics port 13999\n    rewards to 0x"),
        "{text}"
    );
}

#[test]
fn a_run_of_which_some_failed() {
    let plan = addition();
    let results = plan.actions.iter().filter_map(Action::step).map(|(verb, id)| result(verb, id.0, error(id.0)));
    let notes = vec!["container groups a1–a5 are up".to_owned()];
    let execution = Execution { results: results.collect(), notes, ..Execution::default() };
    assert_snapshot!(readable(text(&plan, &execution)));
    let each = execution_text(&plan, &execution, Detail::Each, &advice);
    assert_eq!(each.matches("  added a").count(), 993);
    assert_eq!(each.matches("  failed to add antnode").count(), 7);
}

#[test]
fn a_run_of_which_each_node_failed_in_its_own_way() {
    let plan = addition();
    let words = ["disk", "memory", "socket", "key", "log", "cache"];
    let error = |number: u32| {
        let said = format!("no {} for attempt {}", words[number as usize % 6], number % 100);
        Some(ManagerError::Failed(said))
    };
    let results = plan.actions.iter().filter_map(Action::step).map(|(verb, id)| result(verb, id.0, error(id.0)));
    let execution = Execution { results: results.collect(), ..Execution::default() };
    let text = readable(text(&plan, &execution));
    assert!(text.contains("more reasons"), "{text}");
}

#[test]
fn a_run_whose_groups_could_not_be_opened() {
    let plan = addition();
    let short = |group: u32| format!("container group a{group} could not be opened");
    let groups = (1..=5).map(|group| format!("{}: TCP port {} is in use", short(group), 13_000 + group * 200));
    let closed = |id: NodeId| Some(ManagerError::Failed(short(id.0.div_ceil(200))));
    let results = plan.actions.iter().filter_map(Action::step).map(|(verb, id)| result(verb, id.0, closed(id)));
    let execution = Execution { group_errors: groups.collect(), results: results.collect(), ..Execution::default() };
    assert_snapshot!(readable(text(&plan, &execution)));
}

#[test]
fn an_interrupted_run() {
    let plan = addition();
    let steps: Vec<(Verb, NodeId)> = plan.actions.iter().filter_map(Action::step).collect();
    let results = steps[..320].iter().map(|(verb, id)| result(*verb, id.0, None)).collect();
    let execution = Execution { results, left: steps[320..].to_vec(), ..Execution::default() };
    assert_snapshot!(readable(text(&plan, &execution)));
}

#[test]
fn a_teardown() {
    let plan = teardown();
    assert_snapshot!("teardown_planned", readable(plan_text(&plan, Detail::Summary)));
    let results = (1..=NODES).map(|number| result(Verb::Remove, number, None));
    let execution = Execution { results: results.collect(), ..Execution::default() };
    assert_snapshot!("teardown_done", readable(text(&plan, &execution)));
    let at_once = text(&plan, &Execution::default());
    assert_eq!(at_once, text(&plan, &execution), "antctl takes all down in one call");
}

#[test]
fn a_teardown_that_leaves_nodes_does_not_say_that_groups_are_gone() {
    let plan = teardown();
    let results = (1..=NODES).map(|number| result(Verb::Remove, number, error(number)));
    let execution = Execution { results: results.collect(), ..Execution::default() };
    assert_snapshot!(readable(text(&plan, &execution)));
}

#[test]
fn numbers_that_are_skipped_are_one_reason() {
    let by = |number: u32| Blocker::PortInUse {
        protocol: Protocol::Udp,
        port: 55_000 + u16::try_from(number).expect("it is small"),
    };
    let blocked = (1..=187).map(|number| BlockedNumber { number: NodeId(number), by: by(number) }).collect();
    let plan = decide(&settings(), &Snapshot { blocked, ..in_containers(machine()) });
    assert_snapshot!(readable(reasons_text(&plan, Detail::Each)));
}

#[test]
fn why_of_the_last_cycles() {
    let at_rest = decide(&settings(), &fleet(&[Status::Running; NODES as usize]));
    // Older versions recorded a reason for each number.
    let taken = (1..=187).map(|number| ReasonRow {
        rule: "number_taken".to_owned(),
        effect: Effect::Held,
        text: format!("number {number} is passed over: UDP port {} is in use", 55_000 + number),
        nodes: vec![NodeId(number)],
        figure: None,
        threshold: None,
    });
    let mut added = decided(&addition());
    added.reasons.extend(taken);
    let decisions = [added, decided(&at_rest), decided(&teardown()), decided(&at_rest), decided(&at_rest)];
    let cycles = (1..).zip(decisions);
    let mut entries: Vec<HistoryEntry> =
        cycles.map(|(cycle, decision)| entry(cycle, EventKind::Decided, Some(decision))).collect();
    entries.reverse();
    assert_snapshot!(readable(history_text(&entries, Detail::Summary)));
    let each = history_text(&entries, Detail::Each);
    assert_eq!(each.matches("  add antnode").count(), NODES as usize);
    assert_eq!(each.matches("is passed over").count(), 187);
}

#[test]
fn why_of_one_node() {
    let about = |cycle, kind, verb, status, text: &str| HistoryEntry {
        node: Some(NodeId(41)),
        verb,
        status,
        text: text.to_owned(),
        ..entry(cycle, kind, None)
    };
    let failed = error(41).expect("it failed").to_string();
    let entries = [
        about(3, EventKind::Reconciled, None, Some(Status::Running), "STOPPED -> RUNNING: it runs and answers"),
        about(2, EventKind::Failed, Some(Verb::Add), Some(Status::Stopped), &failed),
        about(2, EventKind::Intended, Some(Verb::Start), Some(Status::Stopped), "it was just created"),
        about(
            2,
            EventKind::Intended,
            Some(Verb::Add),
            Some(Status::Stopped),
            &addition().reasons.pop().expect("reasons").to_string(),
        ),
        about(1, EventKind::Noted, None, None, "UDP port 55041 was opened in ufw"),
    ];
    assert_snapshot!(readable(history_text(&entries, Detail::Summary)));
}

#[test]
fn the_errors_below_a_status() {
    let mut snapshot = fleet(&[Status::Stopped; NODES as usize]);
    for each in &mut snapshot.nodes {
        let (number, port) = (each.node.id().0, wnm_testing::metrics_port(each.node.spec()));
        let last_error = match number {
            1..=40 => Some(format!("its process lives, but its metrics port {port} does not answer in time")),
            900 => Some("its process is gone".to_owned()),
            number => error(number).map(|error| error.to_string()),
        };
        alter(&mut each.node, |node| node.last_error = last_error);
    }
    assert_snapshot!(readable(errors_text(&status(&config(), &snapshot))));
}
