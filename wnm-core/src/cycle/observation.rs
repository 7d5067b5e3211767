//! Looking gathers everything that a decision may know. It only reads.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};

use wnm_allocator::PORTS_PER_START;

use super::{CycleError, Machine, Observation, storage};
use crate::decide::{Reconciled, reconcile};
use crate::event::{Event, NodeReport};
use crate::node::{Flavour, Node, NodeId, NodeRef, Ports};
use crate::observe::{self, Limits, Program, VersionCache};
use crate::settings::Config;
use crate::snapshot::{Answer, BlockedNumber, NodeSnapshot, Seen, Snapshot};
use crate::store::StoredState;
use wnm_pm::container_host::ContainerNetwork;
use wnm_pm::container_host::{Group, GroupState};
use wnm_pm::port_use::{Protocol, ports_in_use};
use wnm_pm::process_manager::{Binary, ManagerError, Outcome, ProcessState, Supervisor};

pub(super) async fn observe(machine: &Machine, seed: u64) -> Result<Observation, CycleError> {
    let (config, now) = (&machine.config, machine.clock.now());
    let stored = machine.store.load()?;
    let references: Vec<NodeRef> = stored.nodes.iter().map(Node::reference).collect();
    let (host, program, states, groups) = tokio::join!(
        observe::host(stored.counters.as_ref(), &config.node_storage, now),
        program(machine, &stored),
        machine.manager.inspect(&references),
        groups(machine, &stored),
    );
    let (host, (groups, mut warnings)) = (host?, groups);
    let unavailable = unavailable(&states);
    let states = states.into_iter().map(|state| state.map_err(|error| error.to_string()));
    let states: Vec<Result<ProcessState, String>> = states.collect();
    let answers = ask(machine, &stored.nodes, &states, &groups).await;
    warnings.extend(unseen(&stored.nodes, &states));
    let mut events = vec![Event::Measured { counters: host.counters.clone() }];
    events.extend(changed_groups(&stored.groups, &groups));
    let (available, flavour) = match program {
        Ok((program, cached)) => {
            events.extend(cached);
            (Some(Binary { path: config.antnode_path.clone(), version: program.version }), program.flavour)
        }
        Err(warning) => {
            warnings.push(warning);
            (None, Flavour::default())
        }
    };
    let blocked = blocked(machine, &stored.nodes, &groups);
    let seen = stored.nodes.into_iter().zip(states).map(|(node, process)| {
        let answer = answers.get(&node.id()).cloned().unwrap_or(Answer::NotAsked);
        let directory = storage::directory(&config.node_storage, &node.spec().root_dir);
        NodeSnapshot { node, seen: Some(Seen { process, answer, directory }) }
    });
    let snapshot = Snapshot {
        now,
        boot_time: host.counters.boot_time,
        last_surveyed_boot: stored.last_surveyed_boot,
        seed,
        host: host.load,
        available,
        flavour,
        numbering: machine.manager.capabilities().numbering,
        // The owner may know of numbers that were used before wnm came.
        highest_number_used: stored.highest_number_used.max(config.highest_node_id_used.unwrap_or(0)),
        groups,
        nodes: seen.collect(),
        blocked,
    };
    let Reconciled { mut snapshot, events: reconciled } = reconcile(config, snapshot);
    events.extend(reconciled);
    events.extend(surveyed(&mut snapshot));
    Ok(Observation { snapshot, events, warnings, unavailable })
}

/// Why the manager cannot be used, when that is all that it says of every node.
fn unavailable(states: &[Outcome<ProcessState>]) -> Option<String> {
    let all = states.iter().all(|state| matches!(state, Err(ManagerError::Unavailable { .. })));
    states.first().filter(|_| all)?.as_ref().err().map(ToString::to_string)
}

/// The node program on this machine. Its version is read from the very file that would be copied.
async fn program(machine: &Machine, stored: &StoredState) -> Result<(Program, Option<Event>), String> {
    let cache: VersionCache =
        stored.version_cache.as_deref().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    let (program, renewed) = observe::program_version(&*machine.runner, &machine.config.antnode_path, &cache)
        .await
        .map_err(|error| error.to_string())?;
    let json = renewed.and_then(|cache| serde_json::to_string(&cache).ok());
    Ok((program, json.map(|json| Event::VersionCached { json })))
}

/// The recorded groups as they stand now; as they were recorded, with a warning, when nobody can tell.
async fn groups(machine: &Machine, stored: &StoredState) -> (Vec<Group>, Vec<String>) {
    let Some(host) = machine.manager.containers() else { return (Vec::new(), Vec::new()) };
    let (found, warnings) = match host.groups().await {
        Ok(found) => (found, Vec::new()),
        Err(error) => return (stored.groups.clone(), vec![error.to_string()]),
    };
    let mut groups: Vec<Group> = stored
        .groups
        .iter()
        .map(|recorded| {
            let now = found.iter().find(|found| found.spec.group == recorded.spec.group);
            now.cloned().unwrap_or_else(|| Group { state: GroupState::Gone, ..recorded.clone() })
        })
        .collect();
    groups.extend(
        found.into_iter().filter(|found| !stored.groups.iter().any(|recorded| recorded.spec.group == found.spec.group)),
    );
    groups.sort_by_key(|group| group.spec.group);
    (groups, warnings)
}

fn changed_groups(recorded: &[Group], seen: &[Group]) -> Vec<Event> {
    let changed = seen.iter().filter(|group| !recorded.contains(group));
    changed.map(|group| Event::GroupSeen { group: Box::new(group.clone()) }).collect()
}

