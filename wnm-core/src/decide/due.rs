//! What is due: removals whose delay has passed, interrupted disabling, and nodes that are dead.

use super::health::leaves_to_upgrade;
use super::{Draft, numbers};
use crate::node::{Node, NodeId, Status, UnixSeconds, Verb};
use crate::plan::{Action, Cause};
use crate::settings::Config;
use crate::snapshot::{DirectoryState, NodeSnapshot};

/// Whether the delay of a STARTING, RESTARTING, UPGRADING or REMOVING node has passed. A beginning that lies ahead means that the
/// clock was set back; waiting for it could take for ever, so it counts as passed.
pub(super) fn is_due(config: &Config, now: UnixSeconds, node: &Node) -> bool {
    let delay = match node.status() {
        Status::Upgrading if node.spec().flavour.upgrades_itself() => config.upgrade_settle_seconds,
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
    draft.because_of(Cause::RemovalDue, &removed);
    draft.because_of(Cause::DisableInterrupted, &disabled);
    let removals = removed.iter().map(|&number| Action::Remove { number, now: true });
    let disablings = disabled.iter().map(|&number| Action::Disable { number });
    removals.chain(disablings).collect()
}

/// Nodes that ended to start again as another version are started whatever the limits: they ran before, so that nothing grows.
pub(super) fn own_upgrades(draft: &mut Draft<'_>) -> Vec<Action> {
    let left = |each: &&NodeSnapshot| {
        let life = each.node.life();
        let left = each.seen.as_ref().is_some_and(|seen| leaves_to_upgrade(&each.node, seen));
        life.status() == Status::Upgrading && life.pending().is_none() && left
    };
    let left: Vec<_> = draft.snapshot.nodes.iter().filter(left).collect();
    let left = numbers(&left);
    draft.because_of(Cause::LeftToUpgrade, &left);
    left.into_iter().map(|number| Action::Start { number }).collect()
}

/// Every DEAD node is removed at once, by number, whatever the limits.
pub(super) fn dead(draft: &mut Draft<'_>) -> Vec<Action> {
    let mut dead: Vec<_> = draft.snapshot.nodes.iter().filter(|each| each.node.status() == Status::Dead).collect();
    dead.sort_unstable_by_key(|each| each.node.id());
    // Not every dead node lost its directory: one that could not be created, nor be removed then, may have it still.
    let (incomplete, gone): (Vec<_>, Vec<_>) = dead.iter().partition(|each| has_directory(each));
    draft.because_of(Cause::DirectoryGone, &numbers(&gone));
    draft.because_of(Cause::NothingToRun, &numbers(&incomplete));
    dead.iter().map(|each| Action::Remove { number: each.node.id(), now: true }).collect()
}

fn has_directory(each: &NodeSnapshot) -> bool {
    each.seen.as_ref().is_some_and(|seen| seen.directory != DirectoryState::Missing)
}
