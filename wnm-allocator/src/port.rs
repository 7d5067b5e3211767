//! A port of a node: what it is for, and the rule that gives its number.

use core::fmt;

/// The ports between one start and the next.
pub const PORTS_PER_START: u32 = 1_000;

/// No node has a higher number, whatever the layout: its ports would pass 65535.
pub const HIGHEST_NUMBER: u32 = u16::MAX as u32;

/// What a port of a node is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "lowercase"))]
pub enum PortKind {
    /// UDP: what the peers of the node talk to.
    Node,
    /// TCP: the metrics server of the node.
    Metrics,
    /// TCP: the RPC server of the node.
    Rpc,
    /// UDP: what browsers talk to.
    WebRtc,
}

impl PortKind {
    /// The setting that says where ports of this kind start.
    #[must_use]
    pub fn setting(self) -> &'static str {
        match self {
            Self::Node => "port_start",
            Self::Metrics => "metrics_port_start",
            Self::Rpc => "rpc_port_start",
            Self::WebRtc => "webrtc_port_start",
        }
    }
}

impl fmt::Display for PortKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(match self {
            Self::Node => "node",
            Self::Metrics => "metrics",
            Self::Rpc => "rpc",
            Self::WebRtc => "webrtc",
        })
    }
}

/// The port by the rule alone, also where no such port exists; wide enough for any start and number.
pub(crate) fn port(start: u16, number: u32) -> u64 {
    u64::from(start) * u64::from(PORTS_PER_START) + u64::from(number)
}
