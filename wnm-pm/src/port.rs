//! Ports by kind: what each is a port of, and over which protocol it is used.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// How a port is talked to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Protocol {
    /// Datagrams.
    Udp,
    /// Connections.
    Tcp,
}

impl Protocol {
    /// Both.
    pub const ALL: [Self; 2] = [Self::Udp, Self::Tcp];

    /// `UDP` or `TCP`.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
        }
    }
}

impl fmt::Display for Protocol {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// What a port is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum PortKind {
    /// What the node's peers talk to.
    Node,
    /// The node's own metrics server.
    Metrics,
    /// The node's RPC server.
    Rpc,
    /// What browsers talk to.
    WebRtc,
}

impl PortKind {
    /// Every kind, in the order in which they are listed.
    pub const ALL: [Self; 4] = [Self::Node, Self::Metrics, Self::Rpc, Self::WebRtc];

    /// Over which protocol it is used.
    #[must_use]
    pub fn protocol(self) -> Protocol {
        match self {
            Self::Node | Self::WebRtc => Protocol::Udp,
            Self::Metrics | Self::Rpc => Protocol::Tcp,
        }
    }

    /// Whether it is for the world, and not for this machine alone.
    #[must_use]
    pub fn is_public(self) -> bool {
        match self {
            Self::Node | Self::WebRtc => true,
            Self::Metrics | Self::Rpc => false,
        }
    }

    /// The word that the database and JSON use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Node => "node",
            Self::Metrics => "metrics",
            Self::Rpc => "rpc",
            Self::WebRtc => "webrtc",
        }
    }
}

impl fmt::Display for PortKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// The ports of one node: one of each kind that it needs. A kind that is missing is not needed, or not known.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Ports(BTreeMap<PortKind, u16>);

impl Ports {
    /// With a port of this kind.
    #[must_use]
    pub fn with(mut self, kind: PortKind, port: u16) -> Self {
        self.0.insert(kind, port);
        self
    }

    /// Without a port of this kind.
    #[must_use]
    pub fn without(mut self, kind: PortKind) -> Self {
        self.0.remove(&kind);
        self
    }

    /// The port of this kind.
    #[must_use]
    pub fn get(&self, kind: PortKind) -> Option<u16> {
        self.0.get(&kind).copied()
    }

    /// What the node's peers talk to.
    #[must_use]
    pub fn node(&self) -> Option<u16> {
        self.get(PortKind::Node)
    }

    /// The node's metrics server.
    #[must_use]
    pub fn metrics(&self) -> Option<u16> {
        self.get(PortKind::Metrics)
    }

    /// All of them, by kind.
    pub fn iter(&self) -> impl Iterator<Item = (PortKind, u16)> {
        self.0.iter().map(|(kind, port)| (*kind, *port))
    }

    /// Whether none is known.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether one of these is a port of the other as well, of whatever kind over the same protocol.
    #[must_use]
    pub fn overlaps(&self, other: &Self) -> bool {
        self.iter().any(|(kind, port)| {
            other.iter().any(|(another, same)| same == port && kind.protocol() == another.protocol())
        })
    }
}

impl FromIterator<(PortKind, u16)> for Ports {
    fn from_iter<I: IntoIterator<Item = (PortKind, u16)>>(ports: I) -> Self {
        Self(ports.into_iter().collect())
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

impl Range {
    /// Whether a port is one of them.
    #[must_use]
    pub fn contains(self, port: u16) -> bool {
        (self.first..=self.last).contains(&port)
    }
}

impl fmt::Display for Range {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.first, self.last)
    }
}

/// Ranges of ports by kind.
pub type Ranges = BTreeMap<PortKind, Range>;
