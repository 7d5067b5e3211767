//! Progress is told while a plan is carried out: a step begins, a step ends. It may also ask to stop.

use crate::node::{NodeId, Verb};

/// A moment in the carrying out of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The intention is about to be recorded.
    BeforeIntention,
    /// The intention is recorded, nothing is done yet.
    Intended,
    /// The process manager has created the node; that is not recorded yet.
    Created,
    /// The process manager has done the deed; that is not recorded yet.
    Done,
    /// The outcome is recorded.
    Recorded,
}

/// Who listens to the carrying out of a plan.
pub trait Progress: Send + Sync {
    /// A step of a batch on these nodes is at this moment.
    fn at(&self, verb: Verb, nodes: &[NodeId], moment: Moment);

    /// Whether to stop before the next node: what is in hand is finished and recorded first.
    fn interrupted(&self) -> bool {
        false
    }
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn at(&self, _: Verb, _: &[NodeId], _: Moment) {}
}
