//! What no plan may do, stated independently of how plans are made. Every test calls it, and so does everything that
//! carries a plan out: a saved plan may have been edited.

use std::collections::{BTreeMap, BTreeSet};

use super::{Action, Plan, Rule, Violation};
use crate::decide::{disks, ports_of};
use crate::node::{NodeId, NodeSpec, Status, Verb};
use crate::rollout::Phase;
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

/// All that is wrong with a plan; empty for a plan that may be carried out.
#[must_use]
pub fn check(config: &Config, snapshot: &Snapshot, plan: &Plan, authority: Authority) -> Vec<Violation> {
    let mut wrong = Vec::new();
    let recorded = snapshot.nodes.iter().map(|each| (each.node.id(), each)).collect();
    nodes_once(plan, &mut wrong);
    known_nodes(&recorded, plan, &mut wrong);
    new_nodes(config, snapshot, plan, &mut wrong);
    groups(config, snapshot, plan, &mut wrong);
    if authority == Authority::Cycle {
        if snapshot.pause.is_some() && plan.changes_anything() {
            wrong.push(Violation::Paused);
        }
        limits(config, snapshot, &recorded, plan, &mut wrong);
        removals(config, snapshot, &recorded, plan, &mut wrong);
        full_disks(config, snapshot, plan, &mut wrong);
        rollout(config, snapshot, plan, &mut wrong);
    }
    wrong
}

fn nodes_once(plan: &Plan, wrong: &mut Vec<Violation>) {
    let mut seen = BTreeSet::new();
    for (verb, id) in plan.actions.iter().filter_map(Action::step) {
        if !seen.insert(id) {
            wrong.push(Violation::NamedTwice { verb, node: id });
        }
    }
}

/// The recorded nodes by number.
type Recorded<'a> = BTreeMap<NodeId, &'a NodeSnapshot>;

