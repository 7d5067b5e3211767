//! A plan that was edited is caught, whatever was done to it, and the sentence says what is wrong.

use insta::assert_snapshot;
use wnm_core::decide::decide;
use wnm_core::node::{NodeId, NodeSpec, PortKind, Status};
use wnm_core::plan::check::{Authority, check};
use wnm_core::plan::{Action, Plan, UnreadablePlan};
use wnm_core::report::violations_text;
use wnm_core::settings::Config;
use wnm_core::snapshot::Snapshot;
use wnm_pm::container_host::Range;
use wnm_pm::process_manager::NumberingKind;
use wnm_testing::told;

use Status::{Disabled, Removing, Restarting, Running, Stopped};

use wnm_testing::alter;

use crate::fleet::{NOW, config, fleet};

/// A machine with a running, a stopped and a disabled node, where container groups of two nodes each are opened.
fn machine() -> (Config, Snapshot) {
    let config = Config { node_cap: 4, max_node_per_container: 2, ..config() };
    let mut snapshot = Snapshot { numbering: NumberingKind::Blocks, ..fleet(&[Running, Stopped, Disabled]) };
    for each in &mut snapshot.nodes {
        alter(&mut each.node, |node| node.spec.group = Some(node.spec.id.0.div_ceil(2)));
    }
    (config, snapshot)
}

/// What is wrong with the plan of a cycle on that machine after this was done to it.
fn wrong(edit: impl FnOnce(&mut Plan)) -> String {
    let (config, snapshot) = machine();
    let mut plan = decide(&config, &snapshot);
    assert_eq!(check(&config, &snapshot, &plan, Authority::Cycle), [], "it is good before");
    edit(&mut plan);
    violations_text(&check(&config, &snapshot, &plan, Authority::Cycle))
}

/// What is wrong with the plan when this was done to the node that it adds.
fn wrong_node(edit: impl FnOnce(&mut NodeSpec)) -> String {
    wrong(|plan| {
        let added = plan.actions.iter_mut().find_map(|action| match action {
            Action::Add { node } => Some(&mut **node),
            _ => None,
        });
        edit(added.expect("it adds one"));
    })
}

/// What is wrong with the plan when this was done to the node ports of the first group that it opens.
fn wrong_ports(edit: impl FnOnce(&mut Range)) -> String {
    wrong(|plan| edit(plan.groups[0].ports.get_mut(&PortKind::Node).expect("it has node ports")))
}

#[test]
fn actions_on_nodes_that_must_be_left_alone() {
    let again = |plan: &mut Plan| plan.actions.push(Action::Stop { number: NodeId(2), by_owner: false });
    assert_snapshot!(wrong(again), @"stop antnode0002: the plan lists it twice");
    assert_snapshot!(wrong(|plan| plan.actions.push(Action::Start { number: NodeId(9) })), @"start antnode0009: no such node");
    assert_snapshot!(wrong(|plan| plan.actions.push(Action::Start { number: NodeId(3) })), @"start antnode0003: the node is DISABLED");
    let remove = |now| move |plan: &mut Plan| plan.actions.push(Action::Remove { number: NodeId(1), now });
    assert_snapshot!(wrong(remove(true)), @"remove antnode0001: its files must not be deleted before delay_remove");
    assert_snapshot!(wrong(remove(false)), @"it would remove too many nodes (1 > 0 above node_cap, and the disk is not full)");
}

