//! A node is one Autonomi process with its directory, ports, wallet and number.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

/// The number of a node: 1, 2, 3 …; it decides the node's ports and is unique on its machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct NodeId(pub u32);

impl NodeId {
    /// The name that a node of this number has on disk and under most process managers: `antnode0007`.
    #[must_use]
    pub fn name(self) -> String {
        format!("antnode{:04}", self.0)
    }

    /// 7 of `antnode0007`; none for a name that wnm would give no number.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        let id = Self(name.strip_prefix("antnode")?.parse().ok()?);
        (id.name() == name).then_some(id)
    }
}

impl fmt::Display for NodeId {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}", self.0)
    }
}

/// Which program a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    /// `antnode`: has a metrics server.
    #[default]
    V1,
    /// `ant-node`: has no metrics server and upgrades itself.
    V2,
}

impl fmt::Display for Flavour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::V1 => "v1",
            Self::V2 => "v2",
        })
    }
}

/// The ports of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct Ports {
    /// UDP: what the node's peers talk to.
    pub node: u16,
    /// TCP: the node's own metrics server (v1 only).
    pub metrics: u16,
    /// TCP: the node's RPC server, used by antctl only.
    pub rpc: u16,
}

/// Everything that is settled about a node before it exists; a process manager needs nothing else to create it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeSpec {
    /// The node's number.
    pub id: NodeId,
    /// The node's name, `antnode0007`.
    pub name: String,
    /// Which program it is.
    pub flavour: Flavour,
    /// The program that is copied to `binary`.
    pub program: PathBuf,
    /// The version of `program` when the node was planned.
    pub version: Option<semver::Version>,
    /// The node's own directory, inside `node_storage`.
    pub root_dir: PathBuf,
    /// The node's own copy of the program, inside `root_dir`.
    pub binary: PathBuf,
    /// Where the node writes its logs.
    pub log_dir: PathBuf,
    /// Where the nodes of this machine share the peers they know.
    pub bootstrap_cache_dir: PathBuf,
    /// The node's ports.
    pub ports: Ports,
    /// The address that the node earns for: `0x` and 40 hexadecimal digits.
    pub wallet: String,
    /// The payment network: the node program's subcommand, such as `evm-arbitrum-one`.
    pub network: String,
    /// Whether the node is told not to ask a router for an open port.
    pub no_upnp: bool,
    /// Environment of the process, one assignment each.
    pub environment: Vec<(String, String)>,
    /// Arguments that the owner adds to the command line.
    pub start_args: Vec<String>,
    /// The container group that it lives in (1 is a1), under managers with containers.
    pub group: Option<u32>,
}

/// A process of the operating system, told from a later one that got the same pid.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ProcessId {
    /// The process id.
    pub pid: u32,
    /// When it started, in the kernel's own unit (Linux: clock ticks since boot).
    pub start_time: u64,
}

/// A node that exists, as a process manager needs to know it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRef {
    /// What was settled when it was planned, with the paths that the manager reported.
    pub spec: NodeSpec,
    /// The name under which the process manager knows it (`antnode0007.service`, `antnode7`).
    pub service: String,
    /// Its process when last seen alive.
    pub process: Option<ProcessId>,
}
