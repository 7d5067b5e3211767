//! The kinds of process managers, and the words that name them.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

/// The program that keeps processes alive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Supervisor {
    /// Plain background processes, started by wnm itself.
    Setsid,
    /// Units of systemd.
    Systemd,
    /// Jobs of launchd.
    Launchd,
    /// The `antctl` program.
    Antctl,
    /// s6-overlay inside Docker containers.
    S6overlay,
}

/// In whose name the nodes run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Mode {
    /// In the name of whoever calls wnm.
    User,
    /// In the machine's name.
    Sudo,
    /// antctl only: it chooses all paths by itself.
    Zen,
}

/// A process manager and its mode, written `systemd+user`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct ManagerKind {
    /// The program that keeps processes alive.
    pub supervisor: Supervisor,
    /// In whose name.
    pub mode: Mode,
}

impl ManagerKind {
    /// Every kind there is, with the word that names it.
    pub const ALL: [(&'static str, Self); 10] = [
        ("setsid+user", Self::new(Supervisor::Setsid, Mode::User)),
        ("setsid+sudo", Self::new(Supervisor::Setsid, Mode::Sudo)),
        ("systemd+user", Self::new(Supervisor::Systemd, Mode::User)),
        ("systemd+sudo", Self::new(Supervisor::Systemd, Mode::Sudo)),
        ("launchd+user", Self::new(Supervisor::Launchd, Mode::User)),
        ("launchd+sudo", Self::new(Supervisor::Launchd, Mode::Sudo)),
        ("antctl+user", Self::new(Supervisor::Antctl, Mode::User)),
        ("antctl+sudo", Self::new(Supervisor::Antctl, Mode::Sudo)),
        ("antctl+zen", Self::new(Supervisor::Antctl, Mode::Zen)),
        ("s6overlay+user", Self::new(Supervisor::S6overlay, Mode::User)),
    ];

    const fn new(supervisor: Supervisor, mode: Mode) -> Self {
        Self { supervisor, mode }
    }

    /// Whether its nodes live in the containers of container groups.
    #[must_use]
    pub fn uses_containers(self) -> bool {
        self.supervisor == Supervisor::S6overlay
    }

    /// Whether its nodes may lie on several disks: not where it places them by itself.
    #[must_use]
    pub fn takes_several_storages(self) -> bool {
        self.supervisor != Supervisor::Antctl
    }

    /// The word that names this kind.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        Self::ALL.iter().find(|(_, kind)| *kind == self).map_or("unknown", |(word, _)| word)
    }
}

impl fmt::Display for ManagerKind {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// A word that names no process manager.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("no process manager is called {0:?}; there are {known}", known = ManagerKind::ALL.map(|(word, _)| word).join(", "))]
pub struct UnknownManager(pub String);

impl FromStr for ManagerKind {
    type Err = UnknownManager;

    fn from_str(text: &str) -> Result<Self, UnknownManager> {
        Self::ALL
            .iter()
            .find(|(word, _)| *word == text)
            .map(|(_, kind)| *kind)
            .ok_or_else(|| UnknownManager(text.to_owned()))
    }
}

impl Serialize for ManagerKind {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.as_str())
    }
}

impl<'de> Deserialize<'de> for ManagerKind {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}
