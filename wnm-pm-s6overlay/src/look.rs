//! Looking tells what becomes of nodes: their files are looked at here, their processes by the containers.

use std::fs;
use std::path::{Path, PathBuf};

use wnm_pm::container_host::GroupState;
use wnm_pm::node::{NodeId, NodeRef, NodeSpec, Ports};
use wnm_pm::process_manager::{FoundNode, ManagerError, Outcome, ProcessState};

use crate::batch::{Heard, in_background};
use crate::command_line;
use crate::groups::{again, repeat};
use crate::processes::Processes;
use crate::render::Definition;
use crate::script::{Call, NodeReport, NodeState};
use crate::start::{specs, state_text};
use crate::storage::io_error;
use crate::{S6Overlay, S6Settings, files, paths};

impl S6Overlay {
    /// What becomes of these nodes' processes.
    pub(crate) async fn look_at(&self, nodes: &[NodeRef]) -> Vec<Outcome<ProcessState>> {
        let containers = match self.engine.containers(&self.machine).await {
            Ok(containers) => containers,
            Err(error) => return repeat(&error.into(), nodes.len()),
        };
        let settings = self.settings.clone();
        let missing = in_background(specs(nodes), move |spec| missing(&settings, spec)).await;
        let ready = missing.iter().map(|missing| missing.as_ref().map(drop).map_err(again));
        let heard = self.ask(&containers, nodes, ready.collect(), Call::Status).await;
        let processes = Processes::of(&heard);
        let states = missing.into_iter().zip(heard).map(|(missing, heard)| Ok(state(missing?, heard?, &processes)));
        states.collect()
    }

    /// Every node that the volume defines, recorded or not, by its name.
    pub(crate) async fn find_nodes(&self) -> Result<Vec<FoundNode>, ManagerError> {
        let settings = self.settings.clone();
        let found = tokio::task::spawn_blocking(move || defined(&settings)).await;
        let mut found = found.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))?;
        let containers = self.engine.containers(&self.machine).await?;
        let nodes: Vec<NodeRef> = found.iter().map(|found| found.node.clone()).collect();
        let heard = self.ask(&containers, &nodes, nodes.iter().map(|_| Ok(())).collect(), Call::Status).await;
        let processes = Processes::of(&heard);
        for (found, heard) in found.iter_mut().zip(heard) {
            found.told.state = state(Missing::Nothing, heard?, &processes);
        }
        found.sort_by(|one, other| one.told.service.cmp(&other.told.service));
        Ok(found.into_iter().map(|found| found.told).collect())
    }
}

/// What of a node's files is not in place.
enum Missing {
    Nothing,
    Something(String),
    Everything,
}

fn missing(settings: &S6Settings, spec: &NodeSpec) -> Outcome<Missing> {
    paths::check(settings, spec)?;
    let definition = files::definition(settings, spec)?;
    Ok(if !spec.root_dir.exists() && !definition.dir.exists() {
        Missing::Everything
    } else if !spec.binary.exists() {
        Missing::Something(format!("its program {}", spec.binary.display()))
    } else if !definition.run.exists() {
        Missing::Something(format!("its definition {}", definition.run.display()))
    } else {
        Missing::Nothing
    })
}

/// A process that lives counts, whatever has become of its files.
fn state(missing: Missing, heard: Heard, processes: &Processes) -> ProcessState {
    if let Heard::Node(report) = &heard
        && report.state == NodeState::Up
    {
        return ProcessState::Running { process: processes.find(report) };
    }
    match (missing, heard) {
        (Missing::Everything, _) => ProcessState::Absent,
        (Missing::Something(missing), _) => ProcessState::Incomplete { missing },
        (Missing::Nothing, Heard::Nothing { state: GroupState::Restarting, why }) => {
            ProcessState::Waiting { reason: why }
        }
        (Missing::Nothing, Heard::Nothing { why, .. }) => ProcessState::Stopped { reason: Some(why) },
        (Missing::Nothing, Heard::Node(report)) => not_living(&report),
    }
}

fn not_living(report: &NodeReport) -> ProcessState {
    let reason = state_text(report);
    match report.state {
        NodeState::Waiting => ProcessState::Waiting { reason },
        NodeState::Down if report.ended.is_none() => ProcessState::Stopped { reason: None },
        _ => ProcessState::Stopped { reason: Some(reason) },
    }
}

/// A node on the volume, as it can be asked for and as it is told.
struct Found {
    node: NodeRef,
    told: FoundNode,
}

fn defined(settings: &S6Settings) -> Result<Vec<Found>, ManagerError> {
    let mut found = Vec::new();
    for (group_name, group_dir) in entries(&settings.node_storage.join(".s6"))? {
        let Some(group) = group_name.strip_prefix('a').and_then(|number| number.parse().ok()) else {
            continue;
        };
        for (name, _) in entries(&group_dir)? {
            let number = name.strip_prefix("antnode").and_then(|number| number.parse().ok()).map(NodeId);
            if let Some(id) = number.filter(|id| id.name() == name) {
                let definition = Definition::new(&settings.node_storage, &group_name, &name);
                found.push(read(settings, id, group, &definition));
            }
        }
    }
    Ok(found)
}

/// The directories in a directory; none when it does not exist.
fn entries(dir: &Path) -> Result<Vec<(String, PathBuf)>, ManagerError> {
    let listed = match fs::read_dir(dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Vec::new()),
        listed => listed.map_err(|source| io_error("list", dir, source))?,
    };
    let directories = listed.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(directories.map(|entry| (entry.file_name().to_string_lossy().into_owned(), entry.path())).collect())
}

fn read(settings: &S6Settings, id: NodeId, group: u32, definition: &Definition) -> Found {
    let words = fs::read_to_string(&definition.run).map(|text| command_line::words(&text)).unwrap_or_default();
    let option = |name: &str| command_line::option(&words, name).map(str::to_owned);
    let path = |name: &str| paths::outside(settings, Path::new(&option(name)?));
    let port = |name: &str| option(name).and_then(|port| port.parse().ok());
    let root_dir = path("--root-dir");
    let binary = words.first().and_then(|program| paths::outside(settings, Path::new(program)));
    let log_dir = path("--log-output-dest").or_else(|| path("--log-dir"));
    let ports = port("--port").map(|node| Ports { node, metrics: port("--metrics-server-port").unwrap_or(0), rpc: 0 });
    let network = option("--evm-network").or_else(|| words.last().filter(|word| word.starts_with("evm-")).cloned());
    let spec = NodeSpec {
        id,
        name: id.name(),
        flavour: wnm_pm::node::Flavour::V1,
        program: binary.clone().unwrap_or_default(),
        version: None,
        root_dir: root_dir.clone().unwrap_or_default(),
        binary: binary.clone().unwrap_or_default(),
        log_dir: log_dir.clone().unwrap_or_default(),
        bootstrap_cache_dir: settings.bootstrap_cache_dir.clone(),
        ports: ports.unwrap_or(Ports { node: 0, metrics: 0, rpc: 0 }),
        wallet: String::new(),
        network: String::new(),
        no_upnp: false,
        environment: Vec::new(),
        start_args: Vec::new(),
        group: Some(group),
    };
    Found {
        node: NodeRef { spec, service: id.name(), process: None },
        told: FoundNode {
            service: id.name(),
            id: Some(id),
            root_dir,
            binary,
            log_dir,
            ports,
            wallet: option("--rewards-address"),
            network,
            group: Some(group),
            state: ProcessState::Stopped { reason: None },
        },
    }
}
