//! Findings of a manager, and of the doctor: what does not work on this machine, or will not.

use serde::{Deserialize, Serialize};

use super::ManagerKind;

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

impl Finding {
    /// Something that does not work.
    pub fn error(code: &str, what: impl Into<String>, consequence: impl Into<String>, fix: impl Into<String>) -> Self {
        let (what, consequence, fix) = (what.into(), consequence.into(), fix.into());
        Self { code: code.to_owned(), severity: Severity::Error, what, consequence, fix }
    }

    /// Something that works, and will cause trouble later.
    pub fn warning(
        code: &str,
        what: impl Into<String>,
        consequence: impl Into<String>,
        fix: impl Into<String>,
    ) -> Self {
        Self { severity: Severity::Warning, ..Self::error(code, what, consequence, fix) }
    }

    /// A process manager does not work on this machine, or not for this user.
    pub fn unavailable(manager: ManagerKind, reason: &str, fix: impl Into<String>) -> Self {
        let consequence = "no node can be created, started or stopped";
        Self::error("manager-unavailable", format!("{manager}: {reason}"), consequence, fix)
    }
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
