//! A pause of the cycles in words.

use super::time_text;
use crate::pause::CyclePause;

/// "cycles have been paused since 2026-11-22T17:46:36Z, and will be until 2026-11-22T19:46:36Z (new disk)".
#[must_use]
pub fn cycle_pause_text(pause: &CyclePause) -> String {
    let until = pause.until.map(|at| format!(", and will be until {}", time_text(at))).unwrap_or_default();
    format!("cycles have been paused since {}{until}{}", time_text(pause.since), in_brackets(pause))
}

/// How long a pause lasts, for what is said when it begins: " until 2026-11-22T19:46:36Z (new disk)".
#[must_use]
pub fn pause_end_text(pause: &CyclePause) -> String {
    let until = pause.until.map(|at| format!(" until {}", time_text(at))).unwrap_or_default();
    until + &in_brackets(pause)
}

fn in_brackets(pause: &CyclePause) -> String {
    pause.reason.as_ref().map(|reason| format!(" ({reason})")).unwrap_or_default()
}
