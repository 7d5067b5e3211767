//! A cycle is observe → decide → execute → record, on one machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::clock::{Clock, Dice};
use crate::decide::{Refusal, Request, decide, decide_request, lack_of_room};
use crate::event::Event;
use crate::execute::{Execution, Executor};
use crate::host::firewall::Firewall;
use crate::node::{Node, UnixSeconds};
use crate::observe::host::disk_load;
use crate::observe::{HostError, Observer};
use crate::pause::BadReason;
use crate::plan::check::{Authority, check};
use crate::plan::{Action, Basis, Change, Plan, Violation};
use crate::progress::{Ongoing, Progress, Work};
use crate::removed;
use crate::report::{changes_text, violations_text};
use crate::settings::Config;
use crate::snapshot::{DiskLoad, Snapshot};
use crate::storage::{self, Claimant, Place, StorageError};
use crate::store::{Store, StoreError};
use wnm_pm::command::CommandRunner;
use wnm_pm::hint::{Hint, Hinted, Task};
use wnm_pm::process_manager::{ManagerError, ProcessManager};

mod adopt;
mod bring_back;
mod logs;
mod migrate;
mod observation;
mod pause;
mod relocate;
mod rollout;
mod signs;
mod uninstall;

pub use adopt::Untracked;
pub use bring_back::{BringBackError, WhichRemoved};
pub use logs::NodeLogs;
pub use pause::PauseChange;
pub use relocate::Rebuild;
pub use rollout::NoRollout;
pub use uninstall::Uninstalled;

