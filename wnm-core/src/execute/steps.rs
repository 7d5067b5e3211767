//! A step is one verb carried out on a batch of nodes: the intention is recorded, the manager acts, the outcome is
//! recorded. What happens to a node is a transition of its life; nothing else here changes one.

use std::collections::{BTreeMap, BTreeSet};

use super::ports::PortNotes;
use super::{Context, Execution, Executor, StepResult};
use crate::event::Event;
use crate::node::{Impossible, Intent, Node, NodeId, NodeRef, Transition, UnixSeconds, Verb};
use crate::plan::Action;
use crate::progress::Moment;
use crate::renewal::renewed;
use crate::storage;
use crate::store::{StoreError, WITHHELD_NUMBERS};
use wnm_pm::batch::Outcomes;
use wnm_pm::hint::{Hint, Hinted};
use wnm_pm::process_manager::{ManagerError, Outcome, Started};
use wnm_pm::shell::word;

/// A batch in the making: rows as they are now, and what became of the step on each.
pub(super) struct Batch {
    verb: Verb,
    pub rows: Vec<Node>,
    pub events: Vec<Event>,
    results: Vec<StepResult>,
    /// What can be done about what went wrong with a node.
    hints: BTreeMap<NodeId, Vec<Hint>>,
    /// What the firewall could not do.
    ports: PortNotes,
}

impl Batch {
    pub fn new(verb: Verb) -> Self {
        let (rows, events, results) = (Vec::new(), Vec::new(), Vec::new());
        Self { verb, rows, events, results, hints: BTreeMap::new(), ports: PortNotes::default() }
    }

    /// The step on this node ended so. Answers its row as it is now.
    pub fn ended(&mut self, mut row: Node, transition: Transition, now: UnixSeconds) -> Node {
        let error = transition.error().map(str::to_owned);
        let error = row.apply(transition, now).map_or_else(|impossible| Some(impossible.to_string()), |()| error);
        self.report(&row, error.clone());
        let (verb, node) = (self.verb, Box::new(row.clone()));
        self.events.push(match error {
            Some(error) => Event::Failed { verb, node, error },
            None => Event::Completed { verb, node },
        });
        row
    }

    /// What became of the step on each node.
    pub fn into_results(self) -> Vec<StepResult> {
        self.results
    }

    /// What can be done about what went wrong with this node.
    pub fn advise(&mut self, id: NodeId, hints: Vec<Hint>) {
        self.hints.insert(id, hints);
    }

    fn gone(&mut self, node: &Node, why: &str) {
        self.report(node, None);
        self.events.push(Event::Forgotten { id: node.id(), why: why.to_owned() });
    }

    fn take(&mut self, ports: PortNotes) {
        self.events.extend(ports.events);
        self.ports.failures.extend(ports.failures);
        self.ports.hints.extend(ports.hints);
    }

    fn report(&mut self, node: &Node, error: Option<String>) {
        let (number, name) = (node.id(), node.name().to_owned());
        let hints = self.hints.remove(&number).filter(|_| error.is_some()).unwrap_or_default();
        self.results.push(StepResult { verb: self.verb, number, name, error, hints });
    }

    /// Each row with what became of it. What nobody answered for is found out by the next observation.
    pub fn with_outcomes<T>(&mut self, rows: Vec<Node>, mut outcomes: Outcomes<T>) -> Vec<(Node, Outcome<T>)> {
        let with_outcome = |row: Node| {
            let outcome = outcomes.take(row.id()).unwrap_or_else(|| Err(ManagerError::unanswered(row.name())));
            if let Err(error) = &outcome {
                self.hints.insert(row.id(), error.hints());
            }
            (row, outcome)
        };
        rows.into_iter().map(with_outcome).collect()
    }
}

