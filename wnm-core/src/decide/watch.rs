//! Nodes that upgrade themselves are watched as those are judged that wnm upgrades: their trials begin when they are seen with
//! another version. Nobody can hold them back, but a version that fails here is told, and no node is added meanwhile.

use semver::Version;

use super::Draft;
use crate::event::Event;
use crate::node::{NodeId, Status};
use crate::plan::Cause;
use crate::rollout::{Phase, Role, Rollout, Rollouts, Target, Trial};
use crate::settings::Config;
use crate::snapshot::{Answer, NodeSnapshot, Snapshot};

/// Begins the trials of nodes that upgraded themselves since they were last looked at, and the roll-out of the newest version
/// among them. Nodes must not have reported to the snapshot yet: what they ran before is still known then.
#[must_use]
pub fn watch(config: &Config, snapshot: &mut Snapshot, fallen: &[NodeId]) -> Vec<Event> {
    let Some(mut rollouts) = snapshot.rollouts.take() else { return Vec::new() };
    let events = begin(config, snapshot, &mut rollouts, fallen);
    snapshot.rollouts = Some(rollouts);
    events
}

fn begin(config: &Config, snapshot: &Snapshot, rollouts: &mut Rollouts, fallen: &[NodeId]) -> Vec<Event> {
    let watched = rollouts.watched().map(|rollout| rollout.target.version.clone());
    let upgraded = |each: &NodeSnapshot| {
        let version =
            has_upgraded(each).cloned().or_else(|| watched.clone().filter(|to| fell_for(each, to, fallen)))?;
        Some(Trial::begun(&each.node, Target::of_nodes(version), Role::Itself, snapshot.now))
    };
    let trials: Vec<Trial> = snapshot.nodes.iter().filter_map(upgraded).collect();
    let mut events = Vec::new();
    if let Some(target) = trials.iter().map(|trial| &trial.target).max_by(|one, other| one.version.cmp(&other.version))
        && watched.is_none_or(|known| known < target.version)
    {
        let (phase, now) = (super::first_phase(config, rollouts, target), snapshot.now);
        let rollout = Rollout { target: target.clone(), started_at: now, phase, phase_since: now, pause: None };
        rollouts.turn_to(rollout.clone());
        events.push(Event::RolloutMoved { rollout: Box::new(rollout) });
    }
    for trial in trials {
        rollouts.trials.insert(trial.node, trial.clone());
        events.push(Event::Tried { trial: Box::new(trial) });
    }
    events
}

/// The version that a node has upgraded itself to since it was last looked at.
fn has_upgraded(each: &NodeSnapshot) -> Option<&Version> {
    let Answer::Signs { signs } = &each.seen.as_ref()?.answer else { return None };
    let (own, seen) = (each.node.version()?, signs.version.as_ref()?);
    (each.node.spec().flavour.upgrades_itself() && own.cmp_precedence(seen).is_lt()).then_some(seen)
}

/// Whether a node that ended to upgrade itself fell before it said a word: others upgrade themselves to this version.
fn fell_for(each: &NodeSnapshot, to: &Version, fallen: &[NodeId]) -> bool {
    let left =
        matches!(each.seen.as_ref().map(|seen| &seen.answer), Some(Answer::Signs { signs }) if signs.left_to_upgrade);
    let is_older = each.node.version().is_some_and(|own| own.cmp_precedence(to).is_lt());
    left && is_older && fallen.contains(&each.node.id())
}

/// The nodes that have yet to upgrade themselves to this version.
pub(crate) fn waiting<'s>(snapshot: &'s Snapshot, target: &'s Target) -> impl Iterator<Item = &'s NodeSnapshot> {
    snapshot.nodes.iter().filter(|each| {
        let node = &each.node;
        let is_up = node.status() == Status::Running || node.status().is_underway();
        let is_older = node.version().is_some_and(|own| own.cmp_precedence(&target.version).is_lt());
        is_up && node.spec().flavour.upgrades_itself() && is_older
    })
}

/// Says that the nodes' own upgrades fail, where they do.
pub(super) fn reasons(draft: &mut Draft<'_>) {
    let paused = draft.snapshot.rollouts.as_ref().and_then(Rollouts::watched);
    let paused = paused.filter(|rollout| rollout.phase == Phase::Paused);
    if let Some((version, pause)) = paused.and_then(|it| Some((it.target.version.clone(), it.pause.clone()?))) {
        draft.because(Cause::RolloutPaused { version, pause }, &[]);
    }
}
