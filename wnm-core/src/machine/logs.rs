//! Where the logs of nodes lie.

use std::sync::Arc;

use super::{CycleError, Machine};
use crate::node::{Node, NodeId};
use wnm_pm::logs::{LogPlace, LogReader};

/// The logs of one node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NodeLogs {
    /// Its number.
    pub number: NodeId,
    /// Its name.
    pub name: String,
    /// Whether it has ever been up.
    pub has_run: bool,
    /// First where what it prints is kept, last the log that it keeps by itself.
    pub places: Vec<LogPlace>,
}

impl Machine {
    /// Where the logs of these nodes lie, in this order.
    ///
    /// # Errors
    /// When the database cannot be read, or a disk does not answer.
    pub fn logs(&self, nodes: &[NodeId]) -> Result<Vec<NodeLogs>, CycleError> {
        let stored = self.parts.store.load()?.nodes;
        let wanted: Vec<Node> =
            nodes.iter().filter_map(|id| stored.iter().find(|node| node.id() == *id)).cloned().collect();
        self.reach(&wanted)?;
        let logs = |node: &Node| NodeLogs {
            number: node.id(),
            name: node.name().to_owned(),
            has_run: node.life().has_run(),
            places: self.parts.manager.logs(&node.reference()),
        };
        Ok(wanted.iter().map(logs).collect())
    }

    /// Reads these logs.
    #[must_use]
    pub fn log_reader(&self, logs: &[NodeLogs]) -> LogReader {
        let places: Vec<Vec<LogPlace>> = logs.iter().map(|logs| logs.places.clone()).collect();
        LogReader::new(&places, Arc::clone(&self.parts.runner))
    }
}
