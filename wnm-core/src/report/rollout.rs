//! A roll-out in words, and as programs read it.

use std::fmt::Write;

use serde::Serialize;

use super::count::counted;
use super::names::names;
use super::time_text;
use crate::decide::{untried, waiting_for_own_upgrade};
use crate::node::{NodeId, UnixSeconds};
use crate::rollout::{Failure, Pause, Phase, Revert, Role, Rollout, Rollouts, Tally, Trial, TrialState};
use crate::settings::Config;
use crate::snapshot::Snapshot;

/// A roll-out as programs read it.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct RolloutReport {
    /// The version that is rolled out, or was last.
    pub version: String,
    /// SHA-256 of its program; none where nodes upgrade themselves to it.
    pub digest: Option<String>,
    /// How far it is.
    pub phase: Phase,
    /// Since when, in seconds since the epoch.
    pub phase_since: UnixSeconds,
    /// When it began, in seconds since the epoch.
    pub started_at: UnixSeconds,
    /// Why it is paused, as a sentence without a full stop.
    pub paused_because: Option<String>,
    /// The nodes that tried it first.
    pub canaries: Vec<NodeId>,
    /// Running nodes that have an older version and get this one later, or upgrade themselves to it.
    pub waiting: u32,
    /// How many nodes it was brought to, and what came of it.
    #[serde(flatten)]
    pub tally: Tally,
    /// The nodes on which it failed.
    pub failed_nodes: Vec<FailedNode>,
    /// What happens next, and when.
    pub next: Next,
}

/// A node on which a program failed.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct FailedNode {
    /// Its number.
    pub node: NodeId,
    /// When that was seen, in seconds since the epoch.
    pub at: UnixSeconds,
    /// Why, as a sentence without a full stop.
    pub why: String,
    /// What became of the previous program, as a sentence without a full stop.
    pub previous: String,
}

/// What happens next.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Next {
    /// What, as a sentence without a full stop.
    pub what: String,
    /// When at the earliest, in seconds since the epoch; none where that is not known.
    pub at: Option<UnixSeconds>,
}

/// What is known of the last roll-out; none where there was none.
#[must_use]
pub fn rollout_report(config: &Config, snapshot: &Snapshot) -> Option<RolloutReport> {
    let rollouts = snapshot.rollouts.as_ref()?;
    let rollout = rollouts.last.as_ref()?;
    let of = |role: Role| rollouts.of(&rollout.target).filter(move |trial| trial.role == role).map(|trial| trial.node);
    let is_current = rollouts.current().or(rollouts.watched()).is_some();
    let waiting = match rollouts.watched() {
        Some(watched) => waiting_for_own_upgrade(snapshot, &watched.target).count(),
        None if is_current => untried(snapshot).count(),
        None => 0,
    };
    Some(RolloutReport {
        version: rollout.target.version.to_string(),
        digest: rollout.target.digest.clone(),
        phase: rollout.phase,
        phase_since: rollout.phase_since,
        started_at: rollout.started_at,
        paused_because: rollout.pause.as_ref().map(pause_text),
        canaries: of(Role::Canary).collect(),
        waiting: u32::try_from(waiting).unwrap_or(u32::MAX),
        tally: rollouts.tally(&rollout.target),
        failed_nodes: rollouts.of(&rollout.target).filter_map(failed_node).collect(),
        next: next(config, rollouts, rollout, is_current),
    })
}

fn failed_node(trial: &Trial) -> Option<FailedNode> {
    let TrialState::Failed { at, why, revert } = &trial.state else { return None };
    Some(FailedNode { node: trial.node, at: *at, why: failure_text(why), previous: revert_text(revert) })
}

fn next(config: &Config, rollouts: &Rollouts, rollout: &Rollout, is_current: bool) -> Next {
    let next = |what: &str, at| Next { what: what.to_owned(), at };
    let settle = UnixSeconds::try_from(config.upgrade_settle_seconds).unwrap_or(UnixSeconds::MAX);
    let proved_at = |trial: &Trial| match trial.state {
        TrialState::Open { healthy_since, .. } => Some(healthy_since?.saturating_add(settle)),
        _ => None,
    };
    let latest = rollouts.of(&rollout.target).filter_map(proved_at).max();
    match rollout.phase {
        Phase::Canary | Phase::Batches if rollout.target.digest.is_none() => {
            next("the other nodes upgrade themselves within a day", None)
        }
        Phase::Paused if rollout.target.digest.is_none() => {
            next("no node is added before `wnm rollout resume` or the nodes' next version", None)
        }
        Phase::Canary | Phase::Batches if !is_current => next("ends, since the node program has changed", None),
        Phase::Canary => next("the other nodes follow once the canaries have proved themselves", latest),
        Phase::Batches => next("the next nodes follow once the last ones have proved themselves", latest),
        Phase::Paused => next("waits for `wnm rollout resume`, `wnm rollout abort` or another node program", None),
        Phase::Aborted => next("waits for `wnm rollout resume` or another node program", None),
        Phase::Done => next("nothing is left to do", None),
    }
}

