//! `wnm status` shows the nodes as they are now, not as they were when last recorded.

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use wnm_core::decide::Refusal;
use wnm_core::node::{Desired, HealthFrom, PortKind};
use wnm_core::report::{
    NodeRow, StatusReport, allowance_text, disks_text, errors_text, outdated_text, status as report, thousands,
};
use wnm_core::snapshot::Allowance;

use crate::arguments::Common;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::{Access, Given};

pub(crate) async fn status(output: Output, common: &Common, given: &Given, names: &[String]) -> Result<Exit, Failure> {
    let watch = given.watch();
    let machine = given.open(Access::Read, &watch)?;
    let observation = machine.observe(&watch).await?;
    drop(watch);
    let wanted = observation.snapshot.named(names).map_err(Refusal::UnknownNames)?;
    let mut report = report(machine.config(), &observation.snapshot);
    if !names.is_empty() {
        report.nodes.retain(|row| wanted.iter().any(|each| each.node.id() == row.number));
    }
    // A disk that does not answer is not asked again.
    if observation.hanging.is_none() && (common.details || common.json) {
        report.look_at_programs();
    }
    output.warn(&observation.warnings);
    output.answer(&report, || if common.details { details_text(&report) } else { table_text(&report) })?;
    Ok(Exit::Done)
}

fn dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}

/// "3d 4h", "5m 6s": the two largest units.
fn duration(seconds: i64) -> String {
    let units = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s")];
    let mut left = seconds.max(0);
    let mut parts = Vec::new();
    for (size, unit) in units {
        if left >= size && parts.len() < 2 {
            parts.push(format!("{}{unit}", left / size));
            left %= size;
        }
    }
    if parts.is_empty() { "0s".to_owned() } else { parts.join(" ") }
}

fn table_text(report: &StatusReport) -> String {
    let mut text = head(report);
    if report.nodes.is_empty() {
        return text + "There are no nodes.\n";
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["NODE", "STATUS", "FOR", "VERSION", "PORT", "METRICS", "PEERS", "RECORDS", "PEER ID"]);
    for row in &report.nodes {
        let metrics = row.metrics.as_ref();
        table.add_row([
            row.name.clone(),
            if row.broken { "BROKEN".to_owned() } else { row.status.to_string() },
            duration(report.at - row.status_since),
            dash(row.version.as_ref()),
            dash(row.ports.node()),
            dash(row.ports.metrics()),
            dash(metrics.and_then(|metrics| metrics.connected_peers.or(metrics.peers_in_routing_table))),
            dash(metrics.and_then(|metrics| metrics.records)),
            dash(row.peer_id.as_ref()),
        ]);
    }
    for column in [4, 5, 6, 7] {
        if let Some(column) = table.column_mut(column) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    text.extend(table.lines().map(|line| line.trim_end().to_owned() + "\n"));
    text + &errors_text(report) + &outdated_text(report)
}

fn head(report: &StatusReport) -> String {
    let (host, load) = (&report.host, &report.host.load);
    let counts: Vec<String> =
        host.counts.iter().map(|(status, count)| format!("{} {status}", thousands(*count as usize))).collect();
    let counts = if counts.is_empty() { "0".to_owned() } else { counts.join(", ") };
    let inodes = Some(load.used_inodes_percent).filter(|percent| *percent > load.used_hd_percent);
    let inodes = inodes.map(|percent| format!(" (inodes {percent:.1} %)")).unwrap_or_default();
    let disk = match load.used_hd_percent {
        unknown if unknown.is_nan() => "unknown".to_owned(),
        percent => format!("{percent:.1} %"),
    };
    let versions: Vec<String> = host.versions.iter().map(|(version, count)| format!("{version} ({count})")).collect();
    let versions = if versions.len() > 1 { format!("Versions: {}\n", versions.join(", ")) } else { String::new() };
    let part = |what: &str, is_memory, allowance: &Option<Allowance>| {
        let text = allowance.as_ref().map(|allowance| allowance_text(is_memory, allowance));
        text.map(|text| format!("{what} is a part of {text}.\n")).unwrap_or_default()
    };
    let disks = disks_text(&report.disks);
    let parts = part("CPU", false, &load.cpu_allowance) + &part("Memory", true, &load.mem_allowance);
    format!(
        "CPU {:.1} %, memory {:.1} %, disk {disk}{inodes}, load {:.2} {:.2} {:.2}, node program {}\n{parts}{disks}Nodes: {counts}\n{versions}",
        load.used_cpu_percent,
        load.used_mem_percent,
        load.load_average_1,
        load.load_average_5,
        load.load_average_15,
        dash(host.available_version.as_ref()),
    )
}

fn details_text(report: &StatusReport) -> String {
    let nodes: Vec<String> = report.nodes.iter().map(|row| node_text(report.at, row)).collect();
    format!("{}\n{}", head(report), nodes.join("\n"))
}

fn outdated_arguments(row: &NodeRow) -> String {
    format!("arguments ({}): a restart applies today's settings", row.outdated.join(", "))
}

fn node_text(at: i64, row: &NodeRow) -> String {
    let metrics = row.metrics.clone().unwrap_or_default();
    let by_owner = match row.desired {
        Desired::Stop => " (stopped by its owner)".to_owned(),
        _ if row.broken => {
            format!(" (broken: fell {} times in a row; `wnm start {}` tries it again)", row.falls, row.name)
        }
        _ => String::new(),
    };
    let lines = [
        ("Node", row.name.clone()),
        ("Service", row.service.clone()),
        ("Status", format!("{}{by_owner} for {}", row.status, duration(at - row.status_since))),
        ("Health from", dash(row.health_from.map(HealthFrom::as_str))),
        ("Desired", row.desired.to_string()),
        ("Pending", dash(row.pending)),
        ("Last error", dash(row.last_error.as_ref())),
        ("Outdated", if row.outdated.is_empty() { "-".to_owned() } else { outdated_arguments(row) }),
        ("Age", duration(at - row.created_at)),
        ("Version", dash(row.version.as_ref())),
        ("Peer id", dash(row.peer_id.as_ref())),
        ("Process", dash(row.pid)),
        ("Group", dash(row.group.map(|group| format!("a{group}")))),
        ("Node port", dash(row.ports.node())),
        ("Metrics port", dash(row.ports.metrics())),
        ("WebRTC port", dash(row.ports.get(PortKind::WebRtc))),
        ("Rewards to", row.wallet.clone()),
        ("Directory", row.root_dir.display().to_string()),
        ("Logs", row.log_dir.display().to_string()),
        ("Program", row.binary.display().to_string()),
        ("Program held as", dash(row.program_held)),
        (
            "Up",
            metrics.uptime_seconds.map_or_else(|| "-".to_owned(), |up| duration(i64::try_from(up).unwrap_or(i64::MAX))),
        ),
        ("Records", dash(metrics.records)),
        ("Stored", dash(metrics.stored_bytes.map(|bytes| format!("{:.1} MB", bytes as f64 / 1e6)))),
        ("Puts", dash(metrics.puts)),
        ("Connected peers", dash(metrics.connected_peers)),
        ("Known peers", dash(metrics.peers_in_routing_table)),
        ("Network size", dash(metrics.network_size)),
        ("Shunned", dash(metrics.shunned)),
        ("Rewards", dash(metrics.rewards)),
        ("Memory", metrics.memory_megabytes.map_or_else(|| "-".to_owned(), |memory| format!("{memory:.1} MB"))),
        ("CPU", metrics.cpu_percent.map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.1} %"))),
    ];
    lines.iter().map(|(name, value)| format!("{name:<16}{value}\n")).collect()
}
