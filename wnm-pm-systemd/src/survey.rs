//! A survey finds nodes by their units, whoever wrote them, and by what lies in the node storage without a unit.

use std::collections::HashSet;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use wnm_pm::node::{NodeId, Ports};
use wnm_pm::process_manager::{FoundNode, ManagerError, ProcessState};

use crate::Systemd;
use crate::parse::{CommandLine, Unit};
use crate::state::of_unit;

/// Every node of this systemd, ordered by unit.
pub(crate) async fn survey(manager: &Systemd) -> Result<Vec<FoundNode>, ManagerError> {
    let names = manager.systemctl.names().await?;
    let of_nodes: Vec<&str> = names.iter().map(String::as_str).filter(|name| number(name).is_some()).collect();
    let units = manager.systemctl.show(&of_nodes).await?;
    let mut found: Vec<FoundNode> = units.iter().filter_map(|(name, unit)| of_files(name, unit)).collect();
    let told: HashSet<PathBuf> = found.iter().filter_map(|node| node.root_dir.clone()).collect();
    found.extend(leftovers(&manager.node_storage)?.into_iter().filter(|path| !told.contains(path)).map(leftover));
    found.sort_by(|one, other| one.service.cmp(&other.service));
    Ok(found)
}

/// A node as its unit's files tell it; none for antctl's nodes, and for what starts no node at all.
fn of_files(name: &str, unit: &Unit) -> Option<FoundNode> {
    let texts: Vec<String> = unit.files.iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
    let state = of_unit(unit);
    let Some(line) = CommandLine::of_files(&texts) else {
        // Its unit file was deleted while it runs.
        return state.map(|state| unknown(name, state));
    };
    // Only antctl's have an RPC port; they are antctl's to manage.
    if line.option("--rpc").is_some() {
        return None;
    }
    let binary = line.program();
    let state = state.unwrap_or_else(|| match &binary {
        Some(path) if path.is_file() => ProcessState::Stopped { reason: unit.end() },
        _ => ProcessState::Incomplete { missing: "its program".to_owned() },
    });
    let port = |name| line.option(name).and_then(|text| text.parse().ok()).unwrap_or(0);
    // v1 names the network by its last word, v2 by an option.
    let network = Some(line.last()).filter(|word| word.starts_with("evm-")).map(str::to_owned);
    Some(FoundNode {
        root_dir: line.path("--root-dir"),
        binary,
        log_dir: line.path("--log-output-dest").or_else(|| line.path("--log-dir")),
        ports: Some(Ports { node: port("--port"), metrics: port("--metrics-server-port"), rpc: 0 }),
        wallet: line.option("--rewards-address").map(str::to_owned),
        network: network.or_else(|| line.option("--evm-network").map(|network| format!("evm-{network}"))),
        ..unknown(name, state)
    })
}

/// Directories that are named as nodes' are.
fn leftovers(node_storage: &Path) -> Result<Vec<PathBuf>, ManagerError> {
    let entries = match fs::read_dir(node_storage) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
        Err(source) => {
            return Err(ManagerError::Io { doing: "read the node storage", path: node_storage.to_owned(), source });
        }
    };
    let real = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(real.map(|entry| entry.path()).filter(|path| number(&name_of(path)).is_some()).collect())
}

/// What has no unit must not be taken for a free place: it may hold the key of a node that was.
fn leftover(root_dir: PathBuf) -> FoundNode {
    let name = format!("{}.service", name_of(&root_dir));
    let missing = "its unit file".to_owned();
    FoundNode { root_dir: Some(root_dir), ..unknown(&name, ProcessState::Incomplete { missing }) }
}

fn unknown(name: &str, state: ProcessState) -> FoundNode {
    FoundNode {
        service: name.to_owned(),
        id: number(name),
        root_dir: None,
        binary: None,
        log_dir: None,
        ports: None,
        wallet: None,
        network: None,
        group: None,
        state,
    }
}

fn name_of(root_dir: &Path) -> String {
    root_dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

fn number(name: &str) -> Option<NodeId> {
    NodeId::of_name(name.strip_suffix(".service").unwrap_or(name))
}
