//! Adopting takes nodes into the database that run here and that nobody recorded.

use std::io;
use std::path::{Path, PathBuf};

use super::{CycleError, Machine, Observation};
use crate::decide::{group_of, port_kinds, ports_of};
use crate::event::Event;
use crate::node::{Flavour, Node, NodeId, NodeSpec, PortKind, Ports};
use crate::settings::Config;
use crate::snapshot::Snapshot;
use wnm_pm::path_policy;
use wnm_pm::process_manager::{Capabilities, FoundNode};

/// A node that was found on the machine and is not in the database.
#[derive(Debug, Clone, PartialEq)]
pub struct Untracked {
    /// What was found.
    pub found: FoundNode,
    /// The row that it would get, or why it cannot be taken into the database.
    pub row: Result<Box<Node>, String>,
}

impl Machine {
    /// The nodes of this machine's manager that are not in the database.
    ///
    /// # Errors
    /// When the manager cannot tell.
    pub async fn untracked(&self, observation: &Observation) -> Result<Vec<Untracked>, CycleError> {
        observation.answers()?;
        let snapshot = &observation.snapshot;
        let mut taken: Vec<Node> = snapshot.nodes.iter().map(|each| each.node.clone()).collect();
        let mut untracked = Vec::new();
        for found in self.parts.manager.survey().await? {
            let known =
                |node: &Node| node.service() == found.service || found.root_dir.as_ref() == Some(&node.spec().root_dir);
            if taken.iter().any(known) {
                continue;
            }
            let row =
                row(&self.parts.config, self.parts.manager.capabilities(), snapshot, &taken, &found).and_then(|row| {
                    self.may_be_touched(&row)?;
                    Ok(Box::new(row))
                });
            taken.extend(row.as_deref().ok().cloned());
            untracked.push(Untracked { found, row });
        }
        Ok(untracked)
    }

    /// Nodes that their manager placed by itself are where they are; no others touch anything outside the storage.
    fn may_be_touched(&self, node: &Node) -> Result<(), String> {
        if self.parts.manager.capabilities().places_nodes_itself {
            return Ok(());
        }
        path_policy::check(&self.parts.config.node_storage, &node.reference()).map_err(|error| error.text())
    }

    /// Takes nodes into the database, all or none. What they are is looked at in the next cycle.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn adopt(&mut self, observation: &Observation, untracked: &[Untracked]) -> Result<(), CycleError> {
        let rows = untracked.iter().filter_map(|each| each.row.as_ref().ok());
        let events: Vec<Event> = rows.map(|node| Event::Adopted { node: node.clone() }).collect();
        Ok(self.parts.store.apply(observation.snapshot.now, &events)?)
    }
}

fn row(
    config: &Config,
    capabilities: Capabilities,
    snapshot: &Snapshot,
    taken: &[Node],
    found: &FoundNode,
) -> Result<Node, String> {
    let root_dir = found.root_dir.clone().ok_or("its directory is not known")?;
    let flavour = found.flavour.unwrap_or(snapshot.flavour);
    is_of_the_machines_flavour(config, snapshot, taken, flavour)?;
    let binary = found.binary.clone().unwrap_or_else(|| root_dir.join(flavour.program_name()));
    is_a_nodes_own(&root_dir, &binary, config, taken)?;
    // A node that does not run may tell nothing but its name.
    let by_name = root_dir.file_name().and_then(|name| NodeId::of_name(name.to_str()?));
    let usual = || by_name.and_then(|id| ports_of(config, port_kinds(config, capabilities, flavour), id).ok());
    let told = Some(&found.ports).filter(|ports| ports.node().is_some()).cloned();
    let ports = told.or_else(usual).ok_or("its ports are not known")?;
    let needed = |kind: &&PortKind| **kind != PortKind::WebRtc;
    if let Some(missing) = flavour.ports().iter().filter(needed).find(|kind| ports.get(**kind).is_none()) {
        return Err(format!("it has no {missing} port, which nodes of {flavour} need"));
    }
    let id = number(config, taken, found, &ports)
        .ok_or("its number is not known, and another node has the one that its port tells")?;
    let holder = taken.iter().find(|node| node.spec().ports.overlaps(&ports));
    if let Some(holder) = holder {
        return Err(format!("{} has the same port", holder.name()));
    }
    let group = group_of(config, snapshot.numbering, id);
    if let (Some(lives_in), Some(group)) = (found.group, group)
        && lives_in != group
    {
        return Err(format!(
            "it lives in group a{lives_in}, and number {id} belongs to a{group}: has max_node_per_container changed?"
        ));
    }
    let spec = NodeSpec {
        id,
        name: id.name(),
        flavour,
        program: config.antnode_path.clone(),
        version: None,
        binary,
        log_dir: found.log_dir.clone().unwrap_or_else(|| usual_log_dir(config, &root_dir)),
        root_dir,
        bootstrap_cache_dir: config.bootstrap_cache_dir.clone(),
        ports,
        wallet: wallet(config, snapshot, found, id)?,
        network: found.network.clone().unwrap_or_else(|| config.network.clone()),
        no_upnp: found.no_upnp.unwrap_or(config.no_upnp),
        environment: config.environment.clone(),
        start_args: found.start_args.clone().unwrap_or_else(|| config.start_args.clone()),
        group,
    };
    Ok(Node::adopted(spec, found.service.clone(), snapshot.now))
}

