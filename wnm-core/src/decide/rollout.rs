//! A roll-out goes from phase to phase by what its trials come to, and says which nodes get the program next.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;

use super::trial::{Bench, Verdict, memory};
use super::{Draft, count, numbers, upgrade, watch};
use crate::event::Event;
use crate::node::{NodeId, Status};
use crate::plan::{Action, Cause, Rule};
use crate::rollout::{Pause, Phase, Rollout, Rollouts, Target, Trial, TrialState};
use crate::settings::Config;
use crate::snapshot::{NodeSnapshot, Snapshot};

/// Takes what was just observed into what is known of the roll-out: trials are judged, and it goes on to another phase, or
/// begins. The snapshot must have been reconciled; `fallen` are the nodes that fell for it. Answers what has changed.
#[must_use]
pub fn advance(config: &Config, snapshot: &mut Snapshot, fallen: &[NodeId]) -> Vec<Event> {
    let Some(mut rollouts) = snapshot.rollouts.take() else { return Vec::new() };
    let mut events = judge(config, snapshot, &mut rollouts, fallen);
    snapshot.rollouts = Some(rollouts);
    if let Some(rollout) = next(config, snapshot) {
        events.push(Event::RolloutMoved { rollout: Box::new(rollout.clone()) });
        if let Some(rollouts) = &mut snapshot.rollouts {
            rollouts.turn_to(rollout);
        }
    }
    events
}

fn judge(config: &Config, snapshot: &Snapshot, rollouts: &mut Rollouts, fallen: &[NodeId]) -> Vec<Event> {
    let nodes: BTreeMap<NodeId, &NodeSnapshot> = snapshot.nodes.iter().map(|each| (each.node.id(), each)).collect();
    let usual_memory = usual_memory(snapshot, rollouts);
    let rebooted = snapshot.boot_time > snapshot.last_surveyed_boot;
    let mut events = Vec::new();
    for trial in rollouts.trials.clone().into_values() {
        let Some(each) = nodes.get(&trial.node) else { continue };
        let fell = fallen.contains(&trial.node);
        let bench = Bench { config, now: snapshot.now, rebooted, fell, usual_memory };
        match bench.judge(&trial, each) {
            Verdict::Same => {}
            Verdict::Became(trial) => {
                rollouts.trials.insert(trial.node, (*trial).clone());
                events.push(Event::Tried { trial });
            }
            Verdict::Void => {
                rollouts.trials.remove(&trial.node);
                events.push(Event::TrialVoid { node: trial.node });
            }
        }
    }
    events
}

/// The memory of the one in the middle of the nodes that are not on trial.
fn usual_memory(snapshot: &Snapshot, rollouts: &Rollouts) -> Option<f64> {
    let on_trial = |each: &&NodeSnapshot| rollouts.trials.get(&each.node.id()).is_some_and(Trial::is_open);
    let others = snapshot.nodes.iter().filter(|each| !on_trial(each));
    let mut figures: Vec<f64> = others.filter_map(memory).collect();
    figures.sort_by(f64::total_cmp);
    figures.get(figures.len() / 2).copied()
}

/// What the roll-out becomes; none where it stays as it is.
fn next(config: &Config, snapshot: &Snapshot) -> Option<Rollout> {
    let rollouts = snapshot.rollouts.as_ref()?;
    let waiting = untried(snapshot).next().is_some();
    if let Some(watched) = rollouts.watched().filter(|_| !waiting) {
        let waiting = watch::waiting(snapshot, &watched.target).next().is_some();
        return moved(config, snapshot, rollouts, watched, waiting);
    }
    let available = snapshot.available.as_ref()?;
    if let Some(current) = rollouts.current() {
        return moved(config, snapshot, rollouts, current, waiting);
    }
    // One version at a time: what another one does to the nodes that have it is seen first.
    let is_busy = rollouts.trials.values().any(|trial| trial.is_open() || trial.is_to_be_reverted());
    let digest = rollouts.digest.clone().filter(|_| waiting && !is_busy)?;
    let target = Target { version: available.version.clone(), digest: Some(digest) };
    let (now, phase) = (snapshot.now, first_phase(config, rollouts, &target));
    Some(Rollout { target, started_at: now, phase, phase_since: now, pause: None })
}

