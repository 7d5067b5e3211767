//! Nodes' own copies of the program are replaced, put back, and forgotten.

use std::path::Path;
use std::sync::Arc;

use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::path_policy::check_program;
use wnm_pm::process_manager::{Binary, ManagerError, Outcome};
use wnm_pm::program::{self, Staged};

use super::{Nodes, all_failed, paths, start};
use crate::owner;
use crate::settings::S6Settings;

impl Nodes<'_> {
    /// Copies the new program and keeps the present one while the nodes still run, so that a full disk stops none of them;
    /// then stops those that are ready, and swaps.
    pub async fn replace_program(&self, nodes: &[NodeRef], to: &Binary) -> Outcomes<()> {
        if let Err(error) = self.0.engine.docker().await {
            return all_failed(nodes, error);
        }
        let (settings, from) = (Arc::clone(&self.0.settings), to.path.clone());
        let staged = Batch::of(nodes).in_background(move |node, ()| prepare(&settings, &node.spec, &from)).await;
        let ready = staged.good_nodes();
        let stopped = staged.join(self.end(&ready, start::STOP).await);
        let replaced = stopped.in_background(|_, staged: Staged| staged.put_in_place()).await.outcomes();
        for node in &ready {
            if replaced.get(node.id()).is_some_and(Result::is_err) {
                // It is the present program by another name.
                let _ = program::forget_previous(&node.spec.binary);
            }
        }
        replaced
    }

    /// Stops nodes whose previous program is kept, and puts it back.
    pub async fn restore_program(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        let settings = Arc::clone(&self.0.settings);
        let kept = Batch::of(nodes).in_background(move |node, ()| check_previous(&settings, &node.spec)).await;
        let stopped = self.end(&kept.good_nodes(), start::STOP).await;
        let restored = kept.join(stopped).in_background(|node, ()| program::restore_previous(&node.spec.binary));
        restored.await.outcomes()
    }

    /// Deletes the previous programs of nodes.
    pub async fn forget_previous(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        let settings = Arc::clone(&self.0.settings);
        let forget = move |node: NodeRef, ()| {
            paths::check(&settings, &node.spec)?;
            program::forget_previous(&node.spec.binary)
        };
        Batch::of(nodes).in_background(forget).await.outcomes()
    }
}

/// Copies the new program next to a node's own, which is kept under a second name.
fn prepare(settings: &S6Settings, spec: &NodeSpec, from: &Path) -> Outcome<Staged> {
    paths::check(settings, spec)?;
    check_program(&spec.binary)?;
    let owner = Some(owner::of_storage(&settings.node_storage)?);
    let staged = program::stage(from, &spec.binary, owner)?;
    program::keep_previous(&spec.binary, owner)?;
    Ok(staged)
}

fn check_previous(settings: &S6Settings, spec: &NodeSpec) -> Outcome<()> {
    paths::check(settings, spec)?;
    if program::has_previous(&spec.binary) {
        return Ok(());
    }
    Err(ManagerError::Failed(format!("no previous program of {} is kept", spec.name)))
}
