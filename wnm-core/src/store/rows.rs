//! Rows of the record, to and from SQL. A count beyond what SQLite can hold (2^63-1) is kept as the most it can.

use std::collections::HashMap;
use std::path::{Path, PathBuf};

use rusqlite::types::FromSql;
use rusqlite::{Connection, Params, Row, ToSql, params_from_iter};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::Record;
use super::error::Problem;
use crate::event::Counters;
use crate::node::{Node, NodeId, NodeSpec, PortKind, ProcessId, Reading};
use wnm_pm::container_host::{Group, GroupSpec, Range};

/// Columns and their values.
type Cells<'a> = [(&'static str, &'a dyn ToSql)];

/// Writes a row over the one with the same key, which is the first of the cells. Another row that has the same of
/// something else that must be unique is an error.
fn upsert(connection: &Connection, table: &str, cells: &Cells<'_>) -> Result<(), Problem> {
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
    /// Where each column stands: to look for it in each row anew would take most of the time.
    places: &'r HashMap<String, usize>,
    row: &'r Row<'r>,
}

impl Cell<'_> {
    fn bad(&self, column: &str, reason: impl ToString) -> Problem {
        Problem::BadValue { column: format!("{}.{column}", self.table), reason: reason.to_string() }
    }

    pub(super) fn get<T: FromSql>(&self, column: &str) -> Result<T, Problem> {
        let place = *self.places.get(column).ok_or_else(|| self.bad(column, "there is no such column"))?;
        self.row.get(place).map_err(|error| self.bad(column, error))
    }

    fn path(&self, column: &str) -> Result<PathBuf, Problem> {
        self.get::<String>(column).map(PathBuf::from)
    }

    fn count(&self, column: &str) -> Result<Option<u64>, Problem> {
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

fn text<'a>(what: &str, path: &'a Path) -> Result<&'a str, Problem> {
    path.to_str().ok_or_else(|| Problem::Unstorable {
        what: format!("{what} {}", path.display()),
        reason: "it is not UTF-8".to_owned(),
    })
}

fn most(count: u64) -> i64 {
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

/// Reads the whole record.
pub(super) fn load(connection: &Connection) -> Result<Record, Problem> {
    let machine = |cell: &Cell<'_>| {
        Ok(Record {
            initialised: cell.get::<Option<i64>>("initialised_at")?.is_some(),
            last_surveyed_boot: cell.get("last_stopped_at")?,
            highest_number_used: cell.get("highest_number_used")?,
            version_cache: cell.get("version_cache")?,
            ..Record::default()
        })
    };
    let mut record = all(connection, "machine", "SELECT * FROM machine", [], machine)?
        .pop()
        .ok_or_else(|| Problem::Corrupt("the machine's own row is missing".to_owned()))?;
    let setting = |cell: &Cell<'_>| Ok((cell.get("name")?, cell.get("value")?));
    record.settings = all(connection, "setting", "SELECT name, value FROM setting", [], setting)?.into_iter().collect();
    record.counters = all(connection, "counters", "SELECT * FROM counters", [], read_counters)?.pop();
    let groups = "SELECT * FROM container_group ORDER BY number";
    record.groups = all(connection, "container_group", groups, [], read_group)?;
    let nodes = "SELECT *, reading.number AS read_number FROM node LEFT JOIN reading USING (number) ORDER BY number";
    record.nodes = all(connection, "node", nodes, [], read_node)?;
    Ok(record)
}

pub(super) fn write_counters(connection: &Connection, counters: &Counters) -> Result<(), Problem> {
    upsert(
        connection,
        "counters",
        &[
            ("id", &1),
            ("at", &counters.at),
            ("boot_time", &counters.boot_time),
            ("boot_id", &counters.boot_id),
            ("uptime_milliseconds", &most(counters.uptime_milliseconds)),
            ("cpu_busy", &most(counters.cpu_busy)),
            ("cpu_total", &most(counters.cpu_total)),
            ("disk_read", &most(counters.disk_read)),
            ("disk_written", &most(counters.disk_written)),
            ("net_received", &most(counters.net_received)),
            ("net_sent", &most(counters.net_sent)),
        ],
    )
}

