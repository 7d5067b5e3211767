//! The clock is a door, so that a test can set the time.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::node::UnixSeconds;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> UnixSeconds;
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> UnixSeconds {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixSeconds::try_from(since_epoch.as_secs()).unwrap_or(UnixSeconds::MAX)
    }
}
