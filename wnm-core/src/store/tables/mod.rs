//! The tables, each read and written in one place.

pub(super) mod counters;
pub(super) mod group;
pub(super) mod metrics;
pub(super) mod moves;
pub(super) mod node;
mod ports;
pub(super) mod removed;
pub(super) mod rollout;
pub(super) mod signs;

use rusqlite::Connection;

use super::StoredState;
use super::cell::{Cell, all};
use super::error::Problem;

/// Reads everything that is stored, but the history.
pub(super) fn load(connection: &Connection) -> Result<StoredState, Problem> {
    let machine = |cell: &Cell<'_>| {
        Ok(StoredState {
            initialised: cell.get::<Option<i64>>("initialised_at")?.is_some(),
            initialised_at: cell.get("initialised_at")?,
            last_surveyed_boot: cell.get("last_surveyed_boot")?,
            highest_number_used: cell.get("highest_number_used")?,
            version_cache: cell.get("version_cache")?,
            rolling: cell.json("rolling")?,
            torn_down_at: cell.get("torn_down_at")?,
            pause: cell.json("pause")?,
            ..StoredState::default()
        })
    };
    let mut state = all(connection, "machine", "SELECT * FROM machine", [], machine)?
        .pop()
        .ok_or_else(|| Problem::Corrupt("the machine's own row is missing".to_owned()))?;
    let setting = |cell: &Cell<'_>| Ok((cell.get("name")?, cell.get("value")?));
    state.settings = all(connection, "setting", "SELECT name, value FROM setting", [], setting)?.into_iter().collect();
    state.counters = counters::read(connection)?;
    state.groups = group::read(connection)?;
    state.nodes = node::read(connection)?;
    state.rollouts = rollout::read(connection)?;
    state.signs = signs::read(connection)?;
    state.moves = moves::read(connection)?;
    Ok(state)
}
