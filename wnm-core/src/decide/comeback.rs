//! What ran before comes back in steps, as fast as what the machine measures allows: not one by one, which would take a day
//! for a large fleet, and not all at once, which would press the machine down again.

use super::{Draft, count, growth, load, numbers};
use crate::node::Status;
use crate::plan::{Action, Cause, Gauge, Rule};
use crate::snapshot::NodeSnapshot;

/// 500 nodes are back within five cycles.
const FALLEN_AT_ONCE: u32 = 100;

/// What nodes that were just started cost is not measured before.
const UNMEASURED_SECONDS: i64 = 30;

/// The nodes that are started now, possibly none before the last ones can be measured: nothing else grows meanwhile. None
/// where nobody waits, or the machine has no room.
pub(super) fn actions(draft: &mut Draft<'_>) -> Option<Vec<Action>> {
    let waiting: Vec<&NodeSnapshot> =
        draft.oldest_first(Status::Stopped).into_iter().filter(|each| returns(draft, each)).collect();
    if draft.config.restart_pace == 0 || waiting.is_empty() || !growth::has_place(draft) {
        return None;
    }
    let rebooted = waiting.iter().any(|each| each.node.life().comes_back());
    let pace = pace(draft, rebooted);
    let step = if is_measured(draft) { step(draft, pace) } else { 0 };
    // What its owner would have started at once is never slower for having run before.
    let usual =
        draft.narrower(Rule::MaxConcurrentStarts, draft.snapshot.starting(), draft.config.max_concurrent_starts);
    let step = if rebooted { step } else { step.max(usual.free()) };
    let (chosen, later) = waiting.split_at(waiting.len().min(step as usize));
    draft.because_of(Cause::Returning { rebooted }, &numbers(chosen));
    if !later.is_empty() {
        draft.because(Cause::ReturnsLater { rebooted, waiting: count(later), pace }, &[]);
    }
    let mut actions: Vec<Action> = chosen.iter().map(|each| growth::start(each)).collect();
    if !rebooted && later.is_empty() {
        actions.extend(others(draft, usual.after(actions.len()).free()));
    }
    Some(actions)
}

/// Stopped nodes beside those that return, as many as could be started if those did not.
fn others(draft: &mut Draft<'_>, most: u32) -> Vec<Action> {
    let stopped = draft.oldest_first(Status::Stopped).into_iter();
    let ready = stopped.filter(|each| !each.node.life().returns() && growth::obstacle(draft, each).is_none());
    let ready: Vec<&NodeSnapshot> = ready.take(most as usize).collect();
    draft.because_of(Cause::RoomToStart, &numbers(&ready));
    ready.into_iter().map(growth::start).collect()
}

fn returns(draft: &Draft<'_>, each: &NodeSnapshot) -> bool {
    each.node.life().returns() && growth::obstacle(draft, each).is_none()
}

/// How many are started at once while none are back. After a restart of the machine everything else on it starts as well; what
/// nodes alone cost it carried a moment ago.
fn pace(draft: &Draft<'_>, rebooted: bool) -> u32 {
    let pace = draft.config.restart_pace;
    if rebooted { pace } else { pace.max(FALLEN_AT_ONCE) }
}

/// Whether the last ones that were started have been there for long enough to be measured.
fn is_measured(draft: &Draft<'_>) -> bool {
    let now = draft.snapshot.now;
    let began = draft.snapshot.nodes.iter().filter(|each| each.node.status().is_starting());
    let ago = began.map(|each| now.saturating_sub(each.node.life().status_since())).filter(|ago| *ago >= 0);
    ago.min().is_none_or(|ago| ago >= UNMEASURED_SECONDS)
}

/// How many nodes may be started now. All that is measured is taken for what the nodes cost that are back, so that
/// there is place for as many more as there is room in proportion. A third of them are started, since a node costs more while
/// it starts and the load average follows slowly, and never more than are back already.
fn step(draft: &Draft<'_>, pace: u32) -> u32 {
    let back = up(draft);
    let free = draft.config.node_cap.saturating_sub(back);
    if back == 0 {
        return pace.min(free);
    }
    let room = load::readings(draft.config, draft.snapshot).iter().filter_map(headroom).fold(f64::MAX, f64::min);
    let fits = |step: &u32| f64::from(*step) * 3.0 <= f64::from(back) * room;
    let step = (1..=pace.max(back)).take_while(fits).last().unwrap_or(1);
    step.min(free)
}

/// Nodes that are up or on their way.
fn up(draft: &Draft<'_>) -> u32 {
    let is_up = |each: &&NodeSnapshot| each.node.status() == Status::Running || each.node.status().is_underway();
    u32::try_from(draft.snapshot.nodes.iter().filter(is_up).count()).unwrap_or(u32::MAX)
}

/// How much of what is in use could be used beside it; none for what starting nodes does not change.
fn headroom(reading: &load::Reading) -> Option<f64> {
    if matches!(reading.gauge, Gauge::Disk | Gauge::Inodes) { None } else { reading.headroom() }
}