/// The roll-out in words, several lines.
#[must_use]
pub fn rollout_text(report: &RolloutReport) -> String {
    let RolloutReport { version, phase, canaries, waiting, tally, failed_nodes, next, .. } = report;
    let mut text = format!("roll-out of {version}: {} since {}\n", phase.as_str(), time_text(report.phase_since));
    let mut line = |what: &str, words: &str| writeln!(text, "  {what}: {words}").expect("a string takes all");
    match &report.digest {
        Some(digest) => line("program", &format!("sha256 {digest}")),
        None => line("program", "nodes upgrade themselves"),
    }
    line("began", &time_text(report.started_at));
    if let Some(why) = &report.paused_because {
        line("paused", why);
    }
    if !canaries.is_empty() {
        line("canaries", &names(canaries));
    }
    let Tally { open, proved, failed } = tally;
    line("nodes", &format!("{proved} proved, {open} on trial, {failed} failed, {waiting} waiting"));
    for FailedNode { node, why, previous, .. } in failed_nodes {
        line(&node.name(), &format!("{why}; {previous}"));
    }
    let at = next.at.map_or_else(String::new, |at| format!(" (not before {})", time_text(at)));
    line("next", &format!("{}{at}", next.what));
    text
}

/// Why a roll-out is paused, as a sentence without a full stop.
#[must_use]
pub fn pause_text(pause: &Pause) -> String {
    match pause {
        Pause::CanaryFailed { node, why } => format!("it failed on {}: {}", node.name(), failure_text(why)),
        Pause::TooManyFailed { failed, fleet, percent } => {
            format!(
                "it failed on {failed} of {} (upgrade_failure_percent = {percent} %)",
                counted(*fleet as usize, "node")
            )
        }
    }
}

/// How a program failed on a node, as a sentence without a full stop.
#[must_use]
pub fn failure_text(failure: &Failure) -> String {
    match failure {
        Failure::DidNotStart { error } | Failure::Fell { error } => error.clone(),
        Failure::Restarted => "it ended and was started again by its process manager".to_owned(),
        Failure::NoPeers { within_seconds } => format!("it had no peers within {within_seconds} s"),
        Failure::Memory { before, now } => {
            format!("it uses {now:.0} MB of memory, and used {before:.0} MB with the version before")
        }
        Failure::OtherVersion { reported } => format!("it reports version {reported}"),
        Failure::Aborted => "its owner ended the roll-out".to_owned(),
    }
}

fn revert_text(revert: &Revert) -> String {
    match revert {
        Revert::Due => "its previous program is put back next".to_owned(),
        Revert::Done => "its previous program was put back".to_owned(),
        Revert::Failed { error } => format!("its previous program could not be put back: {error}"),
        Revert::Nothing => "it upgraded itself, and keeps no previous program".to_owned(),
        Revert::Off => "its previous program is kept, and not put back (auto_revert = false)".to_owned(),
    }
}

/// What a trial has come to, as the history has it.
#[must_use]
pub fn trial_text(trial: &Trial) -> String {
    let version = &trial.target.version;
    match &trial.state {
        TrialState::Open { healthy_since: None, .. } => format!("{version} is on trial"),
        TrialState::Open { .. } => format!("{version} is on trial, healthy so far"),
        TrialState::Proved { forgotten: false, .. } => format!("{version} has proved itself"),
        TrialState::Proved { .. } => format!("{version} has proved itself; the previous program was deleted"),
        TrialState::Failed { why, revert, .. } => {
            format!("{version} failed: {}; {}", failure_text(why), revert_text(revert))
        }
    }
}

/// Where a roll-out has come to, as the history has it.
pub(crate) fn moved_text(rollout: &Rollout) -> String {
    let pause = rollout.pause.as_ref().map(|pause| format!(": {}", pause_text(pause))).unwrap_or_default();
    format!("roll-out of {}: {}{pause}", rollout.target.version, rollout.phase.as_str())
}
