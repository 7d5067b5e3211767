//! Nodes get another program, or their previous one back; what is known of how they do with it is recorded with the step.

use super::steps::{Batch, references};
use super::{Execution, Executor};
use crate::event::Event;
use crate::node::{Node, NodeId, Transition, UnixSeconds};
use crate::plan::Action;
use crate::rollout::{Failure, Phase, Revert, Role, Target, Trial, TrialState};
use crate::store::StoreError;
use wnm_pm::hint::Hinted;
use wnm_pm::process_manager::{Binary, ManagerError, Started};
use wnm_pm::upgrade::{Attempt, attempt};

impl Executor<'_> {
    /// The trials that begin with this step, recorded with its intention: a run that is killed finds them.
    pub(super) fn begin_trials(&mut self, batch: &Batch, actions: &[Action], by_request: bool) -> Vec<Event> {
        let Some(Action::Upgrade { to, .. }) = actions.first() else { return Vec::new() };
        let Some(digest) = self.rollouts.digest.clone() else { return Vec::new() };
        let role = match self.rollouts.current().map(|rollout| rollout.phase) {
            _ if by_request => Role::Owner,
            Some(Phase::Canary) => Role::Canary,
            _ => Role::Batch,
        };
        let (target, now) = (Target { version: to.version.clone(), digest: Some(digest) }, self.clock.now());
        let begun = |row: &Node| Trial::begun(row, target.clone(), role, now);
        let trials: Vec<Trial> = batch.rows.iter().map(begun).collect();
        trials.into_iter().map(|trial| self.tried(trial)).collect()
    }

    /// Replaces the programs of nodes and starts them; the previous ones are kept until the nodes have proved themselves.
    pub(super) async fn upgrade(&mut self, batch: &mut Batch, to: &Binary) {
        let (before, after) = (references(&batch.rows), references(&self.renewed(&batch.rows)));
        let outcomes = attempt(self.manager, &before, &after, to, self.config.auto_revert).await;
        let now = self.clock.now();
        for (row, outcome) in batch.with_outcomes(batch.rows.clone(), outcomes) {
            let id = row.id();
            let event = match &outcome {
                Ok(Attempt::Lives(_)) => None,
                Ok(Attempt::Died { error, back }) => self.failed(id, error, back.as_ref().map(Result::as_ref), now),
                // The program is not to blame: it never got there.
                Err(_) => self.rollouts.trials.remove(&id).map(|trial| Event::TrialVoid { node: trial.node }),
            };
            batch.events.extend(event);
            self.attempted(batch, row, outcome, to, now);
        }
        if self.rollouts.digest.is_none() {
            self.manager.forget_previous(&references(&batch.rows)).await;
        }
    }

    /// The upgrade of a node ended so.
    fn attempted(
        &self,
        batch: &mut Batch,
        mut row: Node,
        outcome: Result<Attempt, ManagerError>,
        to: &Binary,
        now: UnixSeconds,
    ) {
        let transition = match outcome {
            Ok(Attempt::Lives(Started { process })) => {
                if process.is_none() || process != row.process() {
                    row.renew(crate::renewal::renewed(self.config, &row));
                }
                Transition::Upgraded { process, version: to.version.clone() }
            }
            Ok(Attempt::Died { error, back: None }) => {
                batch.advise(row.id(), error.hints());
                Transition::StartFailed { error: error.text() }
            }
            Ok(died) => {
                let error = died.outcome().map_or_else(|error| error, |_| ManagerError::unanswered(row.name()));
                batch.advise(row.id(), error.hints());
                Transition::StepFailed { error: error.text() }
            }
            Err(error) => Transition::StepFailed { error: error.text() },
        };
        batch.ended(row, transition, now);
    }

    fn failed(
        &mut self,
        node: NodeId,
        error: &ManagerError,
        back: Option<Result<&Started, &ManagerError>>,
        now: UnixSeconds,
    ) -> Option<Event> {
        let revert = match back {
            None => Revert::Off,
            Some(Ok(_)) => Revert::Done,
            Some(Err(error)) => Revert::Failed { error: error.text() },
        };
        let trial = self.rollouts.trials.get(&node)?;
        let trial = trial.failed(Failure::DidNotStart { error: error.text() }, revert, now);
        Some(self.tried(trial))
    }

    /// Puts the previous programs of nodes back and starts them.
    pub(super) async fn revert(&mut self, batch: &mut Batch) {
        let outcomes = self.manager.restore_program(&references(&batch.rows)).await;
        let rows = std::mem::take(&mut batch.rows);
        let mut restored = Vec::new();
        for (row, outcome) in batch.with_outcomes(rows, outcomes) {
            let revert = match outcome {
                Ok(()) => {
                    restored.push(row.clone());
                    Revert::Done
                }
                Err(error) => {
                    let error = error.text();
                    batch.ended(row.clone(), Transition::StepFailed { error: error.clone() }, self.clock.now());
                    Revert::Failed { error }
                }
            };
            let trial = self.rollouts.trials.get(&row.id()).map(|trial| trial.with_revert(revert));
            batch.events.extend(trial.map(|trial| self.tried(trial)));
        }
        batch.rows = restored;
        self.start_reverted(batch).await;
    }

    async fn start_reverted(&self, batch: &mut Batch) {
        if batch.rows.is_empty() {
            return;
        }
        let outcomes = self.manager.start(&references(&self.renewed(&batch.rows))).await;
        let now = self.clock.now();
        for (mut row, outcome) in batch.with_outcomes(batch.rows.clone(), outcomes) {
            let version = self.rollouts.trials.get(&row.id()).and_then(|trial| trial.from.clone());
            let transition = match outcome {
                Ok(Started { process }) => {
                    row.renew(crate::renewal::renewed(self.config, &row));
                    Transition::Reverted { process, version }
                }
                Err(error) => Transition::StartFailed { error: error.text() },
            };
            batch.ended(row, transition, now);
        }
    }

    /// Deletes the previous programs of nodes that have proved themselves. What cannot be deleted is tried again by the next
    /// cycle.
    pub(super) async fn forget_previous(
        &mut self,
        numbers: &[NodeId],
        nodes: &[Node],
        execution: &mut Execution,
    ) -> Result<(), StoreError> {
        let rows: Vec<Node> = nodes.iter().filter(|node| numbers.contains(&node.id())).cloned().collect();
        let outcomes = self.manager.forget_previous(&references(&rows)).await;
        let mut events = Vec::new();
        for (id, outcome) in outcomes {
            match (outcome, self.rollouts.trials.get(&id).cloned()) {
                (Err(error), _) => execution.notes.push(error.text()),
                (Ok(()), Some(trial)) => {
                    if let TrialState::Proved { at, .. } = trial.state {
                        let state = TrialState::Proved { at, forgotten: true };
                        events.push(self.tried(Trial { state, ..trial }));
                    }
                }
                (Ok(()), None) => {}
            }
        }
        self.record(&events)
    }

    fn tried(&mut self, trial: Trial) -> Event {
        self.rollouts.trials.insert(trial.node, trial.clone());
        Event::Tried { trial: Box::new(trial) }
    }
}
