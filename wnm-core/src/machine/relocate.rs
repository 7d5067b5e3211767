//! Moving the nodes of a storage to another disk, batch after batch. What [`crate::relocation`] promises is kept here.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::{Path, PathBuf};

use super::{Machine, Observation};
use crate::event::Event;
use crate::execute::{Execution, Executor};
use crate::node::{Node, NodeId, NodeRef, Verb};
use crate::plan::{Action, Basis, Cause, Plan, Reason};
use crate::progress::{Ongoing, Progress, Work};
use crate::relocation::{
    Move, Planned, Relocated, Relocation, RelocationError, companions, compare, copy, copy_file, place, plan, rebased,
};
use crate::settings::Config;
use crate::storage;
use crate::store::StoreError;
use wnm_pm::container_host::GroupSpec;
use wnm_pm::node_files;
use wnm_pm::process_manager::{ManagerError, ProcessManager};
use wnm_pm::storages::Storages;

/// Makes the process manager of a machine whose storages are others now.
pub type Rebuild<'r> = &'r (dyn Fn(&Config) -> Result<Box<dyn ProcessManager>, ManagerError> + Sync);

impl Machine {
    /// Moves the nodes of a storage to another disk. With `dry_run` says what would be done, and does nothing.
    ///
    /// # Errors
    /// [`RelocationError`]; the nodes are where they were. What goes wrong with single nodes is in the answer.
    pub async fn relocate(
        &mut self,
        relocation: &Relocation,
        dry_run: bool,
        rebuild: Rebuild<'_>,
        progress: &dyn Progress,
    ) -> Result<Relocated, RelocationError> {
        if !dry_run {
            self.claim().await?;
        }
        let observation = self.observe(progress).await?;
        observation.answers()?;
        if let Some(error) = &observation.unavailable {
            return Err(error.clone().into());
        }
        let moves = self.parts.store.moves()?;
        let capabilities = self.parts.manager.capabilities();
        let planned = plan(&self.parts.config, capabilities, &observation.snapshot, &moves, relocation)?;
        let mut relocated = self.foreseen(&planned, relocation);
        if !dry_run {
            self.begin_relocation(&observation, &planned, relocation, rebuild).await?;
            let mut running = Running { machine: self, planned: &planned, relocation, rebuild, progress };
            running.run(&mut relocated).await?;
        }
        Ok(relocated)
    }

    fn foreseen(&self, planned: &Planned, relocation: &Relocation) -> Relocated {
        let storages = self.parts.config.node_storage.replacing(&planned.from, &relocation.to);
        let all_at_once = self.parts.manager.containers().is_some();
        let batch = if all_at_once { planned.nodes.len() } else { relocation.batch };
        Relocated {
            from: planned.from.clone(),
            to: relocation.to.clone(),
            nodes: planned.nodes.clone(),
            stopped: planned.stopped.iter().copied().collect(),
            bytes: planned.bytes,
            batch: batch.max(1),
            left: Vec::new(),
            interrupted: false,
            undeleted: Vec::new(),
            remains: Vec::new(),
            storages,
        }
    }

    /// From here on nodes may be in both storages.
    async fn begin_relocation(
        &mut self,
        observation: &Observation,
        planned: &Planned,
        relocation: &Relocation,
        rebuild: Rebuild<'_>,
    ) -> Result<(), RelocationError> {
        let now = observation.snapshot.now;
        self.parts.store.begin_cycle();
        self.parts.store.apply(now, &observation.events)?;
        self.settle_moves()?;
        storage::prepare_like(&relocation.to, &planned.from, &self.claimant()?)?;
        let meanwhile = self.parts.config.node_storage.with_behind(&planned.from, &relocation.to);
        self.use_storages(meanwhile, rebuild).await
    }

    /// Records other storages, and has them used.
    async fn use_storages(&mut self, storages: Storages, rebuild: Rebuild<'_>) -> Result<(), RelocationError> {
        if storages != self.parts.config.node_storage {
            let changes = vec![("node_storage".to_owned(), Some(storages.to_string()))];
            self.parts.store.apply(self.parts.clock.now(), &[Event::SettingsChanged { changes }])?;
            self.parts.config.node_storage = storages;
        }
        self.parts.manager = rebuild(&self.parts.config)?;
        Ok(self.parts.manager.take_over().await?)
    }

