//! Moving a machine's nodes from v1 to v2: they keep their numbers, wallets, node ports and directories, and become other
//! nodes of the network. What made them who they were is set aside in their own directories, and can be put back until the
//! first of them was started as v2.
//!
//! The row of a node says v1 only while its v1 files are in their places: rows change before files are set aside, and after
//! they are put back. So a node is started as what its files are, wherever this was interrupted.

mod aside;
mod error;

use std::path::{Path, PathBuf};

use semver::Version;
use wnm_pm::flavour::{Flavour, NETWORKS};
use wnm_pm::process_manager::Capabilities;

use crate::decide::ports_of;
use crate::node::{Node, NodeId, PortKind, Status, StoredNode, UnixSeconds};
use crate::settings::Config;
use crate::snapshot::{NodeSnapshot, Snapshot};

pub(crate) use aside::{is_set_aside, put_back, set_aside};
pub use error::{MigrationError, Obstacle};

/// What nodes are before.
pub(crate) const FROM: Flavour = Flavour::V1;
/// What they are after.
pub(crate) const TO: Flavour = Flavour::V2;

/// Which way nodes are moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Direction {
    /// From v1 to v2.
    Forward,
    /// Back to v1, while none was started as v2.
    Undo,
}

/// What is to become of a machine's nodes, or has.
#[derive(Debug, Clone, PartialEq)]
pub struct Migration {
    /// What the nodes become.
    pub to: Flavour,
    /// The version of the program that they are given, where that is a new one.
    pub version: Option<Version>,
    /// The nodes that become another.
    pub nodes: Vec<NodeId>,
    /// Those of them that run, and are stopped first.
    pub stopped: Vec<NodeId>,
    /// Nodes whose files could not be moved, and why; calling again goes on with them.
    pub left: Vec<(NodeId, String)>,
}

/// The nodes that can become v2, each with the row that it has then.
pub(crate) fn forward(
    config: &Config,
    capabilities: Capabilities,
    snapshot: &Snapshot,
) -> Result<Vec<(NodeId, Node)>, MigrationError> {
    let mut obstacles = Vec::new();
    if capabilities.places_nodes_itself {
        obstacles.push(Obstacle::Manager { kind: config.process_manager });
    }
    let path = || config.antnode_path.clone();
    match &snapshot.available {
        _ if config.node_flavour.wanted() == Some(FROM) => obstacles.push(Obstacle::Flavour { wanted: FROM }),
        None => obstacles.push(Obstacle::NoProgram { path: path() }),
        Some(_) if snapshot.flavour != TO => {
            obstacles.push(Obstacle::OtherProgram { path: path(), found: snapshot.flavour });
        }
        Some(_) => {}
    }
    if !NETWORKS.iter().any(|(known, _)| *known == config.network) {
        obstacles.push(Obstacle::Network { network: config.network.clone() });
    }
    let nodes: Vec<&NodeSnapshot> = snapshot.nodes.iter().filter(|each| each.node.spec().flavour == FROM).collect();
    obstacles.extend(nodes.iter().filter_map(|each| obstacle(&each.node)));
    if !obstacles.is_empty() {
        return Err(MigrationError::Refused { to: TO, obstacles });
    }
    let row = |each: &&NodeSnapshot| Ok((each.node.id(), as_v2(config, snapshot, &each.node)?));
    let rows: Result<Vec<_>, Obstacle> = nodes.iter().map(row).collect();
    rows.map_err(|obstacle| MigrationError::Refused { to: TO, obstacles: vec![obstacle] })
}

/// What keeps a node from becoming another; none where nothing does.
fn obstacle(node: &Node) -> Option<Obstacle> {
    let (name, root_dir) = (node.name().to_owned(), &node.spec().root_dir);
    match node.status() {
        Status::Disabled => Some(Obstacle::Unmanaged { name }),
        status @ (Status::Removing | Status::Dead | Status::Migrating) => Some(Obstacle::Going { name, status }),
        _ => aside::check(root_dir).err().map(|error| Obstacle::Directory { path: root_dir.clone(), reason: error }),
    }
}

fn as_v2(config: &Config, snapshot: &Snapshot, node: &Node) -> Result<Node, Obstacle> {
    let ports = ports_of(config, snapshot.port_kinds.iter().copied(), node.id());
    let ports = ports.map_err(|error| Obstacle::Ports { name: node.name().to_owned(), reason: error.to_string() })?;
    let own = node.spec().ports.node();
    let ports = own.map_or(ports.clone(), |port| ports.with(PortKind::Node, port));
    let mut stored = become_other(node, TO, snapshot.now);
    stored.spec.ports = ports;
    stored.spec.program.clone_from(&config.antnode_path);
    stored.spec.version = snapshot.available.as_ref().map(|binary| binary.version.clone());
    stored.version.clone_from(&stored.spec.version);
    restored(stored, node)
}

