//! Placement gives new nodes their numbers and everything that follows from a number.

use std::collections::BTreeMap;
use std::mem::discriminant;
use std::path::Path;

use wnm_allocator::{Blocks, Layout, LayoutError, Numbering, Placer};

use super::{Draft, Refusal, disks};
use crate::node::{Flavour, NodeId, NodeSpec, PortKind, Ports};
use crate::plan::Cause;
use crate::settings::Config;
use crate::snapshot::{BlockedNumber, Blocker, Snapshot};
use wnm_pm::process_manager::{Capabilities, NumberingKind};

/// The port layout that this configuration asks for.
pub(crate) fn layout(config: &Config) -> Layout {
    Layout {
        port_start: config.port_start,
        metrics_port_start: config.metrics_port_start,
        rpc_port_start: config.rpc_port_start,
        webrtc_port_start: config.webrtc_port_start,
    }
}

/// The blocks of container groups that this configuration asks for.
pub(super) fn blocks(config: &Config) -> Option<Blocks> {
    Blocks::new(config.max_node_per_container, config.min_container_count).ok()
}

/// The next nodes, fully specified: `count` of them, or as many as have ports. Numbers that are blocked are
/// passed over.
pub(super) fn specifications(draft: &mut Draft<'_>, count: u32) -> Result<Vec<NodeSpec>, LayoutError> {
    let (config, snapshot) = (draft.config, draft.snapshot);
    let blocked: BTreeMap<u32, &Blocker> = snapshot.blocked.iter().map(|each| (each.number.0, &each.by)).collect();
    let used: Vec<u32> = snapshot.nodes.iter().map(|each| each.node.id().0).collect();
    let numbering = numbering(config, snapshot);
    let highest = layout(config).highest_number();
    let mut skipped = Vec::new();
    let is_free = |number: &u32| match blocked.get(number) {
        Some(by) => {
            skipped.push((NodeId(*number), *by));
            false
        }
        None => true,
    };
    let placer = Placer::new(&numbering, &used, snapshot.highest_number_used, highest)?;
    let numbers: Vec<u32> = placer.filter(is_free).take(count as usize).collect();
    explain(draft, &skipped);
    let places = disks::places(config, snapshot, numbers.len());
    numbers.into_iter().zip(places).map(|(number, storage)| specification(draft, number, storage)).collect()
}

/// The place of a node that comes back: with its old number where that is free, else with the next one. A directory in the way
/// that `is_own` is none.
///
/// # Errors
/// When no number is left.
pub(crate) fn place_again(
    config: &Config,
    snapshot: &Snapshot,
    number: NodeId,
    is_own: impl Fn(NodeId) -> bool,
) -> Result<NodeSpec, Refusal> {
    let mut draft = Draft::new(config, snapshot);
    let is_taken = snapshot.nodes.iter().any(|each| each.node.id() == number);
    let in_the_way = |blocked: &&BlockedNumber| {
        blocked.number == number && !(matches!(blocked.by, Blocker::Directory { .. }) && is_own(number))
    };
    if !is_taken && !snapshot.blocked.iter().any(|blocked| in_the_way(&blocked)) {
        let storage = disks::places(config, snapshot, 1)[0];
        return Ok(specification(&draft, number.0, storage)?);
    }
    let next = specifications(&mut draft, 1)?.pop();
    next.ok_or(Refusal::Ports { asked: 1, there: 0 })
}

/// Says which numbers were skipped, a reason for each kind of blocker.
fn explain(draft: &mut Draft<'_>, skipped: &[(NodeId, &Blocker)]) {
    let mut kinds: Vec<(&Blocker, Vec<NodeId>)> = Vec::new();
    for (number, by) in skipped {
        match kinds.iter_mut().find(|(first, _)| discriminant(*first) == discriminant(*by)) {
            Some((_, numbers)) => numbers.push(*number),
            None => kinds.push((by, vec![*number])),
        }
    }
    for (by, numbers) in kinds {
        draft.because(Cause::NumberTaken { by: by.clone() }, &numbers);
    }
}

