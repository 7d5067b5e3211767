//! A machine as a program sees it: opened in an order that a crash at any point forgives, and locked while it may change.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use wnm_core::clock::{Clock, RandomDice, SystemClock};
use wnm_core::event::Event;
use wnm_core::host::doctor;
use wnm_core::host::firewall::firewall;
use wnm_core::lock::Lock;
use wnm_core::machine::{
    self, CycleError, NodeLogs, Observation, Parts, PauseChange, Report, Trigger, Uninstalled, Untracked, WhichRemoved,
};
use wnm_core::migration::{Direction, Migration};
use wnm_core::node::{Node, NodeId};
use wnm_core::observe::{Observer, ThisMachine, means};
use wnm_core::pause::CyclePause;
use wnm_core::plan::Plan;
use wnm_core::progress::{Ongoing, Progress, Work, during};
use wnm_core::removed::Removed;
use wnm_core::rolling::Rolling;
use wnm_core::settings::{Config, Lifetime, Occasion, Origins, lookup, to_record};
use wnm_core::storage::{self, Claimant, Place};
use wnm_core::store::{HistoryEntry, HistoryFilter, Problem, Store, StoreError};
use wnm_pm::batch::Outcomes;
use wnm_pm::command::{CommandRunner, SystemRunner};
use wnm_pm::container_host::{Group, Usage};
use wnm_pm::hint::{Hint, Task};
use wnm_pm::logs::LogReader;
use wnm_pm::node_files;
use wnm_pm::process_manager::{Capabilities, Finding, ManagerKind, Mode};
use wnm_pm::user::User;

use crate::managers::manager;
use crate::{Error, Options, mixed};

/// A machine full of nodes, or about to be.
pub struct Machine {
    inner: machine::Machine,
    origins: Origins,
    options: Options,
    /// Held while the machine may be changed.
    _lock: Option<Lock>,
}

impl Machine {
    /// Initialises a machine: makes its database and the storage of its nodes. One that was interrupted goes on.
    ///
    /// # Errors
    /// When the settings are wrong, the process manager cannot be had, or the machine is initialised already.
    pub async fn init(options: &Options, progress: &dyn Progress) -> Result<Self, Error> {
        let (config, origins) = options.new_config()?;
        means::check().map_err(CycleError::from)?;
        // A manager that cannot be had here is reported before anything is written.
        let shares = !manager(&config, &runner())?.capabilities().runs_nodes_as_caller;
        let path = options.new_database_path(&config);
        storage::reach(places(&config)).map_err(CycleError::from)?;
        mixed::refuse(&config).await?;
        make_directory(path.parent().unwrap_or(Path::new("")), shares)?;
        let lock = Lock::acquire(&path, "wnm init")?;
        let is_there = is_there(&path);
        if is_there && !is_free(&path)? {
            return Err(StoreError { path, problem: Problem::Exists }.into());
        }
        let claimant = Claimant::new(&path, None);
        for storage in config.node_storage.iter() {
            make_directory(storage, shares)?;
            storage::prepare(storage).map_err(CycleError::from)?;
            storage::claim(storage, &claimant, options.takes_over()).map_err(CycleError::from)?;
        }
        let mut store = if is_there { Store::open(&path)? } else { Store::create(&path)? };
        let (now, observer) = (SystemClock.now(), ThisMachine::new(runner()));
        let measuring = observer.host(None, config.node_storage.first(), now);
        let measured = during(progress, Work::MeasureMachine, measuring).await;
        let counters = measured.map_err(CycleError::from)?.counters;
        let initialised = Event::Initialised { settings: to_record(&config, &origins), boot_time: counters.boot_time };
        store.apply(now, &[initialised, Event::Measured { counters }])?;
        Self::with_store(options.clone(), Some(lock), store, &path)
    }

    /// Whether a machine is initialised, or is about to be, where [`Machine::init`] would put it.
    ///
    /// # Errors
    /// When its database is there and cannot be read.
    pub fn is_initialised(options: &Options) -> Result<bool, Error> {
        let (config, _) = options.new_config()?;
        let path = options.new_database_path(&config);
        Ok(is_there(&path) && stands(&path)?)
    }

    /// Opens a machine to change it. Nobody else can until this is dropped.
    ///
    /// # Errors
    /// When it is not initialised, another process is at work on it, or the settings are wrong.
    pub fn open(options: &Options, progress: &dyn Progress) -> Result<Self, Error> {
        let _reading = Ongoing::begin(progress, Work::ReadDatabase);
        let path = options.database_path();
        // What is not there is reported by the store, in better words than the lock has.
        if matches!(path.try_exists(), Ok(false)) {
            return Err(StoreError { path, problem: Problem::Missing }.into());
        }
        means::check().map_err(CycleError::from)?;
        refuse_another_user(&path, options.facts().euid)?;
        let lock = Lock::acquire(&path, "wnm")?;
        let store = Store::open(&path)?;
        Self::with_store(options.clone(), Some(lock), store, &path)
    }

