//! A node as the database holds it: what was settled about it, and what became of it.

use std::fmt;

use serde::{Deserialize, Serialize};
pub use wnm_pm::node::{Flavour, NodeId, NodeRef, NodeSpec, PortKind, Ports, ProcessId};

pub use crate::clock::UnixSeconds;

/// What the record says about a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Its process lives and its metrics answer for its own peer id.
    Running,
    /// Its process does not live; it may be started.
    Stopped,
    /// It was told to start; what it became is looked at when its delay has passed.
    Restarting,
    /// Its program was replaced; what it became is looked at when its delay has passed.
    Upgrading,
    /// It was told to stop for good; its files go when its delay has passed.
    Removing,
    /// It is being taken over from elsewhere; nothing grows meanwhile.
    Migrating,
    /// Its owner took it out of wnm's hands; it counts as a node and is never touched.
    Disabled,
    /// Its directory is gone; it is forgotten at the next occasion.
    Dead,
}

impl Status {
    /// All statuses, in the order in which reports list them.
    pub const ALL: [Self; 8] = [
        Self::Running,
        Self::Stopped,
        Self::Restarting,
        Self::Upgrading,
        Self::Removing,
        Self::Migrating,
        Self::Disabled,
        Self::Dead,
    ];

    /// Whether a node with it is about to run, so that nothing else may begin until it was seen to run.
    #[must_use]
    pub fn is_underway(self) -> bool {
        matches!(self, Self::Restarting | Self::Upgrading)
    }

    /// The word that the record, the reports and the vectors use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
            Self::Restarting => "RESTARTING",
            Self::Upgrading => "UPGRADING",
            Self::Removing => "REMOVING",
            Self::Migrating => "MIGRATING",
            Self::Disabled => "DISABLED",
            Self::Dead => "DEAD",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// What a node last told about itself.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Reading {
    /// Seconds that the node is up.
    pub uptime_seconds: Option<u64>,
    /// Records it stores.
    pub records: Option<u64>,
    /// Records it is responsible for.
    pub relevant_records: Option<u64>,
    /// Records it can store at most.
    pub max_records: Option<u64>,
    /// Records it was given so far.
    pub puts: Option<u64>,
    /// Records it was asked for so far.
    pub gets: Option<u64>,
    /// Peers it is connected to.
    pub connected_peers: Option<u64>,
    /// Connections it has open.
    pub open_connections: Option<u64>,
    /// Peers in its routing table.
    pub peers_in_routing_table: Option<u64>,
    /// Peers that it took for bad.
    pub bad_peers: Option<u64>,
    /// Times that it was shunned.
    pub shunned: Option<u64>,
    /// Its guess at the size of the network.
    pub network_size: Option<u64>,
    /// Payments it received.
    pub payments: Option<u64>,
    /// Its live time as it reports it, in its own unit.
    pub live_time: Option<u64>,
    /// What it earned, in the smallest unit of the token; text, since it passes 2^64.
    pub rewards: Option<String>,
    /// Memory in megabytes (10^6 bytes).
    pub memory_megabytes: Option<f64>,
    /// Processor use in percent of one core.
    pub cpu_percent: Option<f64>,
}

/// A node as the record holds it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Node {
    /// What was settled when it was planned, with the paths that the manager reported.
    pub spec: NodeSpec,
    /// The name under which the process manager knows it.
    pub service: String,
    /// What the record says about it.
    pub status: Status,
    /// When it got that status.
    pub since: UnixSeconds,
    /// When it was created.
    pub born: UnixSeconds,
    /// The version that it runs, or was last seen to run.
    pub version: Option<semver::Version>,
    /// Its name in the network.
    pub peer_id: Option<String>,
    /// Its process when last seen alive.
    pub process: Option<ProcessId>,
    /// Whether its owner stopped it by hand: then only its owner starts it again.
    pub held: bool,
    /// What was about to be done to it, if that was never finished.
    pub intention: Option<Verb>,
    /// How often in a row a deed on it failed.
    pub failures: u32,
    /// When it is looked at again: RESTARTING, UPGRADING and REMOVING nodes become what they are then, and a STOPPED one
    /// is not started by itself before.
    pub retry_at: Option<UnixSeconds>,
    /// Why the last deed on it failed, or what is wrong with it.
    pub trouble: Option<String>,
    /// What it last told about itself.
    pub reading: Option<Reading>,
}

impl Node {
    /// A node that is about to be created, or was just found: stopped, until somebody has looked at it.
    #[must_use]
    pub fn new(spec: NodeSpec, now: UnixSeconds) -> Self {
        Self {
            service: spec.name.clone(),
            version: spec.version.clone(),
            spec,
            status: Status::Stopped,
            since: now,
            born: now,
            peer_id: None,
            process: None,
            held: false,
            intention: None,
            failures: 0,
            retry_at: None,
            trouble: None,
            reading: None,
        }
    }

    /// The node's number.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.spec.id
    }

    /// Whether this is a name of the node: its name (`antnode0007`), its service (`antnode0007.service`) or its number.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.spec.name == name
            || self.service == name
            || name.strip_suffix(".service") == Some(&self.spec.name)
            || name.parse() == Ok(self.id().0)
    }

    /// Whether it is being removed, and the last try failed. Failures from before its removal are none of that: then no
    /// time for another try is set.
    #[must_use]
    pub fn removal_failed(&self) -> bool {
        self.status == Status::Removing && self.failures > 0 && self.retry_at.is_some()
    }

    /// The node as a process manager needs to know it.
    #[must_use]
    pub fn reference(&self) -> NodeRef {
        NodeRef { service: self.service.clone(), process: self.process, ..NodeRef::new(self.spec.clone()) }
    }
}

/// What can be done to a node, or about all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Create a node and start it.
    Add,
    /// Start a stopped node.
    Start,
    /// Stop a running node; its data stays.
    Stop,
    /// Stop and start.
    Restart,
    /// Replace its program by a newer one; it runs again afterwards.
    Upgrade,
    /// Stop it for good; its files go.
    Remove,
    /// Stop it and take it out of wnm's hands.
    Disable,
    /// Give it back into wnm's hands, stopped.
    Enable,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 8] =
        [Self::Add, Self::Start, Self::Stop, Self::Restart, Self::Upgrade, Self::Remove, Self::Disable, Self::Enable];

    /// The word that plans, history and commands use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Upgrade => "upgrade",
            Self::Remove => "remove",
            Self::Disable => "disable",
            Self::Enable => "enable",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}
