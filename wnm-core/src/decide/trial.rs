//! A trial is judged by what is seen of its node: it goes on, the node has proved itself, or the program has failed there.

use super::health::{Health, health};
use crate::node::{Desired, Status, UnixSeconds};
use crate::rollout::{Failure, Revert, Role, Trial, TrialState};
use crate::settings::Config;
use crate::snapshot::{Answer, NodeSnapshot};
use wnm_pm::node::ProcessId;
use wnm_pm::process_manager::ProcessState;

/// What becomes of a trial.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// Nothing that was not known.
    Same,
    /// It is this now.
    Became(Box<Trial>),
    /// There is nothing to be learnt from it: the node never got the program, or nobody wants it to run.
    Void,
}

/// A new program that needs this many times the memory of the one before it has failed: thresholds and `node_cap` were
/// found for nodes of the old size, and with all nodes so large the machine would stop them in turns. A release that
/// needs twice as much is still left to them.
const MEMORY_FACTOR: f64 = 3.0;
/// Less than this more, in megabytes, is no failure, however small the node was.
const MEMORY_MARGIN_MEGABYTES: f64 = 100.0;

/// What is known beside the node when it is judged.
pub(super) struct Bench<'a> {
    pub config: &'a Config,
    pub now: UnixSeconds,
    /// Whether the machine was restarted since it was last seen.
    pub rebooted: bool,
    /// Whether it fell since it was last seen, and not with the machine or its container.
    pub fell: bool,
    /// The memory that nodes of this machine use, in megabytes, for one that is not known to have used any before.
    pub usual_memory: Option<f64>,
}

impl Bench<'_> {
    /// What becomes of this trial.
    pub fn judge(&self, trial: &Trial, each: &NodeSnapshot) -> Verdict {
        match &trial.state {
            _ if each.node.life().pending().is_some() => Verdict::Same,
            TrialState::Open { since, healthy_since, process } => {
                self.judge_open(trial, each, &Run { since: *since, healthy_since: *healthy_since, process: *process })
            }
            TrialState::Failed { revert, .. } if *revert != Revert::Done && runs_another(trial, each) => {
                Verdict::Became(Box::new(trial.with_revert(Revert::Done)))
            }
            TrialState::Failed { .. } | TrialState::Proved { .. } => Verdict::Same,
        }
    }

    fn judge_open(&self, trial: &Trial, each: &NodeSnapshot, run: &Run) -> Verdict {
        let life = each.node.life();
        if matches!(life.status(), Status::Disabled | Status::Removing | Status::Dead | Status::Migrating)
            || life.desired() == Desired::Stop
        {
            return Verdict::Void;
        }
        // What an interrupted upgrade was still doing to a node is not the program's fault, once.
        let is_first = run.since.is_some() && run.healthy_since.is_none();
        let counts = trial.role == Role::Itself || is_upgraded(trial, each) || !is_first;
        if self.fell && counts {
            let error = life.last_error().unwrap_or_default().to_owned();
            return self.failed(trial, Failure::Fell { error });
        }
        if !each.lives() || self.rebooted {
            // It waits to be started again, through no fault of its own: its time begins anew then.
            let waiting = Run { since: None, healthy_since: None, process: None };
            return became(trial, run, &waiting);
        }
        if runs_another(trial, each) {
            return self.another_version(trial, each);
        }
        match self.fault(trial, each, run) {
            Some(failure) => self.failed(trial, failure),
            None => self.go_on(trial, each, run),
        }
    }

    /// A node that was upgraded and reports another version lies; one whose upgrade was interrupted never had it.
    fn another_version(&self, trial: &Trial, each: &NodeSnapshot) -> Verdict {
        match reported(each) {
            Some(reported) if is_upgraded(trial, each) => {
                self.failed(trial, Failure::OtherVersion { reported: reported.clone() })
            }
            _ => Verdict::Void,
        }
    }

    /// What a living node does that no good program does.
    fn fault(&self, trial: &Trial, each: &NodeSnapshot, run: &Run) -> Option<Failure> {
        // One that wnm itself started anew did not fall.
        if run.is_another(each) && each.node.process().is_some_and(|own| process(each) != Some(own)) {
            return Some(Failure::Restarted);
        }
        let (before, now) = (trial.memory_before.or(self.usual_memory)?, memory(each)?);
        let is_far_more = now > before * MEMORY_FACTOR && now > before + MEMORY_MARGIN_MEGABYTES;
        is_far_more.then_some(Failure::Memory { before, now })
    }

    fn go_on(&self, trial: &Trial, each: &NodeSnapshot, run: &Run) -> Verdict {
        match is_healthy(self.config, each, self.settle() > 0) {
            None => Verdict::Same,
            Some(true) => {
                let same = run.healthy_since.filter(|since| *since <= self.now && !run.is_another(each));
                let since = same.unwrap_or(self.now);
                if self.now >= since.saturating_add(self.settle()) && each.node.status() == Status::Running {
                    let forgotten = trial.role == Role::Itself;
                    let state = TrialState::Proved { at: self.now, forgotten };
                    return Verdict::Became(Box::new(Trial { state, ..trial.clone() }));
                }
                let process = process(each).or(run.process);
                became(trial, run, &Run { since: Some(self.begin(run)), healthy_since: Some(since), process })
            }
            Some(false) => {
                let within = self.settle().saturating_add(seconds(self.config.delay_upgrade));
                let since = self.begin(run);
                if self.now >= since.saturating_add(within) {
                    return self.failed(trial, Failure::NoPeers { within_seconds: within.cast_unsigned() });
                }
                became(trial, run, &Run { since: Some(since), healthy_since: None, process: run.process })
            }
        }
    }

    /// Since when it has had its chance. A beginning that lies ahead means that the clock was set back.
    fn begin(&self, run: &Run) -> UnixSeconds {
        run.since.filter(|since| *since <= self.now).unwrap_or(self.now)
    }

    fn settle(&self) -> UnixSeconds {
        seconds(self.config.upgrade_settle_seconds)
    }

    fn failed(&self, trial: &Trial, why: Failure) -> Verdict {
        let revert = match trial.role {
            Role::Itself => Revert::Nothing,
            _ if self.config.auto_revert => Revert::Due,
            _ => Revert::Off,
        };
        Verdict::Became(Box::new(trial.failed(why, revert, self.now)))
    }
}

