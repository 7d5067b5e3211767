//! One declaration in the table: what a setting is called, what it may be, and what it is when nobody says.

use super::facts::Facts;
use wnm_pm::process_manager::Mode;

/// One setting, as the table declares it.
#[derive(Debug, Clone, Copy)]
pub struct Setting {
    /// Its name: the flag without dashes, the key in files and the database, the field of [`Config`](super::Config).
    pub name: &'static str,
    /// What it is for, in one or more sentences.
    pub help: &'static str,
    /// What its figure counts (`seconds`); empty where there is nothing to say.
    pub unit: &'static str,
    /// What its text looks like.
    pub shape: Shape,
    /// Whether it may be empty, which means that there is none.
    pub optional: bool,
    /// The lowest and the highest figure, both allowed.
    pub bounds: Option<(f64, f64)>,
    /// What it is when no layer gives it.
    pub default: DefaultValue,
    /// Until when it may change.
    pub lifetime: Lifetime,
}

/// What the text of a setting looks like.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// `20`.
    WholeNumber,
    /// `70.5`.
    Number,
    /// `true`, `yes` or `1`; `false`, `no` or `0`.
    Switch,
    /// An absolute path; `~/` stands for the home directory.
    Path,
    /// Such paths with commas between them, at least one.
    Paths,
    /// A short text without blanks.
    Text,
    /// One of these words.
    Choice(&'static [&'static str]),
    /// `2 7`.
    WholeNumbers,
    /// `127.0.0.1`, `::1`.
    IpAddress,
    /// One address of the payment network.
    Address,
    /// Addresses, `faucet`, `donate`, with weights.
    Wallets,
    /// Words as a POSIX shell would split them, `--verbose 'two words'`; no shell is involved.
    Words,
    /// The same, each word `NAME=value`.
    Assignments,
}

/// What a setting is when no layer gives it.
#[derive(Debug, Clone, Copy)]
pub enum DefaultValue {
    /// It must be given.
    Required {
        /// What the other settings are checked with while it is missing.
        stand_in: &'static str,
    },
    /// The same everywhere.
    Always(&'static str),
    /// It hangs on the machine and on the mode of the process manager.
    Computed {
        /// The text of the default.
        text: fn(&Facts, Mode) -> String,
        /// How it is found, for the reference page.
        words: &'static str,
    },
}

/// Until when a setting may change.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lifetime {
    /// Any time. What was never given follows its default.
    Free,
    /// Any time, and recorded at init even when nobody gave it, since its default hangs on who calls.
    Pinned,
    /// Only by `init` and `config set`: a flag, a variable or a file cannot change it in passing.
    Explicit,
    /// The same, and recorded at init even when nobody gave it, since its default hangs on who calls.
    Settled,
    /// Only at init, and recorded then.
    Fixed,
}

impl Setting {
    const fn new(default: DefaultValue) -> Self {
        Self {
            name: "",
            help: "",
            unit: "",
            shape: Shape::Text,
            optional: false,
            bounds: None,
            default,
            lifetime: Lifetime::Free,
        }
    }

    /// A declaration whose default is the same everywhere.
    pub(super) const fn always(text: &'static str) -> Self {
        Self::new(DefaultValue::Always(text))
    }

    /// A declaration whose default hangs on the machine.
    pub(super) const fn computed(text: fn(&Facts, Mode) -> String, words: &'static str) -> Self {
        Self::new(DefaultValue::Computed { text, words })
    }

    /// A declaration without a default.
    pub(super) const fn required(stand_in: &'static str) -> Self {
        Self::new(DefaultValue::Required { stand_in })
    }

    pub(super) const fn within(self, lowest: f64, highest: f64) -> Self {
        Self { bounds: Some((lowest, highest)), ..self }
    }

    pub(super) const fn unit(self, unit: &'static str) -> Self {
        Self { unit, ..self }
    }

