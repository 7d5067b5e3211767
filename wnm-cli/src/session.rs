//! A session is one run of wnm on one machine: settings laid over each other, the record opened, the lock held where
//! something may change.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use wnm_core::clock::SystemClock;
use wnm_core::cycle::Machine;
use wnm_core::firewall::firewall;
use wnm_core::lock::Lock;
use wnm_core::progress::{Ongoing, Progress, Work};
use wnm_core::settings::{Facts, Layers, Occasion, Origins, base_dirs, config_file, overlay};
use wnm_core::store::{Problem, Store, StoreError};
use wnm_pm::command::{CommandRunner, SystemRunner};
use wnm_pm::process_manager::{ManagerKind, Mode};

use crate::arguments::{Common, Flags};
use crate::exit::Failure;
use crate::managers;
use crate::progress::Watch;

/// The name of the record's file.
const DATABASE: &str = "colony.db";
/// Variables that begin as settings' do and are none.
const OTHER_VARIABLES: &[&str] = &["WNM_DATABASE", "WNM_CONFIG", "WNM_LOG", "WNM_ANTNODE", "WNM_ANTCTL"];

/// Whether a session may change the record.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Access {
    /// It looks only: no lock is needed.
    Read,
    /// It may change things: nobody else may at the same time.
    Change,
}

/// What was given on the command line, in the environment and in the config file.
pub(crate) struct Given {
    pub facts: Facts,
    pub layers: Layers,
    database: Option<PathBuf>,
    silent: bool,
    listener: Arc<dyn Progress>,
}

impl Given {
    /// Reads the environment and the config file.
    pub(crate) fn gather(common: &Common, flags: Flags, listener: &Arc<dyn Progress>) -> Result<Self, Failure> {
        let facts = Facts::gather()?;
        let mut layers = Layers::default().flags(flags).environment(std::env::vars_os(), OTHER_VARIABLES);
        let (path, required) = match &common.config {
            Some(path) => (path.clone(), true),
            None => (config_file(&facts), false),
        };
        match std::fs::read_to_string(&path) {
            Ok(text) => layers = layers.file(&path, &text),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound && !required => {}
            Err(error) => {
                return Err(Failure::Usage(format!("cannot read the config file {}: {error}", path.display())));
            }
        }
        let (database, silent) = (common.database.clone(), common.quiet || common.json);
        Ok(Self { facts, layers, database, silent, listener: Arc::clone(listener) })
    }

    /// Shows a person at a terminal what wnm is at from now on.
    pub(crate) fn watch(&self) -> Watch {
        Watch::begin(self.silent, &self.listener)
    }

    fn named_mode(&self) -> Option<Mode> {
        let (text, _) = self.layers.winner("process_manager")?;
        text.trim().parse::<ManagerKind>().ok().map(|kind| kind.mode)
    }

    /// Where the record lies: where it was said to, or in the first usual place that has one.
    pub(crate) fn database(&self) -> PathBuf {
        if let Some(database) = &self.database {
            return database.clone();
        }
        let places: Vec<PathBuf> =
            base_dirs(&self.facts, self.named_mode()).into_iter().map(|directory| directory.join(DATABASE)).collect();
        let existing = places.iter().find(|path| path.exists());
        existing.or(places.first()).cloned().unwrap_or_else(|| PathBuf::from(DATABASE))
    }

    /// Where a new record belongs.
    pub(crate) fn new_database(&self, mode: Mode) -> PathBuf {
        let usual = || wnm_core::settings::base_dir(&self.facts, mode).join(DATABASE);
        self.database.clone().unwrap_or_else(usual)
    }
}

/// One run of wnm on one machine.
pub(crate) struct Session {
    pub machine: Machine,
    pub origins: Origins,
    /// Held until the session ends.
    _lock: Option<Lock>,
}

impl Session {
    /// Opens the record in its place.
    pub(crate) fn open(given: &Given, access: Access, progress: &dyn Progress) -> Result<Self, Failure> {
        let _reading = Ongoing::begin(progress, Work::ReadDatabase);
        let database = given.database();
        let (lock, store) = match access {
            Access::Read => (None, Store::open_read_only(&database)?),
            // What is not there is told by the store, in better words than the lock has.
            Access::Change if matches!(database.try_exists(), Ok(false)) => return Err(not_there(&database)),
            Access::Change => (Some(Lock::acquire(&database, "wnm")?), Store::open(&database)?),
        };
        Self::with_store(given, lock, store, &database)
    }

    pub(crate) fn with_store(given: &Given, lock: Option<Lock>, store: Store, path: &Path) -> Result<Self, Failure> {
        let record = store.load()?;
        if !record.initialised {
            return Err(Failure::NotInitialised(path.to_owned()));
        }
        let layers = given.layers.clone().database(record.settings);
        let (config, origins) = overlay(&given.facts, Occasion::Use, &layers)?;
        let runner: Arc<dyn CommandRunner> = Arc::new(SystemRunner);
        let manager = managers::manager(&config, &runner)?;
        let firewall = firewall(config.firewall, &runner);
        let machine = Machine { config, store, manager, firewall, runner, clock: Arc::new(SystemClock) };
        Ok(Self { machine, origins, _lock: lock })
    }
}

fn not_there(database: &Path) -> Failure {
    Failure::Store(StoreError { path: database.to_owned(), problem: Problem::Missing })
}
