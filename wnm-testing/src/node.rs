//! Nodes for tests, spelled out column by column.

use wnm_core::node::{Node, StoredNode};

/// Changes columns of a node.
///
/// # Panics
/// When the columns contradict each other afterwards: a test must not rest on a node that cannot come about.
pub fn alter(node: &mut Node, change: impl FnOnce(&mut StoredNode)) {
    let mut stored = StoredNode::from(node.clone());
    change(&mut stored);
    *node = Node::restore(stored).unwrap_or_else(|contradiction| panic!("{}: {contradiction}", node.name()));
}
