//! The fixed addresses of a container on our own network.

use std::net::{Ipv4Addr, Ipv6Addr};

/// The fixed addresses of a container on our own network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// For IPv4.
    pub v4: Ipv4Addr,
    /// For IPv6, where the machine has it.
    pub v6: Option<Ipv6Addr>,
}
