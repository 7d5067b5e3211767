//! Restoring: first everything is checked, then the keys are put in their places, and only then the database says that there
//! are nodes. Interrupted before that, the same backup can be restored again.

use std::fs;
use std::path::{Path, PathBuf};

use wnm_pm::flavour::Flavour;
use wnm_pm::path_policy;
use wnm_pm::process_manager::Capabilities;
use wnm_pm::program::write_whole;
use wnm_pm::user::Owner;

use super::machine_id::MachineName;
use super::manifest::digest;
use super::{Backup, BackupError};
use crate::event::Event;
use crate::identity;
use crate::node::{Contradiction, Node, Status, StoredNode, UnixSeconds, Verb};
use crate::settings::Config;
use crate::snapshot::Counters;
use crate::storage::{self, Claimant};
use crate::store::Store;

/// Notes in the storage which backup is being restored, so that its own keys are told from others.
const INTENTION: &str = ".wnm-restoring";

/// Where a backup is restored to. Whoever asks holds the database's lock.
pub struct Target<'t> {
    /// The settings that the machine will have.
    pub config: &'t Config,
    /// What its process manager can do.
    pub capabilities: Capabilities,
    /// The database, there or not.
    pub database: &'t Path,
    /// Whom nodes' files belong to, where that is not whoever restores.
    pub owner: Option<Owner>,
    /// Whether the backup may be of another machine.
    pub from_other_machine: bool,
}

/// What was restored, or would be.
#[derive(Debug, Clone, PartialEq)]
pub struct Restored {
    /// The database.
    pub database: PathBuf,
    /// The nodes, stopped.
    pub nodes: Vec<Node>,
    /// How many keys were put in their places.
    pub keys: usize,
}

