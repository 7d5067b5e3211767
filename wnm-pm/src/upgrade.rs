//! An upgrade is three small steps of a process manager, and a fourth where the new program does not live. Whoever wants to
//! wait until the new program has proved itself tries it ([`attempt`]), and has the previous one forgotten later.

use crate::batch::{Batch, Outcomes};
use crate::node::NodeRef;
use crate::process_manager::{Binary, ManagerError, Outcome, ProcessManager, Started};

/// What became of a node whose program was replaced.
#[derive(Debug, Clone)]
pub enum Attempt {
    /// It lives with the new one. The previous one is kept.
    Lives(Started),
    /// It does not.
    Died {
        /// Why not.
        error: ManagerError,
        /// What became of putting the previous one back; none where that was not wanted.
        back: Option<Outcome<Started>>,
    },
}

impl Attempt {
    /// The outcome for whoever wants the new program or nothing.
    ///
    /// # Errors
    /// Why the node does not live with the new program.
    pub fn outcome(self) -> Outcome<Started> {
        match self {
            Self::Lives(started) => Ok(started),
            Self::Died { error, back: Some(Err(second)) } => {
                Err(ManagerError::NotRolledBack { first: Box::new(error), second: Box::new(second) })
            }
            Self::Died { error, .. } => Err(error),
        }
    }
}

/// Replaces the programs of nodes and starts them. Where the new program does not live, the previous one is put back and
/// started, and the outcome is the failure. A node whose program could not be replaced runs on, if it ran.
pub async fn upgrade(manager: &dyn ProcessManager, nodes: &[NodeRef], to: &Binary) -> Outcomes<Started> {
    let attempts = attempt(manager, nodes, nodes, to, true).await;
    let outcomes: Outcomes<Started> =
        attempts.into_iter().map(|(id, attempt)| (id, attempt.and_then(Attempt::outcome))).collect();
    let lives = |node: &&NodeRef| outcomes.get(node.id()).is_some_and(Result::is_ok);
    let living: Vec<NodeRef> = nodes.iter().filter(lives).cloned().collect();
    if !living.is_empty() {
        manager.forget_previous(&living).await;
    }
    outcomes
}

/// Replaces the programs of nodes and starts them with the launches that they have `after`; the previous programs are kept.
/// Where the new one does not live and `roll_back` is set, the previous one is put back and started with the launch from
/// `before`. A node whose program could not be replaced fails, and runs on if it ran. Both name the same nodes.
pub async fn attempt(
    manager: &dyn ProcessManager,
    before: &[NodeRef],
    after: &[NodeRef],
    to: &Binary,
    roll_back: bool,
) -> Outcomes<Attempt> {
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
    let mut started = if new.is_empty() { Outcomes::none() } else { manager.start(&new).await };
    let dead = new.iter().filter(|node| !started.get(node.id()).is_some_and(Result::is_ok)).cloned().collect();
    let dead = if roll_back { as_before(dead) } else { Vec::new() };
    let mut back = if dead.is_empty() { Outcomes::none() } else { self::roll_back(manager, &dead).await };
    let unanswered = |node: &NodeRef| Err(ManagerError::unanswered(&node.spec.name));
    let attempts = new.iter().map(|node| {
        let attempt = match started.take(node.id()).unwrap_or_else(|| unanswered(node)) {
            Ok(started) => Attempt::Lives(started),
            Err(error) => {
                let back = roll_back.then(|| back.take(node.id()).unwrap_or_else(|| unanswered(node)));
                Attempt::Died { error, back }
            }
        };
        (node.id(), Ok(attempt))
    });
    let attempts = attempts.collect();
    replaced.answered(attempts).outcomes()
}

/// Puts the previous programs of nodes back and starts them.
pub async fn roll_back(manager: &dyn ProcessManager, nodes: &[NodeRef]) -> Outcomes<Started> {
    let restored = Batch::of(nodes).join(manager.restore_program(nodes).await);
    let ready = restored.good_nodes();
    let started = if ready.is_empty() { Outcomes::none() } else { manager.start(&ready).await };
    restored.answered(started).outcomes()
}
