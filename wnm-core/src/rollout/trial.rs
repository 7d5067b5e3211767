//! A trial is one node with a new program, and how it does with it.

use semver::Version;
use serde::{Deserialize, Serialize};
use wnm_pm::node::{NodeId, ProcessId};

use super::Target;
use crate::clock::UnixSeconds;
use crate::node::Node;

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
    /// By itself.
    Itself,
}

impl Role {
    /// The word that the database and the reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Canary => "canary",
            Self::Batch => "batch",
            Self::Owner => "owner",
            Self::Itself => "itself",
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
    /// There is none: the node replaced it by itself.
    Nothing,
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
