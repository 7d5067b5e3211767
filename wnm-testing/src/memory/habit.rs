//! Habits are what nodes of a broken version do.

use std::collections::BTreeSet;

use semver::Version;
use wnm_pm::node::NodeId;

use super::world::{MemoryWorld, State};

/// What nodes of a version do that no good program does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Habit {
    /// They end right after their start.
    Crash,
    /// They end a little later, before anybody looks.
    End,
    /// They never answer.
    Hang,
    /// They answer what nobody can read.
    Garbage,
    /// They never have a peer.
    NoPeers,
    /// They use ten times the memory.
    EatMemory,
}

impl MemoryWorld {
    /// Nodes with this version have this habit: all of them, or only these.
    pub fn spoil(&self, version: &Version, habit: Habit, nodes: Option<BTreeSet<NodeId>>) {
        self.lock().habits.insert(version.clone(), (habit, nodes));
    }

    /// The habit of a node as it is now.
    #[must_use]
    pub fn habit(&self, node: NodeId) -> Option<Habit> {
        let state = self.lock();
        let known = state.nodes.values().find(|known| known.spec.id == node)?;
        state.habit(node, known.program.1.as_ref())
    }
}

impl State {
    pub(super) fn habit(&self, node: NodeId, version: Option<&Version>) -> Option<Habit> {
        let (habit, nodes) = self.habits.get(version?)?;
        nodes.as_ref().is_none_or(|nodes| nodes.contains(&node)).then_some(*habit)
    }
}
