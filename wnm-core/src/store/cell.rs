//! Values to and from SQL, column by column. A count beyond what SQLite can hold (2^63-1) is kept as the most it can.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::types::FromSql;
use rusqlite::{Connection, Params, Row, ToSql, params_from_iter};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::error::Problem;

/// Columns and their values.
pub(super) type Cells<'a> = [(&'static str, &'a dyn ToSql)];

/// Writes a row over the one with the same key, which is the first of the cells. Another row that has the same of
/// something else that must be unique is an error.
pub(super) fn upsert(connection: &Connection, table: &str, cells: &Cells<'_>) -> Result<(), Problem> {
    let columns: Vec<&str> = cells.iter().map(|(column, _)| *column).collect();
    let marks = vec!["?"; columns.len()].join(", ");
    let updates: Vec<String> = columns.iter().map(|column| format!("{column} = excluded.{column}")).collect();
    let sql = format!(
        "INSERT INTO {table} ({}) VALUES ({marks}) ON CONFLICT ({}) DO UPDATE SET {}",
        columns.join(", "),
        columns[0],
        updates.join(", ")
    );
    connection.prepare_cached(&sql)?.execute(params_from_iter(cells.iter().map(|(_, value)| value)))?;
    Ok(())
}

/// One row that is being read.
pub(super) struct Cell<'r> {
    /// The table that it is from.
    table: &'static str,
    /// The place of each column: to look for it in each row anew would take most of the time.
    places: &'r HashMap<String, usize>,
    row: &'r Row<'r>,
}

impl Cell<'_> {
    /// The same row, of whose columns some are from this table.
    pub(super) fn of(&self, table: &'static str) -> Self {
        Self { table, places: self.places, row: self.row }
    }

    pub(super) fn bad(&self, column: &str, reason: impl ToString) -> Problem {
        Problem::BadValue { column: format!("{}.{column}", self.table), reason: reason.to_string() }
    }

    pub(super) fn get<T: FromSql>(&self, column: &str) -> Result<T, Problem> {
        let place = *self.places.get(column).ok_or_else(|| self.bad(column, "there is no such column"))?;
        self.row.get(place).map_err(|error| self.bad(column, error))
    }

    pub(super) fn path(&self, column: &str) -> Result<PathBuf, Problem> {
        self.get::<String>(column).map(PathBuf::from)
    }

    pub(super) fn count(&self, column: &str) -> Result<Option<u64>, Problem> {
        let value: Option<i64> = self.get(column)?;
        value.map(|value| u64::try_from(value).map_err(|error| self.bad(column, error))).transpose()
    }

    pub(super) fn json<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, Problem> {
        let text: Option<String> = self.get(column)?;
        text.map(|text| serde_json::from_str(&text).map_err(|error| self.bad(column, error))).transpose()
    }

    /// What is kept as a plain word or version, and has that text as its serialised form.
    pub(super) fn word<T: DeserializeOwned>(&self, column: &str) -> Result<Option<T>, Problem> {
        let text: Option<String> = self.get(column)?;
        text.map(|text| serde_json::from_value(text.into()).map_err(|error| self.bad(column, error))).transpose()
    }

    pub(super) fn required<T>(&self, column: &str, value: Option<T>) -> Result<T, Problem> {
        value.ok_or_else(|| self.bad(column, "it is missing"))
    }
}

/// The word that a value is serialised as.
pub(super) fn word(value: &impl Serialize) -> Option<String> {
    serde_json::to_value(value).ok()?.as_str().map(str::to_owned)
}

pub(super) fn json(what: &str, value: &impl Serialize) -> Result<String, Problem> {
    serde_json::to_string(value)
        .map_err(|error| Problem::Unstorable { what: what.to_owned(), reason: error.to_string() })
}

pub(super) fn text<'a>(what: &str, path: &'a Path) -> Result<&'a str, Problem> {
    path.to_str().ok_or_else(|| Problem::Unstorable {
        what: format!("{what} {}", path.display()),
        reason: "it is not UTF-8".to_owned(),
    })
}

pub(super) fn most(count: u64) -> i64 {
    i64::try_from(count).unwrap_or(i64::MAX)
}

/// Reads all rows of a query.
pub(super) fn all<T>(
    connection: &Connection,
    table: &'static str,
    sql: &str,
    values: impl Params,
    read: impl Fn(&Cell<'_>) -> Result<T, Problem>,
) -> Result<Vec<T>, Problem> {
    let mut statement = connection.prepare_cached(sql)?;
    let places = statement.column_names().map(str::to_owned).zip(0..).collect();
    let mut rows = statement.query(values)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next()? {
        found.push(read(&Cell { table, places: &places, row })?);
    }
    Ok(found)
}
