//! What has changed since a plan was made, in words.

use std::fmt;

use super::{cycle_pause_text, first_of, names};
use crate::node::{Desired, NodeId};
use crate::plan::{Change, NodeBasis};

/// What has changed: a sentence for nodes that share a change, the first few of them.
#[must_use]
pub fn changes_text(changes: &[Change]) -> String {
    let mut sentences: Vec<(String, Vec<NodeId>)> = Vec::new();
    for change in changes {
        let (nodes, rest) = parts(change);
        match sentences.iter_mut().find(|(other, _)| *other == rest) {
            Some((_, others)) => others.extend(nodes),
            None => sentences.push((rest, Vec::from_iter(nodes))),
        }
    }
    first_of(sentences.iter().map(|(rest, nodes)| sentence(nodes, rest)).collect())
}

/// The node that it is about, and the rest of the sentence.
fn parts(change: &Change) -> (Option<NodeId>, String) {
    match change {
        Change::Rebooted => (None, "the machine was restarted".to_owned()),
        Change::Settings => (None, "settings have changed".to_owned()),
        Change::Program => (None, "the node program has changed".to_owned()),
        Change::Rollout => (None, "the roll-out of the node program has changed".to_owned()),
        Change::Groups => (None, "the container groups have changed".to_owned()),
        Change::Numbering => (None, "nodes were added and removed".to_owned()),
        Change::Paused(pause) => (None, cycle_pause_text(pause)),
        Change::NoRoom(reason) => (None, reason.to_string()),
        Change::Gone(node) => (Some(*node), "gone".to_owned()),
        Change::New(node) => (Some(*node), "new".to_owned()),
        Change::Node { before, after } => (Some(after.id), format!("{after} instead of {before}")),
    }
}

fn sentence(nodes: &[NodeId], rest: &str) -> String {
    if nodes.is_empty() { rest.to_owned() } else { format!("{}: {rest}", names(nodes)) }
}

/// "STOPPED (0.4.17, stopped by its owner)".
impl fmt::Display for NodeBasis {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id: _, status, version, desired, pending } = self;
        let version = version.as_ref().map_or_else(|| "no version".to_owned(), ToString::to_string);
        write!(formatter, "{status} ({version}")?;
        if *desired == Desired::Stop {
            formatter.write_str(", stopped by its owner")?;
        }
        if let Some(verb) = pending {
            write!(formatter, ", {verb} not finished")?;
        }
        formatter.write_str(")")
    }
}
