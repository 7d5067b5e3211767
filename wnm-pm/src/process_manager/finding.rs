//! Findings of a manager, and of the doctor: what does not work on this machine, or will not.

use serde::{Deserialize, Serialize};

/// Something that does not work, or will not, and what fixes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Finding {
    /// A short stable word: `lingering-off`.
    pub code: String,
    /// Whether something fails already, or would bite later.
    pub severity: Severity,
    /// What was found, with its figure.
    pub what: String,
    /// What follows from it.
    pub consequence: String,
    /// The command or the setting that fixes it.
    pub fix: String,
}

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// It works, and will cause trouble later.
    Warning,
    /// It does not work.
    Error,
}
