//! Signs of life: what is seen of nodes that answer no questions, at the process, its sockets and the files that it leaves.
//!
//! A node's directory is not trusted: nothing in it is followed, and what is read has a limit. Only what has changed since the
//! last look is read again, which [`Memory`] keeps.

use std::collections::BTreeMap;
use std::path::PathBuf;

use semver::Version;
use serde::{Deserialize, Serialize};
use wnm_pm::bounded::{Directory, Fault};

use crate::node::{HealthFrom, NodeId, NodeMetrics, ProcessId, UnixSeconds};

mod chunks;
mod log;
mod peers;
#[cfg(target_os = "linux")]
mod process;

/// A node to look at.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// Its number.
    pub id: NodeId,
    /// Its own directory.
    pub root_dir: PathBuf,
    /// Where it writes its logs.
    pub log_dir: PathBuf,
    /// The UDP port that its peers talk to.
    pub port: Option<u16>,
    /// Its process, where it lives and can be seen from here.
    pub process: Option<ProcessId>,
}

/// What was seen of a node; none for what could not be seen.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct Signs {
    /// Whether its own process has its port bound.
    pub has_port: Option<bool>,
    /// Seconds since its process started.
    pub uptime_seconds: Option<u64>,
    /// What its process has in memory, in megabytes (10^6 bytes).
    pub memory_megabytes: Option<f64>,
    /// What its process used of one core since it started, in percent.
    pub cpu_percent: Option<f64>,
    /// Its name in the network.
    pub peer_id: Option<String>,
    /// The version that it last started as.
    pub version: Option<Version>,
    /// Peers that it knows.
    pub peers: Option<u64>,
    /// Whether it has known peers before, so that it should come to know some again.
    pub expects_peers: bool,
    /// When it last wrote down something about its peers or its work.
    pub moved_at: Option<UnixSeconds>,
    /// Records that it stores.
    pub records: Option<u64>,
    /// What these take, in bytes.
    pub stored_bytes: Option<u64>,
    /// Whether it stores more than when it was looked at before.
    pub has_grown: bool,
    /// Whether the last that it said was that it ends to start again as another version.
    pub left_to_upgrade: bool,
    /// What is wrong with its files, where something is: a sentence without a full stop.
    pub fault: Option<String>,
}

impl Signs {
    /// The most that was seen of what makes a node one that is well.
    #[must_use]
    pub fn health_from(&self) -> HealthFrom {
        match self.has_port {
            _ if self.peers > Some(0) => HealthFrom::Peers,
            _ if self.has_grown => HealthFrom::Growth,
            Some(true) => HealthFrom::Port,
            _ => HealthFrom::Process,
        }
    }

    /// The figures, as a node would report them.
    #[must_use]
    pub fn metrics(&self) -> NodeMetrics {
        NodeMetrics {
            uptime_seconds: self.uptime_seconds,
            records: self.records,
            stored_bytes: self.stored_bytes,
            peers_in_routing_table: self.peers,
            memory_megabytes: self.memory_megabytes,
            cpu_percent: self.cpu_percent,
            ..NodeMetrics::default()
        }
    }
}

/// What is kept of a node from one look to the next.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Memory {
    /// Whether it was ever seen to know a peer.
    has_had_peers: bool,
    peers: peers::Memory,
    log: log::Memory,
    chunks: chunks::Memory,
}

/// Seconds by which the time of a file and the start of a process, each rounded, may differ.
const CLOCK_SLACK: UnixSeconds = 2;

/// What all nodes together may cost a look, in files and directories that are looked at one by one.
const ENTRIES: usize = 60_000;

/// Looks at nodes. With the signs of each comes what to keep of it, where that has changed.
#[must_use]
pub fn look(
    targets: &[Target],
    kept: &BTreeMap<NodeId, Memory>,
    now: UnixSeconds,
) -> (BTreeMap<NodeId, Signs>, Vec<(NodeId, Memory)>) {
    let mut processes = processes(targets);
    let share = ENTRIES / targets.len().max(1);
    let mut changed = Vec::new();
    let mut signs = BTreeMap::new();
    for target in targets {
        let before = kept.get(&target.id).cloned().unwrap_or_default();
        let mut memory = before.clone();
        let mut seen = processes.remove(&target.id).unwrap_or_default();
        if let Err(fault) = files(target, &mut memory, share, now, &mut seen) {
            seen.fault = Some(fault.to_string());
        }
        if memory != before {
            changed.push((target.id, memory));
        }
        signs.insert(target.id, seen);
    }
    (signs, changed)
}

#[cfg(target_os = "linux")]
fn processes(targets: &[Target]) -> BTreeMap<NodeId, Signs> {
    process::look(targets)
}

/// Elsewhere nothing tells which socket is whose.
#[cfg(not(target_os = "linux"))]
fn processes(_: &[Target]) -> BTreeMap<NodeId, Signs> {
    BTreeMap::new()
}

fn files(target: &Target, memory: &mut Memory, share: usize, now: UnixSeconds, seen: &mut Signs) -> Result<(), Fault> {
    let Some(root) = Directory::open(&target.root_dir)? else { return Ok(()) };
    let peers = memory.peers.look(&root)?;
    let logs = if target.log_dir == target.root_dir.join("logs") {
        root.inside("logs")?
    } else {
        Directory::open(&target.log_dir)?
    };
    let said = logs.map(|logs| memory.log.look(&logs)).transpose()?.unwrap_or_default();
    let stored = memory.chunks.look(&root, share)?;
    // What was written before its process started tells how an earlier one was.
    let age =
        seen.uptime_seconds.map_or(UnixSeconds::MAX, |age| UnixSeconds::try_from(age).unwrap_or(UnixSeconds::MAX));
    let is_its_own = |at: &UnixSeconds| *at >= now.saturating_sub(age).saturating_sub(CLOCK_SLACK);
    seen.peers = peers.count.filter(|_| peers.counted_at.as_ref().is_some_and(is_its_own)).or(said.peers);
    memory.has_had_peers |= seen.peers > Some(0);
    seen.expects_peers = memory.has_had_peers;
    seen.moved_at = peers.written_at.max(said.written_at);
    seen.peer_id = said.peer_id.or(peers.owner);
    seen.version = said.version;
    seen.left_to_upgrade = said.left_to_upgrade;
    seen.records = stored.records;
    seen.stored_bytes = stored.bytes;
    seen.has_grown = stored.has_grown;
    Ok(())
}

#[cfg(test)]
mod tests;
