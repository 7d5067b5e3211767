//! An upgrade is three small steps of a process manager, and a fourth where the new program does not live. Whoever wants to
//! wait between them (for a canary to prove itself) takes the steps one by one.

use crate::batch::{Batch, Outcomes};
use crate::node::NodeRef;
use crate::process_manager::{Binary, ManagerError, ProcessManager, Started};

/// Replaces the programs of nodes and starts them. Where the new program does not live, the previous one is put back and
/// started, and the outcome is the failure. A node whose program could not be replaced runs on, if it ran.
pub async fn upgrade(manager: &dyn ProcessManager, nodes: &[NodeRef], to: &Binary) -> Outcomes<Started> {
    upgrade_renewed(manager, nodes, nodes, to).await
}

/// The same for nodes that start with the launches that they have `after`, and go back to those from `before`. Both name the
/// same nodes.
pub async fn upgrade_renewed(
    manager: &dyn ProcessManager,
    before: &[NodeRef],
    after: &[NodeRef],
    to: &Binary,
) -> Outcomes<Started> {
    let as_before = |nodes: Vec<NodeRef>| -> Vec<NodeRef> {
        let is_meant = |node: &&NodeRef| nodes.iter().any(|meant| meant.id() == node.id());
        before.iter().filter(is_meant).cloned().collect()
    };
    let replaced = Batch::of(after).join(manager.replace_program(after, to).await);
    let mut untouched = as_before(replaced.bad_nodes());
    untouched.retain(|node| node.process.is_some());
    if !untouched.is_empty() {
        manager.start(&untouched).await;
    }
    let new = replaced.good_nodes();
    if new.is_empty() {
        return replaced.answered(Outcomes::none()).outcomes();
    }
    let started = replaced.answered(manager.start(&new).await);
    let living = started.good_nodes();
    let dead = new.into_iter().filter(|node| living.iter().all(|living| living.id() != node.id())).collect();
    let dead = as_before(dead);
    let mut second = if dead.is_empty() { Outcomes::none() } else { roll_back(manager, &dead).await };
    if !living.is_empty() {
        manager.forget_previous(&living).await;
    }
    let outcome = |(id, first)| {
        let outcome = match (first, second.take(id)) {
            (Err(first), Some(Err(second))) => {
                Err(ManagerError::NotRolledBack { first: Box::new(first), second: Box::new(second) })
            }
            (first, _) => first,
        };
        (id, outcome)
    };
    started.outcomes().into_iter().map(outcome).collect()
}

/// Puts the previous programs of nodes back and starts them.
pub async fn roll_back(manager: &dyn ProcessManager, nodes: &[NodeRef]) -> Outcomes<Started> {
    let restored = Batch::of(nodes).join(manager.restore_program(nodes).await);
    let ready = restored.good_nodes();
    let started = if ready.is_empty() { Outcomes::none() } else { manager.start(&ready).await };
    restored.answered(started).outcomes()
}
