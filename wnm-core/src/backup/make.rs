//! Making a backup: the database as it is at one moment, and the key of each node in it.

use std::io;
use std::path::{Path, PathBuf};

use wnm_pm::process_manager::ManagerKind;

use super::BackupError;
use super::error::KeyFault;
use super::machine_id::MachineName;
use super::manifest::{DATABASE, FORMAT, MANIFEST, MANIFEST_SUM, Manifest, NodeEntry, key_path};
use super::read::entry;
use super::write::{Beside, Content, Form, check_place, write};
use crate::identity;
use crate::node::{Node, NodeId, Status, UnixSeconds, Verb};
use crate::settings::Config;
use crate::store::Store;

/// The machine that is backed up. Whoever asks holds the database's lock.
pub struct Source<'s> {
    /// Its database.
    pub store: &'s Store,
    /// Its settings.
    pub config: &'s Config,
    /// The time.
    pub now: UnixSeconds,
}

/// A backup that was made, or would be.
#[derive(Debug, Clone, PartialEq)]
pub struct Made {
    /// Where it is.
    pub path: PathBuf,
    /// One file, or a directory.
    pub form: Form,
    /// What it holds.
    pub manifest: Manifest,
}

impl Source<'_> {
    /// Writes a backup to a new place, or over an older backup. With `dry_run` everything is read, and nothing written.
    ///
    /// # Errors
    /// When the place is not free, a node that has run has no whole key, or something cannot be read or written. An older
    /// backup is as it was then.
    pub fn back_up(&self, path: &Path, dry_run: bool) -> Result<Made, BackupError> {
        let form = check_place(path)?;
        let io = |source| BackupError::io("write the backup", path, source);
        // Beside the backup, so that a full disk is found before anything is in the way, and gone with this.
        let scratch = Beside::directory(path, "database").map_err(io)?;
        let copy = scratch.join(DATABASE);
        self.store.copy_to(&copy).map_err(|error| io(io::Error::other(error.problem)))?;
        let nodes = self.store.load()?.nodes;
        let keys = keys(&nodes)?;
        let database = std::fs::read(&copy).map(|bytes| entry(DATABASE, &bytes)).map_err(io)?;
        let manifest = self.manifest(&nodes, &keys, database);
        if !dry_run {
            let text = manifest.render().map_err(|error| io(io::Error::other(error)))?;
            let mut contents = vec![
                (MANIFEST.to_owned(), Content::Bytes(text.0.as_bytes())),
                (MANIFEST_SUM.to_owned(), Content::Bytes(text.1.as_bytes())),
                (DATABASE.to_owned(), Content::File(&copy)),
            ];
            contents.extend(keys.iter().map(|key| (key.file(), Content::Bytes(&key.bytes))));
            write(path, &contents, self.now)?;
        }
        Ok(Made { path: path.to_owned(), form, manifest })
    }

    fn manifest(&self, nodes: &[Node], keys: &[Key<'_>], database: super::FileEntry) -> Manifest {
        let kind: ManagerKind = self.config.process_manager;
        let has_key = |id: NodeId| keys.iter().any(|key| key.node.id() == id);
        let files = keys.iter().map(|key| entry(&key.file(), &key.bytes));
        Manifest {
            format: FORMAT,
            wnm: env!("CARGO_PKG_VERSION").to_owned(),
            made_at: self.now,
            machine: MachineName::own(),
            database: self.store.path().to_owned(),
            process_manager: kind.to_string(),
            node_storage: self.config.node_storage.clone(),
            nodes: nodes.iter().map(|node| NodeEntry::new(node, has_key(node.id()))).collect(),
            files: std::iter::once(database).chain(files).collect(),
        }
    }
}

/// The key of a node.
struct Key<'n> {
    node: &'n Node,
    bytes: Vec<u8>,
}

impl Key<'_> {
    /// Its path in the backup.
    fn file(&self) -> String {
        key_path(self.node.id(), self.node.spec().flavour)
    }
}

/// The keys of all nodes that have one. A node that never ran has none yet, and one that goes needs none.
fn keys(nodes: &[Node]) -> Result<Vec<Key<'_>>, BackupError> {
    let (mut keys, mut faults) = (Vec::new(), Vec::new());
    for node in nodes {
        let (spec, life) = (node.spec(), node.life());
        let may_lack = !life.has_run()
            || matches!(life.status(), Status::Dead | Status::Removing)
            || life.pending() == Some(Verb::Add);
        let mut fault = |reason: String, is_out_of_reach| {
            let path = spec.root_dir.join(spec.flavour.key_file());
            faults.push(KeyFault { name: spec.name.clone(), path, reason, is_out_of_reach });
        };
        match identity::read(&spec.root_dir, spec.flavour) {
            Err(error) => fault(error.to_string(), error.kind() == io::ErrorKind::PermissionDenied),
            Ok(None) if may_lack => {}
            Ok(None) => fault("it is missing, and the node has run".to_owned(), false),
            Ok(Some(bytes)) => match identity::fault(spec.flavour, &bytes) {
                Some(reason) => fault(reason, false),
                None => keys.push(Key { node, bytes }),
            },
        }
    }
    if faults.is_empty() { Ok(keys) } else { Err(BackupError::Keys(faults)) }
}