#[test]
fn new_nodes_that_are_not_what_their_number_says() {
    assert_snapshot!(wrong_node(|node| node.ports = node.ports.clone().with(PortKind::Metrics, 13_001)), @"add antnode0004: its ports (node 55004, metrics 13001) do not match its number; add antnode0004: port 13001 belongs to another node");
    assert_snapshot!(wrong_node(|node| node.root_dir = "/etc/antnode0004".into()), @"add antnode0004: /etc/antnode0004 is not a directory of its own in node_storage; add antnode0004: its program /node/antnode0004/antnode is outside its directory");
    assert_snapshot!(wrong_node(|node| node.binary = "/usr/bin/antnode".into()), @"add antnode0004: its program /usr/bin/antnode is outside its directory");
    assert_snapshot!(wrong_node(|node| node.group = Some(7)), @"add antnode0004: there is no container group a7; add antnode0004: its number does not belong to container group a7");
    assert_snapshot!(wrong_node(|node| node.id = NodeId(1)), @"add antnode0001: the node already exists; add antnode0001: its ports (node 55004, metrics 13004) do not match its number; add antnode0001: its number does not belong to container group a2");
    let twice = |plan: &mut Plan| {
        let added = plan.actions.iter().find(|action| matches!(action, Action::Add { .. })).cloned();
        plan.actions.extend(added);
    };
    assert_snapshot!(wrong(twice), @"add antnode0004: the plan lists it twice; add antnode0004: port 55004 belongs to another node; add antnode0004: port 13004 belongs to another node; add antnode0004: /node/antnode0004 is not a directory of its own in node_storage; it would exceed node_cap (5 > 4)");
}

#[test]
fn container_groups_that_are_not_what_the_settings_say() {
    assert_snapshot!(wrong(|plan| plan.groups.push(plan.groups[0].clone())), @"container group a1: the plan lists it twice");
    assert_snapshot!(wrong_ports(|ports| ports.last += 1), @"container group a1: 3 node ports do not match max_node_per_container = 2");
    assert_snapshot!(wrong_ports(|ports| ports.first = 65_535), @"container group a1: 0 node ports do not match max_node_per_container = 2");
    assert_snapshot!(wrong(|plan| plan.groups.clear()), @"add antnode0004: there is no container group a2");
}

#[test]
fn more_at_a_time_than_the_limits_allow() {
    let config = Config { node_cap: 9, max_concurrent_starts: 2, max_concurrent_operations: 2, ..config() };
    let mut snapshot = fleet(&[Restarting, Removing, Stopped, Stopped, Running]);
    alter(&mut snapshot.nodes[1].node, |node| node.status_since = NOW);
    let mut plan = decide(&config, &snapshot);
    plan.actions = [3, 4].map(|number| Action::Start { number: NodeId(number) }).to_vec();
    assert_snapshot!(violations_text(&check(&config, &snapshot, &plan, Authority::Cycle)), @"it would exceed max_concurrent_starts (3 > 2: 2 in the plan, 1 in progress); it would exceed max_concurrent_operations (4 > 2: 2 in the plan, 2 in progress)");
    assert_eq!(check(&config, &snapshot, &plan, Authority::Owner), [], "the owner may");
}

#[test]
fn a_plan_of_another_version_is_refused_by_its_format() {
    let (config, snapshot) = machine();
    let plan = decide(&config, &snapshot);
    let text = serde_json::to_string(&plan).expect("it is JSON");
    assert_eq!(Plan::from_json(&text).expect("it is read"), plan);
    // What the first format said of a reason.
    let first =
        r#"{"format": 1, "made_at": 0, "reasons": [{"rule": "add", "effect": "did", "text": "", "nodes": []}]}"#;
    let error = Plan::from_json(first).expect_err("it is another format");
    assert!(matches!(error, UnreadablePlan::Format(1)), "{error:?}");
    assert_snapshot!(told(&error), @"
    its format 1 is not supported, only format 2
    hint: Run(Plan { out: None }) to make a new one
    ");
    assert_snapshot!(told(&Plan::from_json("{}").expect_err("it has no format")), @"
    it is not a plan: missing field `format` at line 1 column 2
    hint: Run(Plan { out: None }) to make a new one
    ");
    assert_snapshot!(told(&Plan::from_json("").expect_err("it is nothing")), @"
    it is not a plan: EOF while parsing a value at line 1 column 0
    hint: Run(Plan { out: None }) to make a new one
    ");
}
