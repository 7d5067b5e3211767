//! Disks: where nodes lie on several, each counts for itself. A full one sheds its own nodes and gets no new ones, whatever
//! the others are.

use std::path::Path;

use super::load::{FILES_PER_NODE, Reading};
use crate::node::Node;
use crate::plan::{Cause, Gauge};
use crate::settings::Config;
use crate::snapshot::{DiskLoad, NodeSnapshot, Snapshot};

/// The disks of a machine with several of them; empty where the machine's own figures are those of its only one.
pub(crate) fn several(snapshot: &Snapshot) -> &[DiskLoad] {
    if snapshot.disks.len() > 1 { &snapshot.disks } else { &[] }
}

/// The disk that a directory lies on.
pub(crate) fn holding<'s>(snapshot: &'s Snapshot, directory: &Path) -> Option<&'s DiskLoad> {
    several(snapshot).iter().find(|disk| directory.starts_with(&disk.storage))
}

fn readings(config: &Config, disk: &DiskLoad) -> [Reading; 2] {
    [(Gauge::Disk, disk.used_percent), (Gauge::Inodes, disk.used_inodes_percent)].map(|(gauge, figure)| Reading {
        gauge,
        figure,
        less_than: config.hd_less_than,
        remove: config.hd_remove,
    })
}

/// What is fuller on a disk than its owner allows. Of one that is away nothing is known.
pub(crate) fn pressure(config: &Config, disk: &DiskLoad) -> Vec<Cause> {
    let readings = readings(config, disk).into_iter().filter(|reading| disk.is_there && reading.presses());
    let cause = |Reading { gauge, figure, remove, .. }| {
        let (storage, limit) = (disk.storage.clone(), remove);
        Cause::DiskPressure { storage, gauge, figure, limit }
    };
    readings.map(cause).collect()
}

/// Everything that leaves no room on a disk for another node.
pub(crate) fn obstacles(config: &Config, disk: &DiskLoad) -> Vec<Cause> {
    let storage = || disk.storage.clone();
    if !disk.is_there {
        return vec![Cause::DiskAway { storage: storage() }];
    }
    let readings = readings(config, disk).into_iter().filter(|reading| !reading.leaves_room());
    let cause = |Reading { gauge, figure, less_than, .. }| {
        let (storage, limit) = (storage(), less_than);
        Cause::DiskNoRoom { storage, gauge, figure, limit }
    };
    let few = disk.free_inodes.filter(|free| *free < FILES_PER_NODE);
    let few = few.map(|free| Cause::DiskFewInodes { storage: storage(), free, needed: FILES_PER_NODE });
    readings.map(cause).chain(few).collect()
}

/// The first thing that keeps a node from being started where it lies.
pub(super) fn obstacle(config: &Config, snapshot: &Snapshot, each: &NodeSnapshot) -> Option<Cause> {
    obstacles(config, holding(snapshot, &each.node.spec().root_dir)?).into_iter().next()
}

/// What is free on a disk less what the nodes there may still come to need, `crisis_bytes` each: nodes that were just made
/// have taken nothing yet.
pub(crate) fn room<'n>(config: &Config, nodes: impl Iterator<Item = &'n Node>, disk: &DiskLoad) -> i128 {
    let there = nodes.filter(|node| node.spec().root_dir.starts_with(&disk.storage));
    let stored = |node: &Node| node.metrics().and_then(|metrics| metrics.stored_bytes).unwrap_or(0);
    let needs = there.map(|node| i128::from(config.crisis_bytes.saturating_sub(stored(node)))).sum::<i128>();
    i128::from(disk.free_bytes) - needs
}

/// The storages for so many new nodes: each goes where there is most room, on a disk that may grow as long as there is one.
pub(super) fn places<'s>(config: &'s Config, snapshot: &'s Snapshot, count: usize) -> Vec<&'s Path> {
    let of = |wanted: &dyn Fn(&DiskLoad) -> bool| -> Vec<(&'s Path, i128)> {
        let wanted = several(snapshot).iter().filter(|disk| wanted(disk));
        let nodes = || snapshot.nodes.iter().map(|each| &each.node);
        wanted.map(|disk| (disk.storage.as_path(), room(config, nodes(), disk))).collect()
    };
    let mut disks = of(&|disk| obstacles(config, disk).is_empty());
    if disks.is_empty() {
        disks = of(&|disk| disk.is_there);
    }
    let taken = i128::from(config.crisis_bytes.max(1));
    let mut next = || {
        // Of equal ones the first.
        let (storage, room) = disks.iter_mut().rev().max_by_key(|(_, room)| *room)?;
        *room -= taken;
        Some(*storage)
    };
    (0..count).map(|_| next().unwrap_or_else(|| config.node_storage.first())).collect()
}
