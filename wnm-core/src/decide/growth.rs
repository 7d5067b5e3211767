//! Growth starts stopped nodes and adds new ones while the machine has room for everything.

use super::{Draft, groups, load, names, placement};
use crate::node::{NodeId, Status};
use crate::plan::Action;
use crate::snapshot::{Answer, NodeSnapshot};

/// The oldest stopped nodes first, then new ones, up to the limits.
pub(super) fn actions(draft: &mut Draft<'_>) -> Vec<Action> {
    if !has_room(draft) {
        return Vec::new();
    }
    let (starting, limit) = (draft.snapshot.starting(), draft.config.max_concurrent_starts);
    let capacity = limit.saturating_sub(starting).min(draft.free_slots());
    let mut actions = starts(draft, capacity);
    let left = capacity - u32::try_from(actions.len()).unwrap_or(capacity);
    actions.extend(adds(draft, left));
    if capacity == 0 {
        let text = format!("{starting} being started, and max_concurrent_starts is {limit}");
        draft.held("max_concurrent_starts", text, Some((f64::from(starting), f64::from(limit))), &[]);
    }
    actions
}

/// Whether everything is low enough, nothing is on its way from elsewhere, and fewer nodes run than may. Every obstacle
/// leaves its reason.
fn has_room(draft: &mut Draft<'_>) -> bool {
    let gauges = load::gauges(draft.config, &draft.snapshot.host);
    let mut room = true;
    for gauge in gauges.iter().filter(|gauge| !gauge.leaves_room()) {
        draft.held(gauge.less_than_rule, gauge.no_room(), gauge.less_than_figures(), &[]);
        room = false;
    }
    let migrating = draft.snapshot.count(Status::Migrating);
    if migrating > 0 {
        draft.held("migrating", format!("{migrating} being taken over from elsewhere"), None, &[]);
        room = false;
    }
    let (running, cap) = (draft.snapshot.count(Status::Running), draft.config.node_cap);
    if running >= cap {
        let text = format!("{running} running, and node_cap is {cap}");
        draft.held("node_cap", text, Some((f64::from(running), f64::from(cap))), &[]);
        room = false;
    }
    room
}

fn starts(draft: &mut Draft<'_>, capacity: u32) -> Vec<Action> {
    let (mut ready, mut held, mut resting, mut foreign) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for each in draft.oldest_first(Status::Stopped) {
        let list = if each.node.life().is_stopped_by_owner() {
            &mut held
        } else if !draft.may_retry(&each.node) {
            &mut resting
        } else if lives_behind_another(each) {
            &mut foreign
        } else {
            &mut ready
        };
        list.push(each);
    }
    for (rule, nodes, why) in [
        ("held", held, "stopped by hand, so only `wnm start` starts them"),
        ("back_off", resting, "could not be started lately and are tried again later"),
        ("port_in_use", foreign, "alive, but another program answers on their metrics port"),
    ] {
        let nodes: Vec<NodeId> = nodes.iter().map(|each| each.node.id()).collect();
        if !nodes.is_empty() {
            draft.held(rule, format!("{}: {why}", names(&nodes)), None, &nodes);
        }
    }
    let (chosen, waiting) = ready.split_at(ready.len().min(capacity as usize));
    let numbers: Vec<NodeId> = chosen.iter().map(|each| each.node.id()).collect();
    if !numbers.is_empty() {
        draft.did("start", format!("start {}: there is room, oldest nodes first", names(&numbers)), &numbers);
    }
    if !waiting.is_empty() && capacity > 0 {
        let text = format!("stopped and waiting for their turn: {} more", waiting.len());
        draft.held("max_concurrent_starts", text, None, &[]);
    }
    chosen.iter().map(|each| start(each)).collect()
}

/// A node whose process lives without answering has to be stopped first.
pub(super) fn start(each: &NodeSnapshot) -> Action {
    let number = each.node.id();
    if each.lives() { Action::Restart { number } } else { Action::Start { number } }
}

fn lives_behind_another(each: &NodeSnapshot) -> bool {
    each.lives() && matches!(each.seen.as_ref().map(|seen| &seen.answer), Some(Answer::Foreign { .. }))
}

fn adds(draft: &mut Draft<'_>, capacity: u32) -> Vec<Action> {
    let (all, cap) = (draft.snapshot.node_count(), draft.config.node_cap);
    let free = cap.saturating_sub(all);
    if free == 0 {
        draft.held(
            "node_cap",
            format!("{all} in all, and node_cap is {cap}"),
            Some((f64::from(all), f64::from(cap))),
            &[],
        );
    }
    let count = free.min(capacity);
    if count == 0 {
        return Vec::new();
    }
    if draft.snapshot.available.is_none() {
        let path = draft.config.antnode_path.display().to_string();
        draft.held("antnode_path", format!("no node is added: there is no usable node program at {path}"), None, &[]);
        return Vec::new();
    }
    match placement::specifications(draft, count) {
        Ok(nodes) => {
            groups::open_for(draft, &nodes);
            if nodes.is_empty() {
                draft.held("ports", "no number is left: all ports of the layout are in use", None, &[]);
                return Vec::new();
            }
            let numbers: Vec<NodeId> = nodes.iter().map(|node| node.id).collect();
            let text = format!("add {}: there is room, and {all} in all is below node_cap {cap}", names(&numbers));
            draft.did("add", text, &numbers);
            if free > count {
                let text = format!("{} more up to node_cap {cap}, in later cycles", free - count);
                draft.held("max_concurrent_starts", text, None, &[]);
            }
            nodes.into_iter().map(|node| Action::Add { node: Box::new(node) }).collect()
        }
        Err(error) => {
            draft.held("ports", error.to_string(), None, &[]);
            Vec::new()
        }
    }
}
