//! The owner's word on a roll-out: it goes on again, or ends.

use super::{CycleError, Machine, Observation};
use crate::decide::first_phase;
use crate::event::Event;
use crate::node::UnixSeconds;
use crate::rollout::{Failure, Phase, Revert, Rollout, Rollouts, Trial, TrialState};

/// Why there is no roll-out to which something could be done.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum NoRollout {
    /// None ever began.
    #[error("no new version has been rolled out on this machine")]
    Never,
    /// The node program has changed since.
    #[error("the node program has changed since the roll-out of {0}, which is over")]
    Over(semver::Version),
    /// It goes on already.
    #[error("the roll-out of {0} is not paused")]
    NotPaused(semver::Version),
    /// Nodes upgrade themselves: nobody brings it to them.
    #[error("nodes upgrade themselves to {0}, and wnm cannot keep them from it")]
    OfNodes(semver::Version),
    /// Nothing is left of it to end.
    #[error("the roll-out of {0} is done")]
    Done(semver::Version),
}

impl Machine {
    /// Has a paused or ended roll-out go on: the nodes on which it failed may be tried again. The observation shows it
    /// afterwards. With `dry_run` nothing is recorded.
    ///
    /// # Errors
    /// When no roll-out is paused or ended, or the database cannot be written.
    pub fn resume_rollout(&mut self, observation: &mut Observation, dry_run: bool) -> Result<(), CycleError> {
        let rollouts = observation.snapshot.rollouts.clone().unwrap_or_default();
        let last = current(&rollouts)?;
        match last.phase {
            Phase::Paused | Phase::Aborted => {}
            Phase::Done if rollouts.tally(&last.target).failed > 0 => {}
            _ => return Err(NoRollout::NotPaused(last.target.version.clone()).into()),
        }
        let now = self.parts.clock.now();
        let events = rollouts.of(&last.target).filter_map(|trial| again(trial, now)).collect();
        let phase = first_phase(&self.parts.config, &rollouts, &last.target);
        self.say(observation, last.in_phase(phase, None, now), events, dry_run)
    }

    /// Ends the roll-out: no node gets the program any more, and those that have yet to prove themselves get their previous
    /// program back, unless `auto_revert` is off. The observation shows it afterwards. With `dry_run` nothing is recorded.
    ///
    /// # Errors
    /// When there is none to end, or the database cannot be written.
    pub fn abort_rollout(&mut self, observation: &mut Observation, dry_run: bool) -> Result<(), CycleError> {
        let rollouts = observation.snapshot.rollouts.clone().unwrap_or_default();
        let last = current(&rollouts)?;
        if last.target.digest.is_none() {
            return Err(NoRollout::OfNodes(last.target.version.clone()).into());
        }
        if matches!(last.phase, Phase::Done | Phase::Aborted) {
            return Err(NoRollout::Done(last.target.version.clone()).into());
        }
        let now = self.parts.clock.now();
        let revert = if self.parts.config.auto_revert { Revert::Due } else { Revert::Off };
        let ended = |trial: &Trial| Box::new(trial.failed(Failure::Aborted, revert.clone(), now));
        let open = rollouts.of(&last.target).filter(|trial| trial.is_open());
        let events = open.map(|trial| Event::Tried { trial: ended(trial) }).collect();
        self.say(observation, last.in_phase(Phase::Aborted, None, now), events, dry_run)
    }

    /// Records what was observed and the owner's word together.
    fn say(
        &mut self,
        observation: &mut Observation,
        rollout: Rollout,
        trials: Vec<Event>,
        dry_run: bool,
    ) -> Result<(), CycleError> {
        let mut events = std::mem::take(&mut observation.events);
        if let Some(rollouts) = &mut observation.snapshot.rollouts {
            for event in &trials {
                match event {
                    Event::Tried { trial } => drop(rollouts.trials.insert(trial.node, (**trial).clone())),
                    Event::TrialVoid { node } => drop(rollouts.trials.remove(node)),
                    _ => {}
                }
            }
            rollouts.turn_to(rollout.clone());
        }
        events.extend(trials);
        events.push(Event::RolloutMoved { rollout: Box::new(rollout) });
        if dry_run {
            return Ok(());
        }
        self.parts.store.begin_cycle();
        Ok(self.parts.store.apply(self.parts.clock.now(), &events)?)
    }
}

/// What makes a node's trial begin again, where it failed: one that has its previous program back is as it was before, any
/// other one has the program and gets another chance with it.
fn again(trial: &Trial, now: UnixSeconds) -> Option<Event> {
    let TrialState::Failed { revert, .. } = &trial.state else { return None };
    if *revert == Revert::Done {
        return Some(Event::TrialVoid { node: trial.node });
    }
    let state = TrialState::Open { since: None, healthy_since: None, process: None };
    Some(Event::Tried { trial: Box::new(Trial { state, began_at: now, ..trial.clone() }) })
}

/// The roll-out that the owner can mean.
fn current(rollouts: &Rollouts) -> Result<&Rollout, NoRollout> {
    let last = rollouts.last.as_ref().ok_or(NoRollout::Never)?;
    rollouts.current().or(rollouts.watched()).ok_or_else(|| NoRollout::Over(last.target.version.clone()))
}
