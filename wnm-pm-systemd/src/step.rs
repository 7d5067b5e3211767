//! A step is one program for all good nodes of a batch. When it fails, it is run for each of them alone, so that each has its
//! own outcome. So a step must either be repeatable or know which nodes it is done for.

use std::io::ErrorKind;
use std::path::Path;

use wnm_pm::batch::Batch;
use wnm_pm::command::Command;
use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::ManagerError;

use crate::paths::unit_name;
use crate::systemctl::Systemctl;

impl Systemctl {
    /// A step that may be taken twice for the same node.
    pub(crate) async fn step<'a, T>(
        &self,
        batch: Batch<'a, T>,
        command: impl Fn(&[&NodeRef]) -> Command,
    ) -> Batch<'a, T> {
        self.step_once(batch, command, |_| false).await
    }

    /// A step that would fail when taken twice; `is_done` says whether it is done for a node.
    pub(crate) async fn step_once<'a, T>(
        &self,
        batch: Batch<'a, T>,
        command: impl Fn(&[&NodeRef]) -> Command,
        is_done: impl Fn(&NodeRef) -> bool,
    ) -> Batch<'a, T> {
        let nodes: Vec<&NodeRef> = batch.good().map(|(node, _)| node).collect();
        if nodes.is_empty() {
            return batch;
        }
        let Err(together) = self.succeed(command(&nodes)).await else { return batch };
        let is_the_outcome = nodes.len() == 1 || matches!(together, ManagerError::Unavailable { .. });
        let mut failures = Vec::new();
        for node in nodes.into_iter().filter(|node| !is_done(node)) {
            let alone = if is_the_outcome { Err(together.clone()) } else { self.succeed(command(&[node])).await };
            failures.push((node.id(), alone.map(drop)));
        }
        batch.join(failures.into_iter().collect())
    }

    /// Has systemd do something to the units of all good nodes.
    pub(crate) async fn tell_all<'a, T>(&self, batch: Batch<'a, T>, verb: &[&str]) -> Batch<'a, T> {
        self.step(batch, |nodes| self.privileged(verb).args(nodes.iter().map(|node| unit_name(node)))).await
    }
}

/// Whether nothing of this name exists.
pub(crate) fn is_gone(path: &Path) -> bool {
    path.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound)
}
