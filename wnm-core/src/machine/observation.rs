//! Looking gathers everything that a decision may know. It only reads.

use std::collections::{BTreeMap, BTreeSet};
use std::ffi::OsStr;
use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use wnm_allocator::PORTS_PER_START;

use super::{CycleError, Machine, Observation, signs};
use crate::decide::{Reconciled, advance, port_kinds, port_start, reconcile, watch};
use crate::event::{Event, NodeReport};
use crate::node::{Evidence, Flavour, Node, NodeId, NodeRef, PortKind, Status, UnixSeconds};
use crate::observe::{self, HostError, Limits, Observed, Program, VersionCache};
use crate::pause::CyclePause;
use crate::progress::{Ongoing, Progress, Work, during};
use crate::report::{by_reason, names};
use crate::settings::Config;
use crate::snapshot::{
    Answer, BlockedNumber, Blocker, DirectoryState, DiskLoad, HostLoad, NodeSnapshot, Seen, Snapshot,
};
use crate::storage::StorageError;
use crate::store::StoredState;
use wnm_pm::batch::Outcomes;
use wnm_pm::container_host::ContainerNetwork;
use wnm_pm::container_host::{Group, GroupState};
use wnm_pm::hint::chain;
use wnm_pm::port::Protocol;
use wnm_pm::process_manager::{Binary, ManagerError, ProcessState, TakenNumber};

pub(super) async fn observe(machine: &Machine, seed: u64, progress: &dyn Progress) -> Result<Observation, CycleError> {
    let (config, now) = (&machine.parts.config, machine.parts.clock.now());
    let stored = during(progress, Work::ReadDatabase, async { machine.parts.store.load() }).await?;
    if let Err(hanging) = during(progress, Work::MeasureMachine, async { machine.reach(&stored.nodes) }).await {
        return without_disks(machine, stored, seed, hanging, progress).await;
    }
    let references: Vec<NodeRef> = stored.nodes.iter().map(Node::reference).collect();
    let (host, program, states, groups, taken) = tokio::join!(
        during(progress, Work::MeasureMachine, host(machine, &stored, now)),
        during(progress, Work::ReadProgramVersion, program(machine, &stored)),
        during(progress, Work::CheckNodes(references.len()), machine.parts.manager.inspect(&references)),
        groups(machine, &stored, progress),
        machine.parts.manager.taken(&references),
    );
    let (mut host, (groups, mut warnings)) = (host?, groups);
    let disks = disks(machine, &mut host.load);
    let unavailable = match references.as_slice() {
        [] => unasked(machine, progress).await.inspect(|error| warnings.push(error.text())),
        _ => unavailable(&states),
    };
    // A manager that cannot be used at all says so by itself.
    let taken = taken.unwrap_or_else(|error| {
        warnings.extend(unavailable.is_none().then(|| error.text()));
        vec![]
    });
    let states = with_states(&stored.nodes, states);
    let mut answers = ask(machine, &stored.nodes, &states, &groups, Limits::default(), progress).await;
    let (signs, kept) = signs::look(machine, &stored, &states, now);
    answers.extend(signs);
    answers.extend(halted(machine, &stored.nodes, &states));
    warnings.extend(unseen(&stored.nodes, &states));
    warnings.extend(signs::faults(&answers));
    let mut events = vec![Event::Measured { counters: host.counters.clone() }];
    events.extend(kept);
    events.extend(changed_groups(&stored.groups, &groups));
    let (pause, over) = pause(&stored, now);
    events.extend(over);
    let mut rollouts = stored.rollouts.clone();
    let flavour = flavour(config, program.as_ref().ok().map(|(program, _)| program), &stored.nodes);
    let available = match program {
        Ok((program, cached)) => {
            events.extend(cached);
            rollouts.digest = program.digest;
            Some(Binary { path: config.antnode_path.clone(), version: program.version })
        }
        Err(warning) => {
            warnings.push(warning);
            None
        }
    };
    let mut taken = taken;
    taken.extend(withheld(config, &stored));
    let blocked = blocked(machine, &stored.nodes, &groups, flavour, &taken);
    let seen = stored.nodes.into_iter().zip(states).map(|(node, process)| {
        let answer = answers.get(&node.id()).cloned().unwrap_or(Answer::NotAsked);
        let root_dir = &node.spec().root_dir;
        let directory = machine.parts.observer.directory(config.node_storage.of_or_first(root_dir), root_dir);
        NodeSnapshot { node, seen: Some(Seen { process, answer, directory }) }
    });
    let snapshot = Snapshot {
        now,
        boot_time: host.counters.boot_time,
        last_surveyed_boot: stored.last_surveyed_boot,
        seed,
        host: host.load,
        disks,
        available,
        flavour,
        numbering: machine.parts.manager.capabilities().numbering,
        port_kinds: port_kinds(config, machine.parts.manager.capabilities(), flavour),
        // The owner may know of numbers that were used before wnm came.
        highest_number_used: stored.highest_number_used.max(config.highest_node_id_used.unwrap_or(0)),
        groups,
        nodes: seen.collect(),
        rollouts: Some(rollouts),
        pause,
        torn_down: stored.torn_down_at.is_some(),
        blocked,
    };
    let Reconciled { mut snapshot, events: reconciled, fallen } = reconcile(config, snapshot);
    events.extend(reconciled);
    events.extend(watch(config, &mut snapshot, &fallen));
    events.extend(surveyed(&mut snapshot));
    events.extend(advance(config, &mut snapshot, &fallen));
    Ok(Observation { snapshot, events, warnings, unavailable, hanging: None })
}

