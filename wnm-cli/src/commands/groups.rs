//! `wnm groups` shows the container groups as they are now: their containers, ranges and nodes.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use serde::Serialize;
use wnm_core::progress::{Work, during};
use wnm_core::snapshot::Snapshot;
use wnm_pm::container_host::{Group, GroupState, Ranges, Usage};
use wnm_pm::port::PortKind;

use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::{Access, Given};

#[derive(Serialize)]
struct Row {
    group: String,
    container: String,
    container_id: String,
    state: GroupState,
    ports: Ranges,
    up: usize,
    down: usize,
    free: usize,
    /// None while its container does not run.
    usage: Option<Usage>,
}

pub(crate) async fn groups(output: Output, given: &Given) -> Result<Exit, Failure> {
    let watch = given.watch();
    let machine = given.open(Access::Read, &watch)?;
    let observation = machine.observe(&watch).await?;
    let (snapshot, size) = (&observation.snapshot, machine.config().max_node_per_container as usize);
    let measuring = machine.usage(&snapshot.groups);
    let mut usages = during(&watch, Work::MeasureGroups(snapshot.groups.len()), measuring).await;
    drop(watch);
    output.warn(&observation.warnings);
    let usage = |group: &Group| usages.take(group.spec.group)?.ok();
    let rows: Vec<Row> = snapshot
        .groups
        .iter()
        .map(usage)
        .zip(&snapshot.groups)
        .map(|(usage, group)| row(snapshot, size, group, usage))
        .collect();
    output.answer(&rows, || text(&rows))?;
    Ok(Exit::Done)
}

fn row(snapshot: &Snapshot, size: usize, group: &Group, usage: Option<Usage>) -> Row {
    let nodes = || snapshot.nodes.iter().filter(|each| each.node.spec().group == Some(group.spec.group));
    let up = nodes().filter(|each| each.lives()).count();
    let all = nodes().count();
    Row {
        group: group.spec.name.clone(),
        container: group.container_name.clone(),
        container_id: group.container_id.clone(),
        state: group.state,
        ports: group.spec.ports.clone(),
        up,
        down: all - up,
        free: size.saturating_sub(all),
        usage,
    }
}

fn range(row: &Row, kind: PortKind) -> String {
    row.ports.get(&kind).map_or_else(|| "-".to_owned(), ToString::to_string)
}

fn text(rows: &[Row]) -> String {
    if rows.is_empty() {
        return "There are no container groups.\n".to_owned();
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    let kinds =
        [(PortKind::Node, "NODE PORTS"), (PortKind::Metrics, "METRICS PORTS"), (PortKind::WebRtc, "WEBRTC PORTS")];
    let has = |kind| rows.iter().any(|row| row.ports.contains_key(&kind));
    let kinds: Vec<_> = kinds.into_iter().filter(|(kind, _)| has(*kind)).collect();
    let names = kinds.iter().map(|(_, name)| *name);
    table.set_header(
        ["GROUP", "CONTAINER", "STATE"].into_iter().chain(names).chain(["UP", "DOWN", "FREE", "MEMORY", "CPU"]),
    );
    for row in rows {
        let usage = |show: fn(&Usage) -> String| row.usage.as_ref().map_or_else(|| "-".to_owned(), show);
        let ports = kinds.iter().map(|(kind, _)| range(row, *kind));
        let counts = [row.up.to_string(), row.down.to_string(), row.free.to_string()];
        let used = [
            usage(|usage| format!("{} MB", usage.memory_bytes / 1_000_000)),
            usage(|usage| format!("{:.1} %", usage.cpu_percent)),
        ];
        let place = [row.group.clone(), row.container.clone(), row.state.to_string()];
        table.add_row(place.into_iter().chain(ports).chain(counts).chain(used));
    }
    for column in (3 + kinds.len())..(8 + kinds.len()) {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}
