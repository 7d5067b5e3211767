//! A deed is one verb carried out on a batch of nodes: the intention is recorded, the manager acts, the outcome is
//! recorded.

use std::collections::BTreeMap;

use super::ports::PortNotes;
use super::{Context, Execution, Executor, StepResult};
use crate::decide::back_off;
use crate::event::Event;
use crate::node::{Node, NodeId, NodeRef, Status, UnixSeconds, Verb};
use crate::plan::Action;
use crate::progress::Moment;
use crate::storage;
use crate::store::StoreError;
use wnm_pm::batch::Outcomes;
use wnm_pm::process_manager::{Binary, Created, ManagerError, Outcome, Started};
use wnm_pm::upgrade::upgrade;

impl Node {
    /// Now has this status, with nothing left to do and nothing wrong.
    fn becomes(&mut self, status: Status, now: UnixSeconds) {
        self.status = status;
        self.since = now;
        self.intention = None;
        self.retry_at = None;
        self.trouble = None;
    }

    /// A deed on it failed; it keeps its status.
    fn fails(&mut self, error: &str, now: UnixSeconds) {
        self.intention = None;
        self.trouble = Some(error.to_owned());
        self.failures = self.failures.saturating_add(1);
        self.retry_at = Some(back_off(now, self.failures));
    }

    fn created(&mut self, created: Created) {
        self.service = created.service;
        self.spec.root_dir = created.root_dir;
        self.spec.binary = created.binary;
        self.spec.log_dir = created.log_dir;
    }
}

/// A batch in the making: rows as they are now, and what became of the deed on each.
struct Batch {
    verb: Verb,
    rows: Vec<Node>,
    events: Vec<Event>,
    results: Vec<StepResult>,
    /// What the firewall could not do, a sentence each.
    notes: Vec<String>,
}

impl Batch {
    fn new(verb: Verb) -> Self {
        Self { verb, rows: Vec::new(), events: Vec::new(), results: Vec::new(), notes: Vec::new() }
    }

    fn completed(&mut self, node: Node) {
        self.tell(&node, None);
        self.events.push(Event::Completed { verb: self.verb, node: Box::new(node) });
    }

    fn failed(&mut self, node: Node, error: String) {
        self.tell(&node, Some(error.clone()));
        self.events.push(Event::Failed { verb: self.verb, node: Box::new(node), error });
    }

    fn gone(&mut self, node: &Node, why: &str) {
        self.tell(node, None);
        self.events.push(Event::Forgotten { id: node.id(), why: why.to_owned() });
    }

    fn take(&mut self, ports: PortNotes) {
        self.events.extend(ports.events);
        self.notes.extend(ports.notes);
    }

    fn tell(&mut self, node: &Node, error: Option<String>) {
        let (number, name) = (node.id(), node.spec.name.clone());
        self.results.push(StepResult { verb: self.verb, number, name, error });
    }
}

fn references(rows: &[Node]) -> Vec<NodeRef> {
    rows.iter().map(Node::reference).collect()
}

/// Each row with what became of it. What nobody answered for is found out by the next observation.
fn with_outcomes<T>(rows: Vec<Node>, mut outcomes: Outcomes<T>) -> impl Iterator<Item = (Node, Outcome<T>)> {
    rows.into_iter().map(move |row| {
        let outcome = outcomes.take(row.id()).unwrap_or_else(|| Err(ManagerError::unanswered(&row.spec.name)));
        (row, outcome)
    })
}

