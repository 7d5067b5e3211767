//! Relief stops or removes nodes when the machine is under pressure, or has more nodes than its owner allows.

use std::cmp::Reverse;

use super::{Draft, disks, load, numbers, touched};
use crate::node::{NodeId, Status};
use crate::plan::{Action, Cause, Rule};
use crate::snapshot::{DiskLoad, NodeSnapshot};

/// None when there is no pressure and no excess; the actions, possibly none, when there is.
pub(super) fn actions(draft: &mut Draft<'_>) -> Option<Vec<Action>> {
    let readings = load::readings(draft.config, draft.snapshot);
    let full = full_disks(draft);
    let pressing: Vec<_> = readings.iter().filter(|reading| reading.presses()).collect();
    let staying = draft.snapshot.node_count() - draft.snapshot.count(Status::Removing);
    let excess = staying.saturating_sub(draft.config.node_cap);
    if pressing.is_empty() && full.is_empty() && excess == 0 {
        return None;
    }
    let removing = draft.removing();
    let capacity = draft.narrower(Rule::MaxConcurrentRemovals, removing, draft.config.max_concurrent_removals).free();
    let disk = !full.is_empty() || pressing.iter().any(|reading| reading.is_disk());
    let removes = disk || excess > 0;
    // When files cannot be deleted, a full disk stays full however many nodes lose theirs.
    let failed = u32::try_from(draft.failed_removals().len()).unwrap_or(u32::MAX);
    let for_cap = capacity.min(excess);
    let for_disk = if disk { capacity.saturating_sub(failed) } else { 0 };
    let (chosen, order) = if removes {
        (removals(draft, for_cap, for_disk, &full), Cause::YoungestRemoved)
    } else if removing > 0 {
        (Vec::new(), Cause::YoungestStopped)
    } else {
        stops(draft, capacity)
    };
    let nodes = touched(&chosen);
    for reading in &pressing {
        draft.because(reading.pressure(), &nodes);
        if let Some(cause) = load::measured_against(&draft.snapshot.host, reading.gauge) {
            draft.because(cause, &[]);
        }
    }
    for disk in &full {
        let shed: Vec<NodeId> = nodes.iter().copied().filter(|id| lies_on(draft, disk, *id)).collect();
        disks::pressure(draft.config, disk).into_iter().for_each(|cause| draft.because(cause, &shed));
    }
    if excess > 0 {
        draft.because(Cause::OverCap { total: staying, cap: draft.config.node_cap }, &nodes);
    }
    if chosen.is_empty() {
        why_nothing(draft, removes && for_cap.max(for_disk) == 0);
    } else {
        draft.because(order, &nodes);
    }
    Some(chosen)
}

/// Of several disks those that are too full, as long as there is a node to remove: what else takes their space holds nobody
/// up on the others.
fn full_disks<'a>(draft: &Draft<'a>) -> Vec<&'a DiskLoad> {
    let can_shed = |disk: &&DiskLoad| {
        let is_on = |each: &NodeSnapshot| each.node.spec().root_dir.starts_with(&disk.storage);
        let goes = |status| matches!(status, Status::Stopped | Status::Running | Status::Removing);
        draft.snapshot.nodes.iter().any(|each| is_on(each) && goes(each.node.status()))
    };
    let is_full = |disk: &&DiskLoad| !disks::pressure(draft.config, disk).is_empty();
    disks::several(draft.snapshot).iter().filter(is_full).filter(can_shed).collect()
}

fn lies_on(draft: &Draft<'_>, disk: &DiskLoad, id: NodeId) -> bool {
    let mut nodes = draft.snapshot.nodes.iter();
    nodes.any(|each| each.node.id() == id && each.node.spec().root_dir.starts_with(&disk.storage))
}

/// A full disk sheds its own nodes only. What goes from there counts for the cap as well.
fn removals(draft: &Draft<'_>, for_cap: u32, for_disk: u32, full: &[&DiskLoad]) -> Vec<Action> {
    let mut candidates = draft.youngest_first(Status::Stopped);
    candidates.extend(draft.youngest_first(Status::Running));
    let sheds = |each: &&NodeSnapshot| {
        full.is_empty() || full.iter().any(|disk| each.node.spec().root_dir.starts_with(&disk.storage))
    };
    let (shed, others): (Vec<_>, Vec<_>) = candidates.into_iter().partition(sheds);
    let mut chosen: Vec<&NodeSnapshot> = shed.into_iter().take(for_cap.max(for_disk) as usize).collect();
    let missing = (for_cap as usize).saturating_sub(chosen.len());
    chosen.extend(others.into_iter().take(missing));
    chosen.into_iter().map(|each| Action::Remove { number: each.node.id(), now: false }).collect()
}

/// Nodes that live without answering cost as much as those that answer. With them comes in which order they were chosen.
fn stops(draft: &mut Draft<'_>, most: u32) -> (Vec<Action>, Cause) {
    let mut alive = draft.youngest_first(Status::Running);
    alive.extend(draft.youngest_first(Status::Stopped).into_iter().filter(|each| each.lives()));
    alive.sort_by_key(|each| Reverse((each.node.created_at(), each.node.id())));
    // One that hangs has a time set as well, at which it would be started: only what failed is passed over.
    let (resting, alive): (Vec<_>, Vec<_>) =
        alive.into_iter().partition(|each| each.node.life().failures() > 0 && !draft.may_retry(&each.node));
    draft.because_of(Cause::OperationFailed, &numbers(&resting));
    let chosen: Vec<&NodeSnapshot> = alive.into_iter().take(most as usize).collect();
    let age = |each: &&NodeSnapshot| (each.node.created_at(), each.node.id());
    // One that rests, or lives without its directory, and is younger than one that is chosen was passed over.
    let lost = draft.snapshot.nodes.iter();
    let lost = lost.filter(|each| each.node.status() == Status::Running && each.lives_without_directory());
    let passed_over: Vec<_> = resting.into_iter().chain(lost).collect();
    let is_in_order =
        chosen.iter().map(age).min().is_none_or(|oldest| passed_over.iter().map(age).all(|one| one < oldest));
    let order = if is_in_order { Cause::YoungestStopped } else { Cause::YoungestOthersStopped };
    (chosen.into_iter().map(|each| Action::Stop { number: each.node.id(), by_owner: false }).collect(), order)
}

/// Why nothing is done about it: removals are under way, failed ones have to be tried again first, or no node is left.
fn why_nothing(draft: &mut Draft<'_>, none_allowed: bool) {
    let (removing, failed) = (draft.removing(), draft.failed_removals());
    if removing > 0 {
        let most = draft.config.max_concurrent_removals;
        draft.because(Cause::RemovalsInProgress { removing, most }, &[]);
    } else if none_allowed && !failed.is_empty() {
        draft.because(Cause::RemovalFailed, &failed);
    } else {
        draft.because(Cause::NothingLeft, &[]);
    }
}
