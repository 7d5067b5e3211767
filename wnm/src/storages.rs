//! Further disks for nodes, and disks that nodes are not to lie on any more.

use std::path::{Path, PathBuf};

use wnm_core::machine::CycleError;
use wnm_core::node::NodeId;
use wnm_core::progress::Progress;
use wnm_core::relocation::{Relocated, Relocation};
use wnm_core::settings::{Config, Occasion, Origin};
use wnm_core::snapshot::DiskLoad;
use wnm_core::storage::{self, Place};
use wnm_pm::path_policy::resolve;

use crate::Error;
use crate::machine::{Machine, runner};
use crate::managers::manager;

impl Machine {
    /// The disks that nodes lie on, as they are now. Changes nothing.
    #[must_use]
    pub fn disks(&self) -> Vec<DiskLoad> {
        self.inner().disks()
    }

    /// Moves the nodes of a storage to another disk: they are stopped, copied, compared, recorded, started again, and only
    /// then deleted where they were. Interrupted at any moment, the next call goes on. With `dry_run` nothing is changed.
    ///
    /// # Errors
    /// With everything that is in the way; the nodes are where they were.
    pub async fn move_storage(
        &mut self,
        relocation: &Relocation,
        dry_run: bool,
        progress: &dyn Progress,
    ) -> Result<Relocated, Error> {
        let origin = self.origins().of("node_storage").clone();
        if !matches!(origin, Origin::Database | Origin::Default) {
            return Err(Error::NamedElsewhere { origin: origin.to_string() });
        }
        let storages = self.config().node_storage.clone();
        let from = relocation.from.clone().unwrap_or_else(|| storages.first().to_owned());
        // What it comes to has to be allowed, and what it is meanwhile.
        for storages in [storages.with_behind(&from, &relocation.to), storages.replacing(&from, &relocation.to)] {
            let mut settings = self.inner().store().load()?.settings;
            settings.insert("node_storage".to_owned(), storages.to_string());
            self.options().overlay(Occasion::Use, [], settings)?;
        }
        let runner = runner();
        let rebuild = |config: &Config| manager(config, &runner);
        Ok(self.inner_mut().relocate(relocation, dry_run, &rebuild, progress).await?)
    }

    /// Refuses storages that leave nodes behind. With `dry_run` that is all; else new ones are made and marked, and those
    /// that are left out are released.
    pub(crate) fn change_storages(&self, after: &Config, dry_run: bool) -> Result<(), Error> {
        let (before, after_) = (self.config().node_storage.clone(), &after.node_storage);
        if before == *after_ {
            return Ok(());
        }
        let stored = self.inner().store().load()?;
        let left_out: Vec<PathBuf> =
            before.iter().filter(|storage| !after_.contains(storage)).map(Path::to_owned).collect();
        for storage in &left_out {
            let real = resolve(storage);
            let lives_there = |node: &&wnm_core::node::Node| resolve(&node.spec().root_dir).starts_with(&real);
            let nodes: Vec<NodeId> = stored.nodes.iter().filter(lives_there).map(|node| node.id()).collect();
            if !nodes.is_empty() {
                return Err(Error::StorageInUse { storage: storage.clone(), nodes });
            }
        }
        if after.process_manager.uses_containers() && before.first() != after_.first() && !stored.groups.is_empty() {
            return Err(Error::FirstStorage { first: before.first().to_owned() });
        }
        if dry_run {
            return Ok(());
        }
        let places = after_.iter().map(|storage| Place::new("node_storage", storage)).collect();
        storage::reach(places).map_err(CycleError::from)?;
        let claimant = self.inner().claimant()?;
        for new in after_.iter().filter(|storage| !before.contains(storage)) {
            storage::prepare_like(new, before.first(), &claimant).map_err(CycleError::from)?;
        }
        left_out.iter().for_each(|storage| storage::release(storage, &claimant));
        Ok(())
    }
}