pub(super) fn references(rows: &[Node]) -> Vec<NodeRef> {
    rows.iter().map(Node::reference).collect()
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
                Action::Add { node } => Node::planned((**node).clone(), now),
                other => match other.step().and_then(|(_, id)| nodes.get(&id)) {
                    Some(node) => node.clone(),
                    None => continue,
                },
            };
            if let Some(why) = row.spec().group.and_then(|group| context.closed.get(&group)) {
                batch.report(&row, Some(why.clone()));
                continue;
            }
            match intend(row.clone(), action, now, self.config.delay_remove)
                .and_then(|row| forgive(row, action, context, now))
            {
                Ok(row) => batch.rows.push(row),
                Err(impossible) => batch.report(&row, Some(impossible.to_string())),
            }
        }
        if !batch.rows.is_empty() {
            let begun = self.begin_trials(&batch, actions, context.by_request);
            self.intend(&batch, context, begun)?;
            self.act(&mut batch, actions).await?;
            self.withhold(&mut batch, context)?;
            self.at(verb, &batch.rows, Moment::Done);
            self.record(&batch.events)?;
            self.at(verb, &batch.rows, Moment::Recorded);
        }
        self.progress.ended(&batch.results);
        remember(&batch, nodes);
        execution.results.extend(batch.results);
        execution.port_errors.extend(batch.ports.failures);
        execution.advise(batch.ports.hints);
        Ok(())
    }

    /// Notes the numbers of nodes that were forgotten since their directories went away without wnm: their owner may bring
    /// them back. One that never lived had nothing in its directory.
    fn withhold(&self, batch: &mut Batch, context: &Context) -> Result<(), StoreError> {
        let has_lived = |id| {
            let row = batch.rows.iter().find(|row| row.id() == id);
            row.is_some_and(|row| row.life().has_run() || row.process().is_some())
        };
        let forgotten = batch.events.iter().filter_map(|event| match event {
            Event::Forgotten { id, .. } if context.lost.contains(id) && has_lived(*id) => Some(id.0),
            _ => None,
        });
        let lost: BTreeSet<u32> = forgotten.collect();
        if lost.is_empty() {
            return Ok(());
        }
        let numbers: Vec<String> =
            self.store.load()?.withheld_numbers().union(&lost).map(ToString::to_string).collect();
        let changes = vec![(WITHHELD_NUMBERS.to_owned(), Some(numbers.join(" ")))];
        batch.events.push(Event::SettingsChanged { changes });
        Ok(())
    }

    fn intend(&mut self, batch: &Batch, context: &Context, mut begun: Vec<Event>) -> Result<(), StoreError> {
        self.at(batch.verb, &batch.rows, Moment::BeforeIntention);
        let intended = |node: &Node| Event::Intended {
            verb: batch.verb,
            node: Box::new(node.clone()),
            why: context.why.get(&node.id()).cloned().unwrap_or_default(),
        };
        begun.extend(batch.rows.iter().map(intended));
        self.record(&begun)?;
        self.at(batch.verb, &batch.rows, Moment::Intended);
        Ok(())
    }

    async fn act(&mut self, batch: &mut Batch, actions: &[Action]) -> Result<(), StoreError> {
        match &actions[0] {
            Action::Add { .. } => self.add(batch).await?,
            Action::Start { .. } => self.start(batch).await,
            Action::Restart { .. } => self.restart(batch).await,
            Action::Stop { .. } => drop(self.stop(batch, batch.rows.clone()).await),
            Action::Disable { .. } => self.retire(batch, batch.rows.clone()).await,
            Action::Upgrade { to, .. } => self.upgrade(batch, to).await,
            Action::Revert { .. } => self.revert(batch).await,
            Action::Enable { .. } => self.enable(batch),
            Action::Remove { .. } => self.remove(batch, actions).await?,
            Action::Survey | Action::Resurvey | Action::ForgetPrevious { .. } | Action::Teardown { .. } => {}
        }
        Ok(())
    }

    /// Creates nodes, records what the manager settled, and starts them.
    async fn add(&mut self, batch: &mut Batch) -> Result<(), StoreError> {
        self.refuse_additions(batch);
        if batch.rows.is_empty() {
            return Ok(());
        }
        let outcomes = self.manager.create(&references(&batch.rows)).await;
        self.at(Verb::Add, &batch.rows, Moment::Created);
        let now = self.clock.now();
        let (mut created, mut refused) = (Vec::new(), Vec::new());
        let rows = std::mem::take(&mut batch.rows);
        for (mut row, outcome) in batch.with_outcomes(rows, outcomes) {
            let applied = outcome.map_err(|error| error.text()).and_then(|settled| {
                row.apply(Transition::Created(settled), now).map_err(|impossible| impossible.to_string())
            });
            match applied {
                Ok(()) => created.push(row),
                Err(error) => refused.push((row, error)),
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
        self.start(batch).await;
        Ok(())
    }

    /// Where the disk of a storage is not mounted, a node would be hidden as soon as it is.
    fn refuse_additions(&self, batch: &mut Batch) {
        for row in std::mem::take(&mut batch.rows) {
            let Some(storage) = self.unmarked.iter().find(|storage| row.spec().root_dir.starts_with(storage)) else {
                batch.rows.push(row);
                continue;
            };
            let (shown, mark) = (storage.display(), storage::STORAGE_MARKER);
            let error = format!("{shown} has no file {mark}, which wnm puts there: is its disk mounted?");
            let touch = Hint::shell(format!("touch {}", word(&storage.join(mark))));
            let id = row.id();
            batch.hints.insert(id, vec![Hint::text("mount the disk"), touch.to("use this directory")]);
            batch.ended(row, Transition::StepFailed { error: error.clone() }, self.clock.now());
            batch.events.push(Event::Forgotten { id, why: error.clone() });
        }
    }

    /// What could not be created leaves nothing behind: no file and no row.
    async fn forget_half_made(&mut self, batch: &mut Batch, refused: Vec<(Node, String)>) {
        let rows: Vec<Node> = refused.iter().map(|(row, _)| row.clone()).collect();
        let outcomes = self.manager.remove(&references(&rows)).await;
        for (row, error) in refused {
            let (id, now) = (row.id(), self.clock.now());
            if outcomes.get(id).is_some_and(Result::is_ok) {
                batch.ended(row, Transition::StepFailed { error: error.clone() }, now);
                batch.events.push(Event::Forgotten { id, why: error });
            } else {
                batch.ended(row, Transition::CreationFailed { error }, now);
            }
        }
    }

    async fn start(&mut self, batch: &mut Batch) {
        let ports = self.open_ports(&batch.rows).await;
        batch.take(ports);
        let outcomes = self.manager.start(&references(&self.renewed(&batch.rows))).await;
        self.each_began(batch, outcomes, |outcome| match outcome {
            Ok(Started { process }) => Transition::Started { process },
            Err(error @ ManagerError::Shortage { .. }) => Transition::unable(error.text()),
            Err(error) => Transition::StartFailed { error: error.text() },
        });
    }

    /// The rows with what the settings say today.
    pub(super) fn renewed(&self, rows: &[Node]) -> Vec<Node> {
        let mut rows = rows.to_vec();
        rows.iter_mut().for_each(|row| row.renew(renewed(self.config, row)));
        rows
    }

    /// The start of each row of the batch ended in its outcome. One that runs since before it has its old command
    /// line still.
    fn each_began(&self, batch: &mut Batch, outcomes: Outcomes<Started>, end: impl Fn(Outcome<Started>) -> Transition) {
        let now = self.clock.now();
        for (mut row, outcome) in batch.with_outcomes(batch.rows.clone(), outcomes) {
            if outcome.as_ref().is_ok_and(|Started { process }| process.is_none() || *process != row.process()) {
                row.renew(renewed(self.config, &row));
            }
            batch.ended(row, end(outcome), now);
        }
    }

    async fn restart(&mut self, batch: &mut Batch) {
        let outcomes = self.manager.check_restart(&references(&batch.rows)).await;
        let ready = self.kept(batch, outcomes);
        let outcomes = self.manager.stop(&references(&ready)).await;
        batch.rows = ready;
        batch.rows = self.kept(batch, outcomes);
        self.start(batch).await;
    }

    /// The rows of the batch that a step went well for; the others failed.
    fn kept(&self, batch: &mut Batch, outcomes: Outcomes<()>) -> Vec<Node> {
        let mut kept = Vec::new();
        let rows = std::mem::take(&mut batch.rows);
        for (row, outcome) in batch.with_outcomes(rows, outcomes) {
            match outcome {
                Ok(()) => kept.push(row),
                Err(error) => drop(batch.ended(row, Transition::StepFailed { error: error.text() }, self.clock.now())),
            }
        }
        kept
    }

    /// Answers with the nodes that are stopped now.
    async fn stop(&mut self, batch: &mut Batch, rows: Vec<Node>) -> Vec<Node> {
        let outcomes = self.manager.stop(&references(&rows)).await;
        let mut stopped = Vec::new();
        for (row, outcome) in batch.with_outcomes(rows, outcomes) {
            let now = self.clock.now();
            match outcome {
                Ok(()) => stopped.push(batch.ended(row, Transition::Stopped, now)),
                Err(error) => drop(batch.ended(row, Transition::StepFailed { error: error.text() }, now)),
            }
        }
        stopped
    }

    /// Stops nodes for good, or until their owner enables them: a start opens their ports again.
    async fn retire(&mut self, batch: &mut Batch, rows: Vec<Node>) {
        let stopped = self.stop(batch, rows).await;
        let ports = self.close_ports(&stopped).await;
        batch.take(ports);
    }

    fn enable(&mut self, batch: &mut Batch) {
        for row in batch.rows.clone() {
            batch.ended(row, Transition::Enabled, self.clock.now());
        }
    }

    /// Files are deleted at once, or the node is only stopped and its files are deleted once `delay_remove` has passed.
    async fn remove(&mut self, batch: &mut Batch, actions: &[Action]) -> Result<(), StoreError> {
        let at_once = |row: &Node| {
            let number = row.id();
            actions.contains(&Action::Remove { number, now: true })
        };
        let (gone, going): (Vec<Node>, Vec<Node>) = batch.rows.clone().into_iter().partition(at_once);
        let gone = self.keep_identities(batch, gone).await?;
        let removed = self.manager.remove(&references(&gone)).await;
        let mut closing = Vec::new();
        for (row, outcome) in batch.with_outcomes(gone, removed) {
            match outcome {
                Ok(()) => {
                    batch.gone(&row, row.life().last_error().unwrap_or("removed"));
                    closing.push(row);
                }
                Err(error) => drop(batch.ended(row, Transition::StepFailed { error: error.text() }, self.clock.now())),
            }
        }
        let ports = self.close_ports(&closing).await;
        batch.take(ports);
        self.retire(batch, going).await;
        Ok(())
    }
}

/// Whom its owner starts has another chance, however often it fell.
fn forgive(mut row: Node, action: &Action, context: &Context, now: UnixSeconds) -> Result<Node, Impossible> {
    if context.by_request && matches!(action, Action::Start { .. } | Action::Restart { .. }) {
        row.apply(Transition::Forgiven, now)?;
    }
    Ok(row)
}

/// The row as it is until the outcome is known. A new node's step is pending from its beginning.
fn intend(mut row: Node, action: &Action, now: UnixSeconds, delay_remove: u64) -> Result<Node, Impossible> {
    let intent = match action {
        Action::Start { .. } => Intent::Start,
        Action::Stop { by_owner, .. } => Intent::Stop { by_owner: *by_owner },
        Action::Restart { .. } => Intent::Restart,
        Action::Upgrade { .. } => Intent::Upgrade,
        Action::Revert { .. } => Intent::Revert,
        Action::Remove { now: at_once, .. } => {
            Intent::Remove { delay_seconds: if *at_once { 0 } else { delay_remove } }
        }
        Action::Disable { .. } => Intent::Disable,
        Action::Enable { .. } => Intent::Enable,
        Action::Add { .. }
        | Action::Survey
        | Action::Resurvey
        | Action::ForgetPrevious { .. }
        | Action::Teardown { .. } => return Ok(row),
    };
    row.apply(Transition::Intended(intent), now)?;
    Ok(row)
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
