//! A plan is the ordered actions, each fully named, plus the reasons for what is done and for what is not. It can be
//! saved, read by a person or a program, and applied later if the machine has not changed since.

pub mod check;

use std::collections::BTreeMap;
use std::fmt;

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::node::{Desired, Node, NodeId, NodeSpec, Status, UnixSeconds, Verb};
use crate::settings::Config;
use crate::snapshot::Snapshot;
use wnm_pm::container_host::{GroupSpec, GroupState};
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
    /// Remove a node: stop it, and delete its files once `delay_remove` has passed.
    Remove {
        /// Its number.
        number: NodeId,
        /// Whether its files go at once (a DEAD node, a request, or a delay that has passed).
        now: bool,
    },
    /// Stop a node and take it out of wnm's hands.
    Disable {
        /// Its number.
        number: NodeId,
    },
    /// Give a node back into wnm's hands.
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
            other => other.step().map_or("", |(verb, _)| verb.as_str()),
        }
    }

    /// What is done to which node; none for looking, and for what is done to all.
    #[must_use]
    pub fn step(&self) -> Option<(Verb, NodeId)> {
        match self {
            Self::Resurvey | Self::Survey | Self::Teardown { .. } => None,
            Self::Add { node } => Some((Verb::Add, node.id)),
            Self::Start { number } => Some((Verb::Start, *number)),
            Self::Stop { number, .. } => Some((Verb::Stop, *number)),
            Self::Restart { number } => Some((Verb::Restart, *number)),
            Self::Upgrade { number, .. } => Some((Verb::Upgrade, *number)),
            Self::Remove { number, .. } => Some((Verb::Remove, *number)),
            Self::Disable { number } => Some((Verb::Disable, *number)),
            Self::Enable { number } => Some((Verb::Enable, *number)),
        }
    }
}

/// Why something is done, or is not.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Reason {
    /// A short stable word for the rule: `cpu_remove`, `node_cap`, `max_concurrent_starts`.
    pub rule: String,
    /// Whether the rule caused something, or held it back.
    pub effect: Effect,
    /// The sentence for a person, with the figure and the threshold.
    pub text: String,
    /// The nodes that it is about; empty when it is about the machine.
    pub nodes: Vec<NodeId>,
    /// What was measured, where it is a number.
    pub figure: Option<f64>,
    /// What it was held against.
    pub threshold: Option<f64>,
}

/// What a rule did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It caused an action.
    Did,
    /// It held an action back.
    Held,
}

impl fmt::Display for Reason {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.text)
    }
}

/// What a plan rests on: if any of it has changed, the plan no longer holds.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Basis {
    /// The kernel's boot time.
    pub boot_time: UnixSeconds,
    /// The highest number that any node ever had.
    pub highest_number_used: u32,
    /// Every node.
    pub nodes: Vec<NodeBasis>,
    /// The groups that were recorded, and how they stood.
    pub groups: Vec<(u32, GroupState)>,
    /// The node program on this machine.
    pub available: Option<Binary>,
    /// The settings.
    pub config: Option<Box<Config>>,
}

impl Basis {
    /// What a plan made from these rests on.
    #[must_use]
    pub fn of(config: &Config, snapshot: &Snapshot) -> Self {
        Self {
            boot_time: snapshot.boot_time,
            highest_number_used: snapshot.highest_number_used,
            nodes: snapshot.nodes.iter().map(|each| NodeBasis::of(&each.node)).collect(),
            groups: snapshot.groups.iter().map(|group| (group.spec.group, group.state)).collect(),
            available: snapshot.available.clone(),
            config: Some(Box::new(config.clone())),
        }
    }

    /// What has changed between two of them, a sentence each; empty when a plan that rests on one holds on the other.
    #[must_use]
    pub fn changes(&self, now: &Self) -> Vec<String> {
        let mut changes = Vec::new();
        if self.boot_time != now.boot_time {
            changes.push("the machine was restarted".to_owned());
        }
        if self.config != now.config {
            changes.push("the settings are others".to_owned());
        }
        if self.available != now.available {
            changes.push("the node program on this machine is another".to_owned());
        }
        if self.groups != now.groups {
            changes.push("the container groups are others".to_owned());
        }
        let before: BTreeMap<NodeId, &NodeBasis> = self.nodes.iter().map(|node| (node.id, node)).collect();
        let after: BTreeMap<NodeId, &NodeBasis> = now.nodes.iter().map(|node| (node.id, node)).collect();
        for (id, before) in &before {
            match after.get(id) {
                None => changes.push(format!("{} is gone", id.name())),
                Some(after) if after != before => changes.push(format!("{} was {before} and is {after}", id.name())),
                Some(_) => {}
            }
        }
        let new = after.keys().filter(|id| !before.contains_key(id));
        changes.extend(new.map(|id| format!("{} is new", id.name())));
        if changes.is_empty() && self.highest_number_used != now.highest_number_used {
            changes.push("nodes were added and removed".to_owned());
        }
        changes
    }
}

/// What a plan rests on about one node.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeBasis {
    /// Its number.
    pub id: NodeId,
    /// Its status.
    pub status: Status,
    /// Its version.
    pub version: Option<Version>,
    /// What its owner wants of it.
    pub desired: Desired,
    /// What was begun on it and has no recorded outcome.
    pub pending: Option<Verb>,
}

impl NodeBasis {
    /// Times are left out on purpose: what is not stored yet is reconciled anew at each observation, as of that moment.
    fn of(node: &Node) -> Self {
        let (life, version) = (node.life(), node.version().cloned());
        Self { id: node.id(), status: life.status(), version, desired: life.desired(), pending: life.pending() }
    }
}

/// "STOPPED (0.4.17, stopped by its owner)".
impl fmt::Display for NodeBasis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id: _, status, version, desired, pending } = self;
        let version = version.as_ref().map_or_else(|| "no version".to_owned(), Version::to_string);
        write!(formatter, "{status} ({version}")?;
        if *desired == Desired::Stop {
            formatter.write_str(", stopped by its owner")?;
        }
        if let Some(verb) = pending {
            write!(formatter, ", {verb} was begun")?;
        }
        formatter.write_str(")")
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
    pub const FORMAT: u32 = 1;

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
