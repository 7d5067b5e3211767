//! Nodes' own copies of the program are replaced, put back, and forgotten.

use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::Binary;
use wnm_pm::replacement;

use super::{Nodes, all_failed, paths};
use crate::owner;

impl Nodes<'_> {
    /// Copies the new program for each node, stops those that have their copy, and puts it in its place.
    pub async fn replace_program(&self, nodes: &[NodeRef], to: &Binary) -> Outcomes<()> {
        if let Err(error) = self.0.engine.docker().await {
            return all_failed(nodes, error);
        }
        let owner = match owner::of_storage(&self.0.settings.node_storage) {
            Ok(owner) => owner,
            Err(error) => return all_failed(nodes, error),
        };
        let stop = |nodes: Vec<NodeRef>| async move { self.stop(&nodes).await };
        replacement::replace(self.ours(nodes), &to.path, Some(owner), stop).await
    }

    /// Stops nodes whose previous program is kept, and puts it back.
    pub async fn restore_program(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        replacement::restore(self.ours(nodes), |nodes| async move { self.stop(&nodes).await }).await
    }

    /// Deletes the previous programs of nodes.
    pub async fn forget_previous(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        replacement::forget(self.ours(nodes)).await
    }

    /// These nodes, those with paths that are not theirs left out.
    fn ours<'a>(&self, nodes: &'a [NodeRef]) -> Batch<'a> {
        Batch::of(nodes).check(|node, ()| paths::check(&self.0.settings, &node.spec))
    }
}