fn read_counters(cell: &Cell<'_>) -> Result<Counters, Problem> {
    let count = |column| Ok::<u64, Problem>(cell.count(column)?.unwrap_or_default());
    Ok(Counters {
        at: cell.get("at")?,
        boot_time: cell.get("boot_time")?,
        boot_id: cell.get("boot_id")?,
        uptime_milliseconds: count("uptime_milliseconds")?,
        cpu_busy: count("cpu_busy")?,
        cpu_total: count("cpu_total")?,
        disk_read: count("disk_read")?,
        disk_written: count("disk_written")?,
        net_received: count("net_received")?,
        net_sent: count("net_sent")?,
    })
}

pub(super) fn find_group(connection: &Connection, number: u32) -> Result<Option<Group>, Problem> {
    let sql = "SELECT * FROM container_group WHERE number = ?1";
    Ok(all(connection, "container_group", sql, [number], read_group)?.pop())
}

pub(super) fn write_group(connection: &Connection, group: &Group) -> Result<(), Problem> {
    let spec = &group.spec;
    let ends = |kind| spec.ports.get(&kind).copied().unwrap_or(Range { first: 0, last: 0 });
    upsert(
        connection,
        "container_group",
        &[
            ("number", &spec.group),
            ("name", &spec.name),
            ("image", &spec.image),
            ("node_port_first", &ends(PortKind::Node).first),
            ("node_port_last", &ends(PortKind::Node).last),
            ("metrics_port_first", &ends(PortKind::Metrics).first),
            ("metrics_port_last", &ends(PortKind::Metrics).last),
            ("container_id", &group.container_id),
            ("container_name", &group.container_name),
            ("address", &group.address.map(|address| address.to_string())),
            ("state", &word(&group.state)),
        ],
    )
}

fn read_group(cell: &Cell<'_>) -> Result<Group, Problem> {
    let range = |first, last| Ok::<_, Problem>(Range { first: cell.get(first)?, last: cell.get(last)? });
    Ok(Group {
        spec: GroupSpec {
            group: cell.get("number")?,
            name: cell.get("name")?,
            image: cell.get("image")?,
            ports: [
                (PortKind::Node, range("node_port_first", "node_port_last")?),
                (PortKind::Metrics, range("metrics_port_first", "metrics_port_last")?),
            ]
            .into(),
        },
        container_id: cell.get("container_id")?,
        container_name: cell.get("container_name")?,
        address: cell.word("address")?,
        state: cell.required("state", cell.word("state")?)?,
    })
}

pub(super) fn write_node(connection: &Connection, node: &Node) -> Result<(), Problem> {
    let spec = &node.spec;
    let version = |version: &Option<semver::Version>| version.as_ref().map(ToString::to_string);
    upsert(
        connection,
        "node",
        &[
            ("number", &spec.id.0),
            ("name", &spec.name),
            ("flavour", &word(&spec.flavour)),
            ("program", &text("program", &spec.program)?),
            ("planned_version", &version(&spec.version)),
            ("root_dir", &text("root_dir", &spec.root_dir)?),
            ("binary", &text("binary", &spec.binary)?),
            ("log_dir", &text("log_dir", &spec.log_dir)?),
            ("bootstrap_cache_dir", &text("bootstrap_cache_dir", &spec.bootstrap_cache_dir)?),
            ("node_port", &spec.ports.node().unwrap_or(0)),
            ("metrics_port", &spec.ports.metrics().unwrap_or(0)),
            ("rpc_port", &spec.ports.get(PortKind::Rpc).unwrap_or(0)),
            ("wallet", &spec.wallet),
            ("network", &spec.network),
            ("no_upnp", &spec.no_upnp),
            ("environment", &json("environment", &spec.environment)?),
            ("start_args", &json("start_args", &spec.start_args)?),
            ("container_group", &spec.group),
            ("service", &node.service),
            ("status", &node.status.as_str()),
            ("since", &node.since),
            ("born", &node.born),
            ("version", &version(&node.version)),
            ("peer_id", &node.peer_id),
            ("pid", &node.process.map(|process| process.pid)),
            ("pid_start_time", &node.process.map(|process| most(process.start_time))),
            ("held", &node.held),
            ("intention", &node.intention.map(|verb| verb.as_str())),
            ("failures", &node.failures),
            ("retry_at", &node.retry_at),
            ("trouble", &node.trouble),
        ],
    )?;
    match &node.reading {
        Some(reading) => write_reading(connection, spec.id, reading),
        None => {
            connection.prepare_cached("DELETE FROM reading WHERE number = ?1")?.execute([spec.id.0])?;
            Ok(())
        }
    }
}