    pub(super) const fn lasting(self, lifetime: Lifetime) -> Self {
        Self { lifetime, ..self }
    }

    /// Its environment variable: `WNM_NODE_CAP`.
    #[must_use]
    pub fn variable(&self) -> String {
        format!("WNM_{}", self.name.to_uppercase())
    }

    /// Its flag: `--node_cap`.
    #[must_use]
    pub fn flag(&self) -> String {
        format!("--{}", self.name)
    }

    /// The placeholder for its value in a usage text: `PERCENT`, `PATH`.
    #[must_use]
    pub fn value_name(&self) -> &'static str {
        match (self.shape, self.unit) {
            (_, "percent") => "PERCENT",
            (_, "seconds") => "SECONDS",
            (_, "milliseconds") => "MILLISECONDS",
            (_, "bytes") => "BYTES",
            (_, "bytes per second") => "BYTES_PER_SECOND",
            (Shape::WholeNumber | Shape::Number, _) => "NUMBER",
            (Shape::WholeNumbers, _) => "NUMBERS",
            (Shape::Switch, _) => "BOOLEAN",
            (Shape::Path, _) => "PATH",
            (Shape::Paths, _) => "PATHS",
            (Shape::Text, _) => "TEXT",
            (Shape::Choice(_), _) => "WORD",
            (Shape::IpAddress, _) => "IP_ADDRESS",
            (Shape::Address, _) => "ADDRESS",
            (Shape::Wallets, _) => "WALLETS",
            (Shape::Words, _) => "WORDS",
            (Shape::Assignments, _) => "ASSIGNMENTS",
        }
    }

    /// What its value must be, to go after "must be": `a whole number from 0 to 100 (percent)`.
    #[must_use]
    pub fn expects(&self) -> String {
        let thing = match self.shape {
            Shape::WholeNumber => "a whole number",
            Shape::WholeNumbers => "whole numbers with blanks between them",
            Shape::Number => "a number",
            Shape::Switch => "true or false",
            Shape::Path => "an absolute path",
            Shape::Paths => "an absolute path, or several with commas between them",
            Shape::Text => "a short text of letters, digits and . _ - + / : @",
            Shape::Choice(words) => return format!("one of {}", words.join(", ")),
            Shape::IpAddress => "an IP address",
            Shape::Address => "an address (0x and 40 hexadecimal digits)",
            Shape::Wallets => "an address, faucet, donate, or a list of them with weights",
            Shape::Words => "words, quoted as for a shell",
            Shape::Assignments => "words of the form NAME=value, quoted as for a shell",
        };
        let bounds = self.bounds.map_or(String::new(), |(lowest, highest)| format!(" from {lowest} to {highest}"));
        let unit = if self.unit.is_empty() { String::new() } else { format!(" ({})", self.unit) };
        let none = if self.optional { ", or empty for none" } else { "" };
        format!("{thing}{bounds}{unit}{none}")
    }

    /// What it is when nobody says, in words: `20`, `empty`, `node storage of the mode`.
    #[must_use]
    pub fn default_words(&self) -> &'static str {
        match self.default {
            DefaultValue::Required { .. } => "none: it must be given",
            DefaultValue::Always("") => "empty",
            DefaultValue::Always(text) => text,
            DefaultValue::Computed { words, .. } => words,
        }
    }

    /// Whether a figure lies within the bounds.
    pub(super) fn allows(&self, figure: f64) -> bool {
        self.bounds.is_none_or(|(lowest, highest)| (lowest..=highest).contains(&figure))
    }

    /// The text of its default on a machine; none where it must be given.
    #[must_use]
    pub fn default_text(&self, facts: &Facts, mode: Mode) -> Option<String> {
        match self.default {
            DefaultValue::Required { .. } => None,
            DefaultValue::Always(text) => Some(text.to_owned()),
            DefaultValue::Computed { text, .. } => Some(text(facts, mode)),
        }
    }
}
