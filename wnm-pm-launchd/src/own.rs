//! Whose a job is: that of the node whose directory its property list names. A job of the same label that names another
//! directory, or none, is somebody else's: it is never written, counted, stopped or deleted.

use plist::Value;
use wnm_pm::node::{NodeId, NodeRef};
use wnm_pm::process_manager::{ManagerError, TakenNumber};

use crate::observe::command_line;
use crate::{Launchd, render};

impl Launchd {
    /// Refuses a node whose label is another's.
    pub(crate) fn refuse_foreign(&self, node: &NodeRef, label: &str) -> Result<(), ManagerError> {
        let path = self.plist(label);
        match self.foreign(label).filter(|_| !self.names(label, node)) {
            Some(reason) => Err(ManagerError::NotOurs { path, reason }),
            None => Ok(()),
        }
    }

    /// The numbers whose labels are taken by jobs that are not among the recorded nodes'.
    pub(crate) fn taken_labels(&self, recorded: &[NodeRef]) -> Result<Vec<TakenNumber>, ManagerError> {
        let is_recorded = |label: &str| recorded.iter().any(|node| node.service == label);
        let labels = self.labels()?.into_iter().filter(|(label, _)| !is_recorded(label));
        let taken = labels.filter_map(|(label, path)| {
            let number: NodeId = render::number(&label)?;
            Some(TakenNumber { number, why: format!("launchd has a job for it already: {}", path.display()) })
        });
        Ok(taken.collect())
    }

    /// Whether the label of a recorded node is another's.
    pub(crate) fn is_foreign(&self, node: &NodeRef) -> bool {
        self.refuse_foreign(node, &node.service).is_err()
    }

    /// Why the job of this label is somebody else's; none when it is a node's of this storage, or there is none.
    fn foreign(&self, label: &str) -> Option<String> {
        let path = self.plist(label);
        // One that is damaged says nothing; a start writes it anew.
        let plist = Value::from_file(&path).ok()?;
        match command_line(&plist).path("--root-dir") {
            Some(directory) if self.node_storage.hold(&directory) => None,
            Some(directory) => Some(format!("it is the job of the node in {}", directory.display())),
            None => Some("it is not the job of a node".to_owned()),
        }
    }

    /// Whether the property list of this label names the directory of this node.
    fn names(&self, label: &str, node: &NodeRef) -> bool {
        let plist = Value::from_file(self.plist(label));
        plist.is_ok_and(|plist| command_line(&plist).names_directory(&node.spec.root_dir))
    }
}
