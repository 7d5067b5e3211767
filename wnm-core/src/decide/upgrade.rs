//! Upgrades bring running nodes to the version of the node program on this machine, oldest nodes first. Where it is known how
//! new programs do here, they are rolled out ([`rollout`]); a snapshot without that has all of them upgraded as the limits
//! allow.

use super::{Draft, count, numbers, rollout};
use crate::node::{Flavour, Node, NodeId, Status};
use crate::plan::{Action, Cause, Rule};
use crate::snapshot::NodeSnapshot;
use wnm_pm::process_manager::Binary;

/// Whether a node runs an older version than this program's. Nodes of v2 upgrade themselves, and the versions of another
/// flavour say nothing about a node's own.
pub(super) fn is_outdated(each: &NodeSnapshot, available: &Binary, flavour: Flavour) -> bool {
    each.node.spec().flavour == flavour
        && !flavour.upgrades_itself()
        && each.node.version().is_some_and(|version| version.cmp_precedence(&available.version).is_lt())
}

/// None when no running node is outdated; the actions, possibly none, when one is: nothing grows meanwhile.
pub(super) fn actions(draft: &mut Draft<'_>) -> Option<Vec<Action>> {
    let available = draft.snapshot.available.as_ref()?;
    let (running, flavour) = (draft.oldest_first(Status::Running), draft.snapshot.flavour);
    other_flavour(draft, &running, available);
    let outdated: Vec<&NodeSnapshot> =
        running.into_iter().filter(|each| is_outdated(each, available, flavour)).collect();
    let (ready, resting): (Vec<_>, Vec<_>) = outdated.into_iter().partition(|each| draft.may_retry(&each.node));
    draft.because_of(Cause::OperationFailed, &numbers(&resting));
    if draft.snapshot.rollouts.is_some() {
        let actions = rollout::upgrades(draft, &ready);
        if !actions.is_empty() {
            draft.because(Cause::UpgradesFirst { version: available.version.clone() }, &[]);
        }
        // While a program proves itself, what is stopped is started as ever.
        return (!actions.is_empty()).then_some(actions);
    }
    if ready.is_empty() {
        return None;
    }
    let upgrading = draft.snapshot.count(Status::Upgrading);
    let limit = draft.narrower(Rule::MaxConcurrentUpgrades, upgrading, draft.config.max_concurrent_upgrades);
    let (chosen, waiting) = ready.split_at(ready.len().min(limit.free() as usize));
    let (chosen, version) = (numbers(chosen), &available.version);
    draft.because_of(Cause::Outdated { version: version.clone() }, &chosen);
    if !waiting.is_empty() {
        let (waiting, limit) = (count(waiting), limit.after(chosen.len()));
        draft.because(Cause::UpgradesLater { waiting, version: version.clone(), limit }, &[]);
    }
    draft.because(Cause::UpgradesFirst { version: version.clone() }, &[]);
    Some(chosen.into_iter().map(|number| Action::Upgrade { number, to: available.clone() }).collect())
}

/// Says which nodes the program on this machine cannot upgrade, since it is another program.
fn other_flavour(draft: &mut Draft<'_>, running: &[&NodeSnapshot], available: &Binary) {
    let program = draft.snapshot.flavour;
    let upgradable = running.iter().map(|each| &each.node).filter(|node| !node.spec().flavour.upgrades_itself());
    let others: Vec<NodeId> = upgradable.filter(|node| node.spec().flavour != program).map(Node::id).collect();
    let cause = Cause::OtherFlavour { path: available.path.clone(), program, own: Flavour::V1 };
    draft.because_of(cause, &others);
}
