//! A node column by column, as the database holds it and as a test spells it out.

use serde::{Deserialize, Serialize};
use wnm_pm::node::{NodeSpec, ProcessId};

use super::{Desired, Node, NodeMetrics, Status, UnixSeconds, Verb};

/// All that is stored about a node. Any mix can be written here; [`Node::restore`] takes those that can come about.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct StoredNode {
    /// What was settled when it was planned, with the paths that the manager reported.
    pub spec: NodeSpec,
    /// The name under which the process manager knows it.
    pub service: String,
    /// When it was created.
    pub created_at: UnixSeconds,
    /// The version that it runs, or was last seen to run.
    pub version: Option<semver::Version>,
    /// Its name in the network.
    pub peer_id: Option<String>,
    /// Its process when last seen alive.
    pub process: Option<ProcessId>,
    /// What it last reported about itself.
    pub metrics: Option<NodeMetrics>,
    /// What it is.
    pub status: Status,
    /// When it got that status.
    pub status_since: UnixSeconds,
    /// What its owner wants of it.
    pub desired: Desired,
    /// What was begun on it and has no recorded outcome.
    pub pending: Option<Verb>,
    /// How often in a row a step on it failed.
    pub failures: u32,
    /// How often in a row it fell.
    #[serde(default)]
    pub falls: u32,
    /// When it is tried again.
    pub retry_at: Option<UnixSeconds>,
    /// Why the last step on it failed, or what is wrong with it.
    pub last_error: Option<String>,
    /// Whether it has ever been seen up.
    pub has_run: bool,
    /// Whether it went down with its machine, and has not been started since.
    #[serde(default)]
    pub comes_back: bool,
}

impl StoredNode {
    /// A stopped node that was created at `now` and about which nothing else is known.
    #[must_use]
    pub fn new(spec: NodeSpec, now: UnixSeconds) -> Self {
        Self {
            service: spec.name.clone(),
            version: spec.version.clone(),
            spec,
            created_at: now,
            peer_id: None,
            process: None,
            metrics: None,
            status: Status::Stopped,
            status_since: now,
            desired: Desired::Run,
            pending: None,
            failures: 0,
            falls: 0,
            retry_at: None,
            last_error: None,
            has_run: false,
            comes_back: false,
        }
    }
}

impl From<Node> for StoredNode {
    fn from(node: Node) -> Self {
        let Node { spec, service, created_at, version, peer_id, process, metrics, life } = node;
        Self {
            spec,
            service,
            created_at,
            version,
            peer_id,
            process,
            metrics,
            status: life.status(),
            status_since: life.status_since(),
            desired: life.desired(),
            pending: life.pending(),
            failures: life.failures(),
            falls: life.falls(),
            retry_at: life.retry_at(),
            last_error: life.last_error().map(str::to_owned),
            has_run: life.has_run(),
            comes_back: life.comes_back(),
        }
    }
}

/// Two columns of one node that cannot both be true.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{column} cannot be {reason}")]
pub struct Contradiction {
    /// The column.
    pub column: &'static str,
    /// Its value, and what it contradicts.
    pub reason: String,
}