    /// Deletes what moves have left: of the two directories of a node the one that its row does not name. Answers with what
    /// could not be deleted; it is tried again.
    pub(super) fn settle_moves(&mut self) -> Result<Vec<String>, StoreError> {
        let moves = self.parts.store.moves()?;
        if moves.is_empty() {
            return Ok(Vec::new());
        }
        let nodes = self.parts.store.load()?.nodes;
        let mut undeleted = Vec::new();
        for begun in moves {
            match delete_other(&nodes, &begun) {
                Ok(Some(gone)) => {
                    let event = Event::MoveEnded { node: begun.node, gone };
                    self.parts.store.apply(self.parts.clock.now(), &[event])?;
                }
                Ok(None) => {}
                Err(error) => undeleted.push(error),
            }
        }
        Ok(undeleted)
    }
}

/// Deletes the directory that a node which was being moved does not live in. Answers with it; none while its disk is away.
fn delete_other(nodes: &[Node], begun: &Move) -> Result<Option<PathBuf>, String> {
    let Some(node) = nodes.iter().find(|node| node.id() == begun.node) else { return Ok(Some(begun.to.clone())) };
    let own = &node.spec().root_dir;
    let other = if *own == begun.to { &begun.from } else { &begun.to };
    // Whatever happened to the row: what a node lives in is never deleted here.
    if nodes.iter().any(|node| node.spec().root_dir.starts_with(other) || other.starts_with(&node.spec().root_dir)) {
        return Ok(Some(other.clone()));
    }
    if !other.parent().is_some_and(storage::is_marked) {
        return Ok(None);
    }
    let key = node.spec().flavour.key_file();
    if *own == begun.to && other.join(key).exists() && !own.join(key).exists() {
        return Err(format!("{} is kept: {} has no key", other.display(), own.display()));
    }
    let beside = companions(other);
    let deleted = [other].into_iter().chain(&beside).try_for_each(|path| node_files::delete(path));
    deleted.map(|()| Some(other.clone())).map_err(|error| error.text())
}

/// A relocation that is going on.
struct Running<'m> {
    machine: &'m mut Machine,
    planned: &'m Planned,
    relocation: &'m Relocation,
    rebuild: Rebuild<'m>,
    progress: &'m dyn Progress,
}

