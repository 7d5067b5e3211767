//! Upgrading: the new program is copied while the nodes run; then they are stopped, the copies are swapped, and they start.

use std::fs;
use std::path::PathBuf;

use wnm_pm::node::NodeRef;
use wnm_pm::path_policy::{self, check_program};
use wnm_pm::process_manager::{Binary, ManagerError, Outcome, Started};

use crate::Launchd;
use crate::files::{put_in_place, stage, with_suffix};

impl Launchd {
    pub(crate) async fn upgrade_all(&self, nodes: &[NodeRef], to: &Binary) -> Vec<Outcome<Started>> {
        let mut swapped = Vec::with_capacity(nodes.len());
        for node in nodes {
            swapped.push(self.swap(node, to).await);
        }
        let ready = nodes.iter().zip(&swapped).filter(|(_, swapped)| swapped.is_ok());
        let ready: Vec<NodeRef> = ready.map(|(node, _)| node.clone()).collect();
        let mut started = self.start_all(&ready).await.into_iter();
        let mut outcomes = Vec::with_capacity(nodes.len());
        for (node, swapped) in nodes.iter().zip(swapped) {
            let outcome = match swapped {
                Err(error) => Err(error),
                Ok(previous) => match started.next() {
                    Some(Ok(started)) => {
                        let _ = fs::remove_file(previous);
                        Ok(started)
                    }
                    Some(Err(error)) => Err(self.roll_back(node, &previous, error).await),
                    None => Err(ManagerError::Failed(format!("nothing was heard of {}", node.spec.name))),
                },
            };
            outcomes.push(outcome);
        }
        outcomes
    }

    /// Stops a node and gives it the new program; answers where the previous one is kept.
    async fn swap(&self, node: &NodeRef, to: &Binary) -> Outcome<PathBuf> {
        path_policy::check(&self.node_storage, &node.spec)?;
        check_program(&to.path)?;
        let binary = &node.spec.binary;
        let staged = stage(&to.path, binary)?;
        let previous = with_suffix(binary, ".previous");
        let swapped = match self.stop_one(node).await {
            Ok(()) => put_in_place(binary, &previous).and_then(|()| put_in_place(&staged, binary)),
            Err(error) => Err(error),
        };
        if swapped.is_err() {
            let _ = fs::remove_file(&staged);
        }
        swapped.map(|()| previous)
    }

    /// Puts the previous program back and starts it; answers why the new one was given up.
    async fn roll_back(&self, node: &NodeRef, previous: &std::path::Path, why: ManagerError) -> ManagerError {
        let restored = match put_in_place(previous, &node.spec.binary) {
            Ok(()) => self
                .start_all(std::slice::from_ref(node))
                .await
                .pop()
                .unwrap_or_else(|| Err(ManagerError::Failed("nothing was heard of it".to_owned()))),
            Err(error) => Err(error),
        };
        match restored {
            Ok(_) => why,
            Err(second) => ManagerError::Failed(format!(
                "{why}\nand {} does not run with its previous program either: {second}",
                node.spec.name
            )),
        }
    }
}
