//! A container host runs the containers of container groups: a1, a2 …, each with its block of numbers and ports.

use std::fmt;
use std::net::IpAddr;

use async_trait::async_trait;
use serde::{Deserialize, Serialize};

use crate::batch::Outcomes;
pub use crate::port::{Range, Ranges};
use crate::process_manager::error::ManagerError;

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

/// A container group that is wanted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct GroupSpec {
    /// Which one: 1 is a1.
    pub group: u32,
    /// Its name, `a1`.
    pub name: String,
    /// The image that its container is made of.
    pub image: String,
    /// The ports of its nodes, a range of each kind.
    pub ports: Ranges,
}

/// A container group that is up, or was.
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
    /// It runs, and something around it (network, rules, mounts) is not as it should be: `open` repairs it.
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

impl fmt::Display for GroupState {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Running => "running",
            Self::Damaged => "damaged",
            Self::Stopped => "stopped",
            Self::Paused => "paused",
            Self::Restarting => "restarting",
            Self::Gone => "gone",
        })
    }
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
    /// Brings these groups up, containers, network, rules and all, or repairs what is wrong with them. May be repeated.
    async fn open(&self, groups: &[GroupSpec]) -> Outcomes<Group, u32>;

    /// The groups of this machine that exist. Reads only.
    async fn groups(&self) -> Result<Vec<Group>, ManagerError>;

    /// Takes groups down in order: nodes, container, rules; their nodes' files stay.
    async fn close(&self, groups: &[Group]) -> Outcomes<(), u32>;

    /// What the groups' containers use now. Reads only.
    async fn usage(&self, groups: &[Group]) -> Outcomes<Usage, u32>;

    /// Where the metrics of this group's nodes are read from this machine.
    fn metrics_host(&self, group: &Group) -> IpAddr;
}
