//! The status of a machine: its load, and a row for each of its nodes as it was just seen.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde::Serialize;

use super::disks::{DiskRow, disk_rows};
use super::failures::{Shared, by_reason};
use super::{counted, names};
use crate::decide::shown_status;
use crate::node::{Desired, Flavour, HealthFrom, NodeId, NodeMetrics, Ports, Status, UnixSeconds, Verb};
use crate::pause::CyclePause;
use crate::renewal::outdated;
use crate::settings::Config;
use crate::snapshot::{HostLoad, NodeSnapshot, Snapshot};
use wnm_pm::program::{Held, held};

/// A machine and its nodes.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct StatusReport {
    /// When they were observed, in seconds since the epoch.
    pub at: UnixSeconds,
    /// The owner's pause of the cycles, while it lasts.
    pub paused: Option<CyclePause>,
    /// The machine.
    pub host: HostRow,
    /// The disks that its nodes lie on, in the order of `node_storage`.
    pub disks: Vec<DiskRow>,
    /// Its nodes, by number.
    pub nodes: Vec<NodeRow>,
}

/// The machine's part of a status.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct HostRow {
    /// What it measures.
    #[serde(flatten)]
    pub load: HostLoad,
    /// The version of the node program on it.
    pub available_version: Option<String>,
    /// How many nodes have which status; statuses that no node has are left out.
    pub counts: BTreeMap<Status, u32>,
    /// How many nodes have which version; those whose version is not known are left out.
    pub versions: BTreeMap<String, u32>,
}

/// One node's part of a status.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct NodeRow {
    /// Its number.
    pub number: NodeId,
    /// Its name.
    pub name: String,
    /// The name under which its process manager knows it.
    pub service: String,
    /// What it is.
    pub status: Status,
    /// What tables show for it: the status, or BROKEN or FROZEN.
    pub shown: &'static str,
    /// Since when, in seconds since the epoch.
    pub status_since: UnixSeconds,
    /// What it rests on that it counts as up; none where its process does not live.
    pub health_from: Option<HealthFrom>,
    /// Which program it is.
    pub flavour: Flavour,
    /// What its owner wants of it.
    pub desired: Desired,
    /// What was begun on it and has no recorded outcome.
    pub pending: Option<Verb>,
    /// What is wrong with it, or why the last step on it failed.
    pub last_error: Option<String>,
    /// How often in a row a step on it failed.
    pub failures: u32,
    /// How often in a row it fell.
    pub falls: u32,
    /// Whether it fell so often that only its owner starts it again.
    pub broken: bool,
    /// Whether its process lives and does nothing: halted by a signal, or without an answer.
    pub frozen: bool,
    /// When it is tried again, in seconds since the epoch.
    pub retry_at: Option<UnixSeconds>,
    /// When it was created, in seconds since the epoch.
    pub created_at: UnixSeconds,
    /// Its version.
    pub version: Option<String>,
    /// Its name in the network.
    pub peer_id: Option<String>,
    /// Its process id.
    pub pid: Option<u32>,
    /// Its ports.
    pub ports: Ports,
    /// The container group it lives in, 1 is a1.
    pub group: Option<u32>,
    /// The address that its rewards go to.
    pub wallet: String,
    /// Its directory.
    pub root_dir: PathBuf,
    /// Its logs.
    pub log_dir: PathBuf,
    /// Its copy of the program.
    pub binary: PathBuf,
    /// How that copy is held on the disk, where that was looked at and is known.
    pub program_held: Option<Held>,
    /// The settings that have changed since it got its command line; a restart gives it today's.
    pub outdated: Vec<&'static str>,
    /// What it last reported about itself.
    pub metrics: Option<NodeMetrics>,
}

