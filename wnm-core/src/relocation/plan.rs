//! What a move takes, and everything that is in its way. It only reads.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, AtFlags, CWD, StatVfs, accessat, statvfs};

use super::tree::Size;
use super::{Move, Obstacle, Relocation, RelocationError, size};
use crate::node::{Desired, NodeId, Status};
use crate::settings::Config;
use crate::snapshot::{NodeSnapshot, Snapshot};
use wnm_pm::process_manager::Capabilities;

/// What nodes keep free on their disk.
const RESERVE_BYTES: u64 = 500 * 1024 * 1024;

/// What is to be done.
#[derive(Debug)]
pub(crate) struct Planned {
    /// The storage that is left.
    pub from: PathBuf,
    /// The nodes that live there.
    pub nodes: Vec<NodeId>,
    /// Nodes that go down for it and are started again.
    pub stopped: BTreeSet<NodeId>,
    /// All nodes in container groups have to go down, since their containers are removed.
    pub whole: bool,
    /// What the nodes take of a disk.
    pub bytes: u64,
}

/// What a move would take.
///
/// # Errors
/// With everything that is in its way.
pub(crate) fn plan(
    config: &Config,
    capabilities: Capabilities,
    snapshot: &Snapshot,
    moves: &[Move],
    relocation: &Relocation,
) -> Result<Planned, RelocationError> {
    let from = source(config, relocation)?;
    let to = &relocation.to;
    let storages = &config.node_storage;
    let members: Vec<&NodeSnapshot> =
        snapshot.nodes.iter().filter(|each| storages.of(&each.node.spec().root_dir) == Some(&from)).collect();
    let mut obstacles = Vec::new();
    if capabilities.places_nodes_itself {
        obstacles.push(Obstacle::Manager { kind: config.process_manager });
    }
    obstacles.extend(members.iter().filter_map(|each| of_node(snapshot, each)));
    let begun = |path: &Path| moves.iter().any(|begun| begun.to == path);
    let places = members.iter().filter_map(|each| place(&each.node.spec().root_dir, to));
    obstacles.extend(places.filter(|path| path.symlink_metadata().is_ok() && !begun(path)).map(Obstacle::InTheWay));
    let mut sizes = Vec::new();
    for path in members.iter().map(|each| &each.node.spec().root_dir) {
        match readable(path).and_then(|()| size(path)) {
            Ok(size) => sizes.push(size),
            Err(error) => obstacles.push(Obstacle::Unreadable { path: path.clone(), reason: error.to_string() }),
        }
    }
    let sum = sizes.iter().copied().fold(Size::default(), Size::plus);
    obstacles.extend(of_disk(config, &from, to, sum, &sizes, relocation.batch));
    if !obstacles.is_empty() {
        return Err(RelocationError::Refused { from, to: to.clone(), obstacles });
    }
    let whole = config.process_manager.uses_containers() && storages.first() == from && !snapshot.groups.is_empty();
    let goes_down = |each: &&NodeSnapshot| {
        let (life, id) = (each.node.life(), each.node.id());
        // One that an interrupted call stopped is started by this one.
        let was_stopped = moves.iter().any(|begun| begun.node == id) && life.status() == Status::Stopped;
        let concerned = whole || members.iter().any(|member| member.node.id() == id);
        concerned && life.desired() == Desired::Run && (each.lives() || was_stopped)
    };
    let stopped = snapshot.nodes.iter().filter(goes_down).map(|each| each.node.id()).collect();
    let nodes = members.iter().map(|each| each.node.id()).collect();
    Ok(Planned { from, nodes, stopped, whole, bytes: sum.bytes })
}

/// The storage that is left.
fn source(config: &Config, relocation: &Relocation) -> Result<PathBuf, RelocationError> {
    let storages = &config.node_storage;
    let from = match &relocation.from {
        Some(named) if storages.contains(named) => named.clone(),
        Some(named) => {
            return Err(RelocationError::Unknown { named: named.clone(), storages: storages.clone() });
        }
        None if storages.is_several() => return Err(RelocationError::Which(storages.clone())),
        None => storages.first().to_owned(),
    };
    if from == relocation.to { Err(RelocationError::There(from)) } else { Ok(from) }
}

