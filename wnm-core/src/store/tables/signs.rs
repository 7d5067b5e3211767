//! What is kept of nodes that answer no questions, in a format of its owner.

use std::collections::BTreeMap;

use rusqlite::Connection;

use crate::node::NodeId;
use crate::store::cell::{Cell, all};
use crate::store::error::Problem;

/// A node that was removed from the database in the meantime is passed over.
pub(in crate::store) fn write(connection: &Connection, id: NodeId, memory: &str) -> Result<(), Problem> {
    let sql = "INSERT OR REPLACE INTO signs (number, memory) SELECT number, ?2 FROM node WHERE number = ?1";
    connection.prepare_cached(sql)?.execute((id.0, memory))?;
    Ok(())
}

pub(super) fn read(connection: &Connection) -> Result<BTreeMap<NodeId, String>, Problem> {
    let row = |cell: &Cell<'_>| Ok((NodeId(cell.get("number")?), cell.get("memory")?));
    Ok(all(connection, "signs", "SELECT * FROM signs", [], row)?.into_iter().collect())
}