/// The nodes that can become v1 again, each with the row that it has then.
pub(crate) fn backward(
    config: &Config,
    capabilities: Capabilities,
    snapshot: &Snapshot,
) -> Result<Vec<(NodeId, Node)>, MigrationError> {
    let moved = |each: &&NodeSnapshot| {
        let spec = each.node.spec();
        spec.flavour == TO && (is_set_aside(&spec.root_dir) || spec.root_dir.join(FROM.key_file()).is_file())
    };
    let nodes: Vec<&NodeSnapshot> = snapshot.nodes.iter().filter(moved).collect();
    let mut obstacles: Vec<Obstacle> = nodes.iter().filter(|each| was_started(each)).map(started).collect();
    if nodes.is_empty() {
        obstacles.push(Obstacle::NothingAside);
    }
    if !obstacles.is_empty() {
        return Err(MigrationError::Refused { to: FROM, obstacles });
    }
    let row = |each: &&NodeSnapshot| Ok((each.node.id(), as_v1(config, capabilities, snapshot, &each.node)?));
    let rows: Result<Vec<_>, Obstacle> = nodes.iter().map(row).collect();
    rows.map_err(|obstacle| MigrationError::Refused { to: FROM, obstacles: vec![obstacle] })
}

fn was_started(each: &NodeSnapshot) -> bool {
    let has_identity = each.node.spec().root_dir.join(TO.key_file()).symlink_metadata().is_ok();
    has_identity || each.node.life().has_run() || each.lives()
}

fn started(each: &&NodeSnapshot) -> Obstacle {
    Obstacle::Started { name: each.node.name().to_owned() }
}

/// Its ports are those that it had, as far as they were noted and no other node has them by now.
fn as_v1(config: &Config, capabilities: Capabilities, snapshot: &Snapshot, node: &Node) -> Result<Node, Obstacle> {
    let (name, own) = (node.name().to_owned(), node.spec().ports.node());
    let others = || snapshot.nodes.iter().map(|each| &each.node).filter(|other| other.id() != node.id());
    let noted = aside::noted_ports(&node.spec().root_dir);
    let noted = noted.filter(|ports| {
        ports.node() == own
            && ports.iter().all(|(_, port)| port >= 1024)
            && !others().any(|other| other.spec().ports.overlaps(ports))
    });
    let usual = || {
        let ports = ports_of(config, capabilities.ports(FROM), node.id());
        ports.map(|ports| own.map_or(ports.clone(), |port| ports.with(PortKind::Node, port)))
    };
    let ports = match noted {
        Some(ports) => ports,
        None => usual().map_err(|error| Obstacle::Ports { name, reason: error.to_string() })?,
    };
    let mut stored = become_other(node, FROM, snapshot.now);
    stored.spec.ports = ports;
    stored.spec.version = None;
    stored.has_run = true;
    restored(stored, node)
}

/// A node that is stopped, of another flavour, and of which nothing is known but what it keeps.
fn become_other(node: &Node, flavour: Flavour, now: UnixSeconds) -> StoredNode {
    let mut stored = StoredNode::from(node.clone());
    stored.spec.binary = stored.spec.root_dir.join(flavour.program_name());
    stored.spec.flavour = flavour;
    StoredNode {
        version: None,
        peer_id: None,
        process: None,
        metrics: None,
        status: Status::Stopped,
        status_since: now,
        pending: None,
        failures: 0,
        falls: 0,
        comes_back: false,
        retry_at: None,
        last_error: None,
        has_run: false,
        ..stored
    }
}

fn restored(stored: StoredNode, node: &Node) -> Result<Node, Obstacle> {
    Node::restore(stored)
        .map_err(|contradiction| Obstacle::Ports { name: node.name().to_owned(), reason: contradiction.to_string() })
}

/// The nodes in a storage that are of another flavour than this one.
#[must_use]
pub fn of_other_flavour(node_storage: &Path, flavour: Flavour) -> Vec<PathBuf> {
    let is_other = |path: &PathBuf| {
        let found = wnm_pm::process_manager::FoundNode::at_rest(path);
        found.id.is_some() && found.flavour.is_some_and(|found| found != flavour)
    };
    let mut found: Vec<PathBuf> = crate::storage::entries(node_storage).filter(is_other).collect();
    found.sort();
    found
}
