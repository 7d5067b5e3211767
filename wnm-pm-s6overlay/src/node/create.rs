//! Nodes are created and removed: their files, and their place under supervision.

use std::sync::Arc;

use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::Created;

use super::script::Call;
use super::start::STOP_GRACE;
use super::{Nodes, files};

impl Nodes<'_> {
    /// Makes the files of nodes; starts nothing.
    pub async fn create(&self, nodes: &[NodeRef]) -> Outcomes<Created> {
        let settings = Arc::clone(&self.0.settings);
        Batch::of(nodes).in_background(move |node, ()| files::create(&settings, &node)).await.outcomes()
    }

    /// Stops nodes, takes them out of supervision and deletes their files.
    pub async fn remove(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        let unloaded = self.end(nodes, Call::Unload { grace: STOP_GRACE }).await;
        let settings = Arc::clone(&self.0.settings);
        let batch = Batch::of(nodes).join(unloaded);
        batch.in_background(move |node, ()| files::remove(&settings, &node.spec)).await.outcomes()
    }
}
