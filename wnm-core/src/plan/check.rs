//! What no plan may do, stated independently of how plans are made. Every test calls it, and so does everything that
//! carries a plan out: a saved plan may have been edited.

use crate::decide::ports_of;
use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Plan};
use crate::node::{NodeId, NodeSpec, Status, Verb};
use crate::settings::Config;
use crate::snapshot::{NodeSnapshot, Snapshot};

/// On whose word a plan acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Authority {
    /// A cycle's: all limits hold.
    Cycle,
    /// The owner's: the cap holds, the limits on what may be in flight do not.
    Owner,
}

/// All that is wrong with a plan, a sentence each; empty for a plan that may be carried out.
#[must_use]
pub fn check(config: &Config, snapshot: &Snapshot, plan: &Plan, authority: Authority) -> Vec<String> {
    let mut wrong = Vec::new();
    let recorded = snapshot.nodes.iter().map(|each| (each.node.id(), each)).collect();
    nodes_once(plan, &mut wrong);
    known_nodes(&recorded, plan, &mut wrong);
    new_nodes(config, snapshot, plan, &mut wrong);
    groups(config, snapshot, plan, &mut wrong);
    if authority == Authority::Cycle {
        limits(config, snapshot, &recorded, plan, &mut wrong);
        removals(config, snapshot, &recorded, plan, &mut wrong);
    }
    wrong
}

fn nodes_once(plan: &Plan, wrong: &mut Vec<String>) {
    let mut seen = BTreeSet::new();
    for (verb, id) in plan.actions.iter().filter_map(Action::step) {
        if !seen.insert(id) {
            wrong.push(format!("{verb} {}: the plan names it twice", id.name()));
        }
    }
}

/// The recorded nodes by number.
type Recorded<'a> = BTreeMap<NodeId, &'a NodeSnapshot>;

fn known_nodes(recorded: &Recorded<'_>, plan: &Plan, wrong: &mut Vec<String>) {
    for (verb, id) in plan.actions.iter().filter_map(Action::step) {
        match (verb, recorded.get(&id)) {
            (Verb::Add, None) => {}
            (Verb::Add, Some(_)) => wrong.push(format!("add {}: there is such a node already", id.name())),
            (_, None) => wrong.push(format!("{verb} {}: there is no such node", id.name())),
            (Verb::Start | Verb::Stop | Verb::Restart | Verb::Upgrade, Some(each))
                if matches!(each.node.status, Status::Disabled | Status::Dead | Status::Migrating) =>
            {
                wrong.push(format!("{verb} {}: it is {}", id.name(), each.node.status));
            }
            _ => {}
        }
    }
}

fn added(plan: &Plan) -> impl Iterator<Item = &NodeSpec> {
    plan.actions.iter().filter_map(|action| match action {
        Action::Add { node } => Some(&**node),
        _ => None,
    })
}

fn new_nodes(config: &Config, snapshot: &Snapshot, plan: &Plan, wrong: &mut Vec<String>) {
    let recorded = snapshot.nodes.iter().map(|each| &each.node.spec);
    let mut ports: BTreeSet<u16> = recorded.clone().flat_map(own_ports).collect();
    let mut directories: BTreeSet<_> = recorded.map(|spec| spec.root_dir.clone()).collect();
    for spec in added(plan) {
        let name = spec.id.name();
        if ports_of(config, snapshot.port_kinds.iter().copied(), spec.id).as_ref() != Ok(&spec.ports) {
            let told: Vec<String> = spec.ports.iter().map(|(kind, port)| format!("{kind} {port}")).collect();
            wrong.push(format!("add {name}: its ports ({}) do not follow from its number", told.join(", ")));
        }
        for port in own_ports(spec) {
            if !ports.insert(port) {
                wrong.push(format!("add {name}: port {port} belongs to another node"));
            }
        }
        let inside = spec.root_dir.parent() == Some(&config.node_storage);
        if !inside || !directories.insert(spec.root_dir.clone()) {
            wrong
                .push(format!("add {name}: {} is not a directory of its own in node_storage", spec.root_dir.display()));
        }
        if !spec.binary.starts_with(&spec.root_dir) {
            wrong.push(format!("add {name}: its program {} lies outside its directory", spec.binary.display()));
        }
    }
    let all = snapshot.nodes.len() + added(plan).count();
    if added(plan).count() > 0 && all > config.node_cap as usize {
        wrong.push(format!("there would be {all} nodes, and node_cap is {}", config.node_cap));
    }
}

