//! Relief stops or removes nodes when the machine is under pressure, or has more nodes than its owner allows.

use std::cmp::Reverse;

use super::{Draft, load, names};
use crate::node::{NodeId, Status};
use crate::plan::{Action, Effect};

/// None when there is no pressure and no excess; the actions, possibly none, when there is.
pub(super) fn actions(draft: &mut Draft<'_>) -> Option<Vec<Action>> {
    let gauges = load::gauges(draft.config, &draft.snapshot.host);
    let pressing: Vec<_> = gauges.iter().filter(|gauge| gauge.presses()).collect();
    let staying = draft.snapshot.node_count() - draft.snapshot.count(Status::Removing);
    let excess = staying.saturating_sub(draft.config.node_cap);
    if pressing.is_empty() && excess == 0 {
        return None;
    }
    let (removing, limit) = (draft.removing(), draft.config.max_concurrent_removals);
    let capacity = limit.saturating_sub(removing).min(draft.free_slots());
    let disk = pressing.iter().any(|gauge| gauge.is_disk);
    let chosen = if disk || excess > 0 {
        // When files cannot be deleted, a full disk stays full however many nodes lose theirs.
        let failed = u32::try_from(draft.failed_removals().len()).unwrap_or(u32::MAX);
        let most = if excess > 0 { capacity.min(excess) } else { 0 };
        let for_disk = if disk { capacity.saturating_sub(failed) } else { 0 };
        removals(draft, most.max(for_disk))
    } else if removing > 0 {
        Vec::new()
    } else {
        stops(draft, capacity)
    };
    let effect = if chosen.is_empty() { Effect::Held } else { Effect::Did };
    let touched: Vec<NodeId> = chosen.iter().filter_map(Action::step).map(|(_, id)| id).collect();
    for gauge in &pressing {
        draft.reason(gauge.remove_rule, effect, gauge.pressure(), gauge.remove_figures(), &touched);
    }
    if excess > 0 {
        let cap = draft.config.node_cap;
        let text = format!("{staying} nodes are {excess} more than node_cap {cap}");
        draft.reason("node_cap", effect, text, Some((f64::from(staying), f64::from(cap))), &touched);
    }
    if chosen.is_empty() {
        why_nothing(draft, capacity, disk);
    } else {
        let verb = chosen[0].verb();
        draft.did(verb, format!("{verb} {}: youngest first", names(&touched)), &touched);
    }
    Some(chosen)
}

fn removals(draft: &Draft<'_>, most: u32) -> Vec<Action> {
    let stopped = draft.youngest_first(Status::Stopped);
    stopped
        .into_iter()
        .chain(draft.youngest_first(Status::Running))
        .take(most as usize)
        .map(|each| Action::Remove { number: each.node.id(), now: false })
        .collect()
}

/// Nodes that live without answering cost as much as those that answer.
fn stops(draft: &mut Draft<'_>, most: u32) -> Vec<Action> {
    let mut alive = draft.youngest_first(Status::Running);
    alive.extend(draft.youngest_first(Status::Stopped).into_iter().filter(|each| each.lives()));
    alive.sort_by_key(|each| Reverse((each.node.created_at(), each.node.id())));
    // One that hangs has a time set as well, at which it would be started: only what failed is passed over.
    let (resting, alive): (Vec<_>, Vec<_>) =
        alive.into_iter().partition(|each| each.node.life().failures() > 0 && !draft.may_retry(&each.node));
    if !resting.is_empty() {
        let resting: Vec<NodeId> = resting.iter().map(|each| each.node.id()).collect();
        let text = format!("{}: a deed on them failed lately; they are tried again later", names(&resting));
        draft.held("back_off", text, None, &resting);
    }
    alive.into_iter().take(most as usize).map(|each| Action::Stop { number: each.node.id(), by_owner: false }).collect()
}

fn why_nothing(draft: &mut Draft<'_>, capacity: u32, disk: bool) {
    let failed = draft.failed_removals();
    let (removing, limit) = (draft.removing(), draft.config.max_concurrent_removals);
    if removing > 0 {
        let text = format!("{removing} being removed already: their going is awaited first");
        draft.held("max_concurrent_removals", text, Some((f64::from(removing), f64::from(limit))), &[]);
    } else if disk && !failed.is_empty() {
        let text =
            format!("{}: could not be removed; nothing else is removed before they are tried again", names(&failed));
        draft.held("max_concurrent_removals", text, None, &failed);
    } else if capacity > 0 {
        draft.held("relief", "no node is left that could be stopped or removed", None, &[]);
    }
}
