//! What a plan rests on, and what may have changed since it was made.

use std::collections::BTreeMap;

use semver::Version;
use serde::{Deserialize, Serialize};

use super::Reason;
use crate::node::{Desired, Node, NodeId, Status, UnixSeconds, Verb};
use crate::pause::CyclePause;
use crate::rollout::{Phase, Rollouts};
use crate::settings::Config;
use crate::snapshot::Snapshot;
use wnm_pm::container_host::GroupState;
use wnm_pm::process_manager::Binary;

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
    /// The roll-out of it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub rollout: Option<RolloutBasis>,
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
            rollout: snapshot.rollouts.as_ref().map(RolloutBasis::of),
            config: Some(Box::new(config.clone())),
        }
    }

    /// What has changed between two of them; empty when a plan that rests on one holds on the other.
    #[must_use]
    pub fn changes(&self, now: &Self) -> Vec<Change> {
        let machine = [
            (self.boot_time != now.boot_time, Change::Rebooted),
            (self.config != now.config, Change::Settings),
            (self.available != now.available, Change::Program),
            (self.rollout != now.rollout, Change::Rollout),
            (self.groups != now.groups, Change::Groups),
        ];
        let mut changes: Vec<Change> =
            machine.into_iter().filter(|(changed, _)| *changed).map(|(_, change)| change).collect();
        changes.extend(self.changed_nodes(now));
        if changes.is_empty() && self.highest_number_used != now.highest_number_used {
            changes.push(Change::Numbering);
        }
        changes
    }

    fn changed_nodes(&self, now: &Self) -> Vec<Change> {
        let before: BTreeMap<NodeId, &NodeBasis> = self.nodes.iter().map(|node| (node.id, node)).collect();
        let after: BTreeMap<NodeId, &NodeBasis> = now.nodes.iter().map(|node| (node.id, node)).collect();
        let changed = before.iter().filter_map(|(id, &before)| match after.get(id) {
            None => Some(Change::Gone(*id)),
            Some(&after) if after != before => {
                Some(Change::Node { before: Box::new(before.clone()), after: Box::new(after.clone()) })
            }
            Some(_) => None,
        });
        let new = after.keys().filter(|id| !before.contains_key(id)).map(|id| Change::New(*id));
        changed.chain(new).collect()
    }
}

/// One thing that has changed since a plan was made.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub enum Change {
    /// The machine was restarted.
    Rebooted,
    /// The settings.
    Settings,
    /// The node program on this machine.
    Program,
    /// The roll-out of the node program, or which file that is.
    Rollout,
    /// The container groups, or their state.
    Groups,
    /// A node is no longer there.
    Gone(NodeId),
    /// A node was not there before.
    New(NodeId),
    /// A node has become something else.
    Node {
        /// What it was.
        before: Box<NodeBasis>,
        /// What it is now.
        after: Box<NodeBasis>,
    },
    /// Nodes came and went in between.
    Numbering,
    /// The owner paused the cycles.
    Paused(CyclePause),
    /// The machine has no room any more for what the plan adds or starts.
    NoRoom(Reason),
}

/// What a plan rests on about the roll-out of the node program.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RolloutBasis {
    /// SHA-256 of the node program.
    pub digest: Option<String>,
    /// How far its roll-out is; none where there is none.
    pub phase: Option<Phase>,
    /// The nodes that have the program and have not proved themselves yet.
    pub open: Vec<NodeId>,
}

impl RolloutBasis {
    fn of(rollouts: &Rollouts) -> Self {
        let open = rollouts.trials.values().filter(|trial| trial.is_open()).map(|trial| trial.node);
        let phase = rollouts.current().or(rollouts.watched()).map(|rollout| rollout.phase);
        Self { digest: rollouts.digest.clone(), phase, open: open.collect() }
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
