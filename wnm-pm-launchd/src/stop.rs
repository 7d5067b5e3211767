//! Stopping: a job is taken out of launchd and disabled, so that neither a crash nor a restart brings it back.

use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::Outcome;

use crate::Launchd;

impl Launchd {
    pub(crate) async fn stop_all(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        Batch::of(nodes).one_by_one(|node, ()| self.stop_one(node)).await.outcomes()
    }

    /// Stops a node; one that launchd does not know is stopped.
    pub(crate) async fn stop_one(&self, node: &NodeRef) -> Outcome<()> {
        self.launchctl.disable(&node.service).await?;
        match self.launchctl.print(&node.service).await? {
            Some(_) => self.launchctl.bootout(&node.service).await,
            None => Ok(()),
        }
    }
}
