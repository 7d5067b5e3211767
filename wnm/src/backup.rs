//! Backups: made of an open machine, read by anybody, restored where no machine is.

use std::path::Path;

use wnm_core::backup::{self, Backup, BackupError, Made, Restored, Source, Target};
use wnm_core::clock::{Clock, SystemClock};
use wnm_core::lock::Lock;
use wnm_core::machine::CycleError;
use wnm_core::observe::{Observer, ThisMachine, means};
use wnm_core::progress::{Ongoing, Progress, Work, during};
use wnm_core::settings::Occasion;
use wnm_core::storage;

use crate::machine::{Machine, make_directory, places, refuse_another_user, runner};
use crate::managers::manager;
use crate::{Error, Options};

/// What a restore may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Restore {
    /// Restore a backup of another machine too. That machine must not run these nodes any more: two with the same
    /// identities harm both.
    pub from_other_machine: bool,
    /// Only say what would be restored.
    pub dry_run: bool,
}

/// Reads a backup and checks every digest, every key and the database.
///
/// # Errors
/// [`BackupError::Damaged`] with everything that is wrong with it.
pub fn read_backup(path: &Path, progress: &dyn Progress) -> Result<Backup, BackupError> {
    let _reading = Ongoing::begin(progress, Work::ReadBackup);
    backup::read(path)
}

impl Machine {
    /// Backs up the nodes' keys and the database, to a new place or over an older backup. Nodes may run meanwhile. With
    /// `dry_run` all of it is read and nothing is written.
    ///
    /// # Errors
    /// When the place is not free, a node that has run has no whole key, or something cannot be read or written. An older
    /// backup is as it was then.
    pub fn back_up(&self, path: &Path, dry_run: bool, progress: &dyn Progress) -> Result<Made, Error> {
        let _writing = Ongoing::begin(progress, Work::WriteBackup);
        self.inner().answers()?;
        let source = Source { store: self.inner().store(), config: self.config(), now: SystemClock.now() };
        Ok(source.back_up(path, dry_run)?)
    }

    /// Restores a backup where no nodes are: their keys, and the database that says what they are. They come up with the
    /// next cycles.
    ///
    /// # Errors
    /// When the backup is damaged or another machine's, or nodes or their keys are there already. Nothing is overwritten.
    pub async fn restore(
        options: &Options,
        path: &Path,
        restore: Restore,
        progress: &dyn Progress,
    ) -> Result<Restored, Error> {
        means::check().map_err(CycleError::from)?;
        let backup = read_backup(path, progress)?;
        let (config, _) = options.overlay(Occasion::Use, [], backup.stored.settings.clone())?;
        let manager = manager(&config, &runner())?;
        let capabilities = manager.capabilities();
        let known = options.database_path();
        let database = if known.exists() { known } else { options.new_database_path(&config) };
        refuse_another_user(&database, options.facts().euid)?;
        storage::reach(places(&config)).map_err(CycleError::from)?;
        let target = |owner| Target {
            config: &config,
            capabilities,
            database: &database,
            owner,
            from_other_machine: restore.from_other_machine,
        };
        let now = SystemClock.now();
        if restore.dry_run {
            return Ok(target(None).check(&backup, now)?);
        }
        let shares = !capabilities.runs_nodes_as_caller;
        make_directory(database.parent().unwrap_or(Path::new("")), shares)?;
        let _lock = Lock::acquire(&database, "wnm restore")?;
        target(None).check(&backup, now)?;
        config.node_storage.iter().try_for_each(|storage| make_directory(storage, shares))?;
        let observer = ThisMachine::new(runner());
        let measuring = observer.host(None, config.node_storage.first(), now);
        let counters = during(progress, Work::MeasureMachine, measuring).await.map_err(CycleError::from)?.counters;
        let owner = manager.owner().await?;
        let _writing = Ongoing::begin(progress, Work::RestoreBackup);
        Ok(target(owner).restore(&backup, now, &counters)?)
    }
}
