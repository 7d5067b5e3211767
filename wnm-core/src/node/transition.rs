//! What can happen to a node: steps that are begun and end, and what is observed of it.

use std::fmt;

use semver::Version;
use serde::{Deserialize, Serialize};
use wnm_pm::node::ProcessId;
use wnm_pm::process_manager::Created;

use super::{Evidence, Status, Verb};

/// One thing that happens to a node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transition {
    /// A step is about to be carried out on it; the step is pending from now on.
    Intended(Intent),
    /// The process manager created it; its start is pending next.
    Created(Created),
    /// It could not be created, and what there is of it could not be removed.
    CreationFailed {
        /// Why it could not be created.
        error: String,
    },
    /// It was told to start. Whether it is up is checked later.
    Started {
        /// Its process, where the manager knows it.
        process: Option<ProcessId>,
    },
    /// It was told to start, and does not run.
    StartFailed {
        /// Why not.
        error: String,
    },
    /// Its program was replaced and it was told to start.
    Upgraded {
        /// Its process, where the manager knows it.
        process: Option<ProcessId>,
        /// The version of the new program.
        version: Version,
    },
    /// Its previous program was put back and it was told to start.
    Reverted {
        /// Its process, where the manager knows it.
        process: Option<ProcessId>,
        /// The version of the previous program, where it is known.
        version: Option<Version>,
    },
    /// It does not run any more: what was pending, a stop, a disabling or a removal, got that far.
    Stopped,
    /// It is managed again.
    Enabled,
    /// Its owner gives it another chance: how often it fell before does not count.
    Forgiven,
    /// The pending step failed, and the node is what it was before.
    StepFailed {
        /// Why.
        error: String,
    },
    /// It was observed, and is not what the database says.
    Observed {
        /// What it was found to be.
        found: Found,
        /// What was seen.
        why: Evidence,
    },
    /// The pending step was interrupted before its outcome was recorded, and this is what became of it.
    Resolved {
        /// How it ended.
        end: End,
        /// What was seen.
        why: Evidence,
    },
}

impl Transition {
    /// A start that wnm itself lacks the means for: the node does not run, and nothing is wrong with it.
    #[must_use]
    pub fn unable(reason: String) -> Self {
        Self::Resolved { end: End::Stopped, why: Evidence::Unable { reason } }
    }

    /// Why a step failed, where it did.
    #[must_use]
    pub fn error(&self) -> Option<&str> {
        match self {
            Self::Resolved { why: Evidence::Unable { reason }, .. } => Some(reason),
            Self::CreationFailed { error } | Self::StartFailed { error } | Self::StepFailed { error } => Some(error),
            _ => None,
        }
    }
}

/// A step that is about to be carried out on a node that there is already. Adding begins with [`super::Node::planned`].
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Intent {
    /// To start it.
    Start,
    /// To stop it.
    Stop {
        /// Whether its owner asked for it, so that only its owner starts it again.
        by_owner: bool,
    },
    /// To stop and start it.
    Restart,
    /// To replace its program.
    Upgrade,
    /// To put its previous program back.
    Revert,
    /// To remove it.
    Remove {
        /// Seconds until its files are deleted; 0 for at once.
        delay_seconds: u64,
    },
    /// To stop it and leave it unmanaged.
    Disable,
    /// To manage it again.
    Enable,
}

impl Intent {
    /// What is about to be done.
    #[must_use]
    pub fn verb(self) -> Verb {
        match self {
            Self::Start => Verb::Start,
            Self::Stop { .. } => Verb::Stop,
            Self::Restart => Verb::Restart,
            Self::Upgrade => Verb::Upgrade,
            Self::Revert => Verb::Revert,
            Self::Remove { .. } => Verb::Remove,
            Self::Disable => Verb::Disable,
            Self::Enable => Verb::Enable,
        }
    }
}

/// What a node was found to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Found {
    /// Up: its process lives and answers for itself.
    Running,
    /// Down through no fault of its own, and nothing keeps it from being started.
    Down,
    /// Down: its process ended although it should run. It is started at once the first time, and the more often in a row it
    /// falls, the longer it is left alone.
    Fell,
    /// Down with its machine, which was restarted: it comes back as fast as the machine can bear.
    WithMachine,
    /// Not usable, though its process lives or is restarted by its manager: it is left alone for a while.
    Hanging {
        /// For so many seconds.
        pause_seconds: u64,
    },
    /// Not up although it should be: the more often in a row, the longer it is left alone.
    Failed,
    /// Run by another process than before, or about to be: it has to prove itself anew.
    Replaced {
        /// That process, where there is one yet.
        process: Option<ProcessId>,
        /// Whether it runs another version than before.
        upgraded: bool,
    },
    /// Without its directory.
    Gone,
}

/// What became of a step that was interrupted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum End {
    /// A stop did not happen: the node is still up.
    StillRunning,
    /// A start, an upgrade or the return to the previous program happened: the node is on its way up.
    Underway,
    /// The node does not run.
    Stopped,
    /// A creation did not get far enough for a node.
    Incomplete,
    /// A removal goes on.
    Removing,
    /// The node is disabled.
    Disabled,
    /// The node is managed again.
    Enabled,
}

/// What cannot happen to a node that is what it is. The node was left as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("a {status} node {} cannot {what}", Pending(.pending))]
pub struct Impossible {
    /// What the node is.
    pub status: Status,
    /// What is pending on it.
    pub pending: Option<Verb>,
    /// What cannot happen, to be read after "cannot".
    pub what: String,
}

/// "with a pending stop".
struct Pending<'a>(&'a Option<Verb>);

impl fmt::Display for Pending<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            Some(verb) => write!(formatter, "with a pending {verb}"),
            None => formatter.write_str("with nothing pending"),
        }
    }
}

/// What happens, to be read after "cannot".
impl fmt::Display for Transition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Intended(intent) => write!(formatter, "be told to {}", intent.verb()),
            Self::Created(_) => formatter.write_str("have been created"),
            Self::CreationFailed { .. } => formatter.write_str("have failed to be created"),
            Self::Started { .. } => formatter.write_str("have started"),
            Self::StartFailed { .. } => formatter.write_str("have failed to start"),
            Self::Upgraded { .. } => formatter.write_str("have been upgraded"),
            Self::Reverted { .. } => formatter.write_str("have been given its previous program back"),
            Self::Stopped => formatter.write_str("have been stopped"),
            Self::Enabled => formatter.write_str("have been enabled"),
            Self::Forgiven => formatter.write_str("be given another chance"),
            Self::StepFailed { .. } => formatter.write_str("have failed a step"),
            Self::Observed { why, .. } => write!(formatter, "be what it was found to be ({why})"),
            Self::Resolved { why, .. } => write!(formatter, "be what became of it ({why})"),
        }
    }
}
