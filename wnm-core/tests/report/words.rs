//! The words for each kind of step, for one node and for several.

use insta::assert_snapshot;
use semver::Version;
use wnm_core::decide::decide;
use wnm_core::execute::{Execution, StepResult};
use wnm_core::node::{NodeId, Status, Verb};
use wnm_core::plan::{Action, Plan};
use wnm_core::report::{Detail, execution_text, plan_text};
use wnm_pm::process_manager::Binary;

use crate::fleet::{config, fleet, node};

fn plan(actions: Vec<Action>) -> Plan {
    let mut plan = decide(&config(), &fleet(&[Status::Running]));
    plan.reasons.clear();
    plan.groups.clear();
    Plan { actions, ..plan }
}

/// One action of each kind for each of these nodes; every kind has nodes of its own.
fn all_kinds(each: u32) -> Vec<Action> {
    let to = Binary { path: "/usr/bin/antnode".into(), version: Version::new(0, 4, 18) };
    let kinds: [&dyn Fn(NodeId) -> Action; 10] = [
        &|id| Action::Add { node: Box::new(node(id.0, Status::Stopped).spec().clone()) },
        &|number| Action::Start { number },
        &|number| Action::Stop { number, by_owner: false },
        &|number| Action::Stop { number, by_owner: true },
        &|number| Action::Restart { number },
        &|number| Action::Upgrade { number, to: to.clone() },
        &|number| Action::Remove { number, now: false },
        &|number| Action::Remove { number, now: true },
        &|number| Action::Disable { number },
        &|number| Action::Enable { number },
    ];
    let numbers = |kind: u32| (1..=each).map(move |number| NodeId(kind * 10 + number));
    (0..).zip(kinds).flat_map(|(kind, action)| numbers(kind).map(action).collect::<Vec<_>>()).collect()
}

fn done(plan: &Plan) -> Execution {
    let steps = plan.actions.iter().filter_map(Action::step);
    let results =
        steps.map(|(verb, number)| StepResult { verb, number, name: number.name(), error: None, hints: Vec::new() });
    Execution { results: results.collect(), ..Execution::default() }
}

#[test]
fn one_node_of_each_kind() {
    let plan = plan(all_kinds(1));
    assert_snapshot!("one_planned", plan_text(&plan, Detail::Summary));
    assert_snapshot!("one_done", execution_text(&plan, &done(&plan), Detail::Summary, &|_| None));
    assert_eq!(
        plan_text(&plan, Detail::Each),
        plan_text(&plan, Detail::Summary),
        "one node of a kind is a line anyway"
    );
}

#[test]
fn three_nodes_of_each_kind() {
    let plan = plan(all_kinds(3));
    assert_snapshot!("three_planned", plan_text(&plan, Detail::Summary));
    assert_snapshot!("three_done", execution_text(&plan, &done(&plan), Detail::Summary, &|_| None));
}

#[test]
fn every_node_that_goes_is_named_before_anything_else() {
    let mut actions = vec![Action::Start { number: NodeId(500) }];
    actions.extend((1..=40).map(|place| Action::Remove { number: NodeId(place * 2), now: true }));
    let plan = plan(actions);
    let text = plan_text(&plan, Detail::Summary);
    assert!(text.starts_with("Would do:\n  remove 40 nodes and their files: antnode0002, antnode0004, "), "{text}");
    assert_eq!(text.matches("antnode").count(), 41, "{text}");
    let failed = |number| StepResult {
        verb: Verb::Remove,
        number,
        name: number.name(),
        error: Some("the disk is read-only".to_owned()),
        hints: Vec::new(),
    };
    let results = plan.actions[1..].iter().filter_map(Action::step).map(|(_, id)| failed(id)).collect();
    let text = execution_text(&plan, &Execution { results, ..Execution::default() }, Detail::Summary, &|_| None);
    assert_eq!(text.matches("antnode").count(), 40, "neither is one lost that did not go:\n{text}");
}

#[test]
fn nothing_at_all() {
    assert_eq!(plan_text(&plan(Vec::new()), Detail::Summary), "Nothing to do.\n");
    assert_eq!(
        execution_text(&plan(vec![Action::Survey]), &Execution::default(), Detail::Summary, &|_| None),
        "Nothing to do.\n"
    );
    assert_snapshot!(plan_text(&plan(vec![Action::Survey]), Detail::Summary), @r"
    Would do:
      check all nodes
    ");
    let resurvey = plan(vec![Action::Resurvey]);
    assert_snapshot!(execution_text(&resurvey, &Execution::default(), Detail::Summary, &|_| None), @r"
    Actions:
      checked all nodes after the restart of the machine
    ");
}