impl Running<'_> {
    async fn run(&mut self, relocated: &mut Relocated) -> Result<(), RelocationError> {
        let planned = std::mem::take(&mut relocated.nodes);
        let moving = Ongoing::begin(self.progress, Work::MoveToDisk(planned.len()));
        let in_containers = self.machine.parts.manager.containers().is_some();
        for batch in planned.chunks(relocated.batch) {
            if self.progress.interrupted() {
                relocated.interrupted = true;
                break;
            }
            let full = match in_containers {
                true => self.all_at_once(batch, relocated).await?,
                false => self.batch(batch, relocated).await?,
            };
            moving.advance(relocated.nodes.len());
            if full {
                break;
            }
        }
        let done = relocated.nodes.len() + relocated.left.len();
        let unbegun = planned.iter().skip(done.min(planned.len()));
        if !relocated.interrupted {
            relocated.left.extend(unbegun.map(|id| (*id, "it was not begun".to_owned())));
        }
        if relocated.left.is_empty() && !relocated.interrupted {
            self.leave(in_containers, relocated).await?;
        }
        relocated.storages = self.machine.parts.config.node_storage.clone();
        Ok(())
    }

    /// Moves some nodes; the others run meanwhile. Answers whether the disk is full.
    async fn batch(&mut self, ids: &[NodeId], relocated: &mut Relocated) -> Result<bool, RelocationError> {
        self.intend(ids)?;
        let stopped = self.stop(ids, relocated).await?;
        let rows = self.rows(ids)?;
        let (copied, full) = self.copy(&rows, &stopped, relocated);
        self.settle_in(copied, true, relocated).await?;
        self.start(&stopped, Vec::new(), relocated).await?;
        relocated.undeleted = self.machine.settle_moves()?;
        Ok(full)
    }

    /// Moves the nodes of container groups, whose containers see the disks that they were made with.
    async fn all_at_once(&mut self, ids: &[NodeId], relocated: &mut Relocated) -> Result<bool, RelocationError> {
        self.intend(ids)?;
        let mut down: BTreeSet<NodeId> = ids.iter().copied().collect();
        down.extend(self.planned.whole.then_some(&self.planned.stopped).into_iter().flatten());
        let stopped = self.stop(&down.into_iter().collect::<Vec<_>>(), relocated).await?;
        let rows = self.rows(ids)?;
        let groups = self.machine.parts.store.load()?.groups;
        let specs: Vec<GroupSpec> = groups.iter().map(|group| group.spec.clone()).collect();
        if self.planned.whole && relocated.left.is_empty() {
            self.close(&groups).await?;
        }
        let (copied, full) = self.copy(&rows, &stopped, relocated);
        self.settle_in(copied, !self.planned.whole, relocated).await?;
        if relocated.left.is_empty() && !relocated.interrupted {
            let storages = self.machine.parts.config.node_storage.replacing(&self.planned.from, &self.relocation.to);
            self.machine.use_storages(storages, self.rebuild).await?;
        }
        self.start(&stopped, specs, relocated).await?;
        relocated.undeleted = self.machine.settle_moves()?;
        Ok(full)
    }

    /// The rows of nodes as they are now.
    fn rows(&self, ids: &[NodeId]) -> Result<Vec<Node>, StoreError> {
        let mut rows = self.machine.parts.store.load()?.nodes;
        rows.retain(|node| ids.contains(&node.id()));
        Ok(rows)
    }

    fn intend(&mut self, ids: &[NodeId]) -> Result<(), RelocationError> {
        let rows = self.rows(ids)?;
        let intended = rows.iter().filter_map(|node| {
            let (from, to) = (node.spec().root_dir.clone(), self.destination(node)?);
            Some(Event::MoveIntended { moving: Move { node: node.id(), from, to } })
        });
        let events: Vec<Event> = intended.collect();
        Ok(self.record(&events)?)
    }

    fn destination(&self, node: &Node) -> Option<PathBuf> {
        place(&node.spec().root_dir, &self.relocation.to)
    }

    fn record(&mut self, events: &[Event]) -> Result<(), StoreError> {
        let now = self.machine.parts.clock.now();
        self.machine.parts.store.apply(now, events)
    }

    /// Stops nodes; answers with those that do not run any more.
    async fn stop(&mut self, ids: &[NodeId], relocated: &mut Relocated) -> Result<BTreeSet<NodeId>, RelocationError> {
        let stop = |number: &NodeId| Action::Stop { number: *number, by_owner: false };
        let execution = self.carry_out(ids.iter().map(stop).collect(), Vec::new()).await?;
        let results = execution.results.iter().filter(|result| result.verb == Verb::Stop);
        let (stopped, failed): (Vec<_>, Vec<_>) = results.partition(|result| result.error.is_none());
        let why = |error: &Option<String>| error.clone().unwrap_or_default();
        relocated.left.extend(failed.iter().map(|result| (result.number, why(&result.error))));
        let unbegun = execution.left.iter().map(|(_, id)| (*id, "it was not begun".to_owned()));
        relocated.left.extend(unbegun);
        relocated.interrupted |= !execution.left.is_empty();
        Ok(stopped.iter().map(|result| result.number).collect())
    }

    /// Copies what nodes have; answers with their rows as they are then, and whether the disk is full.
    fn copy(&self, rows: &[Node], stopped: &BTreeSet<NodeId>, relocated: &mut Relocated) -> (Vec<Node>, bool) {
        let (mut copied, mut full) = (Vec::new(), false);
        for row in rows.iter().filter(|row| stopped.contains(&row.id())) {
            let done = self.copy_one(row);
            match done {
                Ok(row) => copied.push(row),
                Err(error) => {
                    relocated.interrupted |= error.kind() == io::ErrorKind::Interrupted;
                    full |= matches!(error.kind(), io::ErrorKind::StorageFull | io::ErrorKind::ReadOnlyFilesystem);
                    relocated.left.push((row.id(), format!("it could not be copied: {error}")));
                }
            }
            if full || relocated.interrupted {
                break;
            }
        }
        (copied, full)
    }

    fn copy_one(&self, row: &Node) -> io::Result<Node> {
        let from = &row.spec().root_dir;
        let to = self.destination(row).ok_or_else(|| io::Error::other("its directory has no name"))?;
        copy(from, &to, &|| self.progress.interrupted())?;
        for beside in companions(from) {
            let place = place(&beside, &self.relocation.to).ok_or_else(|| io::Error::other("it has no name"))?;
            copy_file(&beside, &place)?;
        }
        compare(from, &to, self.relocation.every_byte)?;
        rebased(row, &to).map_err(io::Error::other)
    }

    /// Has the process manager know nodes where they are now, unless their containers are gone, and records it.
    async fn settle_in(
        &mut self,
        copied: Vec<Node>,
        creates: bool,
        relocated: &mut Relocated,
    ) -> Result<(), RelocationError> {
        let references: Vec<NodeRef> = copied.iter().map(Node::reference).collect();
        let mut created = match creates {
            true => self.machine.parts.manager.create(&references).await,
            false => wnm_pm::batch::Outcomes::none(),
        };
        let from: BTreeMap<NodeId, PathBuf> =
            self.machine.parts.store.moves()?.into_iter().map(|begun| (begun.node, begun.from)).collect();
        let mut events = Vec::new();
        for node in copied {
            let id = node.id();
            match created.take(id).filter(|_| creates) {
                Some(Err(error)) => relocated.left.push((id, error.text())),
                None if creates => relocated.left.push((id, ManagerError::unanswered(node.name()).text())),
                _ => {
                    relocated.nodes.push(id);
                    let from = from.get(&id).cloned().unwrap_or_default();
                    events.push(Event::Moved { from, node: Box::new(node) });
                }
            }
        }
        Ok(self.record(&events)?)
    }

    /// Starts those again that ran before, wherever they are now.
    async fn start(
        &mut self,
        stopped: &BTreeSet<NodeId>,
        groups: Vec<GroupSpec>,
        relocated: &mut Relocated,
    ) -> Result<(), RelocationError> {
        let again = stopped.intersection(&self.planned.stopped);
        let starts: Vec<Action> = again.map(|number| Action::Start { number: *number }).collect();
        let execution = self.carry_out(starts, groups).await?;
        let failed = execution.results.into_iter().filter_map(|result| Some((result.name, result.error?)));
        // It lies where it should; the next cycles start it.
        relocated.undeleted.extend(execution.group_errors);
        failed.for_each(|(name, error)| tracing::warn!("{name} was moved and not started: {error}"));
        Ok(())
    }

    async fn carry_out(&mut self, actions: Vec<Action>, groups: Vec<GroupSpec>) -> Result<Execution, RelocationError> {
        let nodes = self.machine.parts.store.load()?.nodes;
        let numbers = actions.iter().filter_map(Action::step).map(|(_, id)| id).collect();
        let cause = Cause::StorageMoves { to: self.relocation.to.clone() };
        let plan = Plan {
            format: Plan::FORMAT,
            made_at: self.machine.parts.clock.now(),
            by_request: true,
            basis: Basis::default(),
            groups,
            actions,
            reasons: vec![Reason { nodes: numbers, cause }],
        };
        let parts = &mut self.machine.parts;
        let mut executor = Executor {
            config: &parts.config,
            manager: &*parts.manager,
            firewall: &*parts.firewall,
            store: &mut parts.store,
            observer: &*parts.observer,
            clock: &*parts.clock,
            // What was stopped is started again, whoever asks to stop.
            progress: &Uninterrupted(self.progress),
            rollouts: crate::rollout::Rollouts::default(),
            unmarked: Vec::new(),
        };
        Ok(executor.execute(&plan, nodes).await?)
    }

    async fn close(&self, groups: &[wnm_pm::container_host::Group]) -> Result<(), RelocationError> {
        let Some(host) = self.machine.parts.manager.containers() else { return Ok(()) };
        let _closing = Ongoing::begin(self.progress, Work::CloseGroups(groups.len()));
        let closed = host.close(groups).await;
        let failed = closed.iter().find_map(|(_, outcome)| outcome.as_ref().err());
        failed.map_or(Ok(()), |error| Err(RelocationError::Groups(error.text())))
    }

    /// Leaves a storage in which no node lives any more.
    async fn leave(&mut self, in_containers: bool, relocated: &mut Relocated) -> Result<(), RelocationError> {
        let from = &self.planned.from;
        let storages = self.machine.parts.config.node_storage.replacing(from, &self.relocation.to);
        if !in_containers || self.machine.parts.config.node_storage.contains(from) {
            self.machine.use_storages(storages, self.rebuild).await?;
        }
        if !relocated.undeleted.is_empty() {
            return Ok(());
        }
        self.machine.parts.manager.vacate(from).await;
        storage::release(from, &self.machine.claimant()?);
        relocated.remains = clear(from);
        Ok(())
    }
}

/// Deletes a storage with nothing but its mark in it; answers with what else there is.
fn clear(node_storage: &Path) -> Vec<PathBuf> {
    let mark = node_storage.join(storage::STORAGE_MARKER);
    let is_of_the_disk = |path: &PathBuf| path.file_name().is_some_and(|name| name == "lost+found");
    let remains: Vec<PathBuf> =
        storage::entries(node_storage).filter(|path| *path != mark && !is_of_the_disk(path)).collect();
    if remains.is_empty() {
        let _ = std::fs::remove_file(&mark);
        // Refused where a disk is mounted on it.
        let _ = std::fs::remove_dir(node_storage);
    }
    remains
}

/// Who listens, and does not interrupt.
struct Uninterrupted<'p>(&'p dyn Progress);

impl Progress for Uninterrupted<'_> {
    fn at(&self, verb: Verb, nodes: &[NodeId], moment: crate::progress::Moment) {
        self.0.at(verb, nodes, moment);
    }

    fn begins(&self, work: Work) {
        self.0.begins(work);
    }

    fn advances(&self, work: Work, finished: usize) {
        self.0.advances(work, finished);
    }

    fn ends(&self, work: Work) {
        self.0.ends(work);
    }
}
