//! Nodes without a metrics server are looked at instead of asked.

use std::collections::BTreeMap;

use super::Machine;
use crate::event::Event;
use crate::node::{Node, NodeId, UnixSeconds};
use crate::observe::signs::{Memory, Target};
use crate::report::{by_reason, names};
use crate::snapshot::Answer;
use crate::store::StoredState;
use wnm_pm::process_manager::ProcessState;

/// What is seen of the living nodes that answer no questions, and what to keep of it until the next look. Of one that does
/// not live only what it left is read: why it ended.
pub(super) fn look(
    machine: &Machine,
    stored: &StoredState,
    states: &[Result<ProcessState, String>],
    now: UnixSeconds,
) -> (Vec<(NodeId, Answer)>, Option<Event>) {
    let nodes = stored.nodes.iter().zip(states).filter(|(node, _)| !node.spec().flavour.has_metrics());
    let targets: Vec<Target> = nodes.map(|(node, state)| target(node, state)).collect();
    if targets.is_empty() {
        return (Vec::new(), None);
    }
    let kept: BTreeMap<NodeId, Memory> =
        stored.signs.iter().filter_map(|(id, text)| Some((*id, serde_json::from_str(text).ok()?))).collect();
    let (signs, changed) = machine.parts.observer.signs(&targets, &kept, now);
    let answers = signs.into_iter().map(|(id, signs)| (id, Answer::Signs { signs: Box::new(signs) })).collect();
    let memories = changed.iter().filter_map(|(id, memory)| Some((*id, serde_json::to_string(memory).ok()?)));
    let memories: Vec<(NodeId, String)> = memories.collect();
    (answers, (!memories.is_empty()).then_some(Event::SignsKept { memories }))
}

/// What is wrong with files of nodes, a sentence for each cause.
pub(super) fn faults(answers: &BTreeMap<NodeId, Answer>) -> Vec<String> {
    let faults = answers.iter().filter_map(|(id, answer)| match answer {
        Answer::Signs { signs } => Some((*id, signs.fault.as_deref()?)),
        _ => None,
    });
    by_reason(faults).into_iter().map(|shared| format!("{}: {}", names(&shared.nodes), shared.text)).collect()
}

fn target(node: &Node, state: &Result<ProcessState, String>) -> Target {
    let process = match state {
        Ok(ProcessState::Running { process }) => *process,
        _ => None,
    };
    let spec = node.spec();
    let (root_dir, log_dir) = (spec.root_dir.clone(), spec.log_dir.clone());
    Target { id: node.id(), root_dir, log_dir, port: spec.ports.node(), process }
}
