//! The status of a machine: its load, and a row for each of its nodes as it was just seen.

use std::path::PathBuf;

use serde::Serialize;

use super::failures::{Shared, by_reason};
use super::{counted, names};
use crate::node::{Node, NodeId, Ports, Reading, Status, UnixSeconds};
use crate::snapshot::{HostLoad, Snapshot};

/// A machine and its nodes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatusReport {
    /// When they were looked at, in seconds since the epoch.
    pub at: UnixSeconds,
    /// The machine.
    pub host: HostRow,
    /// Its nodes, by number.
    pub nodes: Vec<NodeRow>,
}

/// The machine's part of a status.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HostRow {
    /// What it measures.
    #[serde(flatten)]
    pub load: HostLoad,
    /// The version of the node program on it.
    pub available_version: Option<String>,
    /// How many nodes have which status; statuses that no node has are left out.
    pub counts: Vec<(Status, u32)>,
}

/// One node's part of a status.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeRow {
    /// Its number.
    pub number: NodeId,
    /// Its name.
    pub name: String,
    /// The name under which its process manager knows it.
    pub service: String,
    /// What it is.
    pub status: Status,
    /// Since when, in seconds since the epoch.
    pub since: UnixSeconds,
    /// When it was created.
    pub born: UnixSeconds,
    /// Its version.
    pub version: Option<String>,
    /// Its name in the network.
    pub peer_id: Option<String>,
    /// Its process id.
    pub pid: Option<u32>,
    /// Its ports.
    pub ports: Ports,
    /// The container group it lives in, 1 is a1.
    pub group: Option<u32>,
    /// The address it earns for.
    pub wallet: String,
    /// Its directory.
    pub root_dir: PathBuf,
    /// Its logs.
    pub log_dir: PathBuf,
    /// Its copy of the program.
    pub binary: PathBuf,
    /// Whether only its owner starts it again.
    pub held: bool,
    /// What is wrong with it.
    pub trouble: Option<String>,
    /// What it last told about itself.
    pub reading: Option<Reading>,
}

impl From<&Node> for NodeRow {
    fn from(node: &Node) -> Self {
        Self {
            number: node.id(),
            name: node.spec.name.clone(),
            service: node.service.clone(),
            status: node.status,
            since: node.since,
            born: node.born,
            version: node.version.as_ref().map(ToString::to_string),
            peer_id: node.peer_id.clone(),
            pid: node.process.map(|process| process.pid),
            ports: node.spec.ports.clone(),
            group: node.spec.group,
            wallet: node.spec.wallet.clone(),
            root_dir: node.spec.root_dir.clone(),
            log_dir: node.spec.log_dir.clone(),
            binary: node.spec.binary.clone(),
            held: node.held,
            trouble: node.trouble.clone(),
            reading: node.reading.clone(),
        }
    }
}

/// What is wrong with nodes, a line for each reason with the nodes that share it; empty when nothing is.
#[must_use]
pub fn errors_text(report: &StatusReport) -> String {
    let errors = report.nodes.iter().filter_map(|row| Some((row.number, row.trouble.as_deref()?)));
    let line = |Shared { nodes, text }: Shared| {
        let text = text.replace('\n', "\n  ");
        match nodes.as_slice() {
            [id] => format!("{}: {text}\n", id.name()),
            _ => format!("{} ({}): {text}\n", counted(nodes.len(), "node"), names(&nodes)),
        }
    };
    by_reason(errors).into_iter().map(line).collect()
}

/// The status that a snapshot shows.
#[must_use]
pub fn status(snapshot: &Snapshot) -> StatusReport {
    let counts = Status::ALL.into_iter().map(|status| (status, snapshot.count(status)));
    StatusReport {
        at: snapshot.now,
        host: HostRow {
            load: snapshot.host.clone(),
            available_version: snapshot.available.as_ref().map(|binary| binary.version.to_string()),
            counts: counts.filter(|(_, count)| *count > 0).collect(),
        },
        nodes: snapshot.nodes.iter().map(|each| NodeRow::from(&each.node)).collect(),
    }
}