/// Where a roll-out begins, or goes on: with canaries until as many as there shall be have proved themselves.
pub(crate) fn first_phase(config: &Config, rollouts: &Rollouts, target: &Target) -> Phase {
    let is_proved = rollouts.tally(target).proved >= config.upgrade_canary;
    if is_proved { Phase::Batches } else { Phase::Canary }
}

fn moved(config: &Config, snapshot: &Snapshot, rollouts: &Rollouts, last: &Rollout, waiting: bool) -> Option<Rollout> {
    let tally = rollouts.tally(&last.target);
    let to = |phase, pause| Some(last.in_phase(phase, pause, snapshot.now));
    let is_over = !waiting && tally.open == 0;
    match last.phase {
        Phase::Canary | Phase::Batches => match pause(config, snapshot, rollouts, last) {
            Some(pause) => to(Phase::Paused, Some(pause)),
            None if is_over => to(Phase::Done, None),
            None => {
                let phase = first_phase(config, rollouts, &last.target);
                let goes_on = last.phase == Phase::Canary && phase == Phase::Batches;
                if goes_on { to(phase, None) } else { None }
            }
        },
        Phase::Done if waiting => to(first_phase(config, rollouts, &last.target), None),
        Phase::Done | Phase::Paused | Phase::Aborted => None,
    }
}

/// Why the roll-out must not go on, where it must not.
fn pause(config: &Config, snapshot: &Snapshot, rollouts: &Rollouts, last: &Rollout) -> Option<Pause> {
    let mut failures = rollouts.of(&last.target).filter_map(|trial| Some((trial.node, trial.failure()?)));
    if last.phase == Phase::Canary {
        let (node, why) = failures.next()?;
        return Some(Pause::CanaryFailed { node, why: why.clone() });
    }
    let (failed, fleet, percent) =
        (count(&failures.collect::<Vec<_>>()), fleet(snapshot), config.upgrade_failure_percent);
    let is_too_much = f64::from(failed) * 100.0 > percent * f64::from(fleet);
    is_too_much.then_some(Pause::TooManyFailed { failed, fleet, percent })
}

/// How many nodes the program is for.
fn fleet(snapshot: &Snapshot) -> u32 {
    let counts = |each: &&NodeSnapshot| {
        let is_kept = !matches!(each.node.status(), Status::Disabled | Status::Removing | Status::Dead);
        is_kept && each.node.spec().flavour == snapshot.flavour
    };
    u32::try_from(snapshot.nodes.iter().filter(counts).count()).unwrap_or(u32::MAX)
}

/// The running nodes that are older than the program on this machine and have not failed with it.
pub(crate) fn untried(snapshot: &Snapshot) -> impl Iterator<Item = &NodeSnapshot> {
    let available = snapshot.available.as_ref();
    let failed = |id| snapshot.rollouts.as_ref().is_some_and(|rollouts| rollouts.has_failed(id));
    snapshot.nodes.iter().filter(move |each| {
        let is_outdated = available.is_some_and(|program| upgrade::is_outdated(each, program, snapshot.flavour));
        is_outdated && each.node.status() == Status::Running && !failed(each.node.id())
    })
}

