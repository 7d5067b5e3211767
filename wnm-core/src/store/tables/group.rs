//! The container groups.

use rusqlite::{Connection, Params};

use super::ports;
use crate::store::cell::{Cell, all, upsert, word};
use crate::store::error::Problem;
use wnm_pm::container_host::{Group, GroupSpec};

/// The group of this number, where there is one.
pub(in crate::store) fn find(connection: &Connection, number: u32) -> Result<Option<Group>, Problem> {
    Ok(select(connection, "SELECT * FROM container_group WHERE number = ?1", [number])?.pop())
}

pub(super) fn read(connection: &Connection) -> Result<Vec<Group>, Problem> {
    select(connection, "SELECT * FROM container_group ORDER BY number", [])
}

fn select(connection: &Connection, sql: &str, values: impl Params) -> Result<Vec<Group>, Problem> {
    all(connection, "container_group", sql, values, |cell| read_row(connection, cell))
}

pub(in crate::store) fn write(connection: &Connection, group: &Group) -> Result<(), Problem> {
    let spec = &group.spec;
    upsert(
        connection,
        "container_group",
        &[
            ("number", &spec.group),
            ("name", &spec.name),
            ("image", &spec.image),
            ("container_id", &group.container_id),
            ("container_name", &group.container_name),
            ("address", &group.address.map(|address| address.to_string())),
            ("state", &word(&group.state)),
        ],
    )?;
    ports::write_ranges(connection, spec.group, &spec.ports)
}

fn read_row(connection: &Connection, cell: &Cell<'_>) -> Result<Group, Problem> {
    let number = cell.get("number")?;
    Ok(Group {
        spec: GroupSpec {
            group: number,
            name: cell.get("name")?,
            image: cell.get("image")?,
            ports: ports::read_ranges(connection, number)?,
        },
        container_id: cell.get("container_id")?,
        container_name: cell.get("container_name")?,
        address: cell.word("address")?,
        state: cell.required("state", cell.word("state")?)?,
    })
}
