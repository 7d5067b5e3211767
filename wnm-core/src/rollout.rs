//! A roll-out brings a new node program to the fleet: to a few nodes first, the canaries, and to the others once it has
//! proved itself there. What is known of it is here; what follows from it is decided in [`crate::decide`].
//!
//! Nothing here depends on who replaces a program: a node that upgrades itself is tried in the same way.

use std::collections::BTreeMap;

use semver::Version;
use serde::{Deserialize, Serialize};
use wnm_pm::node::{NodeId, ProcessId};

use crate::clock::UnixSeconds;
use crate::node::Node;

/// One very program: which version it says it is, and which file. Another file of the same version is another target.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// What it says it is.
    pub version: Version,
    /// SHA-256 of the file.
    pub digest: String,
}

/// How far a roll-out is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// A few nodes try the program; the others wait until it has proved itself there.
    Canary,
    /// It has proved itself: the others follow, a batch at a time.
    Batches,
    /// It failed too often: no node gets it before the owner resumes the roll-out or the program changes.
    Paused,
    /// The owner ended it.
    Aborted,
    /// No node is left to bring it to.
    Done,
}

impl Phase {
    /// The word that the database and the reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Canary => "canary",
            Self::Batches => "batches",
            Self::Paused => "paused",
            Self::Aborted => "aborted",
            Self::Done => "done",
        }
    }

    /// Whether cycles bring the program to nodes.
    #[must_use]
    pub fn is_active(self) -> bool {
        matches!(self, Self::Canary | Self::Batches)
    }
}

/// Why a roll-out was paused.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "pause", rename_all = "snake_case")]
pub enum Pause {
    /// It failed before it had proved itself on any node.
    CanaryFailed {
        /// On which node.
        node: NodeId,
        /// How.
        why: Failure,
    },
    /// It failed on a larger part of the fleet than `upgrade_failure_percent`.
    TooManyFailed {
        /// On how many nodes.
        failed: u32,
        /// Of how many.
        fleet: u32,
        /// The part that may fail.
        percent: f64,
    },
}

/// The program that is brought to the fleet, or was last.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Rollout {
    /// The program.
    pub target: Target,
    /// When it began.
    pub started_at: UnixSeconds,
    /// How far it is.
    pub phase: Phase,
    /// Since when.
    pub phase_since: UnixSeconds,
    /// Why it is paused; none unless it is.
    pub pause: Option<Pause>,
}

impl Rollout {
    /// The same in another phase.
    #[must_use]
    pub fn in_phase(&self, phase: Phase, pause: Option<Pause>, now: UnixSeconds) -> Self {
        Self { phase, phase_since: now, pause, ..self.clone() }
    }
}

/// As what a node got a program.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// As one of the first, to try it.
    Canary,
    /// As one of many, after it had proved itself.
    Batch,
    /// By its owner's word.
    Owner,
}

impl Role {
    /// The word that the database and the reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Canary => "canary",
            Self::Batch => "batch",
            Self::Owner => "owner",
        }
    }
}

/// How a program failed on a node. The sentences are in [`crate::report`].
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "failure", rename_all = "snake_case")]
pub enum Failure {
    /// The node was told to start with it, and did not live.
    DidNotStart {
        /// Why not.
        error: String,
    },
    /// It ended, or stopped answering for itself.
    Fell {
        /// What was seen.
        error: String,
    },
    /// Its process was another one than before: it ended, and its process manager started it again.
    Restarted,
    /// It lives and has no peers.
    NoPeers {
        /// How long it was given, in seconds.
        within_seconds: u64,
    },
    /// It needs far more memory than the program before it, in megabytes.
    Memory {
        /// What it used before.
        before: f64,
        /// What it uses now.
        now: f64,
    },
    /// It reports another version than its program does.
    OtherVersion {
        /// What it reports.
        reported: Version,
    },
    /// Its owner ended the roll-out.
    Aborted,
}

/// What becomes of the program before the one that failed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "revert", rename_all = "snake_case")]
pub enum Revert {
    /// It is to be put back.
    Due,
    /// It was put back.
    Done,
    /// It could not be put back.
    Failed {
        /// Why not.
        error: String,
    },
    /// It is not put back: `auto_revert` is off.
    Off,
}

/// What a node's trial of a program has come to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum TrialState {
    /// It goes on; the previous program is kept.
    Open {
        /// Since when the node has had the chance to be healthy with it; none while it waits to be started again.
        since: Option<UnixSeconds>,
        /// Since when it has been healthy without a fall; none while it is not.
        healthy_since: Option<UnixSeconds>,
        /// The process that has been healthy since, where its manager knows it.
        process: Option<ProcessId>,
    },
    /// The node was healthy with it for long enough.
    Proved {
        /// When that was seen.
        at: UnixSeconds,
        /// Whether the previous program was deleted.
        forgotten: bool,
    },
    /// The node was not.
    Failed {
        /// When that was seen.
        at: UnixSeconds,
        /// Why.
        why: Failure,
        /// What becomes of the previous program.
        revert: Revert,
    },
}

