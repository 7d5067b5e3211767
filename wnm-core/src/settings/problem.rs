//! A problem is one thing that is wrong with what was given; all of them are reported at once.

use std::fmt;

use serde::Serialize;

use super::layers::Origin;

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
    pub hint: Option<String>,
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

    /// With a reason that may end with a hint of its own.
    pub(super) fn from_text(setting: &str, value: Option<&str>, origin: &Origin, text: &str) -> Self {
        match text.split_once("\nhint: ") {
            Some((reason, hint)) => Self::new(setting, value, origin, reason).hint(hint),
            None => Self::new(setting, value, origin, text),
        }
    }

    pub(super) fn hint(self, hint: impl Into<String>) -> Self {
        Self { hint: Some(hint.into()), ..self }
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.setting.as_str(), &self.value) {
            ("", _) => write!(formatter, "{}: {}", self.origin, self.reason)?,
            (name, None) => write!(formatter, "{name} {}", self.reason)?,
            (name, Some(value)) => write!(formatter, "{name} = {value:?} ({}): {}", self.origin, self.reason)?,
        }
        self.hint.iter().try_for_each(|hint| write!(formatter, "\nhint: {hint}"))
    }
}

/// Everything that is wrong; never empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(transparent)]
pub struct Problems(pub Vec<Problem>);

impl fmt::Display for Problems {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.as_slice() {
            [only] => write!(formatter, "the settings cannot be used: {only}"),
            several => {
                write!(formatter, "the settings cannot be used, {} things are wrong:", several.len())?;
                for problem in several {
                    write!(formatter, "\n- {}", problem.to_string().replace('\n', "\n  "))?;
                }
                Ok(())
            }
        }
    }
}

impl std::error::Error for Problems {}
