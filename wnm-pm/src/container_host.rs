//! A container host runs the containers of container groups: a1, a2 …, each with its block of numbers and ports.

use std::fmt;
use std::net::IpAddr;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::process_manager::{ManagerError, Outcome};

/// How the ports of nodes in containers reach the world.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum ContainerNetwork {
    /// A network of our own with a fixed address for each container, and one address-translation rule per range.
    #[default]
    Published,
    /// The machine's own network: nothing is translated and nothing is kept apart.
    Host,
    /// Docker publishes every port by itself, at its own cost in time and memory.
    Docker,
}

impl ContainerNetwork {
    /// Every one, with the word that names it.
    pub const ALL: [(&'static str, Self); 3] =
        [("published", Self::Published), ("host", Self::Host), ("docker", Self::Docker)];

    /// The word that settings and labels use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Published => "published",
            Self::Host => "host",
            Self::Docker => "docker",
        }
    }
}

impl fmt::Display for ContainerNetwork {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Ports `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Range {
    /// The first port.
    pub first: u16,
    /// The last port.
    pub last: u16,
}

/// A container group that shall stand.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSpec {
    /// Which one: 1 is a1.
    pub group: u32,
    /// Its name, `a1`.
    pub name: String,
    /// The image that its container is made of.
    pub image: String,
    /// UDP ports of its nodes.
    pub node_ports: Range,
    /// TCP ports of its nodes' metrics servers.
    pub metrics_ports: Range,
}

/// A container group that stands, or stood.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Group {
    /// What it was asked to be.
    pub spec: GroupSpec,
    /// The engine's id of its container.
    pub container_id: String,
    /// The name of its container.
    pub container_name: String,
    /// The container's own address, where it has one.
    pub address: Option<IpAddr>,
    /// The state of its container.
    pub state: GroupState,
}

/// The state of a group's container.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum GroupState {
    /// It runs.
    Running,
    /// It runs, and something around it (network, rules, mounts) is not as it should be: `open` mends it.
    Damaged,
    /// It exists and does not run.
    Stopped,
    /// It is frozen.
    Paused,
    /// The engine is bringing it back.
    Restarting,
    /// It does not exist (any more).
    Gone,
}

/// What a group's container uses now.
#[derive(Debug, Clone, Copy, PartialEq, Default, Serialize, Deserialize)]
pub struct Usage {
    /// Memory in bytes.
    pub memory_bytes: u64,
    /// Processor use in percent of one core.
    pub cpu_percent: f64,
}

/// The door to the containers of a process manager.
#[async_trait]
pub trait ContainerHost: Send + Sync {
    /// Makes these groups stand, containers, network, rules and all, or mends what is not right with them. May be
    /// repeated. Answers in the order of the call.
    async fn open(&self, groups: &[GroupSpec]) -> Vec<Outcome<Group>>;

    /// The groups of this machine that exist. Reads only.
    async fn groups(&self) -> Result<Vec<Group>, ManagerError>;

    /// Takes groups down in order: nodes, container, rules; their nodes' files stay. Answers in the order of the call.
    async fn close(&self, groups: &[Group]) -> Vec<Outcome<()>>;

    /// What the groups' containers use now. Reads only. Answers in the order of the call.
    async fn usage(&self, groups: &[Group]) -> Vec<Outcome<Usage>>;

    /// Where the metrics of this group's nodes are read from this machine.
    fn metrics_host(&self, group: &Group) -> IpAddr;
}
