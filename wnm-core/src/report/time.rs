//! Times as a person reads them.

use crate::node::UnixSeconds;

/// "2026-11-22T17:46:36Z"; what is no time of the calendar stays a number of seconds.
#[must_use]
pub fn time_text(at: UnixSeconds) -> String {
    jiff::Timestamp::from_second(at).map_or_else(|_| at.to_string(), |time| time.to_string())
}
