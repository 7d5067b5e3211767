//! Judging what was found in a backup: all of it is what its manifest says, and nothing else is there.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::manifest::{DATABASE, FORMAT, MANIFEST, MANIFEST_SUM, Manifest, digest, key_at};
use super::read::{Found, entry, shown};
use super::{Backup, BackupError, Flaw};
use crate::identity;
use crate::node::{Node, NodeId};
use crate::store::{Store, StoredState};

impl Found {
    /// Compares everything with the manifest.
    pub(super) fn judge(mut self, path: &Path) -> Result<Backup, BackupError> {
        let damaged = |flaws| BackupError::Damaged { path: path.to_owned(), flaws };
        let manifest = match self.read_manifest(path)? {
            Ok(manifest) => manifest,
            Err(flaw) => {
                self.flaws.push(flaw);
                return Err(damaged(self.flaws));
            }
        };
        self.compare(&manifest);
        let keys = self.whole_keys(&manifest);
        let stored = if self.flaws.is_empty() { self.read_database(&manifest) } else { None };
        match stored {
            Some(stored) if self.flaws.is_empty() => {
                Ok(Backup { path: path.to_owned(), manifest, stored, keys, scratch: self.scratch })
            }
            _ => Err(damaged(self.flaws)),
        }
    }

    fn read_manifest(&self, path: &Path) -> Result<Result<Manifest, Flaw>, BackupError> {
        let (Some(text), Some(sum)) = (&self.manifest, &self.sum) else {
            let file = if self.manifest.is_none() { MANIFEST } else { MANIFEST_SUM };
            return Ok(Err(Flaw::Missing(file.to_owned())));
        };
        if sum.split(|byte| *byte == b' ').next() != Some(digest(text).as_bytes()) {
            return Ok(Err(Flaw::Altered(MANIFEST.to_owned())));
        }
        let value: serde_json::Value = match serde_json::from_slice(text) {
            Ok(value) => value,
            Err(error) => return Ok(Err(Flaw::Manifest(error.to_string()))),
        };
        let format =
            value.get("format").and_then(serde_json::Value::as_u64).and_then(|format| u32::try_from(format).ok());
        if let Some(found) = format.filter(|format| *format > FORMAT) {
            return Err(BackupError::Newer { path: path.to_owned(), found });
        }
        Ok(serde_json::from_value(value).map_err(|error| Flaw::Manifest(error.to_string())))
    }

    /// Every file is there, once, and is what the manifest says; nothing else is.
    fn compare(&mut self, manifest: &Manifest) {
        let mut expected = BTreeSet::from([MANIFEST.to_owned(), MANIFEST_SUM.to_owned()]);
        for file in &manifest.files {
            expected.insert(file.path.clone());
            let found = match file.path.as_str() {
                DATABASE => self.database.clone(),
                key => self.keys.get(key).map(|bytes| entry(key, bytes)),
            };
            match found {
                None if self.names.contains(&file.path) => {}
                None => self.flaws.push(Flaw::Missing(shown(&file.path))),
                Some(found) if found == *file => {}
                Some(_) => self.flaws.push(Flaw::Altered(shown(&file.path))),
            }
        }
        let keys: BTreeSet<&String> = manifest.nodes.iter().filter_map(|node| node.key.as_ref()).collect();
        for key in keys.into_iter().filter(|key| !expected.contains(*key)) {
            self.flaws.push(Flaw::Missing(shown(key)));
        }
        if !expected.contains(DATABASE) {
            self.flaws.push(Flaw::Missing(DATABASE.to_owned()));
        }
        let is_known = |name: &String| self.flaws.iter().any(|flaw| flaw.file() == Some(name.as_str()));
        let unnamed = self.names.iter().filter(|name| !expected.contains(*name)).map(|name| shown(name));
        let unnamed: Vec<Flaw> = unnamed.filter(|name| !is_known(name)).map(Flaw::Unknown).collect();
        self.flaws.extend(unnamed);
    }

    /// The keys by node, each whole and at the place of its own node.
    fn whole_keys(&mut self, manifest: &Manifest) -> BTreeMap<NodeId, Vec<u8>> {
        let mut keys = BTreeMap::new();
        for node in &manifest.nodes {
            let Some(file) = &node.key else { continue };
            if key_at(file) != Some((node.number, node.flavour)) {
                self.flaws.push(Flaw::Manifest(format!("{} is not the key of {}", shown(file), node.number.name())));
                continue;
            }
            let Some(bytes) = self.keys.remove(file) else { continue };
            if let Some(reason) = identity::fault(node.flavour, &bytes) {
                self.flaws.push(Flaw::Key { file: shown(file), reason });
            }
            keys.insert(node.number, bytes);
        }
        keys
    }

    fn read_database(&mut self, manifest: &Manifest) -> Option<StoredState> {
        let stored = match Store::open(&self.copy()).and_then(|store| store.load()) {
            Ok(stored) => stored,
            Err(error) => {
                self.flaws.push(Flaw::Database(error.problem.to_string()));
                return None;
            }
        };
        let numbers: Vec<NodeId> = stored.nodes.iter().map(Node::id).collect();
        let named: Vec<NodeId> = manifest.nodes.iter().map(|node| node.number).collect();
        if !stored.initialised || numbers != named {
            self.flaws.push(Flaw::Database("its nodes are not those of the manifest".to_owned()));
        }
        Some(stored)
    }
}
