//! Execution carries a plan out and writes down what became of it. It chooses nothing.
//!
//! An intention is recorded before the deed and the outcome after it, one transaction each, a batch at a time.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;

use crate::clock::Clock;
use crate::event::Event;
use crate::host::firewall::Firewall;
use crate::node::{Node, NodeId, Verb};
use crate::observe::Observer;
use crate::plan::{Action, Cause, Effect, Plan};
use crate::progress::{Moment, Ongoing, Progress, Work};
use crate::report::{group_names, reason_text};
use crate::rollout::Rollouts;
use crate::settings::Config;
use crate::store::{Store, StoreError};
use wnm_pm::container_host::GroupSpec;
use wnm_pm::hint::{Hint, Hinted};
use wnm_pm::process_manager::{ManagerError, ProcessManager};

mod identities;
mod ports;
mod programs;
pub(crate) mod step_result;
mod steps;
mod teardown;

pub use step_result::StepResult;

/// How many nodes are handed to a manager in one call, so that an interruption does not have to wait for all.
const BATCH_SIZE: usize = 32;

/// What became of a plan.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Execution {
    /// What became of each action that was begun, in order.
    pub results: Vec<StepResult>,
    /// Container groups that could not be opened or closed, a sentence each.
    pub group_errors: Vec<String>,
    /// Ports that the firewall could not be told about, a sentence for each reason. They are never a node's failure.
    pub port_errors: Vec<String>,
    /// What else is worth telling, a sentence each.
    pub notes: Vec<String>,
    /// Actions that were not begun, since somebody asked to stop.
    pub left: Vec<(Verb, NodeId)>,
    /// What can be done about container groups, ports and a teardown that failed, each once.
    pub hints: Vec<Hint>,
}

impl Execution {
    /// Whether everything that was begun succeeded.
    #[must_use]
    pub fn succeeded(&self) -> bool {
        self.group_errors.is_empty() && self.results.iter().all(|result| result.error.is_none())
    }

    fn advise(&mut self, hints: Vec<Hint>) {
        for hint in hints {
            if !self.hints.contains(&hint) {
                self.hints.push(hint);
            }
        }
    }
}

/// What holds for all batches of a plan.
struct Context {
    /// Container groups that could not be opened, and why.
    closed: BTreeMap<u32, String>,
    /// Why something is done to a node.
    why: BTreeMap<NodeId, String>,
    /// Whether the owner asked for it.
    by_request: bool,
    /// Nodes whose directories went away without wnm: when they are forgotten, no new node gets their numbers.
    lost: BTreeSet<NodeId>,
}

/// The first reason of each node: what made wnm act, rather than how it chose the node.
fn reasons_by_node(plan: &Plan) -> BTreeMap<NodeId, String> {
    let mut whys = BTreeMap::new();
    for reason in plan.reasons.iter().filter(|reason| reason.effect() == Effect::Did) {
        let text = reason_text(reason);
        for &id in reason.nodes() {
            whys.entry(id).or_insert_with(|| text.clone());
        }
    }
    whys
}

/// The nodes that are forgotten since their directories are gone. Whoever asks for it knows.
fn lost(plan: &Plan) -> BTreeSet<NodeId> {
    let lost = plan.reasons.iter().filter(|reason| reason.cause == Cause::DirectoryGone);
    lost.flat_map(|reason| reason.nodes.iter().copied()).collect()
}

/// How many steps on single nodes an action stands for.
fn steps(action: &Action) -> usize {
    match action {
        Action::Teardown { numbers, .. } => numbers.len(),
        action => usize::from(action.step().is_some()),
    }
}

fn groups_are_up(groups: &[u32]) -> Option<String> {
    match groups {
        [] => None,
        [_] => Some(format!("container group {} is up", group_names(groups))),
        _ => Some(format!("container groups {} are up", group_names(groups))),
    }
}

/// What carries a plan out.
pub struct Executor<'a> {
    /// The settings.
    pub config: &'a Config,
    /// What keeps the nodes alive.
    pub manager: &'a dyn ProcessManager,
    /// What lets the nodes' ports into this machine.
    pub firewall: &'a dyn Firewall,
    /// What is written down.
    pub store: &'a mut Store,
    /// What sees the machine.
    pub observer: &'a dyn Observer,
    /// The time.
    pub clock: &'a dyn Clock,
    /// Who listens.
    pub progress: &'a dyn Progress,
    /// How new programs do, as was just observed.
    pub rollouts: Rollouts,
    /// The storages without their mark: their disks are away, and no node is added there.
    pub unmarked: Vec<PathBuf>,
}

