//! What each node last reported about itself.

use rusqlite::Connection;

use crate::node::{NodeId, NodeMetrics};
use crate::store::cell::{Cell, most, upsert};
use crate::store::error::Problem;

pub(in crate::store) fn write(connection: &Connection, id: NodeId, metrics: &NodeMetrics) -> Result<(), Problem> {
    upsert(
        connection,
        "metrics",
        &[
            ("number", &id.0),
            ("uptime_seconds", &metrics.uptime_seconds.map(most)),
            ("records", &metrics.records.map(most)),
            ("stored_bytes", &metrics.stored_bytes.map(most)),
            ("relevant_records", &metrics.relevant_records.map(most)),
            ("max_records", &metrics.max_records.map(most)),
            ("puts", &metrics.puts.map(most)),
            ("gets", &metrics.gets.map(most)),
            ("connected_peers", &metrics.connected_peers.map(most)),
            ("open_connections", &metrics.open_connections.map(most)),
            ("peers_in_routing_table", &metrics.peers_in_routing_table.map(most)),
            ("bad_peers", &metrics.bad_peers.map(most)),
            ("shunned", &metrics.shunned.map(most)),
            ("network_size", &metrics.network_size.map(most)),
            ("payments", &metrics.payments.map(most)),
            ("live_time", &metrics.live_time.map(most)),
            ("rewards", &metrics.rewards),
            ("memory_megabytes", &metrics.memory_megabytes),
            ("cpu_percent", &metrics.cpu_percent),
        ],
    )
}

pub(super) fn delete(connection: &Connection, id: NodeId) -> Result<(), Problem> {
    connection.prepare_cached("DELETE FROM metrics WHERE number = ?1")?.execute([id.0])?;
    Ok(())
}

/// Those of the node whose row is joined with them.
pub(super) fn read(cell: &Cell<'_>) -> Result<NodeMetrics, Problem> {
    Ok(NodeMetrics {
        uptime_seconds: cell.count("uptime_seconds")?,
        records: cell.count("records")?,
        stored_bytes: cell.count("stored_bytes")?,
        relevant_records: cell.count("relevant_records")?,
        max_records: cell.count("max_records")?,
        puts: cell.count("puts")?,
        gets: cell.count("gets")?,
        connected_peers: cell.count("connected_peers")?,
        open_connections: cell.count("open_connections")?,
        peers_in_routing_table: cell.count("peers_in_routing_table")?,
        bad_peers: cell.count("bad_peers")?,
        shunned: cell.count("shunned")?,
        network_size: cell.count("network_size")?,
        payments: cell.count("payments")?,
        live_time: cell.count("live_time")?,
        rewards: cell.get("rewards")?,
        memory_megabytes: cell.get("memory_megabytes")?,
        cpu_percent: cell.get("cpu_percent")?,
    })
}