/// Asks every living node that has a metrics server how it is, as far as there is time. Nodes that others wait for come
/// first.
async fn ask(
    machine: &Machine,
    nodes: &[Node],
    states: &[Result<ProcessState, String>],
    groups: &[Group],
) -> BTreeMap<NodeId, Answer> {
    let living = nodes.iter().zip(states).filter(|(node, state)| {
        node.spec().flavour == Flavour::V1 && matches!(state, Ok(ProcessState::Running { .. }))
    });
    let living: Vec<&Node> = living.map(|(node, _)| node).collect();
    let waited_for = |node: &&Node| node.status().is_underway();
    let targets: Vec<(NodeId, SocketAddr)> = observe::in_turn(machine.clock.now(), living, waited_for)
        .into_iter()
        .map(|node| (node.id(), SocketAddr::new(metrics_host(machine, node, groups), node.spec().ports.metrics)))
        .collect();
    let limits = Limits { pause: std::time::Duration::from_millis(machine.config.survey_delay), ..Limits::default() };
    observe::ask(&targets, &limits).await.into_iter().collect()
}

fn metrics_host(machine: &Machine, node: &Node, groups: &[Group]) -> IpAddr {
    let group = node.spec().group.and_then(|number| groups.iter().find(|group| group.spec.group == number));
    match (machine.manager.containers(), group) {
        (Some(host), Some(group)) => host.metrics_host(group),
        _ => machine.config.host,
    }
}

fn unseen(nodes: &[Node], states: &[Result<ProcessState, String>]) -> Vec<String> {
    let mut reasons: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for (node, state) in nodes.iter().zip(states) {
        if let Err(reason) = state {
            reasons.entry(reason).or_default().push(node.name());
        }
    }
    reasons.into_iter().map(|(reason, names)| format!("nothing is known of {}: {reason}", names.join(", "))).collect()
}

/// What the nodes reported, and the snapshot's own copy of it.
fn surveyed(snapshot: &mut Snapshot) -> Option<Event> {
    let mut reports = Vec::new();
    for each in &mut snapshot.nodes {
        let Some(Seen { answer: Answer::Node { peer_id, version, metrics }, .. }) = &each.seen else { continue };
        let own = each.node.peer_id().is_none() || peer_id.is_none() || peer_id.as_deref() == each.node.peer_id();
        if !own {
            continue;
        }
        let node = &mut each.node;
        node.reported(peer_id.clone(), version.clone(), (**metrics).clone());
        reports.push(NodeReport {
            id: node.id(),
            peer_id: node.peer_id().map(str::to_owned),
            version: node.version().cloned(),
            metrics: (**metrics).clone(),
        });
    }
    (!reports.is_empty()).then_some(Event::Surveyed { reports })
}

/// Numbers that no node has, and that none may get: another program holds one of their ports, a node with another number
/// has it (adopted nodes can), or a directory of that name is there already. What lies in it may be a key.
fn blocked(machine: &Machine, nodes: &[Node], groups: &[Group]) -> Vec<BlockedNumber> {
    let config = &machine.config;
    let recorded: BTreeSet<NodeId> = nodes.iter().map(Node::id).collect();
    let mut blocked = BTreeMap::new();
    let mut block = |number: NodeId, by: &dyn Fn() -> String| {
        if number.0 > 0 && !recorded.contains(&number) {
            blocked.entry(number).or_insert_with(by);
        }
    };
    let of_port = |start: u16, port: u16| u32::from(port).checked_sub(u32::from(start) * PORTS_PER_START).map(NodeId);
    let by_antctl = machine.manager.kind().supervisor == Supervisor::Antctl;
    let (node_start, metrics_start, rpc_start) = (config.port_start, config.metrics_port_start, config.rpc_port_start);
    for node in nodes {
        let Ports { node: own, metrics, rpc } = node.spec().ports;
        for port in [own, metrics, rpc] {
            for number in [node_start, metrics_start, rpc_start].into_iter().filter_map(|start| of_port(start, port)) {
                block(number, &|| format!("port {port} is that of {}", node.name()));
            }
        }
    }
    // antctl names directories by itself.
    if !by_antctl {
        let recorded = nodes.iter().map(|node| node.spec().root_dir.clone());
        for directory in storage::entries(&config.node_storage).chain(recorded) {
            let name = directory.file_name().and_then(OsStr::to_str);
            if let Some(number) = name.and_then(NodeId::of_name) {
                block(number, &|| format!("{} is there already", directory.display()));
            }
        }
    }
    let bases = [(Protocol::Udp, node_start), (Protocol::Tcp, metrics_start), (Protocol::Tcp, rpc_start)];
    for (protocol, start) in bases.into_iter().take(if by_antctl { 3 } else { 2 }) {
        for port in ports_in_use(protocol).into_iter().filter(|&port| !engine_holds(config, groups, protocol, port)) {
            if let Some(number) = of_port(start, port) {
                block(number, &|| format!("{} port {port} is in use", protocol.as_str()));
            }
        }
    }
    blocked.into_iter().map(|(number, by)| BlockedNumber { number, by }).collect()
}

/// Whether the engine itself holds a port, since it publishes the ranges of groups that stand.
fn engine_holds(config: &Config, groups: &[Group], protocol: Protocol, port: u16) -> bool {
    let standing = groups.iter().filter(|group| group.state != GroupState::Gone);
    let mut ranges = standing.map(|group| match protocol {
        Protocol::Udp => group.spec.node_ports,
        Protocol::Tcp => group.spec.metrics_ports,
    });
    config.container_network == ContainerNetwork::Docker
        && ranges.any(|range| (range.first..=range.last).contains(&port))
}
