//! In which order nodes are chosen when their owner did not name each of them.

use std::collections::BTreeMap;

use super::select::{Selected, Selection};
use super::{Draft, Refusal, request, upgrade};
use crate::node::{NodeId, Status, Verb};
use crate::snapshot::NodeSnapshot;

/// The nodes that are meant, in the order in which they are taken: as they were named, or as a cycle would choose.
pub(super) fn meant<'a>(draft: &Draft<'a>, verb: Verb, selection: &Selection) -> Result<Vec<Selected<'a>>, Refusal> {
    if verb == Verb::Upgrade {
        // Without one there is nothing to choose by.
        request::program(draft)?;
    }
    let mut meant = selection.of(draft.config, draft.snapshot)?;
    meant.retain(|selected| selected.by_name || fits(draft, verb, selected.each));
    if selection.words.is_empty() || selection.count.is_some() {
        let order: BTreeMap<NodeId, usize> =
            candidates(draft, verb).iter().enumerate().map(|(place, each)| (each.node.id(), place)).collect();
        let place = |selected: &Selected<'_>| order.get(&selected.each.node.id()).copied();
        if selection.is_open() {
            meant.retain(|selected| place(selected).is_some());
        }
        meant.sort_by_key(|selected| place(selected).unwrap_or(usize::MAX));
    }
    Ok(meant)
}

/// The nodes that a cycle would choose, in its order.
fn candidates<'a>(draft: &Draft<'a>, verb: Verb) -> Vec<&'a NodeSnapshot> {
    match verb {
        Verb::Start => draft.oldest_first(Status::Stopped),
        Verb::Stop => draft.youngest_first(Status::Running),
        Verb::Upgrade => {
            let mut running = draft.oldest_first(Status::Running);
            running.retain(|each| is_outdated(draft, each));
            running
        }
        Verb::Remove => [draft.youngest_first(Status::Stopped), draft.youngest_first(Status::Running)].concat(),
        Verb::Disable => [draft.youngest_first(Status::Running), draft.youngest_first(Status::Stopped)].concat(),
        Verb::Enable => draft.oldest_first(Status::Disabled),
        Verb::Add | Verb::Restart | Verb::Revert => draft.oldest_first(Status::Running),
    }
}

fn is_outdated(draft: &Draft<'_>, each: &NodeSnapshot) -> bool {
    let available = draft.snapshot.available.as_ref();
    available.is_some_and(|program| upgrade::is_outdated(each, program, draft.snapshot.flavour))
}

/// Whether a node that was not named by itself is one to do this to: a range of nodes to restart does not mean those
/// that their owner stopped.
fn fits(draft: &Draft<'_>, verb: Verb, each: &NodeSnapshot) -> bool {
    let status = each.node.status();
    let is_up = status == Status::Running || status.is_underway();
    match verb {
        Verb::Stop => is_up || status == Status::Stopped,
        Verb::Start => status == Status::Stopped,
        Verb::Restart | Verb::Add | Verb::Revert => is_up,
        Verb::Upgrade => is_up && is_outdated(draft, each),
        Verb::Remove => !matches!(status, Status::Disabled | Status::Migrating),
        Verb::Disable => !matches!(status, Status::Disabled | Status::Dead | Status::Removing | Status::Migrating),
        Verb::Enable => status == Status::Disabled,
    }
}