impl Executor<'_> {
    /// Carries out actions of one verb. Nodes of groups that could not be opened fail without being touched.
    pub(super) async fn carry_out(
        &mut self,
        actions: &[Action],
        context: &Context,
        nodes: &mut BTreeMap<NodeId, Node>,
        execution: &mut Execution,
    ) -> Result<(), StoreError> {
        let Some((verb, _)) = actions.first().and_then(Action::step) else { return Ok(()) };
        let now = self.clock.now();
        let mut batch = Batch::new(verb);
        for action in actions {
            let row = match action {
                Action::Add { node } => Node::new((**node).clone(), now),
                other => match other.step().and_then(|(_, id)| nodes.get(&id)) {
                    Some(node) => node.clone(),
                    None => continue,
                },
            };
            match row.spec.group.and_then(|group| context.closed.get(&group)) {
                Some(why) => batch.tell(&row, Some(why.clone())),
                None => batch.rows.push(intend(row, action, now, self.config.delay_remove)),
            }
        }
        if !batch.rows.is_empty() {
            self.intend(&batch, context)?;
            self.act(&mut batch, actions).await?;
            self.at(verb, &batch.rows, Moment::Done);
            self.record(&batch.events)?;
            self.at(verb, &batch.rows, Moment::Recorded);
        }
        self.progress.ended(&batch.results);
        remember(&batch, nodes);
        execution.results.extend(batch.results);
        execution.notes.extend(batch.notes);
        Ok(())
    }

    fn intend(&mut self, batch: &Batch, context: &Context) -> Result<(), StoreError> {
        self.at(batch.verb, &batch.rows, Moment::BeforeIntention);
        let intended = |node: &Node| Event::Intended {
            verb: batch.verb,
            node: Box::new(node.clone()),
            why: context.why.get(&node.id()).cloned().unwrap_or_default(),
        };
        self.record(&batch.rows.iter().map(intended).collect::<Vec<_>>())?;
        self.at(batch.verb, &batch.rows, Moment::Intended);
        Ok(())
    }

    async fn act(&mut self, batch: &mut Batch, actions: &[Action]) -> Result<(), StoreError> {
        match &actions[0] {
            Action::Add { .. } => self.add(batch).await?,
            Action::Start { .. } => self.start(batch, Status::Restarting).await,
            Action::Restart { .. } => self.restart(batch).await,
            Action::Stop { .. } => drop(self.stop(batch, batch.rows.clone(), Status::Stopped).await),
            Action::Disable { .. } => self.retire(batch, batch.rows.clone(), Status::Disabled).await,
            Action::Upgrade { to, .. } => self.upgrade(batch, to).await,
            Action::Enable { .. } => self.enable(batch),
            Action::Remove { .. } => self.remove(batch, actions).await,
            Action::Survey | Action::Resurvey | Action::Teardown { .. } => {}
        }
        Ok(())
    }

    /// Creates nodes, writes down what the manager settled, and starts them.
    async fn add(&mut self, batch: &mut Batch) -> Result<(), StoreError> {
        if !self.storage_is_marked {
            self.refuse_additions(batch);
            return Ok(());
        }
        let outcomes = self.manager.create(&references(&batch.rows)).await;
        self.at(Verb::Add, &batch.rows, Moment::Created);
        let (mut created, mut refused) = (Vec::new(), Vec::new());
        for (mut row, outcome) in with_outcomes(std::mem::take(&mut batch.rows), outcomes) {
            match outcome {
                Ok(settled) => {
                    row.created(settled);
                    row.intention = Some(Verb::Start);
                    created.push(row);
                }
                Err(error) => refused.push((row, error.text())),
            }
        }
        let intended = created.iter().map(|node| Event::Intended {
            verb: Verb::Start,
            node: Box::new(node.clone()),
            why: "it was just created".to_owned(),
        });
        self.record(&intended.collect::<Vec<_>>())?;
        self.forget_half_made(batch, refused).await;
        batch.rows = created;
        self.start(batch, Status::Restarting).await;
        Ok(())
    }

    /// Where the disk of the storage is not mounted, a node would be hidden as soon as it is.
    fn refuse_additions(&self, batch: &mut Batch) {
        let (storage, mark) = (self.config.node_storage.display(), storage::STORAGE_MARKER);
        let error = format!(
            "{storage} has no file {mark}, which wnm puts there: is its disk mounted?\nhint: mount it; if this is the right directory, `touch {storage}/{mark}`"
        );
        for row in std::mem::take(&mut batch.rows) {
            let id = row.id();
            batch.failed(row, error.clone());
            batch.events.push(Event::Forgotten { id, why: error.clone() });
        }
    }

    /// What could not be created leaves nothing behind: no file and no row.
    async fn forget_half_made(&mut self, batch: &mut Batch, refused: Vec<(Node, String)>) {
        let rows: Vec<Node> = refused.iter().map(|(row, _)| row.clone()).collect();
        let outcomes = self.manager.remove(&references(&rows)).await;
        for (mut row, error) in refused {
            let id = row.id();
            let removed = outcomes.get(id).is_some_and(Result::is_ok);
            if !removed {
                row.becomes(Status::Dead, self.clock.now());
                row.trouble = Some(error.clone());
            }
            batch.failed(row, error.clone());
            if removed {
                batch.events.push(Event::Forgotten { id, why: error });
            }
        }
    }

    async fn start(&mut self, batch: &mut Batch, status: Status) {
        let ports = self.open_ports(&batch.rows).await;
        batch.take(ports);
        let outcomes = self.manager.start(&references(&batch.rows)).await;
        self.started(batch, status, outcomes);
    }

    /// A node that was told to start runs only once it was seen to.
    fn started(&self, batch: &mut Batch, status: Status, outcomes: Outcomes<Started>) {
        let now = self.clock.now();
        for (mut row, outcome) in with_outcomes(batch.rows.clone(), outcomes) {
            match outcome {
                Ok(started) => {
                    row.becomes(status, now);
                    row.process = started.process;
                    row.held = false;
                    batch.completed(row);
                }
                Err(error) => {
                    // After a failed upgrade the manager has put the previous program back.
                    if batch.verb != Verb::Upgrade {
                        row.status = Status::Stopped;
                        row.since = now;
                    }
                    row.fails(&error.text(), now);
                    batch.failed(row, error.text());
                }
            }
        }
    }

    async fn restart(&mut self, batch: &mut Batch) {
        let outcomes = self.manager.stop(&references(&batch.rows)).await;
        let mut stopped = Vec::new();
        for (row, outcome) in with_outcomes(std::mem::take(&mut batch.rows), outcomes) {
            match outcome {
                Ok(()) => stopped.push(row),
                Err(error) => self.not_done(batch, row, &error),
            }
        }
        batch.rows = stopped;
        self.start(batch, Status::Restarting).await;
    }

    fn not_done(&self, batch: &mut Batch, mut row: Node, error: &ManagerError) {
        let keeps_trying = row.intention.filter(|verb| *verb == Verb::Disable);
        row.fails(&error.text(), self.clock.now());
        row.intention = keeps_trying;
        batch.failed(row, error.text());
    }

    /// Answers with the nodes that are stopped now.
    async fn stop(&mut self, batch: &mut Batch, rows: Vec<Node>, status: Status) -> Vec<Node> {
        let outcomes = self.manager.stop(&references(&rows)).await;
        let mut stopped = Vec::new();
        for (mut row, outcome) in with_outcomes(rows, outcomes) {
            match outcome {
                Ok(()) => {
                    row.becomes(status, self.clock.now());
                    row.process = None;
                    stopped.push(row.clone());
                    batch.completed(row);
                }
                Err(error) => self.not_done(batch, row, &error),
            }
        }
        stopped
    }

    /// Stops nodes for good, or until somebody wants them back: a start opens their ports again.
    async fn retire(&mut self, batch: &mut Batch, rows: Vec<Node>, status: Status) {
        let stopped = self.stop(batch, rows, status).await;
        let ports = self.close_ports(&stopped).await;
        batch.take(ports);
    }

    async fn upgrade(&mut self, batch: &mut Batch, to: &Binary) {
        let outcomes = upgrade(self.manager, &references(&batch.rows), to).await;
        self.started(batch, Status::Upgrading, outcomes);
        for event in &mut batch.events {
            if let Event::Completed { node, .. } = event {
                node.version = Some(to.version.clone());
                node.spec.version = Some(to.version.clone());
            }
        }
    }

    fn enable(&mut self, batch: &mut Batch) {
        let now = self.clock.now();
        for mut row in batch.rows.clone() {
            row.becomes(Status::Stopped, now);
            row.held = false;
            row.failures = 0;
            batch.completed(row);
        }
    }

    /// Files go at once, or the node is only stopped and its files go once `delay_remove` has passed.
    async fn remove(&mut self, batch: &mut Batch, actions: &[Action]) {
        let at_once = |row: &Node| {
            let number = row.id();
            actions.contains(&Action::Remove { number, now: true })
        };
        let (gone, going): (Vec<Node>, Vec<Node>) = batch.rows.clone().into_iter().partition(at_once);
        let removed = self.manager.remove(&references(&gone)).await;
        let mut closing = Vec::new();
        for (row, outcome) in with_outcomes(gone, removed) {
            match outcome {
                Ok(()) => {
                    batch.gone(&row, row.trouble.as_deref().unwrap_or("removed"));
                    closing.push(row);
                }
                Err(error) => self.not_done(batch, row, &error),
            }
        }
        let ports = self.close_ports(&closing).await;
        batch.take(ports);
        self.retire(batch, going, Status::Removing).await;
    }
}