/// Nodes that have ended since they were started and before they were seen up, a sentence for each cause. After a restart of the machine
/// all nodes are down, and nothing is wrong with any.
pub(super) fn went_wrong(observation: &Observation) -> Vec<String> {
    let snapshot = &observation.snapshot;
    if snapshot.boot_time > snapshot.last_surveyed_boot {
        return Vec::new();
    }
    let errors = observation.events.iter().filter_map(|event| match event {
        Event::Reconciled { from, node, why: Evidence::ProcessGone { .. } } if from.is_underway() => {
            Some((node.id(), node.life().last_error()?))
        }
        _ => None,
    });
    by_reason(errors).into_iter().map(|shared| format!("{}: {}", names(&shared.nodes), shared.text)).collect()
}

/// What is known where a disk does not answer: what the database says, and what the nodes do over the network.
async fn without_disks(
    machine: &Machine,
    stored: StoredState,
    seed: u64,
    hanging: StorageError,
    progress: &dyn Progress,
) -> Result<Observation, CycleError> {
    let (config, now) = (&machine.parts.config, machine.parts.clock.now());
    let host = machine.parts.observer.host(stored.counters.as_ref(), Path::new("/"), now).await?;
    let reason = chain(&hanging);
    let asked = |node: &Node| node.status() == Status::Running || node.status().is_underway();
    let presumed = |node: &Node| match asked(node) {
        true => Ok(ProcessState::Running { process: node.process() }),
        false => Err(reason.clone()),
    };
    let presumed: Vec<_> = stored.nodes.iter().map(presumed).collect();
    // A node may hang with its disk, and the disk was waited for already.
    let limits = Limits { all_nodes: Duration::from_secs(2), ..Limits::default() };
    let answers = ask(machine, &stored.nodes, &presumed, &stored.groups, limits, progress).await;
    let (capabilities, flavour) = (machine.parts.manager.capabilities(), flavour(config, None, &stored.nodes));
    let seen = stored.nodes.into_iter().map(|node| {
        let answer = answers.get(&node.id()).cloned().unwrap_or(Answer::NotAsked);
        NodeSnapshot {
            node,
            seen: Some(Seen { process: Err(reason.clone()), answer, directory: DirectoryState::Unknown }),
        }
    });
    let mut snapshot = Snapshot {
        now,
        boot_time: host.counters.boot_time,
        last_surveyed_boot: stored.last_surveyed_boot,
        seed,
        host: without_disk(host.load),
        disks: Vec::new(),
        available: None,
        flavour,
        numbering: capabilities.numbering,
        port_kinds: port_kinds(config, capabilities, flavour),
        highest_number_used: stored.highest_number_used.max(config.highest_node_id_used.unwrap_or(0)),
        groups: stored.groups,
        nodes: seen.collect(),
        rollouts: Some(stored.rollouts),
        pause: stored.pause.filter(|pause| !pause.is_over(now)),
        torn_down: stored.torn_down_at.is_some(),
        blocked: Vec::new(),
    };
    let events = surveyed(&mut snapshot).into_iter().collect();
    Ok(Observation { snapshot, events, warnings: vec![reason], unavailable: None, hanging: Some(hanging) })
}

