//! What was seen of a node that is not what the database says. The sentences are in [`crate::report`].

use std::path::PathBuf;

use semver::Version;
use serde::{Deserialize, Serialize};

use super::{End, Verb};

/// What was seen of a node, for which it was taken for something else than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "evidence", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Evidence {
    /// Its process is running, and it answers for itself where it has a metrics server.
    Running,
    /// Its process is running and shows what can be seen of a node that answers no questions.
    Shows {
        /// The most that was seen.
        health_from: HealthFrom,
    },
    /// Its process is running, and has not bound its node port.
    NotBound {
        /// The port.
        port: u16,
    },
    /// Its process is running as another version, and knows no peers, though it did before.
    NoPeers,
    /// Its process manager started it again by itself.
    StartedAgain,
    /// It replaced its own program and was started again, or is about to be.
    UpgradedItself {
        /// The version that it ran before, where known.
        from: Option<Version>,
        /// The version that it runs now; none where it has only ended for it yet.
        to: Option<Version>,
    },
    /// Its process is running, but its metrics port does not answer for it.
    NotAnswering {
        /// The port.
        port: u16,
        /// What is wrong with it.
        fault: PortFault,
    },
    /// Its process is there, and halted by a signal.
    Halted,
    /// It is not running, and its process manager will start it again by itself.
    Waiting {
        /// What the manager says.
        reason: String,
    },
    /// Its process is gone.
    ProcessGone {
        /// Why, where the manager knows.
        reason: Option<String>,
    },
    /// Something is missing without which its manager cannot start it.
    Incomplete {
        /// What.
        missing: String,
    },
    /// Its directory is gone.
    DirectoryGone {
        /// Where it was.
        directory: PathBuf,
    },
    /// Something else is where its directory was.
    NotADirectory {
        /// Where.
        path: PathBuf,
    },
    /// wnm itself lacked the means to start it.
    Unable {
        /// Which.
        reason: String,
    },
    /// A step was begun on it and its outcome was never recorded.
    Interrupted {
        /// What was begun.
        verb: Verb,
        /// What became of it.
        end: End,
    },
}

/// What is wrong with a metrics port.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "fault", rename_all = "snake_case")]
#[non_exhaustive]
pub enum PortFault {
    /// Nothing listens on it.
    Closed,
    /// It does not answer in time.
    TimedOut,
    /// What it answers cannot be read.
    Unreadable {
        /// Why not.
        reason: String,
    },
    /// Another program answers.
    OtherProgram {
        /// What it says, shortened.
        said: String,
    },
    /// Another node answers.
    OtherNode {
        /// The name of that node in the network.
        peer_id: String,
    },
}

/// What it rests on that a node counts as up, from the least to be trusted to the most.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthFrom {
    /// Its own process lives; whether it does anything cannot be seen.
    Process,
    /// Its own process has its node port bound.
    Port,
    /// It also stores more than before.
    Growth,
    /// It also knows peers, by what it wrote since it started.
    Peers,
    /// It answers for itself.
    Metrics,
}

impl HealthFrom {
    /// The word that JSON and reports use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Process => "process",
            Self::Port => "port",
            Self::Growth => "growth",
            Self::Peers => "peers",
            Self::Metrics => "metrics",
        }
    }
}
