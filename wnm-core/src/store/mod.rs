//! The store is the database of one machine: what is settled about its nodes, and what happened to them. It takes events,
//! each slice of them in one transaction, and is the only place with SQL.

mod apply;
mod cell;
mod copy;
mod error;
mod history;
mod open;
mod reserve;
mod tables;

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

use rusqlite::{Connection, TransactionBehavior};

use crate::event::Event;
use crate::identity::Key;
use crate::node::{Node, NodeId, UnixSeconds};
use crate::pause::CyclePause;
use crate::relocation::Move;
use crate::removed::Removed;
use crate::rolling::Rolling;
use crate::rollout::Rollouts;
use crate::snapshot::Counters;
use wnm_pm::container_host::Group;

pub use error::{Problem, StoreError};
pub use history::{Decision, EventKind, HistoryEntry, HistoryFilter};

/// All that is stored about a machine, but its history.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct StoredState {
    /// Whether the machine is initialised.
    pub initialised: bool,
    /// When it was.
    pub initialised_at: Option<UnixSeconds>,
    /// The settings that were given, as text.
    pub settings: BTreeMap<String, String>,
    /// The boot after which all nodes were last observed; 0 before the machine is initialised.
    pub last_surveyed_boot: UnixSeconds,
    /// When everything was taken down; none unless that was the last thing that happened to this machine.
    pub torn_down_at: Option<UnixSeconds>,
    /// The rolling step that goes on, or was interrupted.
    pub rolling: Option<Rolling>,
    /// The owner's pause of the cycles, also one whose time has passed since.
    pub pause: Option<CyclePause>,
    /// The highest number that any node had since the last teardown.
    pub highest_number_used: u32,
    /// The machine's counters when last read.
    pub counters: Option<Counters>,
    /// The nodes, by number.
    pub nodes: Vec<Node>,
    /// The container groups, by number.
    pub groups: Vec<Group>,
    /// What is known of how new programs do.
    pub rollouts: Rollouts,
    /// What is remembered about versions of programs, in a format of its owner.
    pub version_cache: Option<String>,
    /// What is kept of nodes that answer no questions, in a format of its owner.
    pub signs: BTreeMap<NodeId, String>,
    /// Moves of nodes to other disks that have begun and not ended, by number.
    pub moves: Vec<Move>,
}

impl StoredState {
    /// The numbers that no new node gets, as they are in the database now.
    #[must_use]
    pub fn withheld_numbers(&self) -> BTreeSet<u32> {
        let text = self.settings.get(WITHHELD_NUMBERS).map_or("", String::as_str);
        text.split_whitespace().filter_map(|word| word.parse().ok()).collect()
    }
}

/// The setting that lists the numbers that no new node gets.
pub(crate) const WITHHELD_NUMBERS: &str = "withheld_numbers";

/// The database of one machine, in SQLite.
///
/// Only the holder of the database's [`crate::lock::Lock`] may create or change it; reading needs no lock.
#[derive(Debug)]
pub struct Store {
    /// Shared between threads, so that a machine can be.
    connection: Mutex<Connection>,
    path: PathBuf,
    cycle: Option<i64>,
}

impl Store {
    /// Creates an empty database, and its directory where it is missing, for this user only.
    ///
    /// # Errors
    /// [`Problem::Exists`] where anything is at `path`; whatever keeps a file from being written there.
    pub fn create(path: &Path) -> Result<Self, StoreError> {
        open::create(path).map_err(|problem| problem.at(path))?;
        Self::open(path)
    }

    /// Opens a database, and migrates it to the schema version of this wnm. A megabyte is reserved beside it while there is
    /// room, and given up when there is none, so that it can be written on a full disk.
    ///
    /// # Errors
    /// A file that is missing, damaged, another program's, newer, locked or out of reach: each its own [`Problem`].
    pub fn open(path: &Path) -> Result<Self, StoreError> {
        reserve::abandon(path);
        let store = Self::with(path, open::open(path))?;
        reserve::keep(path);
        Ok(store)
    }