/// How this machine numbers its nodes, in the allocator's words.
pub(super) fn numbering(config: &Config, snapshot: &Snapshot) -> Numbering {
    match snapshot.numbering {
        NumberingKind::FillGaps => Numbering::FillGaps,
        NumberingKind::NeverReuse => Numbering::NeverReuse,
        NumberingKind::Blocks => Numbering::Blocks {
            max_node_per_container: config.max_node_per_container,
            min_container_count: config.min_container_count,
            active_groups: snapshot.groups.iter().map(|group| group.spec.group).max().unwrap_or(0),
        },
    }
}

/// The container group that owns a number; none where nodes live in no containers, or the number has no port.
pub(crate) fn group_of(config: &Config, numbering: NumberingKind, number: NodeId) -> Option<u32> {
    let in_containers = numbering == NumberingKind::Blocks;
    in_containers.then(|| blocks(config)?.group_of(number.0).ok()).flatten().map(|group| group.number())
}

/// Where the ports of a kind begin, in thousands; none where nodes have none of that kind.
pub(crate) fn port_start(config: &Config, kind: PortKind) -> Option<u16> {
    match kind {
        PortKind::Node => Some(config.port_start),
        PortKind::Metrics => Some(config.metrics_port_start),
        PortKind::Rpc => Some(config.rpc_port_start),
        PortKind::WebRtc => config.webrtc_port_start,
    }
}

/// The kinds of ports that nodes of a flavour have under a manager.
pub(crate) fn port_kinds(config: &Config, capabilities: Capabilities, flavour: Flavour) -> Vec<PortKind> {
    capabilities.ports(flavour).filter(|kind| port_start(config, *kind).is_some()).collect()
}

/// The ports of these kinds that a node of this number has.
pub(crate) fn ports_of(
    config: &Config,
    kinds: impl IntoIterator<Item = PortKind>,
    number: NodeId,
) -> Result<Ports, LayoutError> {
    let (layout, number) = (layout(config), number.0);
    let port = |kind| match kind {
        PortKind::Node => layout.node_port(number).map(Some),
        PortKind::Metrics => layout.metrics_port(number).map(Some),
        PortKind::Rpc => layout.rpc_port(number).map(Some),
        PortKind::WebRtc => layout.webrtc_port(number),
    };
    let with_port = |kind| port(kind).map(|port| port.map(|port| (kind, port)));
    kinds.into_iter().filter_map(|kind| with_port(kind).transpose()).collect()
}

fn specification(draft: &Draft<'_>, number: u32, storage: &Path) -> Result<NodeSpec, LayoutError> {
    let (config, snapshot) = (draft.config, draft.snapshot);
    let id = NodeId(number);
    let name = id.name();
    let root_dir = storage.join(&name);
    let in_containers = snapshot.numbering == NumberingKind::Blocks;
    Ok(NodeSpec {
        id,
        flavour: snapshot.flavour,
        program: config.antnode_path.clone(),
        version: snapshot.available.as_ref().map(|binary| binary.version.clone()),
        binary: root_dir.join(snapshot.flavour.program_name()),
        // A container sees nothing of the machine but node_storage.
        log_dir: if in_containers { root_dir.join("logs") } else { config.log_dir.join(&name) },
        root_dir,
        bootstrap_cache_dir: config.bootstrap_cache_dir.clone(),
        ports: ports_of(config, snapshot.port_kinds.iter().copied(), id)?,
        wallet: config.rewards_address.draw(snapshot.seed, number).to_string(),
        network: config.network.clone(),
        no_upnp: config.no_upnp,
        environment: config.environment.clone(),
        start_args: config.start_args.clone(),
        group: group_of(config, snapshot.numbering, id),
        name,
    })
}
