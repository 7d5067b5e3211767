//! Container groups are opened before the first node needs them, and repaired when they are not up.

use std::collections::BTreeSet;

use wnm_allocator::PortRange;

use super::{Draft, placement};
use crate::node::{NodeId, NodeSpec, PortKind, Status};
use crate::plan::{Action, Cause};
use crate::settings::Config;
use crate::snapshot::{NodeSnapshot, Snapshot};
use wnm_pm::container_host::{Group, GroupSpec, GroupState, Range};

/// The recorded groups that have nodes to keep.
fn kept(snapshot: &Snapshot) -> impl Iterator<Item = &Group> {
    let is_kept = |each: &&NodeSnapshot| !matches!(each.node.status(), Status::Removing | Status::Dead);
    let keeping: BTreeSet<u32> =
        snapshot.nodes.iter().filter(is_kept).filter_map(|each| each.node.spec().group).collect();
    snapshot.groups.iter().filter(move |group| keeping.contains(&group.spec.group))
}

/// Those of them that are not up.
pub(super) fn not_up(snapshot: &Snapshot) -> impl Iterator<Item = &Group> {
    kept(snapshot).filter(|group| group.state != GroupState::Running)
}

/// Asks for every recorded group that has nodes to keep and is not up.
pub(super) fn repair(draft: &mut Draft<'_>) {
    let (up, broken): (Vec<&Group>, Vec<&Group>) =
        kept(draft.snapshot).partition(|group| group.state == GroupState::Running);
    // Who asks for one node to be stopped does not ask for a running group to go down.
    let mut turn_is_over = draft.plan.by_request;
    for group in &broken {
        draft.because(Cause::GroupNotUp { group: group.spec.group, state: group.state }, &[]);
        let down = group.state != GroupState::Damaged;
        if group.spec.image != draft.config.docker_image && (down || !turn_is_over) {
            turn_is_over |= !down;
            make_again(draft, &group.spec);
        } else {
            draft.plan.groups.push(group.spec.clone());
        }
    }
    // Another image can be one that is not to be had. It waits until nothing else is to be repaired in the same call.
    let outdated = up.iter().find(|group| group.spec.image != draft.config.docker_image);
    if let Some(group) = outdated.filter(|_| broken.is_empty() && !turn_is_over) {
        make_again(draft, &group.spec);
    }
}

/// While cycles are paused: asks only for the groups without which what the owner asks of these nodes cannot be done, as they
/// are.
pub(super) fn repair_for(draft: &mut Draft<'_>, nodes: &[NodeId]) {
    let snapshot = draft.snapshot;
    let asked = snapshot.nodes.iter().filter(|each| nodes.contains(&each.node.id()));
    let asked: BTreeSet<u32> = asked.filter_map(|each| each.node.spec().group).collect();
    for group in not_up(snapshot).filter(|group| asked.contains(&group.spec.group)) {
        draft.because(Cause::GroupNotUp { group: group.spec.group, state: group.state }, &[]);
        draft.plan.groups.push(group.spec.clone());
    }
}

/// Asks for a group from the image that the settings name now. Its nodes go down with its container, so of the groups
/// that run only one is made again in a cycle.
fn make_again(draft: &mut Draft<'_>, old: &GroupSpec) {
    let image = draft.config.docker_image.clone();
    let cause = Cause::ImageChanged { group: old.group, from: old.image.clone(), to: image.clone() };
    draft.because(cause, &[]);
    draft.plan.groups.push(GroupSpec { image, ..old.clone() });
}

/// Asks for the groups that new nodes live in, and for the least number of groups from the first growth on.
pub(super) fn open_for(draft: &mut Draft<'_>, nodes: &[NodeSpec]) {
    let needed: BTreeSet<u32> = nodes.iter().filter_map(|node| node.group).collect();
    if needed.is_empty() {
        return;
    }
    let least = draft.config.min_container_count;
    let mut closed: BTreeSet<u32> = needed.iter().copied().chain(1..=least).collect();
    for group in draft.snapshot.groups.iter().filter(|group| group.state == GroupState::Running) {
        closed.remove(&group.spec.group);
    }
    for planned in &draft.plan.groups {
        closed.remove(&planned.group);
    }
    let kinds = &draft.snapshot.port_kinds;
    let opened: Vec<GroupSpec> =
        closed.into_iter().filter_map(|group| specification(draft.config, kinds, group)).collect();
    let (groups, first): (Vec<u32>, Vec<u32>) =
        opened.iter().map(|spec| spec.group).partition(|group| needed.contains(group));
    if !groups.is_empty() {
        draft.because(Cause::GroupsNeeded { groups }, &[]);
    }
    if !first.is_empty() {
        draft.because(Cause::FirstGroups { groups: first, least }, &[]);
    }
    draft.plan.groups.extend(opened);
}

/// Asks for the groups of nodes that are started which no database knows: those of nodes that came back.
pub(super) fn open_missing(draft: &mut Draft<'_>, actions: &[Action]) {
    let snapshot = draft.snapshot;
    let is_started =
        |id: NodeId| actions.iter().any(|action| matches!(action, Action::Start { number } if *number == id));
    let is_missing = |group| !snapshot.groups.iter().any(|known| known.spec.group == group);
    let nodes = snapshot.nodes.iter().map(|each| each.node.spec());
    let nodes = nodes.filter(|spec| spec.group.is_some_and(is_missing) && is_started(spec.id));
    open_for(draft, &nodes.cloned().collect::<Vec<_>>());
}

/// What a group is, with a range of each kind of ports that its nodes have; none when its ports pass the end of the range.
pub(super) fn specification(config: &Config, kinds: &[PortKind], group: u32) -> Option<GroupSpec> {
    let number = wnm_allocator::Group::new(group).ok()?;
    let ports = placement::blocks(config)?.ports_of(number, &placement::layout(config)).ok()?;
    let range = |kind| {
        let PortRange { first, last } = match kind {
            PortKind::Node => ports.node,
            PortKind::Metrics => ports.metrics,
            PortKind::Rpc => ports.rpc,
            PortKind::WebRtc => ports.webrtc?,
        };
        Some((kind, Range { first, last }))
    };
    Some(GroupSpec {
        group,
        name: number.to_string(),
        image: config.docker_image.clone(),
        ports: kinds.iter().filter_map(|kind| range(*kind)).collect(),
    })
}