/// What is known of a node that is on trial.
#[derive(PartialEq)]
struct Run {
    since: Option<UnixSeconds>,
    healthy_since: Option<UnixSeconds>,
    process: Option<ProcessId>,
}

impl Run {
    /// Whether the process is another one than the one that was healthy.
    fn is_another(&self, each: &NodeSnapshot) -> bool {
        self.process.is_some() && process(each).is_some() && self.process != process(each)
    }
}

fn became(trial: &Trial, before: &Run, run: &Run) -> Verdict {
    if before == run {
        return Verdict::Same;
    }
    let state = TrialState::Open { since: run.since, healthy_since: run.healthy_since, process: run.process };
    Verdict::Became(Box::new(Trial { state, ..trial.clone() }))
}

/// Whether a node was just seen to live and to answer for itself, or to show that it is well where it answers no questions.
#[must_use]
pub fn is_well(each: &NodeSnapshot) -> bool {
    let answers = match each.seen.as_ref().map(|seen| &seen.answer) {
        Some(Answer::Node { peer_id, .. }) => {
            peer_id.is_none() || each.node.peer_id().is_none() || peer_id.as_deref() == each.node.peer_id()
        }
        Some(Answer::Signs { signs }) => signs.has_port != Some(false),
        // It has no metrics server to be asked at.
        _ => each.node.spec().ports.metrics().is_none(),
    };
    each.lives() && answers
}

/// Whether a node is healthy: it lives, answers for itself, and has peers where it counts them and that `counts`. None where
/// nobody can tell: what is not known is neither.
pub(crate) fn is_healthy(config: &Config, each: &NodeSnapshot, counts: bool) -> Option<bool> {
    let seen = each.seen.as_ref()?;
    match health(config, &each.node, seen) {
        _ if !each.lives() => Some(false),
        Health::Unknown => None,
        // It may come up yet; where it does not, reconciling says so.
        Health::Bad(_) => None,
        Health::Good(_) => Some(!counts || known_peers(each) != Some(0)),
    }
}

fn known_peers(each: &NodeSnapshot) -> Option<u64> {
    match &each.seen.as_ref()?.answer {
        Answer::Node { metrics, .. } => metrics.connected_peers,
        Answer::Signs { signs } => signs.peers,
        _ => None,
    }
}

pub(super) fn memory(each: &NodeSnapshot) -> Option<f64> {
    match &each.seen.as_ref()?.answer {
        Answer::Node { metrics, .. } => metrics.memory_megabytes,
        Answer::Signs { signs } => signs.memory_megabytes,
        _ => None,
    }
}

fn reported(each: &NodeSnapshot) -> Option<&semver::Version> {
    match &each.seen.as_ref()?.answer {
        Answer::Node { version, .. } => version.as_ref(),
        Answer::Signs { signs } => signs.version.as_ref(),
        _ => None,
    }
}

/// Whether it was recorded that the node has the program: where the upgrade was interrupted, nobody knows.
fn is_upgraded(trial: &Trial, each: &NodeSnapshot) -> bool {
    each.node.spec().version.as_ref() == Some(&trial.target.version)
}

/// Whether a node was just seen to run another version than it is tried with.
fn runs_another(trial: &Trial, each: &NodeSnapshot) -> bool {
    reported(each).is_some_and(|version| version.cmp_precedence(&trial.target.version).is_ne())
}

fn process(each: &NodeSnapshot) -> Option<ProcessId> {
    match each.seen.as_ref()?.process {
        Ok(ProcessState::Running { process }) => process,
        _ => None,
    }
}

fn seconds(seconds: u64) -> UnixSeconds {
    UnixSeconds::try_from(seconds).unwrap_or(UnixSeconds::MAX)
}