impl NodeRow {
    fn new(config: &Config, each: &NodeSnapshot) -> Self {
        let node = &each.node;
        let (spec, life) = (node.spec(), node.life());
        Self {
            number: spec.id,
            name: spec.name.clone(),
            service: node.service().to_owned(),
            status: life.status(),
            shown: shown_status(config, each),
            status_since: life.status_since(),
            health_from: each.health_from(),
            flavour: spec.flavour,
            desired: life.desired(),
            pending: life.pending(),
            last_error: life.last_error().map(str::to_owned),
            failures: life.failures(),
            falls: life.falls(),
            broken: life.is_broken(config.broken_after),
            frozen: each.is_frozen(),
            retry_at: life.retry_at(),
            created_at: node.created_at(),
            version: node.version().map(ToString::to_string),
            peer_id: node.peer_id().map(str::to_owned),
            pid: node.process().map(|process| process.pid),
            ports: spec.ports.clone(),
            group: spec.group,
            wallet: spec.wallet.clone(),
            root_dir: spec.root_dir.clone(),
            log_dir: spec.log_dir.clone(),
            binary: spec.binary.clone(),
            program_held: None,
            outdated: outdated(config, node),
            metrics: node.metrics().cloned(),
        }
    }
}

impl StatusReport {
    /// Looks at how the nodes' programs are held, which only the disk knows.
    pub fn look_at_programs(&mut self) {
        self.nodes.iter_mut().for_each(|row| row.program_held = held(&row.binary));
    }
}

/// What is wrong with nodes, a line for each reason with the nodes that share it; empty when nothing is.
#[must_use]
pub fn errors_text(report: &StatusReport) -> String {
    let errors = report.nodes.iter().filter_map(|row| Some((row.number, row.last_error.as_deref()?)));
    let line = |Shared { nodes, text }: Shared| {
        let text = text.replace('\n', "\n  ");
        match nodes.as_slice() {
            [id] => format!("{}: {text}\n", id.name()),
            _ => format!("{} ({}): {text}\n", counted(nodes.len(), "node"), names(&nodes)),
        }
    };
    by_reason(errors).into_iter().map(line).collect()
}

/// Nodes whose command line is not what the settings make of it today, a line for each mix of settings; empty when all are
/// as they should be.
#[must_use]
pub fn outdated_text(report: &StatusReport) -> String {
    let mut by_settings: BTreeMap<&[&str], Vec<NodeId>> = BTreeMap::new();
    for row in report.nodes.iter().filter(|row| !row.outdated.is_empty()) {
        by_settings.entry(&row.outdated).or_default().push(row.number);
    }
    let line = |(settings, nodes): (&[&str], Vec<NodeId>)| {
        let (settings, count, nodes) = (settings.join(", "), counted(nodes.len(), "node"), names(&nodes));
        format!("outdated arguments ({settings}): {count} ({nodes}); a restart applies today's settings\n")
    };
    by_settings.into_iter().map(line).collect()
}

fn versions(snapshot: &Snapshot) -> BTreeMap<String, u32> {
    let mut versions = BTreeMap::new();
    for version in snapshot.nodes.iter().filter_map(|each| each.node.version()) {
        *versions.entry(version.to_string()).or_insert(0) += 1;
    }
    versions
}

/// The status that a snapshot shows.
#[must_use]
pub fn status(config: &Config, snapshot: &Snapshot) -> StatusReport {
    let counts = Status::ALL.into_iter().map(|status| (status, snapshot.count(status)));
    StatusReport {
        at: snapshot.now,
        paused: snapshot.pause.clone(),
        host: HostRow {
            load: snapshot.host.clone(),
            available_version: snapshot.available.as_ref().map(|binary| binary.version.to_string()),
            counts: counts.filter(|(_, count)| *count > 0).collect(),
            versions: versions(snapshot),
        },
        disks: disk_rows(config, &snapshot.disks, snapshot.nodes.iter().map(|each| &each.node)),
        nodes: snapshot.nodes.iter().map(|each| NodeRow::new(config, each)).collect(),
    }
}