    /// Opens a machine to look at it; others may change it meanwhile. What would change something fails.
    ///
    /// # Errors
    /// When it is not initialised, or the settings are wrong.
    pub fn open_read_only(options: &Options, progress: &dyn Progress) -> Result<Self, Error> {
        let _reading = Ongoing::begin(progress, Work::ReadDatabase);
        let path = options.database_path();
        means::check().map_err(CycleError::from)?;
        let store = Store::open_read_only(&path)?;
        Self::with_store(options.clone(), None, store, &path)
    }

    fn with_store(options: Options, lock: Option<Lock>, store: Store, path: &Path) -> Result<Self, Error> {
        let recorded = store.load()?;
        if !recorded.initialised {
            return Err(Error::NotInitialised(path.to_owned()));
        }
        let (config, origins) = options.overlay(Occasion::Use, [], recorded.settings)?;
        let runner = runner();
        let inner = machine::Machine::new(Parts {
            manager: manager(&config, &runner)?,
            firewall: firewall(config.firewall, &runner),
            observer: Arc::new(ThisMachine::new(Arc::clone(&runner))),
            clock: Arc::new(SystemClock),
            dice: Arc::new(RandomDice),
            config,
            store,
            runner,
        });
        Ok(Self { inner, origins, options, _lock: lock })
    }

    pub(crate) fn inner(&self) -> &machine::Machine {
        &self.inner
    }

    pub(crate) fn inner_mut(&mut self) -> &mut machine::Machine {
        &mut self.inner
    }

    pub(crate) fn options(&self) -> &Options {
        &self.options
    }

    /// The settings.
    #[must_use]
    pub fn config(&self) -> &Config {
        self.inner.config()
    }

    /// Where each setting comes from.
    #[must_use]
    pub fn origins(&self) -> &Origins {
        &self.origins
    }

    /// What its process manager can do.
    #[must_use]
    pub fn capabilities(&self) -> Capabilities {
        self.inner.manager().capabilities()
    }

    /// Where the database is.
    #[must_use]
    pub fn database(&self) -> &Path {
        self.inner.store().path()
    }

