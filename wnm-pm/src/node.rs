//! A node is one Autonomi process with its directory, ports, wallet and number.

use std::fmt;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

pub use crate::flavour::Flavour;
use crate::launch::Launch;
pub use crate::port::{PortKind, Ports};

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

/// Everything that is settled about a node before it exists.
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
    /// The node's ports: those that its flavour and its process manager need.
    pub ports: Ports,
    /// The address that the node earns for: `0x` and 40 hexadecimal digits.
    pub wallet: String,
    /// The payment network, in the settings' words: `evm-arbitrum-one`.
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

/// A node as a process manager needs to know it, with its finished command line: no manager makes one up by itself.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeRef {
    /// What was settled when it was planned, with the paths that the manager reported.
    pub spec: NodeSpec,
    /// What is run, and how.
    pub launch: Launch,
    /// The name under which the process manager knows it (`antnode0007.service`, `antnode7`).
    pub service: String,
    /// Its process when last seen alive.
    pub process: Option<ProcessId>,
}

impl NodeRef {
    /// A node that nobody has created yet, under its own name.
    #[must_use]
    pub fn new(spec: NodeSpec) -> Self {
        let service = spec.name.clone();
        Self { launch: spec.launch(), spec, service, process: None }
    }

    /// The node's number.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.spec.id
    }
}

impl NodeSpec {
    /// What is run for this node, and how.
    #[must_use]
    pub fn launch(&self) -> Launch {
        Launch {
            program: self.binary.clone(),
            arguments: self.flavour.arguments(self),
            environment: self.environment.clone(),
            directory: self.root_dir.clone(),
        }
    }
}

#[cfg(test)]
impl NodeSpec {
    /// A node whose files lie below `directory`, for tests.
    pub(crate) fn sample(number: u32, directory: &std::path::Path) -> Self {
        let id = NodeId(number);
        let root_dir = directory.join("node").join(id.name());
        Self {
            id,
            name: id.name(),
            flavour: Flavour::V1,
            program: directory.join("program"),
            version: None,
            binary: root_dir.join("antnode"),
            root_dir,
            log_dir: directory.join("log").join(id.name()),
            bootstrap_cache_dir: directory.join("cache"),
            ports: Ports::default(),
            wallet: String::new(),
            network: String::new(),
            no_upnp: false,
            environment: vec![],
            start_args: vec![],
            group: None,
        }
    }
}
