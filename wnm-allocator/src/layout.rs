//! A layout is where the ports of nodes lie: the port of a node is the start of its range times 1000 plus the number
//! of the node.

use core::fmt;

use crate::error::LayoutError;
use crate::port::{PORTS_PER_START, PortKind, port};

/// Ports `first` to `last`, both included.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PortRange {
    /// The first port.
    pub first: u16,
    /// The last port.
    pub last: u16,
}

impl fmt::Display for PortRange {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "{}-{}", self.first, self.last)
    }
}

/// Where each kind of ports starts, in thousands. With `port_start` 55, node 7 has node port 55007.
///
/// Ranges may not overlap. Some are UDP and some are TCP, so that the kernel would let them overlap, but nobody could tell
/// from a port what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Layout {
    /// The start of the node ports.
    pub port_start: u16,
    /// The start of the metrics ports.
    pub metrics_port_start: u16,
    /// The start of the rpc ports.
    pub rpc_port_start: u16,
    /// The start of the webrtc ports; none where nodes have no such ports.
    pub webrtc_port_start: Option<u16>,
}

impl Layout {
    /// Whether nodes 1 to `highest_number` can all have their ports, each port for one purpose of one node.
    ///
    /// Callers without blocks pass the highest number that shall ever be possible.
    ///
    /// # Errors
    ///
    /// [`LayoutError::PastLastPort`] and [`LayoutError::Overlap`], with the figures and with what would fit.
    pub fn check(&self, highest_number: u32) -> Result<(), LayoutError> {
        let possible = self.highest_number();
        if highest_number <= possible {
            return Ok(());
        }
        for (kind, start) in self.starts() {
            if highest_number > numbers_above(start) {
                return Err(LayoutError::PastLastPort { kind, start, highest_number, possible });
            }
        }
        for ((kind, start), (other, other_start)) in self.pairs() {
            if highest_number > numbers_between(start, other_start) {
                return Err(LayoutError::Overlap { kind, start, other, other_start, highest_number, possible });
            }
        }
        Ok(())
    }

    /// The greatest number that a node can have so that it and all nodes below it have a port of each kind, none of them
    /// shared; 0 where there is none.
    #[must_use]
    pub fn highest_number(&self) -> u32 {
        let above = self.starts().map(|(_, start)| numbers_above(start));
        let between = self.pairs().map(|((_, start), (_, other_start))| numbers_between(start, other_start));
        above.chain(between).min().unwrap_or(0)
    }

    /// The node port of a node.
    ///
    /// # Errors
    ///
    /// [`LayoutError::NoSuchNumber`] for number 0, [`LayoutError::NoPort`] past port 65535.
    pub fn node_port(&self, number: u32) -> Result<u16, LayoutError> {
        port_of(PortKind::Node, self.port_start, number)
    }

    /// The metrics port of a node.
    ///
    /// # Errors
    ///
    /// [`LayoutError::NoSuchNumber`] for number 0, [`LayoutError::NoPort`] past port 65535.
    pub fn metrics_port(&self, number: u32) -> Result<u16, LayoutError> {
        port_of(PortKind::Metrics, self.metrics_port_start, number)
    }

    /// The rpc port of a node.
    ///
    /// # Errors
    ///
    /// [`LayoutError::NoSuchNumber`] for number 0, [`LayoutError::NoPort`] past port 65535.
    pub fn rpc_port(&self, number: u32) -> Result<u16, LayoutError> {
        port_of(PortKind::Rpc, self.rpc_port_start, number)
    }

    /// The webrtc port of a node; none where nodes have no such ports.
    ///
    /// # Errors
    ///
    /// [`LayoutError::NoSuchNumber`] for number 0, [`LayoutError::NoPort`] past port 65535.
    pub fn webrtc_port(&self, number: u32) -> Result<Option<u16>, LayoutError> {
        self.webrtc_port_start.map(|start| port_of(PortKind::WebRtc, start, number)).transpose()
    }

    fn starts(&self) -> impl Iterator<Item = Start> {
        self.usual().into_iter().chain(self.webrtc())
    }

    fn usual(&self) -> [Start; 3] {
        [
            (PortKind::Node, self.port_start),
            (PortKind::Metrics, self.metrics_port_start),
            (PortKind::Rpc, self.rpc_port_start),
        ]
    }

    fn webrtc(&self) -> Option<Start> {
        self.webrtc_port_start.map(|start| (PortKind::WebRtc, start))
    }

    /// Every two kinds once. Of the two, a refusal names the first, which is the easier one to move.
    fn pairs(&self) -> impl Iterator<Item = (Start, Start)> {
        let [node, metrics, rpc] = self.usual();
        let with_webrtc =
            self.webrtc().into_iter().flat_map(move |webrtc| [node, metrics, rpc].map(|other| (webrtc, other)));
        [(metrics, node), (rpc, node), (metrics, rpc)].into_iter().chain(with_webrtc)
    }
}

/// A kind of ports and where it starts.
type Start = (PortKind, u16);

fn port_of(kind: PortKind, start: u16, number: u32) -> Result<u16, LayoutError> {
    if number == 0 {
        return Err(LayoutError::NoSuchNumber { number });
    }
    u16::try_from(port(start, number)).map_err(|_| LayoutError::NoPort { kind, start, number })
}

/// How many ports there are after the start.
fn numbers_above(start: u16) -> u32 {
    u32::from(u16::MAX).saturating_sub(u32::from(start) * PORTS_PER_START)
}

/// How many ports the lower of two ranges can have before it runs into the other.
fn numbers_between(start: u16, other_start: u16) -> u32 {
    u32::from(start.abs_diff(other_start)) * PORTS_PER_START
}
