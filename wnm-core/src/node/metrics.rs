//! What a node reports about itself.

use serde::{Deserialize, Serialize};

/// What a node last reported about itself; none for a figure that it did not report.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct NodeMetrics {
    /// Seconds since it came up.
    pub uptime_seconds: Option<u64>,
    /// Records it stores.
    pub records: Option<u64>,
    /// What these take, in bytes.
    #[serde(default)]
    pub stored_bytes: Option<u64>,
    /// Records it is responsible for.
    pub relevant_records: Option<u64>,
    /// Records it can store at most.
    pub max_records: Option<u64>,
    /// Records it has been given so far.
    pub puts: Option<u64>,
    /// Records it has been asked for so far.
    pub gets: Option<u64>,
    /// Peers it is connected to.
    pub connected_peers: Option<u64>,
    /// Connections it has open.
    pub open_connections: Option<u64>,
    /// Peers in its routing table.
    pub peers_in_routing_table: Option<u64>,
    /// Peers that it considers bad.
    pub bad_peers: Option<u64>,
    /// How often it was shunned.
    pub shunned: Option<u64>,
    /// Its estimate of the size of the network, in nodes.
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
