//! Ports, a row for each of every kind.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::node::{NodeId, PortKind, Ports};
use crate::store::cell::{Cell, all};
use crate::store::error::Problem;
use wnm_pm::port::{Range, Ranges};

/// Writes the ports of a node.
pub(super) fn write(connection: &Connection, id: NodeId, ports: &Ports) -> Result<(), Problem> {
    let mut set = connection.prepare_cached(
        "INSERT INTO port (node, kind, port) VALUES (?1, ?2, ?3)
            ON CONFLICT (node, kind) DO UPDATE SET port = excluded.port WHERE port <> excluded.port",
    )?;
    let mut unset = connection.prepare_cached("DELETE FROM port WHERE node = ?1 AND kind = ?2")?;
    for kind in PortKind::ALL {
        match ports.get(kind) {
            None => unset.execute((id.0, kind.as_str()))?,
            Some(port) => set.execute((id.0, kind.as_str(), port)).map_err(|error| match Problem::from(error) {
                Problem::Twice { .. } => Problem::Twice { what: format!("{kind} port {port}") },
                problem => problem,
            })?,
        };
    }
    Ok(())
}

/// The ports of all nodes.
pub(super) fn read(connection: &Connection) -> Result<BTreeMap<NodeId, Ports>, Problem> {
    let row = |cell: &Cell<'_>| Ok((NodeId(cell.get("node")?), kind(cell)?, cell.get("port")?));
    let mut nodes: BTreeMap<NodeId, Vec<(PortKind, u16)>> = BTreeMap::new();
    for (id, kind, port) in all(connection, "port", "SELECT * FROM port", [], row)? {
        nodes.entry(id).or_default().push((kind, port));
    }
    Ok(nodes.into_iter().map(|(id, ports)| (id, ports.into_iter().collect())).collect())
}

/// Writes the port ranges of a container group.
pub(super) fn write_ranges(connection: &Connection, group: u32, ranges: &Ranges) -> Result<(), Problem> {
    let mut set = connection.prepare_cached(
        "INSERT INTO group_ports (number, kind, first, last) VALUES (?1, ?2, ?3, ?4)
            ON CONFLICT (number, kind) DO UPDATE SET first = excluded.first, last = excluded.last",
    )?;
    let mut unset = connection.prepare_cached("DELETE FROM group_ports WHERE number = ?1 AND kind = ?2")?;
    for kind in PortKind::ALL {
        match ranges.get(&kind) {
            None => unset.execute((group, kind.as_str()))?,
            Some(Range { first, last }) => set.execute((group, kind.as_str(), first, last))?,
        };
    }
    Ok(())
}

/// The port ranges of a container group.
pub(super) fn read_ranges(connection: &Connection, group: u32) -> Result<Ranges, Problem> {
    let row = |cell: &Cell<'_>| Ok((kind(cell)?, Range { first: cell.get("first")?, last: cell.get("last")? }));
    let sql = "SELECT * FROM group_ports WHERE number = ?1";
    Ok(all(connection, "group_ports", sql, [group], row)?.into_iter().collect())
}

fn kind(cell: &Cell<'_>) -> Result<PortKind, Problem> {
    cell.required("kind", cell.word("kind")?)
}
