//! The disk of the node storage: what nodes keep free, what they may come to need, and when wnm removes nodes.

use super::{Facts, error, warning};
use crate::decide::load::FILES_PER_NODE;
use crate::settings::Config;
use crate::snapshot::DiskLoad;
use crate::storage::StorageError;
use wnm_pm::hint::{Advice, Hinted, chain};
use wnm_pm::process_manager::Finding;
use wnm_pm::shell::word;

/// Nodes of the second kind leave the network when less than this is free.
const RESERVE_BYTES: u64 = 500 * 1024 * 1024;
const MEGABYTE: u64 = 1_000_000;

/// The code of a disk that does not answer.
pub const HANGS: &str = "storage-hangs";

/// A disk that does not answer; nothing on it is looked at.
pub(super) fn hangs(error: &StorageError) -> Finding {
    let fix = error.hints().first().map_or_else(String::new, |hint| match &hint.advice {
        Advice::Shell(command) => {
            format!("`{command}` shows which file system it is on: repair its server, or unmount it")
        }
        Advice::Text(text) => text.to_string(),
        _ => String::new(),
    });
    super::error(HANGS, chain(error), "no node is started, stopped, added or removed, and none is checked", fix)
}

pub(super) fn check(config: &Config, facts: &Facts) -> Vec<Finding> {
    let there = || facts.disks.iter().filter(|disk| disk.is_there);
    there().flat_map(|disk| full(config, disk)).chain(for_cap(config, facts, &there().collect::<Vec<_>>())).collect()
}

fn full(config: &Config, disk: &DiskLoad) -> Vec<Finding> {
    let (storage, free) = (disk.storage.display(), disk.free_bytes / MEGABYTE);
    let mut findings = Vec::new();
    if disk.used_percent > config.hd_remove {
        let what =
            format!("the disk of {storage} is {:.1} % full, above hd_remove {}", disk.used_percent, config.hd_remove);
        let fix =
            format!("free some of it: `sudo du -xh {} | sort -h | tail` shows what takes most", word(&disk.storage));
        findings.push(error("disk-full", what, "each cycle removes a node, with its files", fix));
    }
    if disk.free_bytes < RESERVE_BYTES {
        let what =
            format!("{free} MB are free on the disk of {storage}, and nodes keep {} MB free", RESERVE_BYTES / MEGABYTE);
        let fix = "free disk space, or `wnm remove` nodes".to_owned();
        findings.push(error("disk-reserve", what, "nodes store nothing more and lose their standing", fix));
    }
    findings.extend(inodes(config, disk));
    findings
}

/// What nodes up to the cap may come to need, on all disks together.
fn for_cap(config: &Config, facts: &Facts, disks: &[&DiskLoad]) -> Option<Finding> {
    let present = u32::try_from(facts.nodes.len()).unwrap_or(u32::MAX);
    let missing = u64::from(config.node_cap.saturating_sub(present));
    let reserve = RESERVE_BYTES.saturating_mul(disks.len() as u64);
    let needed = missing.saturating_mul(config.crisis_bytes).saturating_add(reserve);
    let free = disks.iter().map(|disk| disk.free_bytes).fold(0, u64::saturating_add);
    if missing == 0 || disks.is_empty() || free >= needed {
        return None;
    }
    let (where_, free_megabytes) = (named(disks), free / MEGABYTE);
    let what = format!(
        "{free_megabytes} MB are free on {where_}, and {missing} more nodes up to node_cap may need {} MB (crisis_bytes {})",
        needed / MEGABYTE,
        config.crisis_bytes
    );
    let of_disk = |disk: &&DiskLoad| {
        disk.free_bytes.saturating_sub(RESERVE_BYTES).checked_div(config.crisis_bytes).unwrap_or(missing)
    };
    let room: u64 = disks.iter().map(of_disk).fold(0, u64::saturating_add);
    let fix = format!("wnm config set node_cap {}", u64::from(present).saturating_add(room));
    Some(warning("disk-for-cap", what, "nodes that are added now are removed when they fill up", fix))
}

fn named(disks: &[&DiskLoad]) -> String {
    let storages: Vec<String> = disks.iter().map(|disk| disk.storage.display().to_string()).collect();
    match storages.as_slice() {
        [one] => format!("the disk of {one}"),
        _ => format!("the disks of {}", storages.join(" and ")),
    }
}

/// Files that cannot be made although there is space.
fn inodes(config: &Config, disk: &DiskLoad) -> Option<Finding> {
    let free = disk.free_inodes?;
    let is_full = disk.used_inodes_percent > config.hd_remove;
    if free >= FILES_PER_NODE && !is_full {
        return None;
    }
    let storage = disk.storage.display();
    let what = format!(
        "{free} inodes are free on the disk of {storage} ({:.1} % are in use), and a node may need {FILES_PER_NODE}, one for each file",
        disk.used_inodes_percent
    );
    let consequence = if is_full {
        "each cycle removes a node, with its files"
    } else {
        "no node is added, and nodes fail with `No space left on device` although there is space"
    };
    let fix = format!(
        "`df -i {}` shows them; delete small files, or `wnm move-storage` to a disk with more inodes",
        word(&disk.storage)
    );
    Some(error("few-inodes", what, consequence, fix))
}