    /// The nodes as they are in the database; [`Machine::observe`] looks at them.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn nodes(&self) -> Result<Vec<Node>, Error> {
        Ok(self.inner.store().load()?.nodes)
    }

    /// Looks at the machine and all its nodes. Records nothing.
    ///
    /// # Errors
    /// When the database cannot be read, or the machine cannot be measured.
    pub async fn observe(&self, progress: &dyn Progress) -> Result<Observation, Error> {
        Ok(self.inner.observe(progress).await?)
    }

    /// What should happen. Changes nothing.
    ///
    /// # Errors
    /// When a request is refused.
    pub fn plan(&self, observation: &Observation, trigger: &Trigger) -> Result<Plan, Error> {
        observation.answers()?;
        Ok(self.inner.plan(observation, trigger)?)
    }

    /// Observes, decides, acts and records.
    ///
    /// # Errors
    /// When nothing could be observed, or a request is refused. What fails on single nodes is in the report.
    pub async fn run(&mut self, trigger: &Trigger, progress: &dyn Progress) -> Result<Report, Error> {
        Ok(self.inner.run(trigger, progress).await?)
    }

    /// Carries out a plan that was saved, if nothing that it rests on has changed since.
    ///
    /// # Errors
    /// With everything that has changed; then nothing is done.
    pub async fn apply(&mut self, saved: Plan, progress: &dyn Progress) -> Result<Report, Error> {
        Ok(self.inner.apply(saved, progress).await?)
    }

    /// Whether a saved plan may be carried out on what is observed now.
    ///
    /// # Errors
    /// With everything that has changed.
    pub fn still_holds(&self, observation: &Observation, saved: &Plan) -> Result<(), Error> {
        Ok(self.inner.still_holds(observation, saved)?)
    }

    /// The owner's pause of the cycles, while it lasts.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn cycle_pause(&self) -> Result<Option<CyclePause>, Error> {
        Ok(self.inner.cycle_pause()?)
    }

    /// Pauses the cycles, for so many seconds or until they are resumed: they look and record, and change nothing. Requests are
    /// still carried out. Where cycles are paused already, time and reason change. With `dry_run` nothing is recorded.
    ///
    /// # Errors
    /// When the reason is not a line of text, or the database cannot be written.
    pub fn pause_cycles(
        &mut self,
        seconds: Option<u64>,
        reason: Option<&str>,
        dry_run: bool,
    ) -> Result<PauseChange, Error> {
        Ok(self.inner.pause_cycles(seconds, reason, dry_run)?)
    }

    /// Ends the pause of the cycles, where there is one. With `dry_run` nothing is recorded.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn resume_cycles(&mut self, dry_run: bool) -> Result<PauseChange, Error> {
        Ok(self.inner.resume_cycles(dry_run)?)
    }

    /// Removes what wnm has put on this machine beside nodes: what its process manager made, and the marks of storages. The
    /// database stays, torn down. With `dry_run` nothing is changed.
    ///
    /// # Errors
    /// While nodes are recorded; what keeps a teardown from being carried out.
    pub async fn uninstall(&mut self, dry_run: bool, progress: &dyn Progress) -> Result<Uninstalled, Error> {
        Ok(self.inner.uninstall(dry_run, progress).await?)
    }

    /// Has a paused or ended roll-out go on: the version is tried again on the nodes where it failed. The observation shows it
    /// afterwards. With `dry_run` nothing is recorded.
    ///
    /// # Errors
    /// When no roll-out is paused or ended.
    pub fn resume_rollout(&mut self, observation: &mut Observation, dry_run: bool) -> Result<(), Error> {
        Ok(self.inner.resume_rollout(observation, dry_run)?)
    }

    /// Ends the roll-out: nodes that have yet to prove themselves get their previous program back with the next cycle. The
    /// observation shows it afterwards. With `dry_run` nothing is recorded.
    ///
    /// # Errors
    /// When there is none to end.
    pub fn abort_rollout(&mut self, observation: &mut Observation, dry_run: bool) -> Result<(), Error> {
        Ok(self.inner.abort_rollout(observation, dry_run)?)
    }

    /// The nodes of this machine's manager that are not in the database.
    ///
    /// # Errors
    /// When the manager cannot tell.
    pub async fn untracked(&self, observation: &Observation) -> Result<Vec<Untracked>, Error> {
        Ok(self.inner.untracked(observation).await?)
    }

    /// Moves all nodes from v1 to v2, the program at `antnode_path`, or back while none was started as v2. They keep numbers,
    /// wallets, node ports and directories; what they were is set aside there. With `dry_run` nothing is changed.
    ///
    /// # Errors
    /// With everything that is in the way; the nodes are what they were.
    pub async fn migrate_flavour(
        &mut self,
        direction: Direction,
        dry_run: bool,
        progress: &dyn Progress,
    ) -> Result<Migration, Error> {
        Ok(self.inner.migrate_flavour(direction, dry_run, progress).await?)
    }

    /// Takes untracked nodes into the database, all or none.
    ///
    /// # Errors
    /// When the database cannot be written.
    pub fn adopt(&mut self, observation: &Observation, untracked: &[Untracked]) -> Result<(), Error> {
        Ok(self.inner.adopt(observation, untracked)?)
    }

    /// The rolling step that goes on, or was interrupted.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn rolling(&self) -> Result<Option<Rolling>, Error> {
        Ok(self.inner.store().load()?.rolling)
    }

    pub(crate) fn record_rolling(&mut self, rolling: Option<Rolling>) -> Result<(), Error> {
        Ok(self.inner.parts_mut().store.apply(SystemClock.now(), &[Event::Rolling { rolling }])?)
    }

    /// What is kept of nodes that were removed, the latest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn removed(&self) -> Result<Vec<Removed>, Error> {
        Ok(self.inner.store().removed()?)
    }

    /// Puts a removed node's key in its place again and records the node, stopped: with its wallet, and with its number and
    /// ports where they are free. Whoever asks starts it ([`Machine::run`]). With `dry_run` nothing is changed.
    ///
    /// # Errors
    /// When nothing is kept of it, or there is no place for it.
    pub async fn bring_back(
        &mut self,
        which: &WhichRemoved,
        dry_run: bool,
        progress: &dyn Progress,
    ) -> Result<(Removed, Node), Error> {
        Ok(self.inner.bring_back(which, dry_run, progress).await?)
    }

    /// Everything on this machine that would keep nodes from working, now or later, the worst first. Changes nothing.
    pub async fn examine(&self) -> Vec<Finding> {
        doctor::examine(&self.inner).await
    }

    /// Where the logs of these nodes lie, in this order.
    ///
    /// # Errors
    /// When the database cannot be read, or a disk does not answer.
    pub fn logs(&self, nodes: &[NodeId]) -> Result<Vec<NodeLogs>, Error> {
        Ok(self.inner.logs(nodes)?)
    }

    /// Reads these logs: their last lines, and what comes after them.
    #[must_use]
    pub fn log_reader(&self, logs: &[NodeLogs]) -> LogReader {
        self.inner.log_reader(logs)
    }

    /// What happened, the latest first.
    ///
    /// # Errors
    /// When the database cannot be read.
    pub fn history(&self, filter: &HistoryFilter) -> Result<Vec<HistoryEntry>, Error> {
        Ok(self.inner.store().history(filter)?)
    }

    /// What the containers of these groups use now; nothing where nodes live in no containers.
    pub async fn usage(&self, groups: &[Group]) -> Outcomes<Usage, u32> {
        match self.inner.manager().containers() {
            Some(host) => host.usage(groups).await,
            None => Outcomes::none(),
        }
    }

    /// Sets settings for good; those without a value go back to their defaults. Answers with the settings as they are then.
    /// With `dry_run` they are only checked.
    ///
    /// # Errors
    /// When a setting does not exist, cannot change any more, or would not go together with the others.
    pub fn change_settings(
        &mut self,
        changes: &[(String, Option<String>)],
        dry_run: bool,
    ) -> Result<(Config, Origins), Error> {
        for (name, value) in changes {
            check_change(name, value.as_deref())?;
        }
        let before = self.inner.store().load()?.settings;
        let mut after = before.clone();
        for (name, value) in changes {
            match value {
                Some(value) => after.insert(name.clone(), value.clone()),
                None => after.remove(name),
            };
        }
        let set = changes.iter().filter_map(|(name, value)| Some((name.clone(), value.clone()?)));
        self.options.overlay(Occasion::Change, set, before)?;
        let settled = self.options.overlay(Occasion::Use, [], after)?;
        self.change_storages(&settled.0, dry_run)?;
        if !dry_run {
            let event = Event::SettingsChanged { changes: changes.to_vec() };
            self.inner.parts_mut().store.apply(SystemClock.now(), &[event])?;
        }
        Ok(settled)
    }
}

