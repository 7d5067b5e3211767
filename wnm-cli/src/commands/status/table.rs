//! The table of nodes: as wide as 80 characters, or with all columns.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use comfy_table::presets::NOTHING;
use comfy_table::{CellAlignment, Table};
use wnm_core::report::{NodeRow, StatusReport, allowance_text, disks_text, errors_text, outdated_text, thousands};
use wnm_core::snapshot::Allowance;

use super::super::pause;
use super::dash;
use crate::arguments::Sort;
use crate::durations::short as duration;

/// Above so many rows the totals are said again below them: the first lines are out of sight.
const ROWS_IN_SIGHT: usize = 20;

/// The longest version that the narrow table shows whole.
const VERSION_WIDTH: usize = 12;

/// What is shown of nodes.
#[derive(Debug, Clone, Copy)]
pub(super) struct Look {
    /// All columns.
    pub wide: bool,
    /// How many nodes there are, those that are not shown too.
    pub of: usize,
}

/// A column: its title, whether it is a figure, whether only the wide table has it, and what it shows of a node.
type Column = (&'static str, bool, bool, fn(&StatusReport, &NodeRow) -> String);

const COLUMNS: &[Column] = &[
    ("NODE", false, false, |_, row| row.name.clone()),
    ("STATUS", false, false, |_, row| row.shown.to_owned()),
    ("FOR", false, false, |report, row| duration(report.at - row.status_since)),
    ("VERSION", false, false, |_, row| dash(row.version.as_ref())),
    ("PORT", true, false, |_, row| dash(row.ports.node())),
    ("METRICS", true, true, |_, row| dash(row.ports.metrics())),
    ("PEERS", true, false, |_, row| dash(peers(row))),
    ("RECORDS", true, false, |_, row| dash(row.metrics.as_ref().and_then(|metrics| metrics.records))),
    ("MEMORY", true, true, |_, row| memory(row).map_or_else(|| "-".to_owned(), |memory| format!("{memory:.0} MB"))),
    ("CPU", true, true, |_, row| cpu(row).map_or_else(|| "-".to_owned(), |cpu| format!("{cpu:.1} %"))),
    ("AGE", false, true, |report, row| duration(report.at - row.created_at)),
    ("GROUP", false, true, |_, row| dash(row.group.map(|group| format!("a{group}")))),
    ("PEER ID", false, true, |_, row| dash(row.peer_id.as_ref())),
];

fn peers(row: &NodeRow) -> Option<u64> {
    row.metrics.as_ref().and_then(|metrics| metrics.connected_peers.or(metrics.peers_in_routing_table))
}

fn memory(row: &NodeRow) -> Option<f64> {
    row.metrics.as_ref().and_then(|metrics| metrics.memory_megabytes)
}

fn cpu(row: &NodeRow) -> Option<f64> {
    row.metrics.as_ref().and_then(|metrics| metrics.cpu_percent)
}

/// Puts the nodes in this order; equal ones stay by number.
pub(super) fn sort(rows: &mut [NodeRow], by: Sort, reverse: bool) {
    let version = |row: &NodeRow| row.version.as_deref().and_then(|text| semver::Version::parse(text).ok());
    let figure = |one: Option<f64>, other: Option<f64>| other.partial_cmp(&one).unwrap_or(Ordering::Equal);
    let records = |row: &NodeRow| row.metrics.as_ref().and_then(|metrics| metrics.records);
    let order = |one: &NodeRow, other: &NodeRow| match by {
        Sort::Number => one.number.cmp(&other.number),
        Sort::Status => one.shown.cmp(other.shown),
        Sort::For => one.status_since.cmp(&other.status_since),
        Sort::Age => one.created_at.cmp(&other.created_at),
        Sort::Version => version(one).cmp(&version(other)),
        Sort::Peers => peers(other).cmp(&peers(one)),
        Sort::Records => records(other).cmp(&records(one)),
        Sort::Memory => figure(memory(one), memory(other)),
        Sort::Cpu => figure(cpu(one), cpu(other)),
    };
    rows.sort_by(|one, other| {
        let order = order(one, other);
        (if reverse { order.reverse() } else { order }).then(one.number.cmp(&other.number))
    });
}

pub(super) fn table_text(report: &StatusReport, totals: &str, look: Look) -> String {
    let mut text = head(report, totals);
    let shown = report.nodes.len();
    if look.of == 0 {
        return text + "There are no nodes.\n";
    }
    if shown > 0 {
        text += &rows(report, look.wide);
    }
    text += &errors_text(report);
    text += &outdated_text(report);
    if shown < look.of {
        text += &format!("{} of {} nodes are shown.\n", thousands(shown), thousands(look.of));
    }
    if shown > ROWS_IN_SIGHT { text + totals } else { text }
}

fn rows(report: &StatusReport, wide: bool) -> String {
    let columns: Vec<&Column> = COLUMNS.iter().filter(|(_, _, only_wide, _)| wide || !only_wide).collect();
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(columns.iter().map(|(title, ..)| *title));
    for row in &report.nodes {
        table.add_row(columns.iter().map(|(title, _, _, cell)| {
            let text = cell(report, row);
            if wide || *title != "VERSION" { text } else { shortened(&text) }
        }));
    }
    for (place, (_, is_figure, ..)) in columns.iter().enumerate() {
        if let Some(column) = table.column_mut(place).filter(|_| *is_figure) {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

fn shortened(version: &str) -> String {
    if version.chars().count() <= VERSION_WIDTH {
        return version.to_owned();
    }
    version.chars().take(VERSION_WIDTH - 1).chain(['…']).collect()
}

/// "Nodes: 498 RUNNING, 1 FROZEN, 1 STOPPED".
pub(in crate::commands) fn totals(report: &StatusReport) -> String {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &report.nodes {
        *counts.entry(row.shown).or_default() += 1;
    }
    let mut counts: Vec<(&str, usize)> = counts.into_iter().collect();
    counts.sort_by_key(|(word, count)| (*word != "RUNNING", std::cmp::Reverse(*count)));
    let counts: Vec<String> = counts.into_iter().map(|(word, count)| format!("{} {word}", thousands(count))).collect();
    format!("Nodes: {}\n", if counts.is_empty() { "0".to_owned() } else { counts.join(", ") })
}

pub(super) fn head(report: &StatusReport, totals: &str) -> String {
    let (host, load) = (&report.host, &report.host.load);
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
    let parts = part("CPU", false, &load.cpu_allowance) + &part("Memory", true, &load.mem_allowance);
    let disks = disks_text(&report.disks);
    let paused = report.paused.as_ref().map(pause::line).unwrap_or_default();
    format!(
        "CPU {:.1} %, memory {:.1} %, disk {disk}{inodes}, load {:.2} {:.2} {:.2}\nNode program: {}\n{parts}{disks}{paused}{totals}{versions}",
        load.used_cpu_percent,
        load.used_mem_percent,
        load.load_average_1,
        load.load_average_5,
        load.load_average_15,
        dash(host.available_version.as_ref()),
    )
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use wnm_core::node::{Desired, Flavour, NodeId, NodeMetrics, PortKind, Ports, Status};
    use wnm_core::report::HostRow;
    use wnm_core::snapshot::HostLoad;

    use super::*;

    fn row(number: u16, status: Status) -> NodeRow {
        let metrics = NodeMetrics {
            connected_peers: Some(u64::from(number) * 10),
            records: Some(1_000 - u64::from(number)),
            memory_megabytes: Some(61.4),
            cpu_percent: Some(0.5),
            ..NodeMetrics::default()
        };
        let number_u32 = u32::from(number);
        NodeRow {
            number: NodeId(number_u32),
            name: NodeId(number_u32).name(),
            service: NodeId(number_u32).name(),
            status,
            shown: status.as_str(),
            status_since: 1_789_990_000,
            health_from: None,
            flavour: Flavour::V1,
            desired: Desired::Run,
            pending: None,
            last_error: None,
            failures: 0,
            falls: 0,
            broken: false,
            frozen: false,
            retry_at: None,
            created_at: 1_789_000_000 - i64::from(number),
            version: Some(format!("0.4.{number}")),
            peer_id: Some(format!("12D3KooW{number:044}")),
            pid: None,
            ports: Ports::default().with(PortKind::Node, 55_000 + number).with(PortKind::Metrics, 13_000 + number),
            group: Some(1),
            wallet: "faucet".to_owned(),
            root_dir: PathBuf::new(),
            log_dir: PathBuf::new(),
            binary: PathBuf::new(),
            program_held: None,
            outdated: Vec::new(),
            metrics: Some(metrics),
        }
    }

    fn report(nodes: Vec<NodeRow>) -> StatusReport {
        let load = HostLoad {
            used_cpu_percent: 100.0,
            used_hd_percent: 99.9,
            used_inodes_percent: 100.0,
            ..HostLoad::default()
        };
        let versions = BTreeMap::new();
        let host = HostRow { load, available_version: Some("0.4.17".to_owned()), counts: BTreeMap::new(), versions };
        StatusReport { at: 1_790_000_000, paused: None, disks: Vec::new(), host, nodes }
    }

    fn text(report: &StatusReport, wide: bool) -> String {
        table_text(report, &totals(report), Look { wide, of: report.nodes.len() })
    }

    #[test]
    fn the_table_has_what_is_needed_daily_and_wide_has_all() {
        let mut nodes = vec![row(1, Status::Running), row(2, Status::Stopped), row(3, Status::Stopped)];
        nodes[1].shown = "FROZEN";
        nodes[1].last_error = Some("its process is halted".to_owned());
        nodes[2].last_error = Some("its process is halted".to_owned());
        nodes[2].shown = "BROKEN";
        let report = report(nodes);
        insta::assert_snapshot!(text(&report, false), @"
        CPU 100.0 %, memory 0.0 %, disk 99.9 % (inodes 100.0 %), load 0.00 0.00 0.00
        Node program: 0.4.17
        Nodes: 1 RUNNING, 1 BROKEN, 1 FROZEN
         NODE         STATUS   FOR     VERSION   PORT  PEERS  RECORDS
         antnode0001  RUNNING  2h 46m  0.4.1    55001     10      999
         antnode0002  FROZEN   2h 46m  0.4.2    55002     20      998
         antnode0003  BROKEN   2h 46m  0.4.3    55003     30      997
        2 nodes (antnode0002–0003): its process is halted
        ");
        insta::assert_snapshot!(rows(&report, true), @"
        NODE         STATUS   FOR     VERSION   PORT  METRICS  PEERS  RECORDS  MEMORY    CPU  AGE      GROUP  PEER ID
        antnode0001  RUNNING  2h 46m  0.4.1    55001    13001     10      999   61 MB  0.5 %  11d 13h  a1     12D3KooW00000000000000000000000000000000000000000001
        antnode0002  FROZEN   2h 46m  0.4.2    55002    13002     20      998   61 MB  0.5 %  11d 13h  a1     12D3KooW00000000000000000000000000000000000000000002
        antnode0003  BROKEN   2h 46m  0.4.3    55003    13003     30      997   61 MB  0.5 %  11d 13h  a1     12D3KooW00000000000000000000000000000000000000000003
        ");
    }

    #[test]
    fn the_narrow_table_fits_80_characters_whatever_is_in_it() {
        let mut row = row(999, Status::Restarting);
        row.status_since -= 20_000 * 86_400;
        row.version = Some("2025.12.31-rc.12+build.4711".to_owned());
        let records = Some(1_000_000);
        row.metrics = Some(NodeMetrics { connected_peers: Some(100_000), records, ..NodeMetrics::default() });
        let text = rows(&report(vec![row]), false);
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn totals_are_said_again_below_a_long_table_and_what_is_left_out_is_counted() {
        let long = report((1..=30).map(|number| row(number, Status::Running)).collect());
        let said = text(&long, false);
        assert!(said.ends_with("\nNodes: 30 RUNNING\n") && said.matches("Nodes: 30").count() == 2, "{said}");
        let two = StatusReport { nodes: long.nodes[..2].to_vec(), ..long.clone() };
        let said = table_text(&two, &totals(&long), Look { wide: false, of: 30 });
        assert!(said.ends_with("\n2 of 30 nodes are shown.\n") && said.matches("Nodes: 30").count() == 1, "{said}");
        let none = StatusReport { nodes: Vec::new(), ..long.clone() };
        let said = table_text(&none, &totals(&long), Look { wide: false, of: 30 });
        assert!(said.ends_with("0 of 30 nodes are shown.\n") && !said.contains("NODE "), "{said}");
    }

    #[test]
    fn nodes_are_put_in_any_order() {
        let mut rows = vec![row(1, Status::Running), row(2, Status::Stopped), row(11, Status::Running)];
        let mut sorted = |by, reverse| {
            sort(&mut rows, by, reverse);
            rows.iter().map(|row| row.number.0).collect::<Vec<_>>()
        };
        assert_eq!(sorted(Sort::Number, true), [11, 2, 1]);
        assert_eq!(sorted(Sort::Status, false), [1, 11, 2]);
        assert_eq!(sorted(Sort::Version, false), [1, 2, 11], "0.4.11 is newer than 0.4.2");
        assert_eq!(sorted(Sort::Peers, false), [11, 2, 1], "the most first");
        assert_eq!(sorted(Sort::Records, false), [1, 2, 11]);
        assert_eq!(sorted(Sort::Age, false), [11, 2, 1], "the oldest first");
        assert_eq!(sorted(Sort::Memory, true), [1, 2, 11], "equal ones stay by number");
    }
}
