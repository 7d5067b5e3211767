//! Growth starts stopped nodes and adds new ones while the machine has room for everything.

use super::{Draft, count, disks, groups, load, numbers, placement, rollout, touched};
use crate::node::{Flavour, NodeId, Status};
use crate::plan::{Action, Cause, Limit, Rule};
use crate::snapshot::{Answer, NodeSnapshot, Snapshot};

/// The oldest stopped nodes first, then new ones, up to the limits.
pub(super) fn actions(draft: &mut Draft<'_>) -> Vec<Action> {
    if !has_room(draft) {
        return Vec::new();
    }
    let starting = draft.snapshot.starting();
    let limit = draft.narrower(Rule::MaxConcurrentStarts, starting, draft.config.max_concurrent_starts);
    let mut actions = starts(draft, limit);
    actions.extend(adds(draft, limit.after(actions.len())));
    actions
}

/// Whether everything is low enough, nothing is on its way from elsewhere, and fewer nodes run than may.
pub(super) fn has_place(draft: &Draft<'_>) -> bool {
    obstacles(draft).is_empty()
}

/// Whether everything is low enough, nothing is on its way from elsewhere, and fewer nodes run than may. Every obstacle
/// leaves its reason.
fn has_room(draft: &mut Draft<'_>) -> bool {
    let obstacles = obstacles(draft);
    let room = obstacles.is_empty();
    for cause in obstacles {
        draft.because(cause, &[]);
    }
    room
}

fn obstacles(draft: &Draft<'_>) -> Vec<Cause> {
    let mut obstacles = load::obstacles(draft.config, draft.snapshot);
    let count = draft.snapshot.count(Status::Migrating);
    if count > 0 {
        obstacles.push(Cause::Migrating { count });
    }
    let (running, cap) = (draft.snapshot.count(Status::Running), draft.config.node_cap);
    if running >= cap {
        obstacles.push(Cause::RunningAtCap { running, cap });
    }
    obstacles
}

fn starts(draft: &mut Draft<'_>, limit: Limit) -> Vec<Action> {
    let stopped = draft.oldest_first(Status::Stopped);
    let (ready, obstructed): (Vec<_>, Vec<_>) =
        stopped.into_iter().map(|each| (each, obstacle(draft, each))).partition(|(_, obstacle)| obstacle.is_none());
    let (delay_seconds, most) = (draft.config.delay_restart, draft.config.broken_after);
    let of_disks = disks::several(draft.snapshot).iter().flat_map(|disk| disks::obstacles(draft.config, disk));
    for cause in [
        Cause::StoppedByOwner,
        Cause::Broken { most },
        Cause::Fell,
        Cause::StartFailed,
        Cause::WentDown,
        Cause::Recovering { delay_seconds },
        Cause::MetricsPortInUse,
    ]
    .into_iter()
    .chain(of_disks)
    {
        let nodes = obstructed.iter().filter(|(_, obstacle)| obstacle.as_ref() == Some(&cause));
        let nodes: Vec<NodeId> = nodes.map(|(each, _)| each.node.id()).collect();
        draft.because_of(cause, &nodes);
    }
    let ready: Vec<&NodeSnapshot> = ready.into_iter().map(|(each, _)| each).collect();
    let (chosen, waiting) = ready.split_at(ready.len().min(limit.free() as usize));
    draft.because_of(Cause::RoomToStart, &numbers(chosen));
    if !waiting.is_empty() {
        let (waiting, limit) = (count(waiting), limit.after(chosen.len()));
        draft.because(Cause::StartsLater { waiting, limit }, &[]);
    }
    chosen.iter().map(|each| start(each)).collect()
}

/// What keeps a stopped node from being started; none when nothing does.
pub(super) fn obstacle(draft: &Draft<'_>, each: &NodeSnapshot) -> Option<Cause> {
    let most = draft.config.broken_after;
    if each.node.life().is_stopped_by_owner() {
        Some(Cause::StoppedByOwner)
    } else if each.node.life().is_broken(most) {
        Some(Cause::Broken { most })
    } else if !draft.may_retry(&each.node) {
        let (life, delay_seconds) = (each.node.life(), draft.config.delay_restart);
        Some(match life.failures() {
            0 if life.falls() > 1 && life.went_down() => Cause::Fell,
            0 => Cause::Recovering { delay_seconds },
            _ if life.went_down() => Cause::WentDown,
            _ => Cause::StartFailed,
        })
    } else if lives_behind_another(each) {
        Some(Cause::MetricsPortInUse)
    } else {
        disks::obstacle(draft.config, draft.snapshot, each)
    }
}

/// A node whose process lives without answering has to be stopped first.
pub(super) fn start(each: &NodeSnapshot) -> Action {
    let number = each.node.id();
    if each.lives() { Action::Restart { number } } else { Action::Start { number } }
}

fn lives_behind_another(each: &NodeSnapshot) -> bool {
    each.lives() && matches!(each.seen.as_ref().map(|seen| &seen.answer), Some(Answer::Foreign { .. }))
}

/// The flavour of the nodes that there are, where new ones would be of another: a machine has nodes of one.
pub(super) fn other_flavour(snapshot: &Snapshot) -> Option<Flavour> {
    let kept = snapshot.nodes.iter().map(|each| &each.node);
    let mut kept = kept.filter(|node| !matches!(node.status(), Status::Removing | Status::Dead));
    kept.find(|node| node.spec().flavour != snapshot.flavour).map(|node| node.spec().flavour)
}

fn adds(draft: &mut Draft<'_>, limit: Limit) -> Vec<Action> {
    if draft.snapshot.torn_down {
        draft.because(Cause::TornDown, &[]);
        return Vec::new();
    }
    let (total, cap) = (draft.snapshot.node_count(), draft.config.node_cap);
    let free = cap.saturating_sub(total);
    if free == 0 {
        draft.because(Cause::TotalAtCap { total, cap }, &[]);
        return Vec::new();
    }
    if draft.snapshot.available.is_none() {
        draft.because(Cause::NoProgram { path: draft.config.antnode_path.clone() }, &[]);
        return Vec::new();
    }
    if let Some(own) = other_flavour(draft.snapshot) {
        draft.because(Cause::MixedFlavours { program: draft.snapshot.flavour, own }, &[]);
        return Vec::new();
    }
    if let Some(version) = rollout::unproved(draft.snapshot).cloned() {
        draft.because(Cause::Unproved { version }, &[]);
        return Vec::new();
    }
    let wanted = free.min(limit.free());
    let nodes = match placement::specifications(draft, wanted) {
        Ok(nodes) => nodes,
        Err(error) => {
            draft.because(Cause::BadLayout { error }, &[]);
            return Vec::new();
        }
    };
    for disk in disks::several(draft.snapshot) {
        disks::obstacles(draft.config, disk).into_iter().for_each(|cause| draft.because_once(cause));
    }
    groups::open_for(draft, &nodes);
    let actions: Vec<Action> = nodes.into_iter().map(|node| Action::Add { node: Box::new(node) }).collect();
    draft.because_of(Cause::RoomToAdd { total, cap }, &touched(&actions));
    let missing = free - count(&actions);
    if count(&actions) < wanted {
        draft.because(Cause::NoNumberLeft { missing }, &[]);
    } else if missing > 0 {
        draft.because(Cause::AddsLater { waiting: missing, limit: limit.after(actions.len()) }, &[]);
    }
    actions
}