/// The row as it stands until the outcome is known.
fn intend(mut row: Node, action: &Action, now: UnixSeconds, delay_remove: u64) -> Node {
    let Some((verb, _)) = action.step() else { return row };
    row.intention = Some(verb);
    match action {
        Action::Stop { hold, .. } => row.held = row.held || *hold,
        Action::Disable { .. } => row.status = Status::Disabled,
        Action::Remove { now: at_once, .. } => {
            let delay = if *at_once { 0 } else { UnixSeconds::try_from(delay_remove).unwrap_or(UnixSeconds::MAX) };
            if row.status != Status::Removing {
                // What failed before has nothing to do with how often its removal is tried.
                row.failures = 0;
            }
            row.status = Status::Removing;
            row.since = now;
            row.retry_at = Some(now.saturating_add(delay));
        }
        _ => {}
    }
    row
}

/// Later batches of the same plan see what earlier ones did.
fn remember(batch: &Batch, nodes: &mut BTreeMap<NodeId, Node>) {
    for event in &batch.events {
        match event {
            Event::Completed { node, .. } | Event::Failed { node, .. } => {
                nodes.insert(node.id(), (**node).clone());
            }
            Event::Forgotten { id, .. } => {
                nodes.remove(id);
            }
            _ => {}
        }
    }
}
