//! What is kept of nodes that were removed: their keys and what they were, so that a slip costs no identity.

use serde::Serialize;

pub use crate::identity::Key;
use crate::node::{Node, UnixSeconds};

/// A node that was removed, and whose key is kept.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Removed {
    /// What it is called among the removed ones: its number may be another node's by now.
    pub id: i64,
    /// What it was.
    pub node: Node,
    /// When it was removed.
    pub removed_at: UnixSeconds,
}

impl Removed {
    /// Until when it is kept, where what is removed is kept for so many days.
    #[must_use]
    pub fn kept_until(&self, keep_removed_days: u32) -> UnixSeconds {
        self.removed_at.saturating_add(seconds(keep_removed_days))
    }
}

/// So many days in seconds.
pub(crate) fn seconds(days: u32) -> UnixSeconds {
    UnixSeconds::from(days) * 86_400
}
