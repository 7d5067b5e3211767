//! A rolling step goes through many nodes in batches, each beginning when the one before is healthy. What is known of it is
//! recorded, so that one that was interrupted goes on where it was.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use wnm_pm::node::NodeId;

use crate::clock::UnixSeconds;
use crate::decide::Selection;
use crate::node::Verb;

/// One that nobody went on with for so long is history.
const FORGOTTEN_SECONDS: UnixSeconds = 86_400;

/// A rolling step that is going on, or was interrupted.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Rolling {
    /// What is done to the nodes.
    pub verb: Verb,
    /// Which nodes were asked for.
    pub selection: Selection,
    /// When it began.
    pub began_at: UnixSeconds,
    /// When a batch of it last ended.
    pub at: UnixSeconds,
    /// The nodes that it is done to.
    pub done: BTreeSet<NodeId>,
}

impl Rolling {
    /// Of which nothing is done yet.
    #[must_use]
    pub fn begun(verb: Verb, selection: Selection, now: UnixSeconds) -> Self {
        Self { verb, selection, began_at: now, at: now, done: BTreeSet::new() }
    }

    /// Whether this goes on when the same is asked for again.
    #[must_use]
    pub fn continues(&self, verb: Verb, selection: &Selection, now: UnixSeconds) -> bool {
        let is_fresh = (0..=FORGOTTEN_SECONDS).contains(&now.saturating_sub(self.at));
        self.verb == verb && self.selection == *selection && is_fresh
    }
}

/// How a rolling step goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pace {
    /// Nodes in a batch; none for a tenth of them, at most 50.
    pub batch: Option<u32>,
    /// Seconds between a healthy batch and the next.
    pub pause_seconds: u64,
    /// It stops once so many nodes have failed.
    pub max_failures: u32,
}

impl Default for Pace {
    fn default() -> Self {
        Self { batch: None, pause_seconds: 0, max_failures: 1 }
    }
}

impl Pace {
    /// How many nodes a batch of these many has.
    #[must_use]
    pub fn batch_of(&self, nodes: usize) -> usize {
        const LARGEST: usize = 50;
        self.batch.map_or_else(|| nodes.div_ceil(10).clamp(1, LARGEST), |batch| batch.max(1) as usize)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_batch_is_a_tenth_unless_its_owner_says_so() {
        let pace = Pace::default();
        assert_eq!([0, 1, 9, 60, 500, 5_000].map(|nodes| pace.batch_of(nodes)), [1, 1, 1, 6, 50, 50]);
        assert_eq!(Pace { batch: Some(7), ..pace }.batch_of(5_000), 7);
    }

    #[test]
    fn only_the_same_that_was_at_work_lately_goes_on() {
        let rolling = Rolling::begun(Verb::Restart, Selection::all(), 1_000);
        assert!(rolling.continues(Verb::Restart, &Selection::all(), 1_000 + FORGOTTEN_SECONDS));
        assert!(!rolling.continues(Verb::Restart, &Selection::all(), 1_001 + FORGOTTEN_SECONDS));
        assert!(!rolling.continues(Verb::Upgrade, &Selection::all(), 1_000));
        assert!(!rolling.continues(Verb::Restart, &Selection::count(3), 1_000));
        assert!(!rolling.continues(Verb::Restart, &Selection::all(), 999), "the clock was set back");
    }
}
