//! A flavour is which program a node is: v1 `antnode` or v2 `ant-node`. All that differs between them is in this room: a
//! table per flavour, command lines written ([`Flavour::arguments`]) and read back ([`CommandLine`]).

use std::fmt;

use serde::{Deserialize, Serialize};

use crate::node::{NodeSpec, PortKind};

mod command_line;
mod network;
mod v1;
mod v2;

pub use command_line::CommandLine;
pub use network::NETWORKS;

/// Which program a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Flavour {
    /// `antnode`: has a metrics server.
    #[default]
    V1,
    /// `ant-node`: has no metrics server and upgrades itself.
    V2,
}

/// What a flavour is, apart from its command line.
struct Table {
    word: &'static str,
    /// What its program is called.
    program: &'static str,
    /// The file that makes a node who it is.
    key_file: &'static str,
    /// What the names of its logs begin with, and what they end in; the last in order is the one that it writes.
    log: (&'static str, &'static str),
    /// Whether nodes answer over HTTP how they are.
    has_metrics: bool,
    /// Whether nodes replace their own program.
    upgrades_itself: bool,
    /// Whether nothing writes into a program that is in its place: a newer one is renamed over it, so that other names of the
    /// old one keep their content.
    replaces_program_by_rename: bool,
    ports: &'static [PortKind],
    /// What stands before the version when the program is asked for it.
    version_prefix: &'static str,
    arguments: fn(&NodeSpec) -> Vec<String>,
    /// Words of its command line that are wnm's, and what sets them: a setting's name or a sentence.
    owned: &'static [(&'static str, Owned)],
}

/// What decides about an option that the owner may not give to nodes in passing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owned {
    /// A setting of this name.
    By(&'static str),
    /// wnm itself, for this reason.
    ByWnm(&'static str),
}

impl Flavour {
    /// Both.
    pub const ALL: [Self; 2] = [Self::V1, Self::V2];

    fn table(self) -> &'static Table {
        match self {
            Self::V1 => &v1::TABLE,
            Self::V2 => &v2::TABLE,
        }
    }

    /// The word that the database, JSON and settings use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        self.table().word
    }

    /// What its program is called: `antnode`, `ant-node`.
    #[must_use]
    pub fn program_name(self) -> &'static str {
        self.table().program
    }

    /// The file in a node's directory that holds its key.
    #[must_use]
    pub fn key_file(self) -> &'static str {
        self.table().key_file
    }

    /// What the names of its nodes' own logs begin with, and what they end in: the last of them in order is being written.
    #[must_use]
    pub fn log_name(self) -> (&'static str, &'static str) {
        self.table().log
    }

    /// Whether its nodes answer over HTTP how they are.
    #[must_use]
    pub fn has_metrics(self) -> bool {
        self.table().has_metrics
    }

    /// Whether its nodes replace their own program.
    #[must_use]
    pub fn upgrades_itself(self) -> bool {
        self.table().upgrades_itself
    }

    /// Whether its nodes' programs may be names of one file: whatever replaces a node's program renames another over it.
    #[must_use]
    pub fn replaces_program_by_rename(self) -> bool {
        self.table().replaces_program_by_rename
    }

    /// The kinds of ports that its nodes can have, as far as the settings give them a range.
    #[must_use]
    pub fn ports(self) -> &'static [PortKind] {
        self.table().ports
    }

    /// The flavour and the version that a program tells: `Autonomi Node v0.4.17` (v1), `ant-node 0.23.1` (v2),
    /// pre-releases and all. None when it is not a node program.
    #[must_use]
    pub fn of_version_text(stdout: &str) -> Option<(Self, semver::Version)> {
        let line = stdout.lines().find(|line| !line.trim().is_empty())?.trim();
        let (flavour, version) = Self::ALL
            .into_iter()
            .find_map(|flavour| Some((flavour, line.strip_prefix(flavour.table().version_prefix)?)))?;
        Some((flavour, semver::Version::parse(version.split_whitespace().next()?).ok()?))
    }

    /// The command line of a node of this flavour, without the program itself: a word each, quoted for nothing.
    ///
    /// What the owner adds (`start_args`) follows wnm's own options; v1's payment network comes last.
    #[must_use]
    pub fn arguments(self, spec: &NodeSpec) -> Vec<String> {
        (self.table().arguments)(spec)
    }
}

/// What decides about a word of `start_args`; none where it is the owner's to give. A value may be glued to an option.
///
/// Words of either flavour count: what only the other one knows would keep a node from starting.
#[must_use]
pub fn owner_of(word: &str) -> Option<Owned> {
    let option = word.split_once('=').map_or(word, |(option, _)| option);
    let mut owned = Flavour::ALL.into_iter().flat_map(|flavour| flavour.table().owned);
    owned.find(|(known, _)| *known == option).map(|(_, owned)| *owned)
}

impl fmt::Display for Flavour {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// Words of a command line in the making.
#[derive(Default)]
struct Line(Vec<String>);

impl Line {
    fn option(&mut self, name: &str, value: impl ToString) {
        self.0.extend([name.to_owned(), value.to_string()]);
    }

    fn port(&mut self, name: &str, port: Option<u16>) {
        if let Some(port) = port {
            self.option(name, port);
        }
    }

    fn switch(&mut self, name: &str) {
        self.0.push(name.to_owned());
    }
}

#[cfg(test)]
mod tests;