fn read_node(cell: &Cell<'_>) -> Result<Node, Problem> {
    let pid: Option<u32> = cell.get("pid")?;
    let start_time = cell.count("pid_start_time")?;
    Ok(Node {
        spec: read_spec(cell)?,
        service: cell.get("service")?,
        status: cell.required("status", cell.word("status")?)?,
        since: cell.get("since")?,
        born: cell.get("born")?,
        version: cell.word("version")?,
        peer_id: cell.get("peer_id")?,
        process: pid.zip(start_time).map(|(pid, start_time)| ProcessId { pid, start_time }),
        held: cell.get("held")?,
        intention: cell.word("intention")?,
        failures: cell.get("failures")?,
        retry_at: cell.get("retry_at")?,
        trouble: cell.get("trouble")?,
        reading: match cell.get::<Option<u32>>("read_number")? {
            Some(_) => Some(read_reading(cell)?),
            None => None,
        },
    })
}

fn read_spec(cell: &Cell<'_>) -> Result<NodeSpec, Problem> {
    Ok(NodeSpec {
        id: NodeId(cell.get("number")?),
        name: cell.get("name")?,
        flavour: cell.required("flavour", cell.word("flavour")?)?,
        program: cell.path("program")?,
        version: cell.word("planned_version")?,
        root_dir: cell.path("root_dir")?,
        binary: cell.path("binary")?,
        log_dir: cell.path("log_dir")?,
        bootstrap_cache_dir: cell.path("bootstrap_cache_dir")?,
        ports: [
            (PortKind::Node, cell.get("node_port")?),
            (PortKind::Metrics, cell.get("metrics_port")?),
            (PortKind::Rpc, cell.get("rpc_port")?),
        ]
        .into_iter()
        .filter(|(_, port)| *port != 0)
        .collect(),
        wallet: cell.get("wallet")?,
        network: cell.get("network")?,
        no_upnp: cell.get("no_upnp")?,
        environment: cell.required("environment", cell.json("environment")?)?,
        start_args: cell.required("start_args", cell.json("start_args")?)?,
        group: cell.get("container_group")?,
    })
}

pub(super) fn write_reading(connection: &Connection, id: NodeId, reading: &Reading) -> Result<(), Problem> {
    upsert(
        connection,
        "reading",
        &[
            ("number", &id.0),
            ("uptime_seconds", &reading.uptime_seconds.map(most)),
            ("records", &reading.records.map(most)),
            ("relevant_records", &reading.relevant_records.map(most)),
            ("max_records", &reading.max_records.map(most)),
            ("puts", &reading.puts.map(most)),
            ("gets", &reading.gets.map(most)),
            ("connected_peers", &reading.connected_peers.map(most)),
            ("open_connections", &reading.open_connections.map(most)),
            ("peers_in_routing_table", &reading.peers_in_routing_table.map(most)),
            ("bad_peers", &reading.bad_peers.map(most)),
            ("shunned", &reading.shunned.map(most)),
            ("network_size", &reading.network_size.map(most)),
            ("payments", &reading.payments.map(most)),
            ("live_time", &reading.live_time.map(most)),
            ("rewards", &reading.rewards),
            ("memory_megabytes", &reading.memory_megabytes),
            ("cpu_percent", &reading.cpu_percent),
        ],
    )
}

fn read_reading(cell: &Cell<'_>) -> Result<Reading, Problem> {
    Ok(Reading {
        uptime_seconds: cell.count("uptime_seconds")?,
        records: cell.count("records")?,
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
