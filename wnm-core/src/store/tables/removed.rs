//! What is kept of nodes that were removed.

use rusqlite::{Connection, OptionalExtension};

use crate::identity::Key;
use crate::node::{Node, UnixSeconds};
use crate::removed::Removed;
use crate::store::cell::{Cell, all, json};
use crate::store::error::Problem;

/// A removal that was tried before, and failed, is the same one.
pub(in crate::store) fn write(connection: &Connection, at: UnixSeconds, node: &Node, key: &Key) -> Result<(), Problem> {
    let row = json("node", node)?;
    connection
        .prepare_cached(
            "INSERT INTO removed (number, created_at, node, key, removed_at) VALUES (?, ?, ?, ?, ?)
             ON CONFLICT (number, created_at) DO UPDATE SET node = excluded.node, key = excluded.key, removed_at = excluded.removed_at",
        )?
        .execute((node.id().0, node.created_at(), row, &key.0, at))?;
    Ok(())
}

/// Those whose nodes are gone, the latest first.
pub(in crate::store) fn read(connection: &Connection) -> Result<Vec<Removed>, Problem> {
    let sql = "SELECT id, node, removed_at FROM removed
               WHERE NOT EXISTS (SELECT 1 FROM node WHERE node.number = removed.number AND node.created_at = removed.created_at)
               ORDER BY removed_at DESC, id DESC";
    all(connection, "removed", sql, [], |cell: &Cell<'_>| {
        let node: Node = cell.required("node", cell.json("node")?)?;
        Ok(Removed { id: cell.get("id")?, node, removed_at: cell.get("removed_at")? })
    })
}

pub(in crate::store) fn key(connection: &Connection, id: i64) -> Result<Option<Key>, Problem> {
    let mut statement = connection.prepare_cached("SELECT key FROM removed WHERE id = ?1")?;
    Ok(statement.query_row([id], |row| row.get(0)).optional()?.map(Key))
}

pub(in crate::store) fn delete(connection: &Connection, id: i64) -> Result<(), Problem> {
    connection.prepare_cached("DELETE FROM removed WHERE id = ?1")?.execute([id])?;
    Ok(())
}

/// Answers how many there were.
pub(in crate::store) fn expire(connection: &Connection, before: UnixSeconds) -> Result<usize, Problem> {
    Ok(connection.prepare_cached("DELETE FROM removed WHERE removed_at < ?1")?.execute([before])?)
}

/// Since when the oldest of them is kept.
pub(in crate::store) fn oldest(connection: &Connection) -> Result<Option<UnixSeconds>, Problem> {
    Ok(connection.prepare_cached("SELECT min(removed_at) FROM removed")?.query_row([], |row| row.get(0))?)
}
