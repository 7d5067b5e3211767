//! Upgrading replaces nodes' own copies of the program, and takes the new one back where it does not live.

use wnm_pm::node::NodeRef;
use wnm_pm::path_policy;
use wnm_pm::process_manager::{Binary, ManagerError, Outcome, Started};

use crate::batch::in_background;
use crate::groups::{again, repeat};
use crate::program::{self, Previous, Staged};
use crate::script::Call;
use crate::start::{STOP_GRACE, specs};
use crate::storage::Owner;
use crate::{S6Overlay, paths};

const STOP: Call = Call::Stop { grace: STOP_GRACE };

impl S6Overlay {
    /// Copies the new program while the nodes still run, so that a full disk stops none of them; then stops those that
    /// have their copy, swaps, and starts them again: three programs per group, however many nodes.
    pub(crate) async fn upgrade_nodes(&self, nodes: &[NodeRef], to: &Binary) -> Vec<Outcome<Started>> {
        if let Err(error) = self.engine.docker().await {
            return repeat(&error.into(), nodes.len());
        }
        let staged = self.stage(nodes, to).await;
        let with_copy: Vec<NodeRef> =
            nodes.iter().zip(&staged).filter(|(_, copy)| copy.is_ok()).map(|(node, _)| node.clone()).collect();
        let mut copies = Vec::new();
        let failures: Vec<Option<ManagerError>> =
            staged.into_iter().map(|copy| copy.map(|copy| copies.push(copy)).err()).collect();
        let mut replaced = self.replace(&with_copy, copies).await.into_iter();
        let outcomes = failures.into_iter().map(|failure| match failure {
            Some(error) => Err(error),
            None => replaced.next().expect("each node with its copy has an outcome"),
        });
        outcomes.collect()
    }

    async fn stage(&self, nodes: &[NodeRef], to: &Binary) -> Vec<Outcome<Staged>> {
        let (settings, from) = (self.settings.clone(), to.path.clone());
        in_background(specs(nodes), move |spec| {
            paths::check(&settings, spec)?;
            path_policy::check_program(&spec.binary)?;
            program::stage(&from, &spec.binary, Owner::of(&settings.node_storage)?)
        })
        .await
    }

    async fn replace(&self, nodes: &[NodeRef], copies: Vec<Staged>) -> Vec<Outcome<Started>> {
        let owner = Owner::of(&self.settings.node_storage);
        let stopped = self.end_nodes(nodes, STOP).await;
        let swapped: Vec<Outcome<Previous>> = nodes
            .iter()
            .zip(stopped)
            .zip(copies)
            .map(|((node, stopped), copy)| {
                stopped?;
                let owner = owner.as_ref().map_err(again)?;
                let previous = program::keep_previous(&node.spec.binary, *owner)?;
                copy.put_in_place()?;
                Ok(previous)
            })
            .collect();
        // A node whose program could not be swapped runs on with the one it has.
        let started = self.start_nodes(nodes).await;
        let mut outcomes = Vec::new();
        let mut not_living = Vec::new();
        for (swapped, started) in swapped.into_iter().zip(started) {
            match (swapped, started) {
                (Err(error), _) => outcomes.push(Err(error)),
                (Ok(previous), Ok(started)) => {
                    previous.forget();
                    outcomes.push(Ok(started));
                }
                (Ok(previous), Err(error)) => {
                    not_living.push((outcomes.len(), previous));
                    outcomes.push(Err(error));
                }
            }
        }
        self.roll_back(nodes, not_living, &mut outcomes).await;
        outcomes
    }

    /// Gives nodes their previous program back and starts them; the failure of the upgrade stays their outcome.
    async fn roll_back(
        &self,
        nodes: &[NodeRef],
        not_living: Vec<(usize, Previous)>,
        outcomes: &mut [Outcome<Started>],
    ) {
        if not_living.is_empty() {
            return;
        }
        let (places, previous): (Vec<usize>, Vec<Previous>) = not_living.into_iter().unzip();
        let nodes: Vec<NodeRef> = places.iter().map(|place| nodes[*place].clone()).collect();
        // One that is being started again and again would hold the file.
        let stopped = self.end_nodes(&nodes, STOP).await;
        let back =
            stopped.into_iter().zip(previous).map(|(stopped, previous)| stopped.and_then(|()| previous.put_back()));
        let back: Vec<Outcome<()>> = back.collect();
        let started = self.start_nodes(&nodes).await;
        for ((place, back), started) in places.into_iter().zip(back).zip(started) {
            if let (Err(first), Err(second)) = (&outcomes[place], back.and(started)) {
                let text = format!("{first}\nThe previous program does not run either: {second}");
                outcomes[place] = Err(ManagerError::Failed(text));
            }
        }
    }
}
