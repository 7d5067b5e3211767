//! The origin of a value is who gave it: a flag, a variable, a file, the database, or nobody.

use std::fmt;

use serde::Serialize;

/// Where a value comes from. A later one in this list is outranked by an earlier one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(tag = "from", rename_all = "snake_case")]
pub enum Origin {
    /// The command line.
    Flag {
        /// With its dashes.
        flag: String,
    },
    /// The environment.
    Environment {
        /// The whole name.
        variable: String,
    },
    /// A config file.
    File {
        /// Which one, as far as it can be shown.
        path: String,
        /// The line of the name, from 1; none when it is about the whole file.
        line: Option<usize>,
    },
    /// The machine's database.
    Database,
    /// Nobody gave it.
    Default,
}

impl Origin {
    /// The higher outranks the lower.
    pub(super) fn rank(&self) -> u8 {
        match self {
            Self::Flag { .. } => 4,
            Self::Environment { .. } => 3,
            Self::File { .. } => 2,
            Self::Database => 1,
            Self::Default => 0,
        }
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag { flag } => write!(formatter, "flag {flag}"),
            Self::Environment { variable } => write!(formatter, "environment variable {variable}"),
            Self::File { path, line } => {
                // A path may hold a line break, and this text goes into comments.
                let path = path.replace(char::is_control, "?");
                write!(formatter, "file {path}")?;
                line.iter().try_for_each(|line| write!(formatter, " line {line}"))
            }
            Self::Database => formatter.write_str("database"),
            Self::Default => formatter.write_str("default"),
        }
    }
}

/// Where each setting's value comes from, in the order of the table.
#[derive(Debug, Clone, PartialEq)]
pub struct Origins(pub(super) Vec<(&'static str, Origin)>);

impl Origins {
    /// Whether these settings all have the values that they were given.
    pub(super) fn all_sound(&self, names: &[&str]) -> bool {
        names.iter().all(|name| self.0.iter().any(|(known, _)| known == name))
    }

    /// Where the value of a setting comes from; the default when there is no such setting.
    #[must_use]
    pub fn of(&self, name: &str) -> &Origin {
        self.0.iter().find(|(known, _)| *known == name).map_or(&Origin::Default, |(_, origin)| origin)
    }
}
