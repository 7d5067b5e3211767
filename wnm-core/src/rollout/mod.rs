//! A roll-out brings a new node program to the fleet: to a few nodes first, the canaries, and to the others once it has
//! proved itself there. What is known of it is here; what follows from it is decided in [`crate::decide`].
//!
//! Nothing here depends on who replaces a program: a node that upgrades itself is tried in the same way.

use std::collections::BTreeMap;

use semver::Version;
use serde::{Deserialize, Serialize};
use wnm_pm::node::NodeId;

use crate::clock::UnixSeconds;

mod trial;

pub use trial::{Failure, Revert, Role, Trial, TrialState};

/// One very program: which version it says it is, and which file. Another file of the same version is another target. Of a
/// version that nodes upgrade themselves to only its name is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Target {
    /// What it says it is.
    pub version: Version,
    /// SHA-256 of the file; none where nodes upgrade themselves to it.
    pub digest: Option<String>,
}

impl Target {
    /// A version that nodes upgrade themselves to.
    #[must_use]
    pub fn of_nodes(version: Version) -> Self {
        Self { version, digest: None }
    }
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
        self.last.as_ref().filter(|last| last.target.digest.is_some() && last.target.digest == self.digest)
    }

    /// The roll-out of a version that nodes upgrade themselves to, where that is the last one: wnm watches it.
    #[must_use]
    pub fn watched(&self) -> Option<&Rollout> {
        self.last.as_ref().filter(|last| last.target.digest.is_none())
    }

    /// The trials of a program, by node.
    pub fn of(&self, target: &Target) -> impl Iterator<Item = &Trial> {
        self.trials.values().filter(|trial| trial.target == *target)
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
        self.trials.retain(|_, trial| !trial.is_over() || trial.target == rollout.target);
        self.last = Some(rollout);
    }

    /// Whether a node was tried with the program on this machine and failed, so that it is not tried again.
    #[must_use]
    pub fn has_failed(&self, node: NodeId) -> bool {
        let trial = self.trials.get(&node).filter(|trial| trial.target.digest == self.digest);
        trial.is_some_and(|trial| trial.failure().is_some())
    }
}
