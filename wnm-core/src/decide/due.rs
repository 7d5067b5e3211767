//! What is due: removals whose delay has passed, interrupted disabling, and nodes that are dead.

use super::{Draft, names};
use crate::node::{Node, NodeId, Status, UnixSeconds, Verb};
use crate::plan::Action;
use crate::settings::Config;

/// Whether the delay of a STARTING, RESTARTING, UPGRADING or REMOVING node has passed. A beginning that lies ahead means that the
/// clock was set back; waiting for it could take for ever, so it counts as passed.
pub(super) fn is_due(config: &Config, now: UnixSeconds, node: &Node) -> bool {
    let delay = match node.status() {
        Status::Upgrading => config.delay_upgrade,
        Status::Removing => config.delay_remove,
        _ => config.delay_start,
    };
    let delay = UnixSeconds::try_from(delay).unwrap_or(UnixSeconds::MAX);
    let since = node.life().status_since();
    let due = node.life().retry_at().unwrap_or_else(|| since.saturating_add(delay));
    due <= now || since > now
}

/// Removals whose delay has passed, and disabling that was interrupted.
pub(super) fn actions(draft: &mut Draft<'_>) -> Vec<Action> {
    let (config, now) = (draft.config, draft.snapshot.now);
    let nodes = || draft.snapshot.nodes.iter().map(|each| &each.node);
    let removed: Vec<NodeId> =
        nodes().filter(|node| node.status() == Status::Removing && is_due(config, now, node)).map(Node::id).collect();
    let disabled: Vec<NodeId> =
        nodes().filter(|node| node.life().pending() == Some(Verb::Disable)).map(Node::id).collect();
    if !removed.is_empty() {
        draft.did("delay_remove", format!("{}: the delay before removal has passed", names(&removed)), &removed);
    }
    if !disabled.is_empty() {
        draft.did("disable", format!("{}: disabling was interrupted", names(&disabled)), &disabled);
    }
    let removals = removed.iter().map(|&number| Action::Remove { number, now: true });
    let disablings = disabled.iter().map(|&number| Action::Disable { number });
    removals.chain(disablings).collect()
}

/// Every DEAD node is removed at once, by number, whatever the limits.
pub(super) fn dead(draft: &mut Draft<'_>) -> Vec<Action> {
    let mut dead: Vec<NodeId> = draft
        .snapshot
        .nodes
        .iter()
        .filter(|each| each.node.status() == Status::Dead)
        .map(|each| each.node.id())
        .collect();
    dead.sort_unstable();
    if !dead.is_empty() {
        draft.did("dead", format!("{}: nothing is left to run, so they are forgotten", names(&dead)), &dead);
    }
    dead.into_iter().map(|number| Action::Remove { number, now: true }).collect()
}