impl Target<'_> {
    /// Refuses a backup that may not be restored here; answers with what would be. Changes nothing.
    ///
    /// # Errors
    /// See [`BackupError`].
    pub fn check(&self, backup: &Backup, now: UnixSeconds) -> Result<Restored, BackupError> {
        let path = || backup.path.clone();
        if !self.from_other_machine && !MachineName::own().is(&backup.manifest.machine) {
            return Err(BackupError::OtherMachine { path: path(), host: backup.manifest.machine.host.clone() });
        }
        if self.capabilities.places_nodes_itself {
            return Err(BackupError::OwnRegistry(self.config.process_manager.to_string()));
        }
        self.refuse_living()?;
        let nodes = backup.stored.nodes.iter().filter_map(|node| at_rest(node, now).transpose());
        let nodes = nodes.collect::<Result<Vec<Node>, BackupError>>()?;
        for node in &nodes {
            let reason = match path_policy::check(&self.config.node_storage, &node.reference()) {
                Err(error) => error.text(),
                Ok(()) if node.spec().root_dir.file_name() != Some(node.name().as_ref()) => {
                    format!("its directory {} is not called after it", node.spec().root_dir.display())
                }
                Ok(()) => continue,
            };
            return Err(BackupError::Place { name: node.name().to_owned(), reason });
        }
        self.refuse_keys_in_the_way(backup, &nodes)?;
        let keys = nodes.iter().filter(|node| backup.keys.contains_key(&node.id())).count();
        Ok(Restored { database: self.database.to_owned(), nodes, keys })
    }

    fn refuse_living(&self) -> Result<(), BackupError> {
        if matches!(self.database.try_exists(), Ok(false)) {
            return Ok(());
        }
        let nodes = Store::open_read_only(self.database)?.load()?.nodes.len();
        if nodes == 0 {
            return Ok(());
        }
        Err(BackupError::Living { database: self.database.to_owned(), nodes })
    }

    fn refuse_keys_in_the_way(&self, backup: &Backup, nodes: &[Node]) -> Result<(), BackupError> {
        let continues = fs::read_to_string(self.intention()).is_ok_and(|noted| noted.trim() == name_of(backup));
        let own = |node: &Node, path: &Path| {
            let key = backup.keys.get(&node.id());
            continues && fs::read(path).is_ok_and(|found| key == Some(&found))
        };
        let mut in_the_way = Vec::new();
        for node in nodes {
            for flavour in Flavour::ALL {
                let path = node.spec().root_dir.join(flavour.key_file());
                if path.symlink_metadata().is_ok() && !own(node, &path) {
                    in_the_way.push(path);
                }
            }
        }
        if in_the_way.is_empty() { Ok(()) } else { Err(BackupError::KeysInTheWay(in_the_way)) }
    }

    fn intention(&self) -> PathBuf {
        self.config.node_storage.first().join(INTENTION)
    }

    /// Restores a backup: keys first, the database last.
    ///
    /// # Errors
    /// See [`BackupError`]. Keys that were put in their places stay there; the next try goes on.
    pub fn restore(&self, backup: &Backup, now: UnixSeconds, counters: &Counters) -> Result<Restored, BackupError> {
        let restored = self.check(backup, now)?;
        let claimant = Claimant::new(self.database, backup.stored.initialised_at);
        for storage in self.config.node_storage.iter() {
            storage::prepare(storage)?;
            storage::claim(storage, &claimant, false)?;
        }
        write_whole(&self.intention(), name_of(backup).as_bytes(), 0o600, None)?;
        for node in &restored.nodes {
            self.place(node, backup.keys.get(&node.id()))?;
        }
        self.config.node_storage.iter().try_for_each(sync)?;
        self.write_database(backup, &restored, now, counters)?;
        let intention = self.intention();
        fs::remove_file(&intention).map_err(|source| BackupError::io("delete", &intention, source))?;
        Ok(restored)
    }

    /// Makes a node's directory with its key in it.
    fn place(&self, node: &Node, key: Option<&Vec<u8>>) -> Result<(), BackupError> {
        let spec = node.spec();
        let placed = identity::place(&spec.root_dir, spec.flavour, key.map(Vec::as_slice), self.owner);
        placed.map_err(|source| BackupError::io("put the key into", &spec.root_dir, source))
    }

    /// The copy of the backup's database is changed to what is true now, and then put in place at one stroke.
    fn write_database(
        &self,
        backup: &Backup,
        restored: &Restored,
        now: UnixSeconds,
        counters: &Counters,
    ) -> Result<(), BackupError> {
        let mut store = Store::open(&backup.scratch.path().join(super::manifest::DATABASE))?;
        let gone = |node: &&Node| !restored.nodes.iter().any(|kept| kept.id() == node.id());
        let forgotten = backup.stored.nodes.iter().filter(gone).map(|node| Event::Forgotten {
            id: node.id(),
            why: "it was not a whole node when it was backed up".to_owned(),
        });
        let kept = restored.nodes.iter().map(|node| Event::Restored { node: Box::new(node.clone()) });
        let mut events: Vec<Event> = forgotten.chain(kept).collect();
        events.push(Event::Rebooted { boot_time: counters.boot_time });
        events.push(Event::Measured { counters: counters.clone() });
        store.apply(now, &events)?;
        Ok(store.put_in_place_of(self.database)?)
    }
}

/// A node as it is after a restore: it does not run, and what its owner wants of it is as it was. None for one that was not
/// there yet, or not any more.
fn at_rest(node: &Node, now: UnixSeconds) -> Result<Option<Node>, BackupError> {
    let stored = StoredNode::from(node.clone());
    if stored.pending == Some(Verb::Add) || stored.status == Status::Dead {
        return Ok(None);
    }
    let status = match stored.status {
        kept @ (Status::Disabled | Status::Removing) => kept,
        _ => Status::Stopped,
    };
    let stored = StoredNode {
        status,
        status_since: now,
        pending: None,
        failures: 0,
        falls: 0,
        comes_back: false,
        retry_at: (status == Status::Removing).then_some(now),
        last_error: None,
        process: None,
        ..stored
    };
    let name = node.name().to_owned();
    let failed = |contradiction: Contradiction| BackupError::Place { name, reason: contradiction.to_string() };
    Node::restore(stored).map(Some).map_err(failed)
}

/// What a backup is told by: its manifest, which has the digest of everything else.
fn name_of(backup: &Backup) -> String {
    backup.manifest.render().map(|(text, _)| digest(text.as_bytes())).unwrap_or_default()
}

fn sync(directory: &Path) -> Result<(), BackupError> {
    fs::File::open(directory)
        .and_then(|directory| directory.sync_all())
        .map_err(|source| BackupError::io("write to the disk", directory, source))
}
