//! A problem is one thing that is wrong with what was given; all of them are reported at once.

use std::borrow::Cow;
use std::fmt;

use serde::Serialize;

use super::origin::Origin;
use wnm_pm::hint::{Hint, Hinted};

/// One thing that is wrong.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Problem {
    /// The name as it was given; empty when it is about a whole file.
    pub setting: String,
    /// The text as it was given; none when nothing was.
    pub value: Option<String>,
    /// Who gave it.
    pub origin: Origin,
    /// What is wrong, with the bounds.
    pub reason: String,
    /// What to do.
    pub hint: Option<Hint>,
}

impl Problem {
    pub(super) fn new(setting: &str, value: Option<&str>, origin: &Origin, reason: impl Into<String>) -> Self {
        Self {
            setting: setting.to_owned(),
            value: value.map(str::to_owned),
            origin: origin.clone(),
            reason: reason.into(),
            hint: None,
        }
    }

    pub(super) fn hint(self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.advised(Hint::text(hint))
    }

    pub(super) fn advised(self, hint: Hint) -> Self {
        Self { hint: Some(hint), ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.setting.as_str(), &self.value) {
            ("", _) => write!(formatter, "{}: {}", self.origin, self.reason),
            (name, None) => write!(formatter, "{name} {}", self.reason),
            (name, Some(value)) => write!(formatter, "{name} = {value:?} ({}): {}", self.origin, self.reason),
        }
    }
}

/// Everything that is wrong; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [only] => write!(formatter, "invalid setting: {only}"),
            several => {
                let texts: Vec<String> = several.iter().map(Problem::to_string).collect();
                write!(formatter, "{} invalid settings: {}", several.len(), texts.join("; "))
            }
        }
    }
}

impl std::error::Error for Problems {}

impl Hinted for Problems {
    fn hints(&self) -> Vec<Hint> {
        self.0.iter().filter_map(|problem| problem.hint.clone()).collect()
    }
}