fn known_nodes(recorded: &Recorded<'_>, plan: &Plan, wrong: &mut Vec<Violation>) {
    for (verb, id) in plan.actions.iter().filter_map(Action::step) {
        match (verb, recorded.get(&id)) {
            (Verb::Add, None) => {}
            (Verb::Add, Some(_)) => wrong.push(Violation::AlreadyThere { node: id }),
            (_, None) => wrong.push(Violation::NoSuchNode { verb, node: id }),
            (Verb::Start | Verb::Stop | Verb::Restart | Verb::Upgrade | Verb::Revert, Some(each))
                if matches!(each.node.status(), Status::Disabled | Status::Dead | Status::Migrating) =>
            {
                wrong.push(Violation::WrongStatus { verb, node: id, status: each.node.status() });
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

fn new_nodes(config: &Config, snapshot: &Snapshot, plan: &Plan, wrong: &mut Vec<Violation>) {
    let recorded = snapshot.nodes.iter().map(|each| each.node.spec());
    let mut ports: BTreeSet<u16> = recorded.clone().flat_map(own_ports).collect();
    let mut directories: BTreeSet<_> = recorded.map(|spec| spec.root_dir.clone()).collect();
    for spec in added(plan) {
        let node = spec.id;
        if ports_of(config, snapshot.port_kinds.iter().copied(), node).as_ref() != Ok(&spec.ports) {
            wrong.push(Violation::WrongPorts { node, ports: spec.ports.clone() });
        }
        for port in own_ports(spec) {
            if !ports.insert(port) {
                wrong.push(Violation::PortTaken { node, port });
            }
        }
        let inside = spec.root_dir.parent().is_some_and(|parent| config.node_storage.contains(parent));
        if !inside || !directories.insert(spec.root_dir.clone()) {
            wrong.push(Violation::WrongDirectory { node, directory: spec.root_dir.clone() });
        }
        if !spec.binary.starts_with(&spec.root_dir) {
            wrong.push(Violation::ProgramOutside { node, program: spec.binary.clone() });
        }
    }
    let total = snapshot.nodes.len() + added(plan).count();
    if added(plan).count() > 0 && total > config.node_cap as usize {
        wrong.push(Violation::OverCap { total, cap: config.node_cap });
    }
}

fn own_ports(spec: &NodeSpec) -> impl Iterator<Item = u16> {
    spec.ports.iter().map(|(_, port)| port)
}

fn groups(config: &Config, snapshot: &Snapshot, plan: &Plan, wrong: &mut Vec<Violation>) {
    let mut opened = BTreeSet::new();
    for group in &plan.groups {
        let (number, most) = (group.group, config.max_node_per_container);
        if !opened.insert(number) {
            wrong.push(Violation::GroupTwice { group: number });
        }
        for (kind, range) in &group.ports {
            let size = (u32::from(range.last) + 1).saturating_sub(u32::from(range.first));
            if size != most {
                wrong.push(Violation::GroupSize { group: number, kind: *kind, size, most });
            }
        }
    }
    for spec in added(plan) {
        let Some(group) = spec.group else { continue };
        let exists = snapshot.groups.iter().any(|other| other.spec.group == group);
        if !exists && !opened.contains(&group) {
            wrong.push(Violation::NoGroup { node: spec.id, group });
        }
        if spec.id.0.div_ceil(config.max_node_per_container.max(1)) != group {
            wrong.push(Violation::WrongBlock { node: spec.id, group });
        }
    }
}

/// Every limit on what may be in flight, counting what is in flight already. What is forgotten at once is no flight.
fn limits(config: &Config, snapshot: &Snapshot, recorded: &Recorded<'_>, plan: &Plan, wrong: &mut Vec<Violation>) {
    let count = |is: fn(&Action) -> bool| plan.actions.iter().filter(|action| is(action)).count();
    // What ran before comes back at a pace of its own; what upgraded itself is upgrading already.
    let is_counted = |action: &&Action| {
        let each = action.step().and_then(|(_, id)| recorded.get(&id));
        let comes_back = config.restart_pace > 0 && each.is_some_and(|each| each.node.life().returns());
        let upgrades = each.is_some_and(|each| each.node.status() == Status::Upgrading);
        match action {
            Action::Start { .. } => !comes_back && !upgrades,
            Action::Add { .. } | Action::Restart { .. } => !comes_back,
            _ => false,
        }
    };
    let starts = plan.actions.iter().filter(is_counted).count();
    let upgrades = count(|action| matches!(action, Action::Upgrade { .. }));
    let removals = count(|action| matches!(action, Action::Remove { now: false, .. } | Action::Stop { .. }));
    let gone = plan.actions.iter().filter(|action| match action {
        Action::Remove { number, now: true } => {
            recorded.get(number).is_some_and(|each| each.node.status() == Status::Removing)
        }
        _ => false,
    });
    // What failed is in nobody's hands until it is tried again.
    let failed = |each: &&NodeSnapshot| each.node.life().removal_failed();
    let failed = snapshot.nodes.iter().filter(failed).map(|each| each.node.id());
    let flown: BTreeSet<NodeId> = gone.filter_map(Action::step).map(|(_, id)| id).chain(failed).collect();
    let removing = snapshot.count(Status::Removing) as usize - flown.len();
    let (starting, upgrading) = (snapshot.starting() as usize, snapshot.count(Status::Upgrading) as usize);
    let mut hold = |rule, begun: usize, already: usize, most: u32| {
        if begun > 0 && begun + already > most as usize {
            wrong.push(Violation::OverLimit { rule, begun, already, most });
        }
    };
    hold(Rule::MaxConcurrentStarts, starts, starting, config.max_concurrent_starts);
    hold(Rule::MaxConcurrentUpgrades, upgrades, upgrading, config.max_concurrent_upgrades);
    hold(Rule::MaxConcurrentRemovals, removals, removing, config.max_concurrent_removals);
    let (begun, already) = (starts + upgrades + removals, starting + upgrading + removing);
    hold(Rule::MaxConcurrentOperations, begun, already, config.max_concurrent_operations);
}

/// Of several disks only those with room get new nodes.
fn full_disks(config: &Config, snapshot: &Snapshot, plan: &Plan, wrong: &mut Vec<Violation>) {
    for spec in added(plan) {
        let disk = disks::holding(snapshot, &spec.root_dir);
        if let Some(disk) = disk.filter(|disk| !disks::obstacles(config, disk).is_empty()) {
            wrong.push(Violation::FullDisk { node: spec.id, storage: disk.storage.clone() });
        }
    }
}

/// Whether the disk that a node lies on is fuller than its owner allows.
fn lies_on_a_full_disk(config: &Config, snapshot: &Snapshot, each: &NodeSnapshot) -> bool {
    if disks::several(snapshot).is_empty() {
        return snapshot.host.used_hd_percent.max(snapshot.host.used_inodes_percent) > config.hd_remove;
    }
    let disk = disks::holding(snapshot, &each.node.spec().root_dir);
    disk.is_some_and(|disk| disk.is_there && disk.fullness() > config.hd_remove)
}

/// A cycle removes nodes for two reasons only, a full disk and the cap, and never more than the cap asks for.
fn removals(config: &Config, snapshot: &Snapshot, recorded: &Recorded<'_>, plan: &Plan, wrong: &mut Vec<Violation>) {
    let begun = plan.actions.iter().filter(|action| match action {
        Action::Remove { number, now: false } => {
            !recorded.get(number).is_some_and(|each| lies_on_a_full_disk(config, snapshot, each))
        }
        _ => false,
    });
    let begun = begun.count();
    let staying = snapshot.nodes.len() - snapshot.count(Status::Removing) as usize;
    let excess = staying.saturating_sub(config.node_cap as usize);
    if begun > excess {
        wrong.push(Violation::TooManyRemovals { begun, excess });
    }
    for action in &plan.actions {
        let Action::Remove { number, now: true } = action else { continue };
        let status = recorded.get(number).map(|each| each.node.status());
        if !matches!(status, Some(Status::Dead | Status::Removing)) {
            wrong.push(Violation::RemovedAtOnce { node: *number });
        }
    }
}

/// A cycle gives a version to no more nodes than may try it, until it has proved itself.
fn rollout(config: &Config, snapshot: &Snapshot, plan: &Plan, wrong: &mut Vec<Violation>) {
    let Some(rollouts) = &snapshot.rollouts else { return };
    let begun = plan.actions.iter().filter(|action| matches!(action, Action::Upgrade { .. })).count();
    let most = match rollouts.current() {
        Some(rollout) if rollout.phase == Phase::Batches => return,
        Some(rollout) if rollout.phase == Phase::Canary => {
            let tally = rollouts.tally(&rollout.target);
            config.upgrade_canary.saturating_sub(tally.open + tally.proved) as usize
        }
        _ => 0,
    };
    if begun > most {
        wrong.push(Violation::Unproved { begun, most });
    }
}