/// The nodes whose previous program is put back now: whatever else is to be done, a fleet runs on with what worked.
pub(super) fn reverts(draft: &mut Draft<'_>) -> Vec<Action> {
    let Some(rollouts) = &draft.snapshot.rollouts else { return Vec::new() };
    let may_be = |each: &&NodeSnapshot| {
        let life = each.node.life();
        let is_kept = !matches!(life.status(), Status::Disabled | Status::Removing | Status::Dead | Status::Migrating);
        is_kept && !life.is_stopped_by_owner() && life.pending().is_none() && !each.lives_without_directory()
    };
    let nodes = draft.snapshot.nodes.iter().filter(may_be);
    let due = nodes.filter_map(|each| rollouts.trials.get(&each.node.id()).filter(|trial| trial.is_to_be_reverted()));
    let due: Vec<&Trial> = due.collect();
    let nodes: Vec<NodeId> = due.iter().map(|trial| trial.node).collect();
    let versions: BTreeSet<&Version> = due.iter().map(|trial| &trial.target.version).collect();
    for version in versions {
        let nodes: Vec<NodeId> =
            due.iter().filter(|trial| trial.target.version == *version).map(|trial| trial.node).collect();
        draft.because_of(Cause::Reverting { version: version.clone() }, &nodes);
    }
    nodes.into_iter().map(|number| Action::Revert { number }).collect()
}

/// The nodes whose previous program is deleted now, since they have proved themselves.
pub(super) fn forgets(draft: &mut Draft<'_>) -> Vec<Action> {
    let Some(rollouts) = &draft.snapshot.rollouts else { return Vec::new() };
    let is_left = |trial: &&Trial| matches!(trial.state, TrialState::Proved { forgotten: false, .. });
    let mut numbers: Vec<NodeId> = rollouts.trials.values().filter(is_left).map(|trial| trial.node).collect();
    let is_there = |id: &NodeId| draft.snapshot.nodes.iter().any(|each| each.node.id() == *id);
    numbers.retain(is_there);
    draft.because_of(Cause::Proved, &numbers);
    if numbers.is_empty() { Vec::new() } else { vec![Action::ForgetPrevious { numbers }] }
}

/// Which of the outdated nodes get the program in this cycle. `ready` are those that may be tried, oldest first.
pub(super) fn upgrades(draft: &mut Draft<'_>, ready: &[&NodeSnapshot]) -> Vec<Action> {
    let Some(available) = draft.snapshot.available.as_ref() else { return Vec::new() };
    let Some(rollouts) = draft.snapshot.rollouts.as_ref() else { return Vec::new() };
    let ready: Vec<_> = ready.iter().copied().filter(|each| !rollouts.has_failed(each.node.id())).collect();
    let version = &available.version;
    let Some(rollout) = rollouts.current() else {
        hold_back(draft, rollouts, version, count(&ready));
        return Vec::new();
    };
    if !rollout.phase.is_active() {
        stands(draft, rollout);
        return Vec::new();
    }
    let open = rollouts.tally(&rollout.target).open;
    let limit =
        draft.narrower(Rule::MaxConcurrentUpgrades, upgrading(draft, rollouts), draft.config.max_concurrent_upgrades);
    let most = match rollout.phase {
        Phase::Canary => limit.free().min(canaries_left(draft.config, rollouts, &rollout.target)),
        _ => limit.free(),
    };
    let chosen = choose(draft, &ready, rollout, most as usize);
    let waiting = count(&ready) - count(&chosen);
    draft.because_of(Cause::Outdated { version: version.clone() }, &chosen);
    proving(draft, rollouts, rollout);
    if waiting > 0 && rollout.phase == Phase::Canary && most < limit.free() {
        let canaries = open + count(&chosen);
        draft.because(Cause::CanariesFirst { waiting, canaries, version: version.clone() }, &[]);
    } else if waiting > 0 {
        let limit = limit.after(chosen.len());
        draft.because(Cause::UpgradesLater { waiting, version: version.clone(), limit }, &[]);
    }
    chosen.into_iter().map(|number| Action::Upgrade { number, to: available.clone() }).collect()
}

fn canaries_left(config: &Config, rollouts: &Rollouts, target: &Target) -> u32 {
    let tally = rollouts.tally(target);
    config.upgrade_canary.saturating_sub(tally.open + tally.proved)
}

