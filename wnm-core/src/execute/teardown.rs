//! Teardown takes everything down: nodes, then the containers of their groups; numbering starts again.

use std::collections::BTreeMap;

use super::steps::Batch;
use super::{Context, Execution, Executor, StepResult};
use crate::event::Event;
use crate::node::{Node, NodeId, Verb};
use crate::plan::Action;
use crate::progress::{Ongoing, Work};
use crate::store::StoreError;
use wnm_pm::hint::Hinted;
use wnm_pm::process_manager::{ManagerError, Teardown};

impl Executor<'_> {
    pub(super) async fn tear_down(
        &mut self,
        numbers: &[NodeId],
        groups: &[u32],
        context: &Context,
        nodes: &mut BTreeMap<NodeId, Node>,
        execution: &mut Execution,
    ) -> Result<(), StoreError> {
        if self.manager.capabilities().teardown_takes_untracked && !self.keep_all(nodes, execution).await? {
            return Ok(());
        }
        let tearing_down = Ongoing::begin(self.progress, Work::TearDown);
        let outcome = self.manager.teardown().await;
        drop(tearing_down);
        match outcome {
            Ok(Teardown::AllAtOnce { notes }) => {
                execution.notes.extend(notes);
                let gone: Vec<Node> = std::mem::take(nodes).into_values().collect();
                let removed = |node: &Node| StepResult::done(Verb::Remove, node);
                execution.results.extend(gone.iter().map(removed));
                let ports = self.close_ports(&gone).await;
                execution.port_errors.extend(ports.failures);
                execution.advise(ports.hints);
                self.record(&ports.events)?;
                return self.record(&[Event::TornDown]);
            }
            Ok(Teardown::OneByOne) => {}
            Err(error) => {
                execution.group_errors.push(error.text());
                execution.advise(error.hints());
                return Ok(());
            }
        }
        let removals: Vec<Action> = numbers.iter().map(|&number| Action::Remove { number, now: true }).collect();
        for batch in self.batches(&removals) {
            if self.progress.interrupted() {
                execution.left.extend(batch.iter().filter_map(Action::step));
                continue;
            }
            self.carry_out(batch, context, nodes, execution).await?;
        }
        let whole = nodes.is_empty() && self.close_groups(groups, execution).await?;
        if whole { self.record(&[Event::TornDown]) } else { Ok(()) }
    }

    /// Keeps the keys of all nodes where they go at one stroke. Answers whether it could.
    async fn keep_all(
        &mut self,
        nodes: &BTreeMap<NodeId, Node>,
        execution: &mut Execution,
    ) -> Result<bool, StoreError> {
        let mut batch = Batch::new(Verb::Remove);
        let going = self.keep_identities(&mut batch, nodes.values().cloned().collect()).await?;
        execution.results.extend(batch.into_results());
        Ok(going.len() == nodes.len())
    }

    /// Whether all of them are gone.
    async fn close_groups(&mut self, groups: &[u32], execution: &mut Execution) -> Result<bool, StoreError> {
        let Some(host) = self.manager.containers() else { return Ok(true) };
        let recorded = self.store.load()?.groups;
        let closing: Vec<_> = recorded.into_iter().filter(|group| groups.contains(&group.spec.group)).collect();
        let mut whole = true;
        let going = Ongoing::begin(self.progress, Work::CloseGroups(closing.len()));
        let mut closed = host.close(&closing).await;
        drop(going);
        for group in &closing {
            let unanswered = || Err(ManagerError::unanswered(&format!("container group {}", group.spec.name)));
            match closed.take(group.spec.group).unwrap_or_else(unanswered) {
                Ok(()) => self.record(&[Event::GroupClosed { group: group.spec.group }])?,
                Err(error) => {
                    whole = false;
                    let text = format!("container group {} could not be closed: {}", group.spec.name, error.text());
                    execution.group_errors.push(text);
                    execution.advise(error.hints());
                }
            }
        }
        Ok(whole)
    }
}