/// The load without what is not known of the disk.
fn without_disk(load: HostLoad) -> HostLoad {
    let unknown = f64::NAN;
    HostLoad {
        used_hd_percent: unknown,
        used_inodes_percent: unknown,
        free_inodes: None,
        free_hd_bytes: 0,
        total_hd_bytes: 0,
        ..load
    }
}

/// Why the manager cannot be used, when that is all that it says of every node.
fn unavailable(states: &Outcomes<ProcessState>) -> Option<ManagerError> {
    let all = states.iter().all(|(_, state)| matches!(state, Err(ManagerError::Unavailable { .. })));
    states.iter().next().filter(|_| all)?.1.as_ref().err().cloned()
}

/// The same while there is no node that it could be asked about.
async fn unasked(machine: &Machine, progress: &dyn Progress) -> Option<ManagerError> {
    let surveyed = during(progress, Work::CheckNodes(0), machine.parts.manager.survey()).await;
    surveyed.err().filter(|error| matches!(error, ManagerError::Unavailable { .. }))
}

/// What was seen of each node's process, in the order of the nodes.
fn with_states(nodes: &[Node], mut states: Outcomes<ProcessState>) -> Vec<Result<ProcessState, String>> {
    let unanswered = |node: &Node| Err(ManagerError::unanswered(node.name()));
    let state = |node: &Node| states.take(node.id()).unwrap_or_else(|| unanswered(node));
    nodes.iter().map(state).map(|state| state.map_err(|error| error.text())).collect()
}

/// The owner's pause of the cycles while it lasts; the end of one whose time has passed.
fn pause(stored: &StoredState, now: UnixSeconds) -> (Option<CyclePause>, Option<Event>) {
    match stored.pause.clone() {
        Some(pause) if pause.is_over(now) => (None, Some(Event::Resumed { expired: true })),
        pause => (pause, None),
    }
}

/// The living nodes whose processes a signal has halted.
fn halted(machine: &Machine, nodes: &[Node], states: &[Result<ProcessState, String>]) -> Vec<(NodeId, Answer)> {
    let is_halted = |state: &Result<ProcessState, String>| match state {
        Ok(ProcessState::Running { process: Some(process) }) => machine.parts.observer.is_halted(*process),
        _ => false,
    };
    let halted = nodes.iter().zip(states).filter(|(_, state)| is_halted(state));
    halted.map(|(node, _)| (node.id(), Answer::Halted)).collect()
}

/// The node program on this machine. Its version is read from the very file that would be copied.
async fn program(machine: &Machine, stored: &StoredState) -> Result<(Program, Option<Event>), String> {
    let cache: VersionCache =
        stored.version_cache.as_deref().and_then(|json| serde_json::from_str(json).ok()).unwrap_or_default();
    let (program, renewed) = machine
        .parts
        .observer
        .program(&machine.parts.config.antnode_path, &cache)
        .await
        .map_err(|error| chain(&error))?;
    let config = &machine.parts.config;
    if let Some(wanted) = config.node_flavour.wanted().filter(|wanted| *wanted != program.flavour) {
        let (path, Program { flavour, version, .. }) = (config.antnode_path.display(), &program);
        let name = flavour.program_name();
        return Err(format!("node_flavour is {wanted}, and {path} is {name} {version}, a program of {flavour}"));
    }
    let json = renewed.and_then(|cache| serde_json::to_string(&cache).ok());
    Ok((program, json.map(|json| Event::VersionCached { json })))
}

