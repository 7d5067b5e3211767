//! A node as the database holds it: what was settled about it, and what became of it.

mod evidence;
mod life;
mod metrics;
mod status;
mod stored;
mod transition;

use serde::{Deserialize, Serialize};
pub use wnm_pm::node::{Flavour, NodeId, NodeRef, NodeSpec, PortKind, Ports, ProcessId};

pub use evidence::{Evidence, HealthFrom, PortFault};
pub(crate) use life::LONGEST_BACK_OFF_SECONDS;
pub use life::{Life, back_off};
pub use metrics::NodeMetrics;
pub use status::{Desired, Status, Verb};
pub use stored::{Contradiction, StoredNode};
pub use transition::{End, Found, Impossible, Intent, Transition};

pub use crate::clock::UnixSeconds;

/// A node as the database holds it. Its life changes by [`Node::apply`] alone.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(try_from = "StoredNode", into = "StoredNode")]
pub struct Node {
    spec: NodeSpec,
    service: String,
    created_at: UnixSeconds,
    version: Option<semver::Version>,
    peer_id: Option<String>,
    process: Option<ProcessId>,
    metrics: Option<NodeMetrics>,
    life: Life,
}

impl Node {
    /// A node that is about to be created.
    #[must_use]
    pub fn planned(spec: NodeSpec, now: UnixSeconds) -> Self {
        let service = spec.name.clone();
        Self::new(spec, service, now, Life::planned(now))
    }

    /// A node that was found on the machine, under the name by which its manager knows it. It counts as stopped until it is
    /// observed.
    #[must_use]
    pub fn adopted(spec: NodeSpec, service: String, now: UnixSeconds) -> Self {
        Self::new(spec, service, now, Life::adopted(now))
    }

    fn new(spec: NodeSpec, service: String, now: UnixSeconds, life: Life) -> Self {
        let version = spec.version.clone();
        Self { spec, service, created_at: now, version, peer_id: None, process: None, metrics: None, life }
    }

    /// The node that was stored.
    ///
    /// # Errors
    /// When its columns contradict each other: such a node cannot have come about.
    pub fn restore(stored: StoredNode) -> Result<Self, Contradiction> {
        let life = Life::restore(&stored)?;
        let StoredNode { spec, service, created_at, version, peer_id, process, metrics, .. } = stored;
        Ok(Self { spec, service, created_at, version, peer_id, process, metrics, life })
    }

    /// Something happened to it at `now`: the only way in which its life changes.
    ///
    /// # Errors
    /// [`Impossible`] where that cannot happen to a node that is what it is; then nothing is changed.
    pub fn apply(&mut self, transition: Transition, now: UnixSeconds) -> Result<(), Impossible> {
        self.life.apply(&transition, now)?;
        match transition {
            Transition::Created(created) => {
                self.service = created.service;
                self.spec.root_dir = created.root_dir;
                self.spec.binary = created.binary;
                self.spec.log_dir = created.log_dir;
            }
            Transition::Started { process } => self.process = process,
            Transition::Upgraded { process, version } => {
                self.process = process;
                self.spec.version = Some(version.clone());
                self.version = Some(version);
            }
            Transition::Reverted { process, version } => {
                self.process = process;
                self.spec.version.clone_from(&version);
                self.version = version;
            }
            Transition::Stopped => self.process = None,
            Transition::Observed { found: Found::Replaced { process, .. }, .. } => self.process = process,
            _ => {}
        }
        Ok(())
    }

    /// Takes in what it reported about itself; a name or a version that it did not report stays what it was.
    pub fn reported(&mut self, peer_id: Option<String>, version: Option<semver::Version>, metrics: NodeMetrics) {
        self.peer_id = peer_id.or_else(|| self.peer_id.take());
        self.version = version.or_else(|| self.version.take());
        self.metrics = Some(metrics);
    }

    /// It was started with this command line, which settings that changed since its last start went into.
    pub fn renew(&mut self, spec: NodeSpec) {
        self.spec = spec;
    }

    /// The node's number.
    #[must_use]
    pub fn id(&self) -> NodeId {
        self.spec.id
    }

    /// What was settled when it was planned, with the paths that the manager reported.
    #[must_use]
    pub fn spec(&self) -> &NodeSpec {
        &self.spec
    }

    /// Its name: `antnode0007`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.spec.name
    }

    /// The name under which the process manager knows it.
    #[must_use]
    pub fn service(&self) -> &str {
        &self.service
    }

    /// When it was created.
    #[must_use]
    pub fn created_at(&self) -> UnixSeconds {
        self.created_at
    }

    /// The version that it runs, or was last seen to run.
    #[must_use]
    pub fn version(&self) -> Option<&semver::Version> {
        self.version.as_ref()
    }

    /// Its name in the network.
    #[must_use]
    pub fn peer_id(&self) -> Option<&str> {
        self.peer_id.as_deref()
    }

    /// Its process when last seen alive.
    #[must_use]
    pub fn process(&self) -> Option<ProcessId> {
        self.process
    }

    /// What it last reported about itself.
    #[must_use]
    pub fn metrics(&self) -> Option<&NodeMetrics> {
        self.metrics.as_ref()
    }

    /// What it is, what its owner wants of it, and what is pending.
    #[must_use]
    pub fn life(&self) -> &Life {
        &self.life
    }

    /// What it is.
    #[must_use]
    pub fn status(&self) -> Status {
        self.life.status()
    }

    /// Whether this is a name of the node: its name (`antnode0007`), its service (`antnode0007.service`) or its number.
    #[must_use]
    pub fn is_called(&self, name: &str) -> bool {
        self.spec.name == name
            || self.service == name
            || name.strip_suffix(".service") == Some(&self.spec.name)
            || name.parse() == Ok(self.id().0)
    }

    /// The node as a process manager needs to know it.
    #[must_use]
    pub fn reference(&self) -> NodeRef {
        NodeRef { service: self.service.clone(), process: self.process, ..NodeRef::new(self.spec.clone()) }
    }
}

impl TryFrom<StoredNode> for Node {
    type Error = Contradiction;

    fn try_from(stored: StoredNode) -> Result<Self, Contradiction> {
        Self::restore(stored)
    }
}
