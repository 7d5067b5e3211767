//! A plan is the ordered actions, each fully named, plus the reasons for what is done and for what is not. It can be
//! saved, read by a person or a program, and applied later if the machine has not changed since.

mod basis;
pub mod check;
mod gauge;
mod reason;
mod rule;
mod violation;

use serde::{Deserialize, Serialize};

pub use basis::{Basis, Change, NodeBasis, RolloutBasis};
pub use gauge::Gauge;
pub use reason::{Cause, Effect, Limit, Reason};
pub use rule::Rule;
pub use violation::Violation;

use crate::node::{NodeId, NodeSpec, UnixSeconds, Verb};
use wnm_pm::container_host::GroupSpec;
use wnm_pm::hint::{Hint, Hinted, Task};
use wnm_pm::process_manager::Binary;

/// One thing to do. Nothing in it is left to be chosen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "verb", rename_all = "lowercase")]
pub enum Action {
    /// After a restart of the machine: look at all nodes, and do nothing to any of them.
    Resurvey,
    /// Look at all nodes.
    Survey,
    /// Create a node and start it.
    Add {
        /// The node.
        node: Box<NodeSpec>,
    },
    /// Start a stopped node.
    Start {
        /// Its number.
        number: NodeId,
    },
    /// Stop a running node.
    Stop {
        /// Its number.
        number: NodeId,
        /// Whether its owner stops it, so that only its owner starts it again.
        by_owner: bool,
    },
    /// Stop and start a node.
    Restart {
        /// Its number.
        number: NodeId,
    },
    /// Replace a node's program.
    Upgrade {
        /// Its number.
        number: NodeId,
        /// What by.
        to: Binary,
    },
    /// Put a node's previous program back.
    Revert {
        /// Its number.
        number: NodeId,
    },
    /// Delete the previous programs that were kept of nodes.
    #[serde(rename = "forget")]
    ForgetPrevious {
        /// Their numbers.
        numbers: Vec<NodeId>,
    },
    /// Remove a node: stop it, and delete its files once `delay_remove` has passed.
    Remove {
        /// Its number.
        number: NodeId,
        /// Whether its files go at once (a DEAD node, a request, or a delay that has passed).
        now: bool,
    },
    /// Stop a node and leave it unmanaged.
    Disable {
        /// Its number.
        number: NodeId,
    },
    /// Manage a node again.
    Enable {
        /// Its number.
        number: NodeId,
    },
    /// Take everything down.
    Teardown {
        /// All nodes there are.
        numbers: Vec<NodeId>,
        /// All container groups there are.
        groups: Vec<u32>,
    },
}

impl Action {
    /// The word that plans, vectors and history use.
    #[must_use]
    pub fn verb(&self) -> &'static str {
        match self {
            Self::Resurvey => "resurvey",
            Self::Survey => "survey",
            Self::Teardown { .. } => "teardown",
            Self::ForgetPrevious { .. } => "forget",
            other => other.step().map_or("", |(verb, _)| verb.as_str()),
        }
    }

    /// What is done to which node; none for looking, and for what is done to all.
    #[must_use]
    pub fn step(&self) -> Option<(Verb, NodeId)> {
        match self {
            Self::Resurvey | Self::Survey | Self::ForgetPrevious { .. } | Self::Teardown { .. } => None,
            Self::Add { node } => Some((Verb::Add, node.id)),
            Self::Start { number } => Some((Verb::Start, *number)),
            Self::Stop { number, .. } => Some((Verb::Stop, *number)),
            Self::Restart { number } => Some((Verb::Restart, *number)),
            Self::Upgrade { number, .. } => Some((Verb::Upgrade, *number)),
            Self::Revert { number } => Some((Verb::Revert, *number)),
            Self::Remove { number, .. } => Some((Verb::Remove, *number)),
            Self::Disable { number } => Some((Verb::Disable, *number)),
            Self::Enable { number } => Some((Verb::Enable, *number)),
        }
    }
}

/// The ordered actions, and the reasons.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Plan {
    /// The form of this document.
    pub format: u32,
    /// When it was made.
    pub made_at: UnixSeconds,
    /// Whether the owner asked for it, rather than a cycle.
    pub by_request: bool,
    /// What it rests on.
    pub basis: Basis,
    /// Container groups that must stand before the actions, in order.
    pub groups: Vec<GroupSpec>,
    /// What to do, in order.
    pub actions: Vec<Action>,
    /// Why, and why not.
    pub reasons: Vec<Reason>,
}

impl Plan {
    /// The form of the document that this version writes and reads.
    pub const FORMAT: u32 = 2;

    /// Reads a saved plan.
    ///
    /// # Errors
    /// When the text is not a plan, or a plan in the format of another version.
    pub fn from_json(text: &str) -> Result<Self, UnreadablePlan> {
        #[derive(Deserialize)]
        struct Head {
            format: u32,
        }
        let Head { format } = serde_json::from_str(text)?;
        if format == Self::FORMAT { Ok(serde_json::from_str(text)?) } else { Err(UnreadablePlan::Format(format)) }
    }

    /// Whether it starts nodes, new ones or stopped ones.
    #[must_use]
    pub fn grows(&self) -> bool {
        self.actions
            .iter()
            .any(|action| matches!(action, Action::Add { .. } | Action::Start { .. } | Action::Restart { .. }))
    }

    /// Whether carrying it out would change anything.
    #[must_use]
    pub fn changes_anything(&self) -> bool {
        !self.groups.is_empty()
            || !self.actions.iter().all(|action| matches!(action, Action::Survey | Action::Resurvey))
    }
}

/// Why a saved plan cannot be read.
#[derive(Debug, thiserror::Error)]
pub enum UnreadablePlan {
    /// It is something else.
    #[error("it is not a plan")]
    NotAPlan(#[from] serde_json::Error),
    /// Another version of wnm wrote it.
    #[error("its format {0} is not supported, only format {format}", format = Plan::FORMAT)]
    Format(u32),
}

impl Hinted for UnreadablePlan {
    fn hints(&self) -> Vec<Hint> {
        vec![Hint::run(Task::Plan { out: None }).to("make a new one")]
    }
}