/// Which program new nodes are: what the settings ask for, else what is on this machine, else what its nodes are.
fn flavour(config: &Config, program: Option<&Program>, nodes: &[Node]) -> Flavour {
    let of_nodes = || nodes.first().map(|node| node.spec().flavour);
    config.node_flavour.wanted().or(program.map(|program| program.flavour)).or_else(of_nodes).unwrap_or_default()
}

async fn host(machine: &Machine, stored: &StoredState, now: UnixSeconds) -> Result<Observed, HostError> {
    machine.parts.observer.host(stored.counters.as_ref(), machine.parts.config.node_storage.first(), now).await
}

/// Each disk that nodes lie on. Where there are several, the machine's own figures become those of the fullest.
pub(crate) fn disks(machine: &Machine, load: &mut HostLoad) -> Vec<DiskLoad> {
    let (observer, storages) = (&machine.parts.observer, &machine.parts.config.node_storage);
    if !storages.is_several() {
        let storage = storages.first();
        return vec![load.disk(storage, observer.storage_is_marked(storage))];
    }
    let disks = observer.disks(storages);
    let there = disks.iter().filter(|disk| disk.is_there);
    if let Some(fullest) = there.max_by(|one, other| one.fullness().total_cmp(&other.fullness())) {
        *load = load.clone().on(fullest);
    }
    disks
}