impl Executor<'_> {
    /// Carries `plan` out on the nodes of the database.
    ///
    /// # Errors
    /// When something cannot be written down: then nothing more is done, and the next run finds out the truth.
    pub async fn execute(&mut self, plan: &Plan, nodes: Vec<Node>) -> Result<Execution, StoreError> {
        let mut nodes: BTreeMap<NodeId, Node> = nodes.into_iter().map(|node| (node.id(), node)).collect();
        let mut execution = Execution::default();
        self.progress.planned(plan.actions.iter().map(steps).sum());
        let closed = self.open_groups(&plan.groups, &mut execution).await?;
        let (why, lost, by_request) = (reasons_by_node(plan), lost(plan), plan.by_request);
        let context = Context { closed, why, by_request, lost };
        for (place, batch) in self.batches(&plan.actions).into_iter().enumerate() {
            if place > 0 {
                self.pause().await;
            }
            if self.progress.interrupted() {
                execution.left.extend(batch.iter().filter_map(Action::step));
                continue;
            }
            if let Action::ForgetPrevious { numbers } = &batch[0] {
                let rows: Vec<Node> = nodes.values().cloned().collect();
                self.forget_previous(numbers, &rows, &mut execution).await?;
                continue;
            }
            if let Action::Teardown { numbers, groups } = &batch[0] {
                self.tear_down(numbers, groups, &context, &mut nodes, &mut execution).await?;
                continue;
            }
            self.carry_out(batch, &context, &mut nodes, &mut execution).await?;
        }
        Ok(execution)
    }

    /// `action_delay`, as long as nobody interrupts.
    async fn pause(&self) {
        const GLANCE: Duration = Duration::from_millis(50);
        if self.config.action_delay == 0 {
            return;
        }
        let _pause = Ongoing::begin(self.progress, Work::Pause);
        let end = Instant::now() + Duration::from_millis(self.config.action_delay);
        while Instant::now() < end && !self.progress.interrupted() {
            tokio::time::sleep(GLANCE.min(end.saturating_duration_since(Instant::now()))).await;
        }
    }

    /// Runs of actions with the same verb. Containers take a whole run in one call; with a delay between actions every
    /// action stands alone.
    fn batches<'p>(&self, actions: &'p [Action]) -> Vec<&'p [Action]> {
        let most = match self.manager.containers() {
            _ if self.config.action_delay > 0 => 1,
            Some(_) => usize::MAX,
            None => BATCH_SIZE,
        };
        actions
            .chunk_by(|one, next| one.verb() == next.verb() && one.step().is_some())
            .flat_map(|run| run.chunks(most))
            .collect()
    }

    /// Opens groups; answers with those that could not be opened, and why.
    async fn open_groups(
        &mut self,
        groups: &[GroupSpec],
        execution: &mut Execution,
    ) -> Result<BTreeMap<u32, String>, StoreError> {
        let (mut up, mut closed) = (Vec::new(), BTreeMap::new());
        let Some(host) = self.manager.containers().filter(|_| !groups.is_empty()) else { return Ok(closed) };
        let opening = Ongoing::begin(self.progress, Work::OpenGroups(groups.len()));
        let mut opened = host.open(groups).await;
        drop(opening);
        for spec in groups {
            let unanswered = || Err(ManagerError::unanswered(&format!("container group {}", spec.name)));
            let event = match opened.take(spec.group).unwrap_or_else(unanswered) {
                Ok(group) => {
                    up.push(spec.group);
                    Event::GroupSeen { group: Box::new(group) }
                }
                Err(error) => {
                    // The nodes of the group need not repeat why.
                    let short = format!("container group {} could not be opened", spec.name);
                    let what = format!("{short}: {}", error.text());
                    closed.insert(spec.group, short);
                    execution.group_errors.push(what.clone());
                    execution.advise(error.hints());
                    Event::Noted { id: None, what }
                }
            };
            self.record(&[event])?;
        }
        execution.notes.extend(groups_are_up(&up));
        Ok(closed)
    }

    fn record(&mut self, events: &[Event]) -> Result<(), StoreError> {
        let at = self.clock.now();
        self.store.apply(at, events)
    }

    fn at(&self, verb: Verb, nodes: &[Node], moment: Moment) {
        let numbers: Vec<NodeId> = nodes.iter().map(Node::id).collect();
        self.progress.at(verb, &numbers, moment);
    }
}
