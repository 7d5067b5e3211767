//! A plan as a person reads it: what would be done, why, and what would not be done and why.

use std::collections::BTreeMap;

use super::count::{counted, thousands};
use super::kind::{Kind, Tense, by_kind, each};
use super::names::{group_names, names, port_ranges};
use super::{Detail, reasons_text, section};
use crate::node::{NodeId, NodeSpec, PortKind};
use crate::plan::{Action, Plan};
use wnm_pm::container_host::GroupSpec;

/// How many container groups or addresses a line shows at most.
const PARTS_MAX: usize = 5;

/// The plan in words, several lines.
#[must_use]
pub fn plan_text(plan: &Plan, detail: Detail) -> String {
    let lines = action_lines(plan, detail);
    let actions = if lines.is_empty() { "Nothing to do.\n".to_owned() } else { section("Would do:", &lines) };
    actions + &reasons_text(plan, detail)
}

fn action_lines(plan: &Plan, detail: Detail) -> Vec<String> {
    let specs = added(plan);
    let steps = plan.actions.iter().filter_map(Kind::of);
    let (steps, groups) = match detail {
        Detail::Summary => (by_kind(steps), plan.groups.chunks(usize::MAX)),
        Detail::Each => (each(steps), plan.groups.chunks(1)),
    };
    let (removals, others): (Vec<_>, Vec<_>) = steps.into_iter().partition(|(kind, _)| kind.removes());
    let line = |(kind, nodes): (Kind<'_>, Vec<NodeId>)| match kind {
        Kind::Add(_) => additions(kind, &nodes, &specs),
        kind => kind.line(Tense::ToDo, &nodes),
    };
    let mut lines: Vec<String> = removals.into_iter().map(line).collect();
    lines.extend(plan.actions.iter().flat_map(|action| of_all(action, Tense::ToDo)));
    lines.extend(groups.map(bring_up));
    lines.extend(others.into_iter().map(line));
    lines
}

/// What is done to all nodes at once; nothing for an action on one node.
pub(super) fn of_all(action: &Action, tense: Tense) -> Vec<String> {
    let (check, remove, delete) = match tense {
        Tense::ToDo => ("check", "remove", "delete"),
        Tense::Done => ("checked", "removed", "deleted"),
    };
    match action {
        Action::Survey => vec![format!("{check} all nodes")],
        Action::Resurvey => vec![format!("{check} all nodes after the restart of the machine")],
        Action::ForgetPrevious { numbers } => vec![match numbers.as_slice() {
            [_] => format!("{delete} the previous program of {}", names(numbers)),
            _ => format!("{delete} the previous programs of {}: {}", counted(numbers.len(), "node"), names(numbers)),
        }],
        Action::Teardown { numbers, groups } => {
            let nodes = (!numbers.is_empty()).then(|| Kind::Remove.line(tense, numbers));
            let groups = (!groups.is_empty()).then(|| format!("{remove} {}", groups_text(groups)));
            nodes.into_iter().chain(groups).collect()
        }
        _ => Vec::new(),
    }
}

/// `container group a1`, `5 container groups: a1–a5`.
pub(super) fn groups_text(groups: &[u32]) -> String {
    match groups {
        [_] => format!("container group {}", group_names(groups)),
        _ => format!("{}: {}", counted(groups.len(), "container group"), group_names(groups)),
    }
}

/// Groups that have to be up first.
fn bring_up(groups: &[GroupSpec]) -> String {
    let numbers: Vec<u32> = groups.iter().map(|group| group.group).collect();
    let ranges = groups.iter().flat_map(|group| &group.ports);
    let ports = ranges.flat_map(|(kind, range)| (range.first..=range.last).map(|port| (*kind, port)));
    format!("bring up {}\n{}", groups_text(&numbers), ports_text(ports))
}

/// `node ports 55001–55200, metrics ports 13001–13200`.
fn ports_text(ports: impl Iterator<Item = (PortKind, u16)>) -> String {
    let mut kinds: BTreeMap<PortKind, Vec<u16>> = BTreeMap::new();
    for (kind, port) in ports {
        kinds.entry(kind).or_default().push(port);
    }
    let of_a_kind = |(kind, ports): (PortKind, Vec<u16>)| {
        let s = if ports.len() == 1 { "" } else { "s" };
        format!("{kind} port{s} {}", port_ranges(&ports))
    };
    kinds.into_iter().map(of_a_kind).collect::<Vec<_>>().join(", ")
}

/// The nodes that a plan adds.
pub(super) fn added(plan: &Plan) -> BTreeMap<NodeId, &NodeSpec> {
    let specs = plan.actions.iter().filter_map(|action| match action {
        Action::Add { node } => Some((node.id, &**node)),
        _ => None,
    });
    specs.collect()
}

/// New nodes with all that their owner may want to check before: where they go, their ports, and who is paid.
fn additions(kind: Kind<'_>, nodes: &[NodeId], specs: &BTreeMap<NodeId, &NodeSpec>) -> String {
    let line = kind.line_with(Tense::ToDo, nodes, &names_in_groups(nodes, specs));
    let specs: Vec<&NodeSpec> = nodes.iter().filter_map(|id| specs.get(id).copied()).collect();
    let ports = specs.iter().flat_map(|spec| spec.ports.iter());
    format!("{line}\n{}\nrewards to {}", ports_text(ports), wallets(&specs))
}

/// `a1 antnode0001–0200, a2 antnode0201–0400`; without the groups where the nodes live in none.
pub(super) fn names_in_groups(nodes: &[NodeId], specs: &BTreeMap<NodeId, &NodeSpec>) -> String {
    let mut groups: BTreeMap<Option<u32>, Vec<NodeId>> = BTreeMap::new();
    for id in nodes {
        groups.entry(specs.get(id).and_then(|spec| spec.group)).or_default().push(*id);
    }
    let parts = groups.iter().map(|(group, nodes)| match group {
        Some(group) => format!("{} {}", group_names(&[*group]), names(nodes)),
        None => names(nodes),
    });
    let parts: Vec<String> = parts.collect();
    let separator = if parts.iter().any(|part| part.contains(',')) { "; " } else { ", " };
    few(parts, separator, "group", "groups")
}

/// The addresses that the nodes earn for, with how many nodes each where there are several.
fn wallets(specs: &[&NodeSpec]) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for spec in specs {
        *counts.entry(&spec.wallet).or_default() += 1;
    }
    let one = counts.len() == 1;
    let parts = counts
        .into_iter()
        .map(|(wallet, count)| if one { wallet.to_owned() } else { format!("{wallet} ({})", counted(count, "node")) });
    few(parts.collect(), ", ", "address", "addresses")
}

/// The first parts, and how many more of `one` or `many` there are.
fn few(mut parts: Vec<String>, separator: &str, one: &str, many: &str) -> String {
    let left = parts.len().saturating_sub(PARTS_MAX);
    parts.truncate(PARTS_MAX);
    let shown = parts.join(separator);
    match left {
        0 => shown,
        1 => format!("{shown} and 1 more {one}"),
        left => format!("{shown} and {} more {many}", thousands(left)),
    }
}
