//! Moving the nodes of a storage to another disk: they are stopped, copied, compared, recorded where they are now, started
//! again, and only then deleted where they were.
//!
//! A move is recorded before anything of it is done, and its end once nothing is left of the other directory. The row of a
//! node names one directory at any moment, which is whole then; what else there is of it is deleted by the next run that
//! finds the move. So there are never two of a node that could be started.

mod compare;
mod copy;
mod error;
mod plan;
mod tree;

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::node::{Contradiction, Node, NodeId, StoredNode};

pub(crate) use compare::compare;
pub(crate) use copy::{copy, copy_file};
pub use error::{Obstacle, RelocationError};
pub(crate) use plan::{Planned, place, plan};
pub(crate) use tree::size;

/// A node that is being moved to another disk.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Move {
    /// Which node.
    pub node: NodeId,
    /// The directory that it leaves.
    pub from: PathBuf,
    /// The directory that it gets.
    pub to: PathBuf,
}

/// What is to be moved where.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relocation {
    /// The storage that the nodes leave; none for the only one.
    pub from: Option<PathBuf>,
    /// The storage that they get: a new one, or another of the machine's.
    pub to: PathBuf,
    /// How many nodes are down at the same time. Nodes in containers go all at once.
    pub batch: usize,
    /// Whether all that was copied is read again, and not only keys.
    pub every_byte: bool,
}

/// What was moved, or would be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relocated {
    /// The storage that the nodes left.
    pub from: PathBuf,
    /// The storage that they got.
    pub to: PathBuf,
    /// The nodes that were moved, or would be.
    pub nodes: Vec<NodeId>,
    /// All nodes that were stopped for it and started again, or would be.
    pub stopped: Vec<NodeId>,
    /// What they take of a disk, in bytes.
    pub bytes: u64,
    /// How many were down at the same time, at most.
    pub batch: usize,
    /// Nodes that were not moved, and why; calling again goes on with them.
    pub left: Vec<(NodeId, String)>,
    /// Whether somebody asked to stop before all were moved.
    pub interrupted: bool,
    /// Directories of nodes that are to be deleted still, and why they are not; the next run tries again.
    pub undeleted: Vec<String>,
    /// What is left in the old storage that is not wnm's.
    pub remains: Vec<PathBuf>,
    /// The storages as they are now, or would be.
    pub storages: wnm_pm::storages::Storages,
}

/// The node as it is once its directory is another one; what lies in it goes with it. It does not run.
pub(crate) fn rebased(node: &Node, to: &Path) -> Result<Node, Contradiction> {
    let mut stored = StoredNode::from(node.clone());
    let from = std::mem::replace(&mut stored.spec.root_dir, to.to_owned());
    for path in [&mut stored.spec.binary, &mut stored.spec.log_dir] {
        if let Ok(rest) = path.strip_prefix(&from) {
            *path = to.join(rest);
        }
    }
    stored.process = None;
    Node::restore(stored)
}

/// What lies beside a node's directory and is the node's as well: `.antnode0007.stamp`.
pub(crate) fn companions(root_dir: &Path) -> Vec<PathBuf> {
    let Some((storage, name)) = root_dir.parent().zip(root_dir.file_name()) else { return Vec::new() };
    let beginning = format!(".{}.", name.to_string_lossy());
    let is_its_own = |path: &PathBuf| {
        let name = path.file_name().is_some_and(|name| name.to_string_lossy().starts_with(&beginning));
        name && path.symlink_metadata().is_ok_and(|found| found.is_file())
    };
    crate::storage::entries(storage).filter(is_its_own).collect()
}