/// Where a node's directory goes.
pub(crate) fn place(root_dir: &Path, to: &Path) -> Option<PathBuf> {
    root_dir.file_name().map(|name| to.join(name))
}

fn of_node(snapshot: &Snapshot, each: &NodeSnapshot) -> Option<Obstacle> {
    let name = each.node.name().to_owned();
    match each.node.status() {
        Status::Disabled => Some(Obstacle::Unmanaged { name }),
        status @ (Status::Removing | Status::Dead | Status::Migrating) => Some(Obstacle::Going { name, status }),
        _ => {
            let trials = snapshot.rollouts.as_ref().map(|rollouts| &rollouts.trials);
            let trial = trials.and_then(|trials| trials.get(&each.node.id()));
            trial.filter(|trial| trial.is_open()).map(|_| Obstacle::Unproved { name })
        }
    }
}

fn readable(path: &Path) -> std::io::Result<()> {
    Ok(accessat(CWD, path, Access::READ_OK | Access::WRITE_OK | Access::EXEC_OK, AtFlags::EACCESS)?)
}

/// What a disk lacks for nodes of these sizes.
fn of_disk(config: &Config, from: &Path, to: &Path, sum: Size, sizes: &[Size], batch: usize) -> Vec<Obstacle> {
    let Some(there) = to.ancestors().find(|path| path.exists()) else { return Vec::new() };
    let unmeasured =
        |error: rustix::io::Errno| vec![Obstacle::Unmeasured { path: to.to_owned(), reason: error.to_string() }];
    let disk = match statvfs(there) {
        Ok(disk) => disk,
        Err(error) => return unmeasured(error),
    };
    let mut obstacles: Vec<Obstacle> =
        runs_no_programs(&disk).then(|| Obstacle::NoPrograms(to.to_owned())).into_iter().collect();
    // On the same disk, only those are there twice that are being moved.
    let is_same = device(from).is_some_and(|device_| Some(device_) == device(there));
    let largest = sizes.iter().copied().fold(Size::default(), Size::or);
    let needed = if is_same { times(largest, batch.min(sizes.len())) } else { sum };
    let free = disk.f_bavail.saturating_mul(disk.f_frsize);
    if sizes.is_empty() {
        return obstacles;
    }
    let with_reserve = needed.bytes.saturating_add(RESERVE_BYTES);
    if with_reserve > free && needed.bytes > 0 {
        obstacles.push(Obstacle::NoRoom { needed: with_reserve, free });
    }
    if disk.f_files > 0 && needed.inodes > disk.f_favail {
        obstacles.push(Obstacle::NoInodes { needed: needed.inodes, free: disk.f_favail });
    }
    let percent = fullness(&disk, needed.bytes);
    if !is_same && obstacles.is_empty() && percent > config.hd_remove {
        obstacles.push(Obstacle::TooFull { percent, limit: config.hd_remove });
    }
    obstacles
}

fn times(size: Size, count: usize) -> Size {
    let count = count as u64;
    Size { bytes: size.bytes.saturating_mul(count), inodes: size.inodes.saturating_mul(count) }
}

/// How full a disk would be with so many bytes more, as the machine measures it.
#[expect(clippy::cast_precision_loss, reason = "a share of a disk needs no more digits")]
fn fullness(disk: &StatVfs, more: u64) -> f64 {
    let used = disk.f_blocks.saturating_sub(disk.f_bfree).saturating_mul(disk.f_frsize);
    let all = used.saturating_add(disk.f_bavail.saturating_mul(disk.f_frsize));
    used.saturating_add(more) as f64 * 100.0 / all.max(1) as f64
}

fn device(path: &Path) -> Option<u64> {
    use std::os::unix::fs::MetadataExt;
    path.metadata().ok().map(|found| found.dev())
}

#[cfg(target_os = "linux")]
fn runs_no_programs(disk: &StatVfs) -> bool {
    disk.f_flag.contains(rustix::fs::StatVfsMountFlags::NOEXEC)
}

#[cfg(not(target_os = "linux"))]
fn runs_no_programs(_: &StatVfs) -> bool {
    false
}