/// A node that got a program, and how it does with it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Trial {
    /// The node.
    pub node: NodeId,
    /// The program.
    pub target: Target,
    /// As what it got it.
    pub role: Role,
    /// The version that it ran before.
    pub from: Option<Version>,
    /// The memory that it used before, in megabytes.
    pub memory_before: Option<f64>,
    /// When it got it.
    pub began_at: UnixSeconds,
    /// What it has come to.
    pub state: TrialState,
}

impl Trial {
    /// Whose trial begins at `now`.
    #[must_use]
    pub fn begun(node: &Node, target: Target, role: Role, now: UnixSeconds) -> Self {
        Self {
            node: node.id(),
            target,
            role,
            from: node.version().cloned(),
            memory_before: node.metrics().and_then(|metrics| metrics.memory_megabytes),
            began_at: now,
            state: TrialState::Open { since: Some(now), healthy_since: None, process: None },
        }
    }

    /// Whether it goes on.
    #[must_use]
    pub fn is_open(&self) -> bool {
        matches!(self.state, TrialState::Open { .. })
    }

    /// Whether the node proved itself.
    #[must_use]
    pub fn is_proved(&self) -> bool {
        matches!(self.state, TrialState::Proved { .. })
    }

    /// Whether nothing is left to be seen or done for it.
    #[must_use]
    pub fn is_over(&self) -> bool {
        match &self.state {
            TrialState::Open { .. } => false,
            TrialState::Proved { forgotten, .. } => *forgotten,
            TrialState::Failed { revert, .. } => *revert != Revert::Due,
        }
    }

    /// Why the program failed there, where it did.
    #[must_use]
    pub fn failure(&self) -> Option<&Failure> {
        match &self.state {
            TrialState::Failed { why, .. } => Some(why),
            _ => None,
        }
    }

    /// Whether the previous program is to be put back.
    #[must_use]
    pub fn is_to_be_reverted(&self) -> bool {
        matches!(self.state, TrialState::Failed { revert: Revert::Due, .. })
    }

    /// The same, failed.
    #[must_use]
    pub fn failed(&self, why: Failure, revert: Revert, at: UnixSeconds) -> Self {
        Self { state: TrialState::Failed { at, why, revert }, ..self.clone() }
    }

    /// The same with this said of the previous program, where it failed.
    #[must_use]
    pub fn with_revert(&self, revert: Revert) -> Self {
        match &self.state {
            TrialState::Failed { at, why, .. } => self.failed(why.clone(), revert, *at),
            _ => self.clone(),
        }
    }
}

/// How many nodes a program was brought to, and what came of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize)]
pub struct Tally {
    /// Nodes that have it and have not proved themselves yet.
    pub open: u32,
    /// Nodes that proved themselves.
    pub proved: u32,
    /// Nodes that failed.
    pub failed: u32,
}

/// What is known of how new programs do on this machine.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Rollouts {
    /// SHA-256 of the node program on this machine; none where it is not known.
    pub digest: Option<String>,
    /// The roll-out that goes on, or the last one.
    pub last: Option<Rollout>,
    /// What each node does with the program that it got last.
    pub trials: BTreeMap<NodeId, Trial>,
}

impl Rollouts {
    /// The roll-out of the very program on this machine, where there is one.
    #[must_use]
    pub fn current(&self) -> Option<&Rollout> {
        self.last.as_ref().filter(|last| Some(&last.target.digest) == self.digest.as_ref())
    }

    /// The trials of a program, by node.
    pub fn of(&self, target: &Target) -> impl Iterator<Item = &Trial> {
        self.trials.values().filter(|trial| trial.target.digest == target.digest)
    }

    /// What has come of a program.
    #[must_use]
    pub fn tally(&self, target: &Target) -> Tally {
        let mut tally = Tally::default();
        for trial in self.of(target) {
            match trial.state {
                TrialState::Open { .. } => tally.open += 1,
                TrialState::Proved { .. } => tally.proved += 1,
                TrialState::Failed { .. } => tally.failed += 1,
            }
        }
        tally
    }

    /// The roll-out is this now. Of other programs' trials those are kept that have not come to an end.
    pub fn turn_to(&mut self, rollout: Rollout) {
        self.trials.retain(|_, trial| !trial.is_over() || trial.target.digest == rollout.target.digest);
        self.last = Some(rollout);
    }

    /// Whether a node was tried with the program on this machine and failed, so that it is not tried again.
    #[must_use]
    pub fn has_failed(&self, node: NodeId) -> bool {
        let trial = self.trials.get(&node).filter(|trial| Some(&trial.target.digest) == self.digest.as_ref());
        trial.is_some_and(|trial| trial.failure().is_some())
    }
}
