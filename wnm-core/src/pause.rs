//! A pause of the owner's: until it ends, cycles look and record, and change nothing.

use serde::{Deserialize, Serialize};

use crate::node::UnixSeconds;

/// The longest reason that is kept, in characters.
const REASON_MAX: usize = 200;

/// Cycles are paused.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CyclePause {
    /// Since when.
    pub since: UnixSeconds,
    /// When it ends by itself; none where only its owner ends it.
    pub until: Option<UnixSeconds>,
    /// Why, in the owner's words: one line.
    pub reason: Option<String>,
}

impl CyclePause {
    /// A pause from now on: for so many seconds, or until its owner ends it.
    ///
    /// # Errors
    /// When the reason is not one line of text of at most 200 characters.
    pub fn new(now: UnixSeconds, seconds: Option<u64>, reason: Option<&str>) -> Result<Self, BadReason> {
        let end = |seconds| now.saturating_add(UnixSeconds::try_from(seconds).unwrap_or(UnixSeconds::MAX));
        let reason = reason.map(check).transpose()?;
        Ok(Self { since: now, until: seconds.map(end), reason })
    }

    /// Whether its time has passed.
    #[must_use]
    pub fn is_over(&self, now: UnixSeconds) -> bool {
        self.until.is_some_and(|until| until <= now)
    }

    /// What becomes of this pause when its owner asks for another one: it began when it began, and keeps its reason unless
    /// another one is given.
    #[must_use]
    pub fn changed_to(&self, other: Self) -> Self {
        Self { since: self.since, until: other.until, reason: other.reason.or_else(|| self.reason.clone()) }
    }
}

/// A reason that cannot be shown on one line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum BadReason {
    /// It says nothing.
    #[error("the reason is empty")]
    Empty,
    /// It has a line break, or another character that is not text.
    #[error("the reason {0:?} is not one line of text")]
    NotALine(String),
    /// It is too long.
    #[error("the reason has {0} characters, more than {REASON_MAX}")]
    Long(usize),
}

fn check(reason: &str) -> Result<String, BadReason> {
    let reason = reason.trim();
    match reason.chars().count() {
        0 => Err(BadReason::Empty),
        _ if reason.chars().any(char::is_control) => Err(BadReason::NotALine(reason.to_owned())),
        length if length > REASON_MAX => Err(BadReason::Long(length)),
        _ => Ok(reason.to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_ends_with_its_time_or_not_at_all() {
        let timed = CyclePause::new(1_000, Some(60), None).expect("it is a pause");
        assert_eq!([1_059, 1_060, 1_061].map(|now| timed.is_over(now)), [false, true, true]);
        let open = CyclePause::new(1_000, None, None).expect("it is a pause");
        assert!(!open.is_over(UnixSeconds::MAX));
        let long = CyclePause::new(1_000, Some(u64::MAX), None).expect("it is a pause");
        assert!(!long.is_over(1 << 60));
    }

    #[test]
    fn a_pause_asked_for_again_has_the_new_time_and_keeps_its_reason() {
        let first = CyclePause::new(1_000, None, Some("new disk")).expect("it is a pause");
        let again = CyclePause::new(2_000, Some(60), None).expect("it is a pause");
        let changed = first.changed_to(again);
        assert_eq!(changed, CyclePause { since: 1_000, until: Some(2_060), reason: Some("new disk".to_owned()) });
        let other = CyclePause::new(3_000, None, Some("old disk")).expect("it is a pause");
        assert_eq!(changed.changed_to(other).reason.as_deref(), Some("old disk"));
    }

    #[test]
    fn a_reason_is_one_line() {
        let error = |reason: &str| CyclePause::new(0, None, Some(reason)).expect_err("it is refused").to_string();
        assert_eq!(error(" \t"), "the reason is empty");
        assert_eq!(error("a\nb"), r#"the reason "a\nb" is not one line of text"#);
        assert_eq!(error("\u{1b}[31m"), r#"the reason "\u{1b}[31m" is not one line of text"#);
        assert_eq!(error(&"ä".repeat(201)), "the reason has 201 characters, more than 200");
        assert!(CyclePause::new(0, None, Some(&"ä".repeat(200))).is_ok());
    }
}