fn check_change(name: &str, value: Option<&str>) -> Result<(), Error> {
    let wrong = |reason, hint| Error::Setting { setting: name.to_owned(), reason, hint: Box::new(hint) };
    match lookup(name) {
        None => Err(wrong("is not a setting", Hint::run(Task::ShowSettings).to("list all settings"))),
        Some(setting) if value.is_none() && setting.lifetime == Lifetime::Settled => {
            let hint = Hint::change(setting.name).to("give it another value");
            Err(wrong("is recorded at init and has no default any more", hint))
        }
        Some(setting) if value.is_none() && setting.lifetime == Lifetime::Fixed => {
            let hint = Hint::text("leave it out; it can only change with a teardown and a new init");
            Err(wrong("is fixed once the machine is initialised", hint))
        }
        Some(_) => Ok(()),
    }
}

/// What has to answer before a machine is made.
pub(crate) fn places(config: &Config) -> Vec<Place> {
    let storages = config.node_storage.iter().map(|storage| Place::new("node_storage", storage));
    storages.chain([Place::new("log_dir", &config.log_dir)]).collect()
}

pub(crate) fn runner() -> Arc<dyn CommandRunner> {
    Arc::new(SystemRunner)
}

/// Whether there is something; what cannot be looked at is taken for there.
fn is_there(path: &Path) -> bool {
    path.try_exists().unwrap_or(true)
}

/// A user's own nodes run as that user: whoever else starts one, root included, leaves processes and files behind that the
/// owner can neither see nor touch.
pub(crate) fn refuse_another_user(database: &Path, user: u32) -> Result<(), Error> {
    let Ok(file) = std::fs::metadata(database) else { return Ok(()) };
    if file.uid() == user {
        return Ok(());
    }
    let settings = Store::open_read_only(database)?.load()?.settings;
    let kind = settings.get("process_manager").and_then(|text| text.parse::<ManagerKind>().ok());
    if kind.is_none_or(|kind| kind.mode != Mode::User) {
        return Ok(());
    }
    let name = |uid| User::with_id(uid).ok().flatten().map_or_else(|| format!("user {uid}"), |user| user.name);
    Err(Error::AnotherUsers { path: database.to_owned(), owner: name(file.uid()), user: name(user) })
}

/// Whether a database holds nothing that an initialisation would cost: no nodes and no container groups. One that was
/// interrupted left such a database, and so does a teardown.
fn is_free(database: &Path) -> Result<bool, Error> {
    let recorded = Store::open_read_only(database)?.load();
    Ok(recorded.is_ok_and(|recorded| recorded.nodes.is_empty() && recorded.groups.is_empty()))
}

/// Whether a machine was initialised and not torn down since.
fn stands(database: &Path) -> Result<bool, Error> {
    let recorded = Store::open_read_only(database)?.load();
    Ok(recorded.map_or(true, |recorded| recorded.initialised && recorded.torn_down_at.is_none()))
}

/// Nodes that run in the machine's name are another user's, who has to get through to them; nobody else sees more.
pub(crate) fn make_directory(directory: &Path, shares: bool) -> Result<(), Error> {
    let made = node_files::make_open(directory, if shares { 0o711 } else { 0o700 });
    made.map_err(|source| Error::Directory { path: directory.to_owned(), source })
}
