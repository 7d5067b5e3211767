//! Container groups are opened before the first node needs them, and mended when they do not stand as they should.

use std::collections::BTreeSet;

use wnm_allocator::{Group, PortRange};

use super::{Draft, placement};
use crate::config::Config;
use crate::container_host::{GroupSpec, GroupState, Range};
use crate::node::{NodeSpec, Status};

/// Asks for every recorded group that has nodes to keep and does not stand as it should.
pub(super) fn mend(draft: &mut Draft<'_>) {
    let keeping: BTreeSet<u32> = draft
        .snapshot
        .nodes
        .iter()
        .filter(|each| !matches!(each.node.status, Status::Removing | Status::Dead))
        .filter_map(|each| each.node.spec.group)
        .collect();
    for group in &draft.snapshot.groups {
        if group.state == GroupState::Running || !keeping.contains(&group.spec.group) {
            continue;
        }
        let text = format!("container group {} is {:?} and has nodes: it is put right", group.spec.name, group.state);
        draft.did("container_group", text, &[]);
        draft.plan.groups.push(group.spec.clone());
    }
}

/// Asks for the groups that new nodes live in, and for the least number of groups from the first growth on.
pub(super) fn open_for(draft: &mut Draft<'_>, nodes: &[NodeSpec]) {
    let mut wanted: BTreeSet<u32> = nodes.iter().filter_map(|node| node.group).collect();
    if wanted.is_empty() {
        return;
    }
    wanted.extend(1..=draft.config.min_container_count);
    let standing = draft.snapshot.groups.iter().filter(|group| group.state == GroupState::Running);
    for group in standing.map(|group| group.spec.group) {
        wanted.remove(&group);
    }
    for planned in &draft.plan.groups {
        wanted.remove(&planned.group);
    }
    for group in wanted {
        if let Some(specification) = specification(draft.config, group) {
            let text = format!(
                "container group {} is opened: node ports {}-{}, metrics ports {}-{}",
                specification.name,
                specification.node_ports.first,
                specification.node_ports.last,
                specification.metrics_ports.first,
                specification.metrics_ports.last,
            );
            draft.did("container_group", text, &[]);
            draft.plan.groups.push(specification);
        }
    }
}

/// What a group is; none when its ports pass the end of the range.
pub(super) fn specification(config: &Config, group: u32) -> Option<GroupSpec> {
    let number = Group::new(group).ok()?;
    let ports = placement::blocks(config)?.ports_of(number, &placement::layout(config)).ok()?;
    let range = |range: PortRange| Range { first: range.first, last: range.last };
    Some(GroupSpec {
        group,
        name: number.to_string(),
        image: config.docker_image.clone(),
        node_ports: range(ports.node),
        metrics_ports: range(ports.metrics),
    })
}