/// The recorded groups as they stand now; as they were recorded, with a warning, when nobody can tell.
async fn groups(machine: &Machine, stored: &StoredState, progress: &dyn Progress) -> (Vec<Group>, Vec<String>) {
    let Some(host) = machine.parts.manager.containers() else { return (Vec::new(), Vec::new()) };
    let (found, warnings) = match during(progress, Work::AskGroups(stored.groups.len()), host.groups()).await {
        Ok(found) => (found, Vec::new()),
        Err(error) => return (stored.groups.clone(), vec![error.text()]),
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
    limits: Limits,
    progress: &dyn Progress,
) -> BTreeMap<NodeId, Answer> {
    let living = nodes
        .iter()
        .zip(states)
        .filter(|(node, state)| node.spec().flavour.has_metrics() && matches!(state, Ok(ProcessState::Running { .. })));
    let living: Vec<&Node> = living.map(|(node, _)| node).collect();
    let waited_for = |node: &&Node| node.status().is_underway();
    let targets: Vec<(NodeId, SocketAddr)> = observe::in_turn(machine.parts.clock.now(), living, waited_for)
        .into_iter()
        .filter_map(|node| {
            let port = node.spec().ports.metrics()?;
            Some((node.id(), SocketAddr::new(metrics_host(machine, node, groups), port)))
        })
        .collect();
    let limits = Limits { pause: Duration::from_millis(machine.parts.config.survey_delay), ..limits };
    let asking = Ongoing::begin(progress, Work::AskNodes(targets.len()));
    machine.parts.observer.ask(&targets, &limits, &|finished| asking.advance(finished)).await.into_iter().collect()
}

fn metrics_host(machine: &Machine, node: &Node, groups: &[Group]) -> IpAddr {
    let group = node.spec().group.and_then(|number| groups.iter().find(|group| group.spec.group == number));
    match (machine.parts.manager.containers(), group) {
        (Some(host), Some(group)) => host.metrics_host(group),
        _ => machine.parts.config.host,
    }
}

fn unseen(nodes: &[Node], states: &[Result<ProcessState, String>]) -> Vec<String> {
    let errors = nodes.iter().zip(states).filter_map(|(node, state)| Some((node.id(), state.as_ref().err()?.as_str())));
    by_reason(errors)
        .into_iter()
        .map(|shared| format!("cannot check {}: {}", names(&shared.nodes), shared.text))
        .collect()
}

/// What the nodes reported, and the snapshot's own copy of it.
fn surveyed(snapshot: &mut Snapshot) -> Option<Event> {
    let mut reports = Vec::new();
    for each in &mut snapshot.nodes {
        let (peer_id, version, metrics) = match each.seen.as_ref().map(|seen| &seen.answer) {
            Some(Answer::Node { peer_id, version, metrics }) => (peer_id.clone(), version.clone(), (**metrics).clone()),
            Some(Answer::Signs { signs }) => (signs.peer_id.clone(), signs.version.clone(), signs.metrics()),
            _ => continue,
        };
        let own = each.node.peer_id().is_none() || peer_id.is_none() || peer_id.as_deref() == each.node.peer_id();
        if !own {
            continue;
        }
        let node = &mut each.node;
        node.reported(peer_id, version, metrics.clone());
        reports.push(NodeReport {
            id: node.id(),
            peer_id: node.peer_id().map(str::to_owned),
            version: node.version().cloned(),
            metrics,
        });
    }
    (!reports.is_empty()).then_some(Event::Surveyed { reports })
}

/// Numbers that no node has, and that none may get: another program holds one of their ports, a node with another number
/// has it (adopted nodes can), its name is taken, or a directory of that name is there already. What lies in it may be a key.
fn blocked(
    machine: &Machine,
    nodes: &[Node],
    groups: &[Group],
    flavour: Flavour,
    taken: &[TakenNumber],
) -> Vec<BlockedNumber> {
    let config = &machine.parts.config;
    let recorded: BTreeSet<NodeId> = nodes.iter().map(Node::id).collect();
    let mut blocked = BTreeMap::new();
    let mut block = |number: NodeId, by: &dyn Fn() -> Blocker| {
        if number.0 > 0 && !recorded.contains(&number) {
            blocked.entry(number).or_insert_with(by);
        }
    };
    let of_port = |start: u16, port: u16| u32::from(port).checked_sub(u32::from(start) * PORTS_PER_START).map(NodeId);
    let capabilities = machine.parts.manager.capabilities();
    let starts: Vec<(PortKind, u16)> =
        PortKind::ALL.into_iter().filter_map(|kind| Some((kind, port_start(config, kind)?))).collect();
    for node in nodes {
        for (_, port) in node.spec().ports.iter() {
            for number in starts.iter().filter_map(|(_, start)| of_port(*start, port)) {
                block(number, &|| Blocker::PortOfNode { port, node: node.spec().name.clone() });
            }
        }
    }
    if !capabilities.places_nodes_itself {
        let recorded = nodes.iter().map(|node| node.spec().root_dir.clone());
        let present = config.node_storage.iter().flat_map(|storage| machine.parts.observer.entries(storage));
        for directory in present.chain(recorded) {
            let name = directory.file_name().and_then(OsStr::to_str);
            if let Some(number) = name.and_then(NodeId::of_name) {
                block(number, &|| Blocker::Directory { path: directory.clone() });
            }
        }
    }
    for TakenNumber { number, why } in taken {
        block(*number, &|| Blocker::Name { why: why.clone() });
    }
    let needed = port_kinds(config, capabilities, flavour);
    for (kind, start) in starts.into_iter().filter(|(kind, _)| needed.contains(kind)) {
        let protocol = kind.protocol();
        for port in machine
            .parts
            .observer
            .ports_in_use(protocol)
            .into_iter()
            .filter(|&port| !engine_holds(config, groups, protocol, port))
        {
            if let Some(number) = of_port(start, port) {
                block(number, &|| Blocker::PortInUse { protocol, port });
            }
        }
    }
    blocked.into_iter().map(|(number, by)| BlockedNumber { number, by }).collect()
}

/// Numbers that wait for their nodes' directories. They may have been withheld after the settings were read.
fn withheld(config: &Config, stored: &StoredState) -> impl Iterator<Item = TakenNumber> {
    let why = "withheld_numbers keeps it for a node whose directory went away";
    let numbers: BTreeSet<u32> = config.withheld_numbers.union(&stored.withheld_numbers()).copied().collect();
    numbers.into_iter().map(|number| TakenNumber { number: NodeId(number), why: why.to_owned() })
}

/// Whether the engine itself holds a port, since it publishes the ranges of groups that stand.
fn engine_holds(config: &Config, groups: &[Group], protocol: Protocol, port: u16) -> bool {
    let standing = groups.iter().filter(|group| group.state != GroupState::Gone);
    let mut ranges = standing.flat_map(|group| &group.spec.ports);
    config.container_network == ContainerNetwork::Docker
        && ranges.any(|(kind, range)| kind.protocol() == protocol && range.contains(port))
}
