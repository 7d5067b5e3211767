//! What was seen of a node that is not what the database says. The sentences are in [`crate::report`].

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use super::{End, Verb};

/// What was seen of a node, for which it was taken for something else than before.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "evidence", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Evidence {
    /// Its process is running, and it answers for itself where it has a metrics server.
    Running,
    /// Its process is running, but its metrics port does not answer for it.
    NotAnswering {
        /// The port.
        port: u16,
        /// What is wrong with it.
        fault: PortFault,
    },
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
