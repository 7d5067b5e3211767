//! Moves of nodes to other disks that have begun and not ended.

use rusqlite::Connection;

use crate::node::NodeId;
use crate::relocation::Move;
use crate::store::cell::{Cell, all, text, upsert};
use crate::store::error::Problem;

/// A node that was removed in the meantime is not moved any more.
pub(in crate::store) fn write(connection: &Connection, moving: &Move) -> Result<(), Problem> {
    if !connection.prepare_cached("SELECT 1 FROM node WHERE number = ?1")?.exists([moving.node.0])? {
        return Ok(());
    }
    upsert(
        connection,
        "move",
        &[
            ("node", &moving.node.0),
            ("from_dir", &text("from_dir", &moving.from)?),
            ("to_dir", &text("to_dir", &moving.to)?),
        ],
    )
}

pub(in crate::store) fn delete(connection: &Connection, node: NodeId) -> Result<(), Problem> {
    connection.prepare_cached("DELETE FROM move WHERE node = ?1")?.execute([node.0])?;
    Ok(())
}

pub(in crate::store) fn read(connection: &Connection) -> Result<Vec<Move>, Problem> {
    let row = |cell: &Cell<'_>| {
        let (from, to) = (cell.path("from_dir")?, cell.path("to_dir")?);
        Ok(Move { node: NodeId(cell.get("node")?), from, to })
    };
    all(connection, "move", "SELECT * FROM move ORDER BY node", [], row)
}