    /// Opens a database for reading only: while another wnm writes it, and on read-only storage.
    ///
    /// # Errors
    /// As [`Self::open`]; also [`Problem::Older`], since reading does not migrate.
    pub fn open_read_only(path: &Path) -> Result<Self, StoreError> {
        Self::with(path, open::open_read_only(path))
    }

    fn with(path: &Path, connection: Result<Connection, Problem>) -> Result<Self, StoreError> {
        let connection = connection.map_err(|problem| problem.at(path))?;
        Ok(Self { connection: Mutex::new(connection), path: path.to_owned(), cycle: None })
    }

    /// A panic elsewhere leaves a database as it was before its transaction.
    fn connection(&self) -> MutexGuard<'_, Connection> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Where the database lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Everything that is stored, as it was at one moment.
    ///
    /// # Errors
    /// [`Problem::BadValue`] for a value, or a mix of values, that wnm does not write; damage found while reading.
    pub fn load(&self) -> Result<StoredState, StoreError> {
        let load = || {
            let connection = self.connection();
            let moment = connection.unchecked_transaction()?;
            tables::load(&moment)
        };
        load().map_err(|problem| problem.at(&self.path))
    }

    /// Records what happened at `at`: all of it or, where any of it cannot be, nothing.
    ///
    /// # Errors
    /// [`Problem::NumberTaken`] and [`Problem::Twice`] for nodes that contradict what is stored; whatever keeps the
    /// database from being written.
    pub fn apply(&mut self, at: UnixSeconds, events: &[Event]) -> Result<(), StoreError> {
        self.apply_all(at, events).map_err(|problem| problem.at(&self.path))
    }

    fn apply_all(&mut self, at: UnixSeconds, events: &[Event]) -> Result<(), Problem> {
        let transaction = self
            .connection
            .get_mut()
            .unwrap_or_else(PoisonError::into_inner)
            .transaction_with_behavior(TransactionBehavior::Immediate)?;
        let cycle = match self.cycle {
            Some(cycle) => cycle,
            None => history::next_cycle(&transaction)?,
        };
        for event in events {
            if apply::apply(&transaction, at, event)? {
                history::write(&transaction, at, cycle, event)?;
            }
        }
        if events.iter().any(|event| matches!(event, Event::Decided { .. })) {
            history::prune(&transaction)?;
        }
        transaction.commit()?;
        self.cycle = Some(cycle);
        Ok(())
    }

    /// What is kept of nodes that were removed, the latest first.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn removed(&self) -> Result<Vec<Removed>, StoreError> {
        tables::removed::read(&self.connection()).map_err(|problem| problem.at(&self.path))
    }

    /// The key that is kept of a removed node, by what [`Self::removed`] calls it.
    pub(crate) fn removed_key(&self, id: i64) -> Result<Option<Key>, StoreError> {
        tables::removed::key(&self.connection(), id).map_err(|problem| problem.at(&self.path))
    }

    /// When the first of the nodes was removed that something is kept of.
    pub(crate) fn oldest_removal(&self) -> Result<Option<UnixSeconds>, StoreError> {
        tables::removed::oldest(&self.connection()).map_err(|problem| problem.at(&self.path))
    }

    /// Begins a new cycle in the history. An opened store begins one by itself.
    pub fn begin_cycle(&mut self) {
        self.cycle = None;
    }

    /// Moves of nodes to other disks that have begun and not ended.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn moves(&self) -> Result<Vec<Move>, StoreError> {
        tables::moves::read(&self.connection()).map_err(|problem| problem.at(&self.path))
    }

    /// What happened, newest first.
    ///
    /// # Errors
    /// As [`Self::load`].
    pub fn history(&self, filter: &HistoryFilter) -> Result<Vec<HistoryEntry>, StoreError> {
        history::read(&self.connection(), filter).map_err(|problem| problem.at(&self.path))
    }
}
