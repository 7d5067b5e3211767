//! Uninstalling removes what wnm has put on a machine beside its nodes, once no node is left.

use std::path::PathBuf;

use super::{CycleError, Machine, Report, Trigger};
use crate::decide::{Refusal, Request};
use crate::progress::{Progress, Work, during};
use crate::storage;

/// What was removed from the machine, or would be.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Uninstalled {
    /// What became of the process manager's own parts (a slice, containers, networks); none where that was not tried.
    pub report: Option<Report>,
    /// The marks of storages.
    pub marks: Vec<PathBuf>,
    /// Untracked nodes of the process manager, which stay, and with them all that they may need.
    pub untracked: Vec<String>,
    /// Why the process manager cannot be used, so that what it has stays.
    pub obstacle: Option<String>,
}

impl Machine {
    /// Removes what the process manager has beside nodes, and the marks of storages. The database stays, torn down.
    /// With `dry_run` nothing is changed.
    ///
    /// # Errors
    /// [`Refusal::NodesLeft`] while nodes are recorded; what keeps a teardown from being carried out.
    pub async fn uninstall(&mut self, dry_run: bool, progress: &dyn Progress) -> Result<Uninstalled, CycleError> {
        let nodes = self.parts.store.load()?.nodes.len();
        if nodes > 0 {
            return Err(Refusal::NodesLeft(nodes).into());
        }
        let mut done = Uninstalled::default();
        match during(progress, Work::FindUntracked, self.parts.manager.survey()).await {
            Ok(found) => done.untracked = found.into_iter().map(|node| node.service).collect(),
            Err(error) => done.obstacle = Some(error.text()),
        }
        if !done.untracked.is_empty() {
            return Ok(done);
        }
        if !dry_run && done.obstacle.is_none() {
            done.report = Some(self.run(&Trigger::Request(Request::Teardown), progress).await?);
        }
        let claimant = self.claimant()?;
        let storages = self.parts.config.node_storage.iter();
        done.marks = storages.filter_map(|storage| storage::unmark(storage, &claimant, dry_run)).collect();
        Ok(done)
    }
}
