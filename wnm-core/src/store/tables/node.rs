//! The nodes, a row each.

use std::collections::BTreeMap;

use rusqlite::Connection;

use super::{metrics, ports};
use crate::node::{Node, NodeId, NodeSpec, Ports, ProcessId, StoredNode};
use crate::store::cell::{Cell, all, json, most, text, upsert, word};
use crate::store::error::Problem;

pub(in crate::store) fn write(connection: &Connection, node: &Node) -> Result<(), Problem> {
    let (spec, life, process) = (node.spec(), node.life(), node.process());
    let version = |version: Option<&semver::Version>| version.map(ToString::to_string);
    upsert(
        connection,
        "node",
        &[
            ("number", &spec.id.0),
            ("name", &spec.name),
            ("flavour", &word(&spec.flavour)),
            ("program", &text("program", &spec.program)?),
            ("planned_version", &version(spec.version.as_ref())),
            ("root_dir", &text("root_dir", &spec.root_dir)?),
            ("binary", &text("binary", &spec.binary)?),
            ("log_dir", &text("log_dir", &spec.log_dir)?),
            ("bootstrap_cache_dir", &text("bootstrap_cache_dir", &spec.bootstrap_cache_dir)?),
            ("wallet", &spec.wallet),
            ("network", &spec.network),
            ("no_upnp", &spec.no_upnp),
            ("environment", &json("environment", &spec.environment)?),
            ("start_args", &json("start_args", &spec.start_args)?),
            ("container_group", &spec.group),
            ("service", &node.service()),
            ("created_at", &node.created_at()),
            ("version", &version(node.version())),
            ("peer_id", &node.peer_id()),
            ("pid", &process.map(|process| process.pid)),
            ("pid_start_time", &process.map(|process| most(process.start_time))),
            ("status", &life.status().as_str()),
            ("status_since", &life.status_since()),
            ("desired", &life.desired().as_str()),
            ("pending", &life.pending().map(|verb| verb.as_str())),
            ("failures", &life.failures()),
            ("falls", &life.falls()),
            ("retry_at", &life.retry_at()),
            ("last_error", &life.last_error()),
            ("has_run", &life.has_run()),
            ("comes_back", &life.comes_back()),
        ],
    )?;
    ports::write(connection, spec.id, &spec.ports)?;
    match node.metrics() {
        Some(metrics) => metrics::write(connection, spec.id, metrics),
        None => metrics::delete(connection, spec.id),
    }
}

pub(super) fn read(connection: &Connection) -> Result<Vec<Node>, Problem> {
    let ports = ports::read(connection)?;
    let sql = "SELECT *, metrics.number AS reported FROM node LEFT JOIN metrics USING (number) ORDER BY number";
    all(connection, "node", sql, [], |cell| read_row(cell, &ports))
}

fn read_row(cell: &Cell<'_>, ports: &BTreeMap<NodeId, Ports>) -> Result<Node, Problem> {
    let pid: Option<u32> = cell.get("pid")?;
    let start_time = cell.count("pid_start_time")?;
    let reported: Option<u32> = cell.get("reported")?;
    let stored = StoredNode {
        spec: read_spec(cell, ports)?,
        service: cell.get("service")?,
        created_at: cell.get("created_at")?,
        version: cell.word("version")?,
        peer_id: cell.get("peer_id")?,
        process: pid.zip(start_time).map(|(pid, start_time)| ProcessId { pid, start_time }),
        metrics: reported.map(|_| metrics::read(&cell.of("metrics"))).transpose()?,
        status: cell.required("status", cell.word("status")?)?,
        status_since: cell.get("status_since")?,
        desired: cell.required("desired", cell.word("desired")?)?,
        pending: cell.word("pending")?,
        failures: cell.get("failures")?,
        falls: cell.get("falls")?,
        retry_at: cell.get("retry_at")?,
        last_error: cell.get("last_error")?,
        has_run: cell.get("has_run")?,
        comes_back: cell.get("comes_back")?,
    };
    let name = stored.spec.name.clone();
    Node::restore(stored)
        .map_err(|contradiction| cell.bad(contradiction.column, format!("{name} cannot have {}", contradiction.reason)))
}

fn read_spec(cell: &Cell<'_>, ports: &BTreeMap<NodeId, Ports>) -> Result<NodeSpec, Problem> {
    let id = NodeId(cell.get("number")?);
    Ok(NodeSpec {
        id,
        name: cell.get("name")?,
        flavour: cell.required("flavour", cell.word("flavour")?)?,
        program: cell.path("program")?,
        version: cell.word("planned_version")?,
        root_dir: cell.path("root_dir")?,
        binary: cell.path("binary")?,
        log_dir: cell.path("log_dir")?,
        bootstrap_cache_dir: cell.path("bootstrap_cache_dir")?,
        ports: ports.get(&id).cloned().unwrap_or_default(),
        wallet: cell.get("wallet")?,
        network: cell.get("network")?,
        no_upnp: cell.get("no_upnp")?,
        environment: cell.required("environment", cell.json("environment")?)?,
        start_args: cell.required("start_args", cell.json("start_args")?)?,
        group: cell.get("container_group")?,
    })
}
