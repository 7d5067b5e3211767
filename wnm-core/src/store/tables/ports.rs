//! Ports by kind. These functions are all that knows the kinds.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::node::{NodeId, Ports};
use crate::store::cell::{Cell, all};
use crate::store::error::Problem;
use wnm_pm::container_host::{GroupSpec, Range};

/// Writes the ports of a node; one that is not known has no row.
pub(super) fn write(connection: &Connection, id: NodeId, ports: &Ports) -> Result<(), Problem> {
    let mut set = connection.prepare_cached(
        "INSERT INTO port (node, kind, port) VALUES (?1, ?2, ?3)
            ON CONFLICT (node, kind) DO UPDATE SET port = excluded.port WHERE port <> excluded.port",
    )?;
    let mut unset = connection.prepare_cached("DELETE FROM port WHERE node = ?1 AND kind = ?2")?;
    for (kind, port) in [("node", ports.node), ("metrics", ports.metrics), ("rpc", ports.rpc)] {
        match port {
            0 => unset.execute((id.0, kind))?,
            port => set.execute((id.0, kind, port)).map_err(|error| match Problem::from(error) {
                Problem::Twice { .. } => Problem::Twice { what: format!("{kind} port {port}") },
                problem => problem,
            })?,
        };
    }
    Ok(())
}

/// The ports of all nodes.
pub(super) fn read(connection: &Connection) -> Result<BTreeMap<NodeId, Ports>, Problem> {
    let row = |cell: &Cell<'_>| Ok((NodeId(cell.get("node")?), cell.get::<String>("kind")?, cell.get("port")?));
    let mut nodes: BTreeMap<NodeId, Ports> = BTreeMap::new();
    for (id, kind, port) in all(connection, "port", "SELECT * FROM port", [], row)? {
        let ports = nodes.entry(id).or_insert(NONE);
        match kind.as_str() {
            "node" => ports.node = port,
            "metrics" => ports.metrics = port,
            "rpc" => ports.rpc = port,
            _ => return Err(unknown("port.kind", &kind)),
        }
    }
    Ok(nodes)
}

/// What a node has of which no port is known.
pub(super) const NONE: Ports = Ports { node: 0, metrics: 0, rpc: 0 };

/// Writes the port ranges of a container group.
pub(super) fn write_ranges(connection: &Connection, spec: &GroupSpec) -> Result<(), Problem> {
    let mut set = connection.prepare_cached(
        "INSERT INTO group_ports (number, kind, first, last) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (number, kind) DO UPDATE SET first = excluded.first, last = excluded.last",
    )?;
    for (kind, range) in [("node", spec.node_ports), ("metrics", spec.metrics_ports)] {
        set.execute((spec.group, kind, range.first, range.last))?;
    }
    Ok(())
}

/// The port ranges of a container group: its node ports and its metrics ports.
pub(super) fn read_ranges(connection: &Connection, group: u32) -> Result<(Range, Range), Problem> {
    let row = |cell: &Cell<'_>| {
        Ok((cell.get::<String>("kind")?, Range { first: cell.get("first")?, last: cell.get("last")? }))
    };
    let (mut node_ports, mut metrics_ports) = (None, None);
    for (kind, range) in all(connection, "group_ports", "SELECT * FROM group_ports WHERE number = ?1", [group], row)? {
        match kind.as_str() {
            "node" => node_ports = Some(range),
            "metrics" => metrics_ports = Some(range),
            _ => return Err(unknown("group_ports.kind", &kind)),
        }
    }
    let missing = |kind: &str| Problem::BadValue {
        column: "group_ports.kind".to_owned(),
        reason: format!("container group a{group} has no {kind} ports"),
    };
    Ok((node_ports.ok_or_else(|| missing("node"))?, metrics_ports.ok_or_else(|| missing("metrics"))?))
}

fn unknown(column: &str, kind: &str) -> Problem {
    Problem::BadValue { column: column.to_owned(), reason: format!("\"{kind}\" is not a kind of port") }
}
