//! The clock and the dice are doors, so that a test, or a simulation, can set the time and choose what is drawn.

use std::time::{SystemTime, UNIX_EPOCH};

/// Seconds since the Unix epoch.
pub type UnixSeconds = i64;

/// Tells the time.
pub trait Clock: Send + Sync {
    /// The time now.
    fn now(&self) -> UnixSeconds;
}

/// The clock of this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    fn now(&self) -> UnixSeconds {
        let since_epoch = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        UnixSeconds::try_from(since_epoch.as_secs()).unwrap_or(UnixSeconds::MAX)
    }
}

/// Draws what is left to chance.
pub trait Dice: Send + Sync {
    /// A number, any of which is as likely as the others.
    fn roll(&self) -> u64;
}

/// True chance.
#[derive(Debug, Clone, Copy, Default)]
pub struct RandomDice;

impl Dice for RandomDice {
    #[expect(clippy::disallowed_methods, reason = "this is the door")]
    fn roll(&self) -> u64 {
        rand::random()
    }
}
