//! The disks that nodes lie on, a row each.

use std::path::PathBuf;

use serde::Serialize;

use super::counted;
use crate::decide::disks;
use crate::node::Node;
use crate::settings::Config;
use crate::snapshot::DiskLoad;

/// One disk's part of a status. Percentages run from 0 to 100.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DiskRow {
    /// The storage on it.
    pub directory: PathBuf,
    /// Whether it is mounted: the storage's mark is there.
    pub mounted: bool,
    /// Space in use; not a number where it cannot be measured.
    pub used_percent: f64,
    /// Inodes in use. 0 where it does not count them.
    pub used_inodes_percent: f64,
    /// Free space, in bytes.
    pub free_bytes: u64,
    /// Free inodes; none where it does not count them.
    pub free_inodes: Option<u64>,
    /// Its size, in bytes.
    pub total_bytes: u64,
    /// What is free less what the nodes there may still come to need, in bytes: below 0 where they may not find it.
    pub room_bytes: i64,
    /// How many nodes lie on it.
    pub nodes: usize,
}

/// A row for each disk.
#[must_use]
pub fn disk_rows<'n>(
    config: &Config,
    disks: &[DiskLoad],
    nodes: impl Iterator<Item = &'n Node> + Clone,
) -> Vec<DiskRow> {
    let row = |disk: &DiskLoad| DiskRow {
        directory: disk.storage.clone(),
        mounted: disk.is_there,
        used_percent: disk.used_percent,
        used_inodes_percent: disk.used_inodes_percent,
        free_bytes: disk.free_bytes,
        free_inodes: disk.free_inodes,
        total_bytes: disk.total_bytes,
        room_bytes: i64::try_from(disks::room(config, nodes.clone(), disk)).unwrap_or(i64::MIN),
        nodes: nodes.clone().filter(|node| node.spec().root_dir.starts_with(&disk.storage)).count(),
    };
    disks.iter().map(row).collect()
}

/// A line for each of several disks; empty for a single one, whose figures are the machine's.
#[must_use]
pub fn disks_text(disks: &[DiskRow]) -> String {
    if disks.len() < 2 {
        return String::new();
    }
    let line = |row: &DiskRow| {
        let (directory, nodes) = (row.directory.display(), counted(row.nodes, "node"));
        if !row.mounted {
            return format!("Disk {directory}: not mounted, {nodes}\n");
        }
        let inodes = Some(row.used_inodes_percent).filter(|percent| *percent > row.used_percent);
        let inodes = inodes.map(|percent| format!(" (inodes {percent:.1} %)")).unwrap_or_default();
        let room = row.room_bytes.max(0) / 1_000_000_000;
        format!("Disk {directory}: {:.1} %{inodes}, {nodes}, room for {room} GB more\n", row.used_percent)
    };
    disks.iter().map(line).collect()
}