fn own_ports(spec: &NodeSpec) -> impl Iterator<Item = u16> {
    spec.ports.iter().map(|(_, port)| port)
}

fn groups(config: &Config, snapshot: &Snapshot, plan: &Plan, wrong: &mut Vec<String>) {
    let mut opened = BTreeSet::new();
    for group in &plan.groups {
        if !opened.insert(group.group) {
            wrong.push(format!("group {}: the plan opens it twice", group.name));
        }
        for (kind, range) in &group.ports {
            let size = (u32::from(range.last) + 1).saturating_sub(u32::from(range.first));
            if size != config.max_node_per_container {
                wrong.push(format!("group {}: it has {size} {kind} ports", group.name));
            }
        }
    }
    for spec in added(plan) {
        let Some(group) = spec.group else { continue };
        let stands = snapshot.groups.iter().any(|standing| standing.spec.group == group);
        if !stands && !opened.contains(&group) {
            wrong.push(format!("add {}: its group a{group} is not up", spec.id.name()));
        }
        if spec.id.0.div_ceil(config.max_node_per_container.max(1)) != group {
            wrong.push(format!("add {}: its number is not in the block of a{group}", spec.id.name()));
        }
    }
}

/// Every limit on what may be in flight, counting what is in flight already. What is forgotten at once is no flight.
fn limits(config: &Config, snapshot: &Snapshot, recorded: &Recorded<'_>, plan: &Plan, wrong: &mut Vec<String>) {
    let count = |is: fn(&Action) -> bool| plan.actions.iter().filter(|action| is(action)).count();
    let starts = count(|action| matches!(action, Action::Add { .. } | Action::Start { .. } | Action::Restart { .. }));
    let upgrades = count(|action| matches!(action, Action::Upgrade { .. }));
    let removals = count(|action| matches!(action, Action::Remove { now: false, .. } | Action::Stop { .. }));
    let gone = plan.actions.iter().filter(|action| match action {
        Action::Remove { number, now: true } => {
            recorded.get(number).is_some_and(|each| each.node.status == Status::Removing)
        }
        _ => false,
    });
    // What failed is in nobody's hands until it is tried again.
    let failed = |each: &&NodeSnapshot| each.node.removal_failed();
    let failed = snapshot.nodes.iter().filter(failed).map(|each| each.node.id());
    let flown: BTreeSet<NodeId> = gone.filter_map(Action::step).map(|(_, id)| id).chain(failed).collect();
    let removing = snapshot.count(Status::Removing) as usize - flown.len();
    let (starting, upgrading) =
        (snapshot.count(Status::Restarting) as usize, snapshot.count(Status::Upgrading) as usize);
    let mut hold = |what: &str, begun: usize, already: usize, limit: u32| {
        if begun > 0 && begun + already > limit as usize {
            wrong.push(format!("{begun} {what} on top of {already}, and the limit is {limit}"));
        }
    };
    hold("starts", starts, starting, config.max_concurrent_starts);
    hold("upgrades", upgrades, upgrading, config.max_concurrent_upgrades);
    hold("stops and removals", removals, removing, config.max_concurrent_removals);
    hold("operations", starts + upgrades + removals, starting + upgrading + removing, config.max_concurrent_operations);
}

/// A cycle removes nodes for two reasons only, a full disk and the cap, and never more than the cap asks for.
fn removals(config: &Config, snapshot: &Snapshot, recorded: &Recorded<'_>, plan: &Plan, wrong: &mut Vec<String>) {
    let begun = plan.actions.iter().filter(|action| matches!(action, Action::Remove { now: false, .. })).count();
    let staying = snapshot.nodes.len() - snapshot.count(Status::Removing) as usize;
    let excess = staying.saturating_sub(config.node_cap as usize);
    let disk_is_full = snapshot.host.used_hd_percent > config.hd_remove;
    if begun > excess && !disk_is_full {
        wrong.push(format!("{begun} nodes are removed, {excess} are in excess of the cap, and the disk has room"));
    }
    for action in &plan.actions {
        let Action::Remove { number, now: true } = action else { continue };
        let status = recorded.get(number).map(|each| each.node.status);
        if !matches!(status, Some(Status::Dead | Status::Removing)) {
            wrong.push(format!("remove {}: its files may not go at once", number.name()));
        }
    }
}