/// How many nodes are being upgraded: on their way up with another program, or not proved yet.
fn upgrading(draft: &Draft<'_>, rollouts: &Rollouts) -> u32 {
    let is_open = |each: &NodeSnapshot| rollouts.trials.get(&each.node.id()).is_some_and(Trial::is_open);
    let nodes = draft.snapshot.nodes.iter();
    let busy = nodes.filter(|each| each.node.status() == Status::Upgrading || is_open(each));
    u32::try_from(busy.count()).unwrap_or(u32::MAX)
}

/// The oldest first; canaries so that as few as can be share a container group.
fn choose(draft: &Draft<'_>, ready: &[&NodeSnapshot], rollout: &Rollout, most: usize) -> Vec<NodeId> {
    if rollout.phase != Phase::Canary {
        return numbers(&ready[..ready.len().min(most)]);
    }
    let mut taken: BTreeMap<Option<u32>, u32> = BTreeMap::new();
    let is_tried = |each: &&NodeSnapshot| {
        let trial = draft.snapshot.rollouts.as_ref().and_then(|rollouts| rollouts.trials.get(&each.node.id()));
        trial.is_some_and(|trial| trial.target == rollout.target)
    };
    for each in draft.snapshot.nodes.iter().filter(is_tried) {
        *taken.entry(each.node.spec().group).or_default() += 1;
    }
    let mut chosen = Vec::new();
    while chosen.len() < most {
        let left = ready.iter().filter(|each| !chosen.contains(&each.node.id()));
        let Some(each) = left.min_by_key(|each| taken.get(&each.node.spec().group).copied().unwrap_or(0)) else {
            break;
        };
        *taken.entry(each.node.spec().group).or_default() += 1;
        chosen.push(each.node.id());
    }
    chosen
}

/// Says which nodes have yet to prove themselves.
fn proving(draft: &mut Draft<'_>, rollouts: &Rollouts, rollout: &Rollout) {
    let open: Vec<NodeId> =
        rollouts.of(&rollout.target).filter(|trial| trial.is_open()).map(|trial| trial.node).collect();
    let cause =
        Cause::Proving { version: rollout.target.version.clone(), settle_seconds: draft.config.upgrade_settle_seconds };
    draft.because_of(cause, &open);
}

/// Says why a roll-out does not go on.
fn stands(draft: &mut Draft<'_>, rollout: &Rollout) {
    let version = rollout.target.version.clone();
    match (rollout.phase, &rollout.pause) {
        (Phase::Paused, Some(pause)) => {
            draft.because(Cause::RolloutPaused { version, pause: pause.clone() }, &[]);
        }
        (Phase::Paused | Phase::Aborted, _) => draft.because(Cause::RolloutAborted { version }, &[]),
        _ => {}
    }
}

/// Says what a roll-out that has not begun waits for.
fn hold_back(draft: &mut Draft<'_>, rollouts: &Rollouts, version: &Version, waiting: u32) {
    let unfinished: Vec<&Trial> =
        rollouts.trials.values().filter(|trial| trial.is_open() || trial.is_to_be_reverted()).collect();
    let nodes: Vec<NodeId> = unfinished.iter().map(|trial| trial.node).collect();
    if let Some(trial) = unfinished.first().filter(|_| waiting > 0) {
        let cause = Cause::OneAtATime { version: version.clone(), other: trial.target.version.clone() };
        draft.because(cause, &nodes);
    }
}

/// The version that new nodes would get, or upgrade themselves to, where it has not proved itself here while there are nodes to
/// try it on, or has failed here.
pub(super) fn unproved(snapshot: &Snapshot) -> Option<&Version> {
    let rollouts = snapshot.rollouts.as_ref()?;
    if let Some(watched) = rollouts.watched().filter(|rollout| rollout.phase == Phase::Paused) {
        return Some(&watched.target.version);
    }
    let stands = rollouts.current().is_some_and(|rollout| rollout.phase != Phase::Done);
    let is_unproved = stands || untried(snapshot).next().is_some();
    snapshot.available.as_ref().filter(|_| is_unproved).map(|program| &program.version)
}
