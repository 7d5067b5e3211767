//! Moving the nodes of a machine to another flavour: all are stopped, then all rows change at once, then their files follow.

use super::{CycleError, Machine, Observation};
use crate::event::Event;
use crate::migration::{
    Direction, FROM, Migration, MigrationError, TO, backward, forward, is_set_aside, put_back, set_aside,
};
use crate::node::{Intent, Node, NodeId, NodeRef, Transition, Verb};
use crate::progress::{Ongoing, Progress, Work};
use wnm_pm::process_manager::ManagerError;

impl Machine {
    /// Moves all nodes from v1 to v2, or back. With `dry_run` says what would be done, and does nothing.
    ///
    /// # Errors
    /// [`MigrationError`]; the nodes are what they were.
    pub async fn migrate_flavour(
        &mut self,
        direction: Direction,
        dry_run: bool,
        progress: &dyn Progress,
    ) -> Result<Migration, MigrationError> {
        if !dry_run {
            self.claim().await?;
        }
        let observation = self.observe(progress).await?;
        observation.answers()?;
        if let Some(error) = observation.unavailable {
            return Err(CycleError::from(error).into());
        }
        let (config, capabilities) = (&self.parts.config, self.parts.manager.capabilities());
        let rows = match direction {
            Direction::Forward => forward(config, capabilities, &observation.snapshot)?,
            Direction::Undo => backward(config, capabilities, &observation.snapshot)?,
        };
        let mut migration = planned(direction, &observation, &rows);
        if !dry_run {
            let now = observation.snapshot.now;
            self.parts.store.begin_cycle();
            self.parts.store.apply(now, &observation.events)?;
            let _moving = Ongoing::begin(progress, Work::MoveNodes(rows.len()));
            migration.left = match direction {
                Direction::Forward => self.move_forward(&observation, rows).await?,
                Direction::Undo => self.move_back(&observation, rows)?,
            };
        }
        Ok(migration)
    }

    /// Interrupted before the rows change, the nodes are v1 and are started again; after that, they are v2, and the next
    /// call sets aside what is still in its place.
    async fn move_forward(
        &mut self,
        observation: &Observation,
        rows: Vec<(NodeId, Node)>,
    ) -> Result<Vec<(NodeId, String)>, MigrationError> {
        let now = observation.snapshot.now;
        let before: Vec<Node> = self.parts.store.load()?.nodes;
        let leaving: Vec<Node> = before.iter().filter(|node| node.spec().flavour == FROM).cloned().collect();
        self.stop_all(&leaving, now).await?;
        let changed = |(_, node): &(NodeId, Node)| Event::FlavourChanged { from: FROM, node: Box::new(node.clone()) };
        self.parts.store.apply(now, &rows.iter().map(changed).collect::<Vec<_>>())?;
        let mut left = Vec::new();
        for node in &before {
            let (spec, has_key) = (node.spec(), node.spec().root_dir.join(FROM.key_file()).is_file());
            let is_left = rows.iter().any(|(id, _)| *id == node.id()) || (spec.flavour == TO && has_key);
            let ports = (spec.flavour == FROM).then_some(&spec.ports);
            if is_left && let Err(error) = set_aside(&spec.root_dir, ports) {
                left.push((node.id(), error.to_string()));
            }
        }
        Ok(left)
    }

    /// Interrupted before the rows change, the nodes are v2 that never ran, and the next call goes on.
    fn move_back(
        &mut self,
        observation: &Observation,
        rows: Vec<(NodeId, Node)>,
    ) -> Result<Vec<(NodeId, String)>, MigrationError> {
        let mut left = Vec::new();
        let mut events = Vec::new();
        for (id, node) in rows {
            match put_back(&node.spec().root_dir) {
                Ok(()) => events.push(Event::FlavourChanged { from: TO, node: Box::new(node) }),
                Err(error) => left.push((id, error.to_string())),
            }
        }
        self.parts.store.apply(observation.snapshot.now, &events)?;
        Ok(left)
    }

    /// Stops nodes, all or none: where one runs on, all stay what they are, and the next cycle starts them again.
    async fn stop_all(&mut self, nodes: &[Node], now: i64) -> Result<(), MigrationError> {
        let mut stopping = nodes.to_vec();
        stopping.retain_mut(|node| node.apply(Transition::Intended(Intent::Stop { by_owner: false }), now).is_ok());
        let intended = |node: &Node| Event::Intended {
            verb: Verb::Stop,
            node: Box::new(node.clone()),
            why: format!("it becomes a node of {TO}"),
        };
        self.parts.store.apply(now, &stopping.iter().map(intended).collect::<Vec<_>>())?;
        let references: Vec<NodeRef> = stopping.iter().map(Node::reference).collect();
        let mut outcomes = self.parts.manager.stop(&references).await;
        let (mut events, mut running) = (Vec::new(), Vec::new());
        for mut node in stopping {
            let outcome = outcomes.take(node.id()).unwrap_or_else(|| Err(ManagerError::unanswered(node.name())));
            let (transition, error) = match outcome {
                Ok(()) => (Transition::Stopped, None),
                Err(error) => (Transition::StepFailed { error: error.text() }, Some(error)),
            };
            // What cannot happen to it is found out by the next observation.
            let _ = node.apply(transition, now);
            let (verb, boxed) = (Verb::Stop, Box::new(node.clone()));
            events.push(match &error {
                None => Event::Completed { verb, node: boxed },
                Some(error) => Event::Failed { verb, node: boxed, error: error.text() },
            });
            running.extend(error.map(|error| (node.name().to_owned(), error)));
        }
        self.parts.store.apply(now, &events)?;
        if running.is_empty() { Ok(()) } else { Err(MigrationError::StillRunning(running)) }
    }
}

fn planned(direction: Direction, observation: &Observation, rows: &[(NodeId, Node)]) -> Migration {
    let snapshot = &observation.snapshot;
    let lives = |id: &NodeId| snapshot.nodes.iter().any(|each| each.node.id() == *id && each.lives());
    let mut nodes: Vec<NodeId> = rows.iter().map(|(id, _)| *id).collect();
    let version = snapshot.available.as_ref().map(|binary| binary.version.clone());
    let (to, version) = match direction {
        Direction::Forward => (TO, version),
        Direction::Undo => (FROM, None),
    };
    if direction == Direction::Forward {
        // Those that an interrupted call left.
        let half = snapshot.nodes.iter().map(|each| each.node.spec()).filter(|spec| {
            spec.flavour == TO && spec.root_dir.join(FROM.key_file()).is_file() && !is_set_aside(&spec.root_dir)
        });
        nodes.extend(half.map(|spec| spec.id));
    }
    Migration { to, version, stopped: nodes.iter().copied().filter(lives).collect(), nodes, left: vec![] }
}
