//! Everything known of each node, a line for each thing.

use wnm_core::node::{Desired, HealthFrom, PortKind};
use wnm_core::report::{NodeRow, StatusReport};

use super::dash;
use super::table::head;
use crate::durations::short as duration;

pub(super) fn details_text(report: &StatusReport, totals: &str) -> String {
    let nodes: Vec<String> = report.nodes.iter().map(|row| node_text(report.at, row)).collect();
    format!("{}\n{}", head(report, totals), nodes.join("\n"))
}

fn outdated_arguments(row: &NodeRow) -> String {
    format!("arguments ({}): a restart applies today's settings", row.outdated.join(", "))
}

fn node_text(at: i64, row: &NodeRow) -> String {
    let metrics = row.metrics.clone().unwrap_or_default();
    let by_owner = match row.desired {
        Desired::Stop => " (stopped by its owner)".to_owned(),
        _ if row.frozen => " (its process lives and does nothing)".to_owned(),
        _ if row.broken => {
            format!(" (fell {} times in a row; `wnm start {}` tries it again)", row.falls, row.name)
        }
        _ => String::new(),
    };
    let lines = [
        ("Node", row.name.clone()),
        ("Service", row.service.clone()),
        ("Status", format!("{}{by_owner} for {}", row.shown, duration(at - row.status_since))),
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
