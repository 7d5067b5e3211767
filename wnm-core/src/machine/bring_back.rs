//! A node that was removed comes back: with its key and wallet, and with its number and ports where they are free.

use std::path::{Path, PathBuf};

use super::{CycleError, Machine};
use crate::decide::{Refusal, place_again};
use crate::event::Event;
use crate::identity;
use crate::node::{Flavour, Node, NodeId, Status, StoredNode, UnixSeconds, Verb};
use crate::progress::Progress;
use crate::removed::Removed;
use crate::snapshot::Snapshot;
use crate::store::StoreError;
use wnm_pm::hint::{Hint, Hinted, Task};
use wnm_pm::process_manager::{ManagerError, ManagerKind};

/// Which of the removed nodes is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhichRemoved {
    /// The one that had this name, service or number last.
    Named(String),
    /// The one that is called so among them.
    Id(i64),
}

/// Why a removed node does not come back. Nothing was changed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum BringBackError {
    /// Nothing is kept of such a node.
    #[error("nothing is kept of a removed node called {0}")]
    Unknown(String),
    /// The manager makes nodes by itself.
    #[error("{0} makes the keys of its nodes by itself, so that none can be put back")]
    OwnRegistry(ManagerKind),
    /// The machine has nodes of another flavour now.
    #[error("{name} was a {own} node, and this machine has {flavour} nodes now")]
    OtherFlavour {
        /// Its name.
        name: String,
        /// Its flavour.
        own: Flavour,
        /// The machine's.
        flavour: Flavour,
    },
    /// There is no place for it.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// Its key could not be put in its place.
    #[error("cannot put the key into {}", path.display())]
    Place {
        /// The node's directory.
        path: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// The machine could not be observed.
    #[error(transparent)]
    Cycle(#[from] CycleError),
}

impl From<StoreError> for BringBackError {
    fn from(error: StoreError) -> Self {
        Self::Cycle(error.into())
    }
}

impl From<ManagerError> for BringBackError {
    fn from(error: ManagerError) -> Self {
        Self::Cycle(error.into())
    }
}

impl Hinted for BringBackError {
    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Unknown(_) => vec![Hint::run(Task::Removed).to("list what is kept")],
            Self::OwnRegistry(_) => vec![Hint::text("add a node in its place")],
            Self::OtherFlavour { .. } => {
                vec![Hint::run(Task::MigrateFlavour).to("move all nodes to the other flavour")]
            }
            Self::Refused(refusal) => refusal.hints(),
            Self::Place { source, .. } if source.kind() == std::io::ErrorKind::PermissionDenied => {
                vec![Hint::text("run wnm as root where nodes run as another user")]
            }
            Self::Place { .. } => vec![],
            Self::Cycle(error) => error.hints(),
        }
    }
}

impl Machine {
    /// Puts a removed node's key in its place and records the node, stopped: whoever asked starts it. Interrupted before it is
    /// recorded, the same can be asked again. With `dry_run` nothing is changed.
    ///
    /// # Errors
    /// See [`BringBackError`].
    pub async fn bring_back(
        &mut self,
        which: &WhichRemoved,
        dry_run: bool,
        progress: &dyn Progress,
    ) -> Result<(Removed, Node), BringBackError> {
        if self.parts.manager.capabilities().places_nodes_itself {
            return Err(BringBackError::OwnRegistry(self.parts.config.process_manager));
        }
        let removed = self.find_removed(which)?;
        let observation = self.observe(progress).await?;
        observation.answers()?;
        let node = self.returning(&removed, &observation.snapshot)?;
        if dry_run {
            return Ok((removed, node));
        }
        self.claim().await?;
        let key = self.parts.store.removed_key(removed.id)?;
        let key = key.ok_or_else(|| BringBackError::Unknown(removed.node.name().to_owned()))?;
        let owner = self.parts.manager.owner().await?;
        let (root_dir, flavour) = (&node.spec().root_dir, node.spec().flavour);
        identity::place(root_dir, flavour, Some(&key.0), owner)
            .map_err(|source| BringBackError::Place { path: root_dir.clone(), source })?;
        let event = Event::BroughtBack { id: removed.id, node: Box::new(node.clone()) };
        self.parts.store.apply(observation.snapshot.now, &[event])?;
        Ok((removed, node))
    }

    fn find_removed(&self, which: &WhichRemoved) -> Result<Removed, BringBackError> {
        let kept = self.parts.store.removed()?;
        let found = kept.into_iter().find(|removed| match which {
            WhichRemoved::Named(name) => removed.node.is_called(name),
            WhichRemoved::Id(id) => removed.id == *id,
        });
        found.ok_or_else(|| {
            BringBackError::Unknown(match which {
                WhichRemoved::Named(name) => name.clone(),
                WhichRemoved::Id(id) => format!("#{id}"),
            })
        })
    }

    /// The node as it will be.
    fn returning(&self, removed: &Removed, snapshot: &Snapshot) -> Result<Node, BringBackError> {
        let (config, was) = (&self.parts.config, &removed.node);
        let name = || was.name().to_owned();
        if was.spec().flavour != snapshot.flavour {
            let (own, flavour) = (was.spec().flavour, snapshot.flavour);
            return Err(BringBackError::OtherFlavour { name: name(), own, flavour });
        }
        if snapshot.torn_down {
            return Err(Refusal::TornDown.into());
        }
        let total = snapshot.nodes.len() + 1;
        if total > config.node_cap as usize {
            return Err(Refusal::OverCap { asked: 1, would_be: total, cap: config.node_cap }.into());
        }
        let key = self.parts.store.removed_key(removed.id)?;
        // An earlier try may have put it there.
        let is_own = |number: NodeId| {
            let own = key.as_ref().map(|key| key.0.clone());
            let is_there =
                |storage: &Path| identity::read(&storage.join(number.name()), snapshot.flavour).ok().flatten() == own;
            own.is_some() && config.node_storage.iter().any(is_there)
        };
        let mut spec = place_again(config, snapshot, was.id(), is_own)?;
        spec.wallet.clone_from(&was.spec().wallet);
        let service = was.service().replace(was.name(), &spec.name);
        Ok(at_rest(was, StoredNode { service, ..StoredNode::new(spec, snapshot.now) }, snapshot.now))
    }
}

/// As old as it was and known by the same name in the network, and stopped.
fn at_rest(was: &Node, node: StoredNode, now: UnixSeconds) -> Node {
    let stored = StoredNode {
        status: Status::Stopped,
        status_since: now,
        created_at: was.created_at(),
        peer_id: was.peer_id().map(str::to_owned),
        has_run: true,
        pending: None::<Verb>,
        ..node
    };
    Node::restore(stored).expect("a node that rests contradicts nothing")
}
