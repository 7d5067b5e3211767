//! The words for what a node is, what its owner wants of it, and what can be done to it.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What the database says a node is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "UPPERCASE")]
pub enum Status {
    /// Its process lives and its metrics answer for its own peer id.
    Running,
    /// Its process does not live; it may be started.
    Stopped,
    /// It was told to start and has never been up; whether it is up is checked when its delay has passed.
    Starting,
    /// It was told to start and has been up before; whether it is up again is checked when its delay has passed.
    Restarting,
    /// Its program was replaced; whether it is up again is checked when its delay has passed.
    Upgrading,
    /// It was told to stop for good; its files are deleted when its delay has passed.
    Removing,
    /// It is being taken over from elsewhere; nothing grows meanwhile.
    Migrating,
    /// Its owner disabled it; it counts as a node and is never touched.
    Disabled,
    /// Its directory is gone; the next cycle removes it from the database.
    Dead,
}

impl Status {
    /// All statuses, in the order in which reports list them.
    pub const ALL: [Self; 9] = [
        Self::Running,
        Self::Stopped,
        Self::Starting,
        Self::Restarting,
        Self::Upgrading,
        Self::Removing,
        Self::Migrating,
        Self::Disabled,
        Self::Dead,
    ];

    /// Whether a node with it was told to start and has not been seen up since: what `max_concurrent_starts` counts.
    #[must_use]
    pub fn is_starting(self) -> bool {
        matches!(self, Self::Starting | Self::Restarting)
    }

    /// Whether a node with it is about to be up, so that it holds a slot until it was seen up.
    #[must_use]
    pub fn is_underway(self) -> bool {
        self.is_starting() || self == Self::Upgrading
    }

    /// The word that the database, the reports and the vectors use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Running => "RUNNING",
            Self::Stopped => "STOPPED",
            Self::Starting => "STARTING",
            Self::Restarting => "RESTARTING",
            Self::Upgrading => "UPGRADING",
            Self::Removing => "REMOVING",
            Self::Migrating => "MIGRATING",
            Self::Disabled => "DISABLED",
            Self::Dead => "DEAD",
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// What a node's owner wants of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Desired {
    /// It may run: wnm starts it when there is room, and stops it when there is none.
    Run,
    /// Its owner stopped it: only its owner starts it again.
    Stop,
    /// Its owner disabled it: wnm leaves it alone.
    Unmanaged,
}

impl Desired {
    /// The word that the database and the reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Run => "run",
            Self::Stop => "stop",
            Self::Unmanaged => "unmanaged",
        }
    }
}

impl fmt::Display for Desired {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

/// What can be done to a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verb {
    /// Create a node and start it.
    Add,
    /// Start a stopped node.
    Start,
    /// Stop a running node; its data stays.
    Stop,
    /// Stop and start.
    Restart,
    /// Replace its program by a newer one; it runs again afterwards.
    Upgrade,
    /// Put its previous program back; it runs again afterwards.
    Revert,
    /// Stop it for good and delete its files.
    Remove,
    /// Stop it and leave it unmanaged.
    Disable,
    /// Manage it again; it is stopped until there is room.
    Enable,
}

impl Verb {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::Add,
        Self::Start,
        Self::Stop,
        Self::Restart,
        Self::Upgrade,
        Self::Revert,
        Self::Remove,
        Self::Disable,
        Self::Enable,
    ];

    /// The word that plans, history and commands use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Add => "add",
            Self::Start => "start",
            Self::Stop => "stop",
            Self::Restart => "restart",
            Self::Upgrade => "upgrade",
            Self::Revert => "revert",
            Self::Remove => "remove",
            Self::Disable => "disable",
            Self::Enable => "enable",
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}
