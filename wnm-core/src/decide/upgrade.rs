//! Upgrades bring running nodes to the version of the node program on this machine, oldest nodes first.

use super::{Draft, names};
use crate::node::{Flavour, Node, NodeId, Status};
use crate::plan::Action;
use crate::snapshot::NodeSnapshot;
use wnm_pm::process_manager::Binary;

/// Whether a node runs an older version than this program's. Nodes of v2 upgrade themselves, and the versions of another
/// flavour say nothing about a node's own.
pub(super) fn is_outdated(each: &NodeSnapshot, available: &Binary, flavour: Flavour) -> bool {
    each.node.spec.flavour == flavour
        && !flavour.upgrades_itself()
        && each.node.version.as_ref().is_some_and(|version| version.cmp_precedence(&available.version).is_lt())
}

/// None when no running node is outdated; the actions, possibly none, when one is: nothing grows meanwhile.
pub(super) fn actions(draft: &mut Draft<'_>) -> Option<Vec<Action>> {
    let available = draft.snapshot.available.as_ref()?;
    let (running, flavour) = (draft.oldest_first(Status::Running), draft.snapshot.flavour);
    other_flavour(draft, &running, available);
    let outdated: Vec<&NodeSnapshot> =
        running.into_iter().filter(|each| is_outdated(each, available, flavour)).collect();
    let (ready, resting): (Vec<_>, Vec<_>) = outdated.into_iter().partition(|each| draft.may_retry(&each.node));
    if !resting.is_empty() {
        let resting: Vec<NodeId> = resting.iter().map(|each| each.node.id()).collect();
        draft.held(
            "back_off",
            format!("{}: an upgrade failed lately and is tried again later", names(&resting)),
            None,
            &resting,
        );
    }
    if ready.is_empty() {
        return None;
    }
    let (upgrading, limit) = (draft.snapshot.count(Status::Upgrading), draft.config.max_concurrent_upgrades);
    let capacity = limit.saturating_sub(upgrading).min(draft.free_slots());
    let chosen: Vec<NodeId> = ready.iter().take(capacity as usize).map(|each| each.node.id()).collect();
    let version = &available.version;
    if !chosen.is_empty() {
        draft.did("upgrade", format!("{}: older than {version}, oldest nodes first", names(&chosen)), &chosen);
    }
    let waiting = ready.len() - chosen.len();
    if waiting > 0 {
        let text = format!(
            "older than {version}: {waiting} more; upgrading: {upgrading}, and max_concurrent_upgrades is {limit}"
        );
        draft.held("max_concurrent_upgrades", text, Some((f64::from(upgrading), f64::from(limit))), &[]);
    }
    draft.held("growth", format!("nothing is added while running nodes are older than {version}"), None, &[]);
    Some(chosen.into_iter().map(|number| Action::Upgrade { number, to: available.clone() }).collect())
}

/// Says of which nodes the program on this machine is no newer version: it is another program.
fn other_flavour(draft: &mut Draft<'_>, running: &[&NodeSnapshot], available: &Binary) {
    let (flavour, path) = (draft.snapshot.flavour, available.path.display());
    let upgradable = running.iter().map(|each| &each.node).filter(|node| !node.spec.flavour.upgrades_itself());
    let strange: Vec<NodeId> = upgradable.filter(|node| node.spec.flavour != flavour).map(Node::id).collect();
    if !strange.is_empty() {
        let own = Flavour::V1;
        let text =
            format!("{}: not upgraded, since the program at {path} is {flavour} and they are {own}", names(&strange));
        draft.held("flavour", text, None, &strange);
    }
}
