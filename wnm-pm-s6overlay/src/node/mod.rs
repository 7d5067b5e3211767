//! Nodes in containers: what the volume keeps about each, what is run in its container, and what becomes of its process.

mod ask;
mod command_line;
pub mod definition;
mod files;
mod inspect;
mod launch;
pub mod output;
mod paths;
mod processes;
mod program;
pub mod script;
mod start;
mod survey;

use std::sync::Arc;

use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::{Created, ManagerError};

use crate::host::Host;
use script::Call;

/// The nodes of a machine, in whatever container group.
pub struct Nodes<'h>(pub &'h Host);

impl Nodes<'_> {
    /// Makes the files of nodes; starts nothing.
    pub async fn create(&self, nodes: &[NodeRef]) -> Outcomes<Created> {
        let settings = Arc::clone(&self.0.settings);
        Batch::of(nodes).in_background(move |node, ()| files::create(&settings, &node)).await.outcomes()
    }

    /// Stops nodes.
    pub async fn stop(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        self.end(nodes, start::STOP).await
    }

    /// Stops nodes, takes them out of supervision and deletes their files.
    pub async fn remove(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        let unloaded = self.end(nodes, Call::Unload { grace: start::STOP_GRACE }).await;
        let settings = Arc::clone(&self.0.settings);
        let batch = Batch::of(nodes).join(unloaded);
        batch.in_background(move |node, ()| files::remove(&settings, &node.spec)).await.outcomes()
    }
}

/// The same failure for all nodes of a call.
fn all_failed<T>(nodes: &[NodeRef], error: impl Into<ManagerError>) -> Outcomes<T> {
    Outcomes::all_failed(nodes.iter().map(NodeRef::id), &error.into())
}