/// Why a cycle came to nothing. What was stored before stays; nothing is half done.
#[derive(Debug, thiserror::Error)]
pub enum CycleError {
    /// The database could not be read or written.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The machine could not be measured.
    #[error(transparent)]
    Host(#[from] HostError),
    /// What was asked for cannot be done.
    #[error(transparent)]
    Refused(#[from] Refusal),
    /// The process manager cannot be used here.
    #[error(transparent)]
    Manager(#[from] ManagerError),
    /// The storage of the nodes cannot be used.
    #[error(transparent)]
    Storage(#[from] StorageError),
    /// There is no roll-out to which that could be done.
    #[error(transparent)]
    NoRollout(#[from] NoRollout),
    /// The reason for a pause cannot be kept.
    #[error(transparent)]
    BadReason(#[from] BadReason),
    /// A saved plan no longer holds.
    #[error("the machine has changed since the plan was made: {}", changes_text(.0))]
    Changed(Vec<Change>),
    /// A plan does what no plan may do.
    #[error("the plan is not allowed: {}", violations_text(.0))]
    Invalid(Vec<Violation>),
}

impl Hinted for CycleError {
    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Store(error) => error.hints(),
            Self::Refused(error) => error.hints(),
            Self::Host(error) => error.hints(),
            Self::Manager(error) => error.hints(),
            Self::Storage(error) => error.hints(),
            Self::NoRollout(_) => vec![Hint::run(Task::Rollout { word: "status".into() }).to("see what there is")],
            Self::BadReason(_) => vec![],
            Self::Changed(changes) if changes.iter().any(|change| matches!(change, Change::Paused(_))) => {
                vec![Hint::run(Task::Resume).to("end the pause")]
            }
            Self::Changed(_) | Self::Invalid(_) => vec![Hint::run(Task::Plan { out: None }).to("make a new one")],
        }
    }
}

/// One machine: its settings, its database and the doors to it.
pub struct Machine {
    pub(crate) parts: Parts,
}

/// What a machine is made of.
pub struct Parts {
    /// The settings.
    pub config: Config,
    /// The database. Whoever changes it holds its lock.
    pub store: Store,
    /// What keeps the nodes alive.
    pub manager: Box<dyn ProcessManager>,
    /// What lets the nodes' ports into this machine.
    pub firewall: Arc<dyn Firewall>,
    /// Runs programs.
    pub runner: Arc<dyn CommandRunner>,
    /// Sees the machine itself.
    pub observer: Arc<dyn Observer>,
    /// Tells the time.
    pub clock: Arc<dyn Clock>,
    /// Draws what is left to chance.
    pub dice: Arc<dyn Dice>,
}

/// What was seen of the machine, reconciled, and what has to be recorded for that.
#[derive(Debug, Clone)]
pub struct Observation {
    /// What is known now.
    pub snapshot: Snapshot,
    /// What follows from it for the database.
    pub events: Vec<Event>,
    /// What could not be seen, a sentence each.
    pub warnings: Vec<String>,
    /// Why nothing is known of any node, where the process manager cannot be used at all.
    pub unavailable: Option<ManagerError>,
    /// What does not answer, so that nothing is known that lies on a disk.
    pub hanging: Option<StorageError>,
}

/// What a plan is wanted for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trigger {
    /// What a cycle decides.
    Cycle,
    /// What the owner asks for.
    Request(Request),
}

/// What became of a plan, with the plan.
#[derive(Debug, Clone, PartialEq)]
pub struct Report {
    /// What was to be done.
    pub plan: Plan,
    /// What was done.
    pub execution: Execution,
    /// What could not be seen, and what was seen to be wrong since the last time, a sentence each.
    pub warnings: Vec<String>,
}

impl Observation {
    /// Refuses to go on with what is not known because a disk does not answer.
    ///
    /// # Errors
    /// [`CycleError::Storage`] with the place.
    pub fn answers(&self) -> Result<(), CycleError> {
        self.hanging.clone().map_or(Ok(()), |error| Err(error.into()))
    }
}

impl Machine {
    /// A machine of these parts.
    #[must_use]
    pub fn new(parts: Parts) -> Self {
        Self { parts }
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        &self.parts.config
    }

    /// The database, to read it.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.parts.store
    }

    /// What keeps the nodes alive.
    #[must_use]
    pub fn manager(&self) -> &dyn ProcessManager {
        &*self.parts.manager
    }

    /// The parts themselves, for whoever puts machines together.
    pub fn parts_mut(&mut self) -> &mut Parts {
        &mut self.parts
    }

    /// Looks at the machine and all its nodes. Records nothing.
    ///
    /// # Errors
    /// When the database cannot be read, or the machine cannot be measured.
    pub async fn observe(&self, progress: &dyn Progress) -> Result<Observation, CycleError> {
        observation::observe(self, self.parts.dice.roll(), progress).await
    }

    /// What should happen. Pure.
    ///
    /// # Errors
    /// When a request is refused.
    pub fn plan(&self, observation: &Observation, trigger: &Trigger) -> Result<Plan, Refusal> {
        match trigger {
            Trigger::Cycle => Ok(decide(&self.parts.config, &observation.snapshot)),
            Trigger::Request(request) => decide_request(&self.parts.config, &observation.snapshot, request),
        }
    }

    /// Looks, decides, does and records.
    ///
    /// # Errors
    /// See [`CycleError`].
    pub async fn run(&mut self, trigger: &Trigger, progress: &dyn Progress) -> Result<Report, CycleError> {
        self.claim().await?;
        let observation = self.observe(progress).await?;
        observation.answers()?;
        let plan = self.plan(&observation, trigger)?;
        self.carry_out(observation, plan, progress).await
    }

    /// Carries out a plan that was saved, if nothing that it rests on has changed since.
    ///
    /// # Errors
    /// [`CycleError::Changed`] with all that has changed; then nothing is done.
    pub async fn apply(&mut self, saved: Plan, progress: &dyn Progress) -> Result<Report, CycleError> {
        self.claim().await?;
        let observation = self.observe(progress).await?;
        self.still_holds(&observation, &saved)?;
        self.carry_out(observation, saved, progress).await
    }

    /// Whether a saved plan may be carried out on what is seen now.
    ///
    /// # Errors
    /// [`CycleError::Changed`] and [`CycleError::Invalid`].
    pub fn still_holds(&self, observation: &Observation, saved: &Plan) -> Result<(), CycleError> {
        observation.answers()?;
        let mut changes = saved.basis.changes(&Basis::of(&self.parts.config, &observation.snapshot));
        // The pause is no part of it either: what a cycle decides does not outlast the owner's word.
        if !saved.by_request && saved.changes_anything() {
            changes.extend(observation.snapshot.pause.clone().map(Change::Paused));
        }
        // The load is no part of what a plan rests on, since it is never the same twice. The owner's word stands above it.
        if !saved.by_request && saved.grows() {
            changes.extend(lack_of_room(&self.parts.config, &observation.snapshot).into_iter().map(Change::NoRoom));
        }
        if changes.is_empty() { self.may_be_done(observation, saved) } else { Err(CycleError::Changed(changes)) }
    }

    fn may_be_done(&self, observation: &Observation, plan: &Plan) -> Result<(), CycleError> {
        let authority = if plan.by_request { Authority::Owner } else { Authority::Cycle };
        let wrong = check(&self.parts.config, &observation.snapshot, plan, authority);
        if wrong.is_empty() { Ok(()) } else { Err(CycleError::Invalid(wrong)) }
    }

    /// Makes sure that everything answers that lies on a disk and belongs to this machine's nodes.
    ///
    /// # Errors
    /// When the database cannot be read, or with the place that does not answer.
    pub fn answers(&self) -> Result<(), CycleError> {
        Ok(self.reach(&self.parts.store.load()?.nodes)?)
    }

    /// Makes sure that everything answers that lies on a disk, these nodes' own directories too.
    pub(crate) fn reach(&self, nodes: &[Node]) -> Result<(), StorageError> {
        let config = &self.parts.config;
        let settings = [
            Place::new("log_dir", &config.log_dir),
            Place::new("bootstrap_cache_dir", &config.bootstrap_cache_dir),
            Place::new("antnode_path", &config.antnode_path),
        ];
        let of_node = |node: &Node| {
            let (root_dir, log_dir) = (&node.spec().root_dir, &node.spec().log_dir);
            let what = if config.node_storage.of(root_dir).is_some() { "node_storage" } else { "the directory" };
            [Place::new(what, root_dir), Place::new("log_dir", log_dir)]
        };
        let storages = config.node_storage.iter().map(|storage| Place::new("node_storage", storage));
        self.parts.observer.reach(storages.chain(settings).chain(nodes.iter().flat_map(of_node)).collect())
    }

    /// Makes sure that the storages answer, that no other database keeps its nodes there, and that nothing happens any more
    /// that an earlier wnm asked for: what is seen from now on stays so.
    async fn claim(&self) -> Result<(), CycleError> {
        self.reach(&[])?;
        let claimant = self.claimant()?;
        let mut storages = self.parts.config.node_storage.iter();
        storages.try_for_each(|storage| storage::claim(storage, &claimant, false))?;
        Ok(self.parts.manager.take_over().await?)
    }

    /// The disks that nodes lie on, as they are now.
    #[must_use]
    pub fn disks(&self) -> Vec<DiskLoad> {
        self.parts.config.node_storage.iter().map(disk_load).collect()
    }

    /// The storages whose mark is missing: their disks are away.
    fn unmarked(&self) -> Vec<PathBuf> {
        let storages = self.parts.config.node_storage.iter();
        storages.filter(|storage| !self.parts.observer.storage_is_marked(storage)).map(Path::to_owned).collect()
    }

    /// The database as the one whose nodes are in its storages.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn claimant(&self) -> Result<Claimant, StoreError> {
        Ok(Claimant::new(self.parts.store.path(), self.parts.store.load()?.initialised_at))
    }

    async fn carry_out(
        &mut self,
        observation: Observation,
        plan: Plan,
        progress: &dyn Progress,
    ) -> Result<Report, CycleError> {
        if let Some(error) = observation.unavailable {
            return Err(error.into());
        }
        self.may_be_done(&observation, &plan)?;
        let mut warnings = observation.warnings.clone();
        warnings.extend(observation::went_wrong(&observation));
        warnings.extend(self.settle_moves()?);
        let now = observation.snapshot.now;
        let writing = Ongoing::begin(progress, Work::WriteDatabase);
        self.parts.store.begin_cycle();
        self.parts.store.apply(now, &observation.events)?;
        self.parts.store.apply(now, &[decided(&plan)])?;
        let may_change = plan.by_request || observation.snapshot.pause.is_none();
        if may_change {
            self.expire_removed(now)?;
        }
        drop(writing);
        let nodes: Vec<Node> = observation.snapshot.nodes.into_iter().map(|each| each.node).collect();
        if may_change {
            self.parts.manager.tidy(&nodes.iter().map(Node::reference).collect::<Vec<_>>()).await;
        }
        let unmarked = self.unmarked();
        let mut executor = Executor {
            config: &self.parts.config,
            manager: &*self.parts.manager,
            firewall: &*self.parts.firewall,
            store: &mut self.parts.store,
            observer: &*self.parts.observer,
            clock: &*self.parts.clock,
            progress,
            rollouts: observation.snapshot.rollouts.unwrap_or_default(),
            unmarked,
        };
        let execution = executor.execute(&plan, nodes).await?;
        let tears_down = plan.actions.iter().any(|action| matches!(action, Action::Teardown { .. }));
        if tears_down && execution.succeeded() && execution.left.is_empty() {
            let claimant = self.claimant()?;
            self.parts.config.node_storage.iter().for_each(|storage| storage::release(storage, &claimant));
        }
        if plan.actions.contains(&Action::Resurvey) {
            let boot_time = observation.snapshot.boot_time;
            self.parts.store.apply(now, &[Event::Rebooted { boot_time }])?;
        }
        Ok(Report { plan, execution, warnings })
    }
}

impl Machine {
    /// Lets go of what is kept of nodes that were removed long enough ago.
    fn expire_removed(&mut self, now: UnixSeconds) -> Result<(), StoreError> {
        let before = now.saturating_sub(removed::seconds(self.parts.config.keep_removed_days));
        match self.parts.store.oldest_removal()? {
            Some(oldest) if oldest < before => self.parts.store.apply(now, &[Event::IdentitiesExpired { before }]),
            _ => Ok(()),
        }
    }
}

fn decided(plan: &Plan) -> Event {
    let words = |action: &Action| match action.step() {
        Some((verb, id)) => format!("{verb} {}", id.name()),
        None => action.verb().to_owned(),
    };
    Event::Decided { actions: plan.actions.iter().map(words).collect(), reasons: plan.reasons.clone() }
}