/// A machine's nodes are of one flavour: that of its program, and of the nodes that it has.
fn is_of_the_machines_flavour(
    config: &Config,
    snapshot: &Snapshot,
    taken: &[Node],
    flavour: Flavour,
) -> Result<(), String> {
    let path = config.antnode_path.display();
    if snapshot.available.is_some() && flavour != snapshot.flavour {
        return Err(format!("it is a node of {flavour}, and {path} is a program of {}", snapshot.flavour));
    }
    match taken.iter().find(|node| node.spec().flavour != flavour) {
        Some(other) => {
            Err(format!("it is a node of {flavour}, and {} is one of {}", other.name(), other.spec().flavour))
        }
        None => Ok(()),
    }
}

/// Where a node that does not tell writes its logs.
fn usual_log_dir(config: &Config, root_dir: &Path) -> PathBuf {
    let own = root_dir.file_name().map(|name| config.log_dir.join(name)).filter(|log_dir| log_dir.is_dir());
    own.unwrap_or_else(|| root_dir.join("logs"))
}

/// What it earned for, as far as it tells. One that does not run and tells nothing gets what a new node would.
fn wallet(config: &Config, snapshot: &Snapshot, found: &FoundNode, id: NodeId) -> Result<String, String> {
    match (&found.wallet, found.ports.is_empty()) {
        (Some(wallet), _) => Ok(wallet.clone()),
        (None, true) => Ok(config.rewards_address.draw(snapshot.seed, id.0).to_string()),
        (None, false) => Err("the address it earns for is not known".to_owned()),
    }
}

/// A directory is only ever deleted as a node's own; one that holds more than a node, or none, never becomes that.
fn is_a_nodes_own(root_dir: &Path, binary: &Path, config: &Config, taken: &[Node]) -> Result<(), String> {
    let shown = root_dir.display();
    let unreadable = |error: io::Error| format!("its directory {shown} cannot be read: {error}");
    if !root_dir.symlink_metadata().map_err(unreadable)?.is_dir() {
        return Err(format!("{shown} is not a directory (a symbolic link or a file stands there)"));
    }
    let real = root_dir.canonicalize().map_err(unreadable)?;
    let home = wnm_pm::user::home().unwrap_or_default();
    let settings = [&config.log_dir, &config.bootstrap_cache_dir, &config.antnode_path, &home];
    let of_all = config.node_storage.iter().chain(settings.into_iter().map(PathBuf::as_path));
    let of_nodes = taken.iter().map(|node| node.spec().root_dir.as_path());
    // By whatever link they are reached.
    let lies_within =
        |path: &&Path| path.starts_with(&real) || path.canonicalize().is_ok_and(|resolved| resolved.starts_with(&real));
    if let Some(path) = of_all.chain(of_nodes).find(|path| lies_within(path)) {
        return Err(format!("{shown} is not a directory of its own: {} lies in it", path.display()));
    }
    let contains = |path: &Path| path.canonicalize().is_ok_and(|own| real.starts_with(own));
    if let Some(node) = taken.iter().find(|node| contains(&node.spec().root_dir)) {
        return Err(format!("{shown} lies in the directory of {}", node.name()));
    }
    let holds = |path: &Path| path.starts_with(root_dir) && path.is_file();
    let has_key = Flavour::ALL.iter().any(|flavour| holds(&root_dir.join(flavour.key_file())));
    if !has_key && !holds(binary) {
        return Err(format!("{shown} holds neither a node's key nor its program"));
    }
    Ok(())
}

/// The number that the name tells, or the one that the port tells, as long as no node has it.
fn number(config: &Config, taken: &[Node], found: &FoundNode, ports: &Ports) -> Option<NodeId> {
    let by_port =
        ports.node().and_then(|port| u32::from(port).checked_sub(u32::from(config.port_start) * 1000)).map(NodeId);
    let free = |id: &NodeId| id.0 > 0 && !taken.iter().any(|node| node.id() == *id);
    [by_port, found.id].into_iter().flatten().find(free)
}
