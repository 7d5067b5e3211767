//! The manifest says what a backup holds, with a digest of every file; a digest of the manifest lies beside it.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use wnm_pm::flavour::Flavour;
use wnm_pm::storages::Storages;

use super::machine_id::MachineName;
use crate::node::{Node, NodeId, Ports, UnixSeconds};

/// The format of backups that this wnm writes, and the newest that it reads.
pub const FORMAT: u32 = 1;

/// The manifest's own file.
pub(super) const MANIFEST: &str = "manifest.json";
/// The manifest's digest, as `sha256sum` writes it.
pub(super) const MANIFEST_SUM: &str = "manifest.sha256";
/// The database.
pub(super) const DATABASE: &str = "colony.db";
/// The directory of the nodes' keys.
pub(super) const NODES: &str = "nodes";

/// What a backup holds.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Manifest {
    /// The backup's format.
    pub format: u32,
    /// The version of the wnm that made it.
    pub wnm: String,
    /// When it was made, in seconds since the epoch.
    pub made_at: UnixSeconds,
    /// The machine that it is of.
    pub machine: MachineName,
    /// Where the database was.
    pub database: PathBuf,
    /// The process manager, as the settings name it.
    pub process_manager: String,
    /// Where the nodes were; several places as a list.
    pub node_storage: Storages,
    /// The nodes, by number.
    pub nodes: Vec<NodeEntry>,
    /// Every other file of the backup but the manifest's digest.
    pub files: Vec<FileEntry>,
}

/// A node of a backup.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct NodeEntry {
    /// Its number.
    pub number: NodeId,
    /// Its name.
    pub name: String,
    /// Which program it is.
    pub flavour: Flavour,
    /// Its name in the network.
    pub peer_id: Option<String>,
    /// The address that its rewards go to.
    pub wallet: String,
    /// Its ports.
    pub ports: Ports,
    /// Its directory.
    pub root_dir: PathBuf,
    /// The file of the backup that holds its key; none where it had none yet.
    pub key: Option<String>,
}

/// A file of a backup.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FileEntry {
    /// Its path within the backup.
    pub path: String,
    /// Its size.
    pub bytes: u64,
    /// Its digest, in hexadecimal digits.
    pub sha256: String,
}

impl NodeEntry {
    pub(super) fn new(node: &Node, has_key: bool) -> Self {
        let spec = node.spec();
        Self {
            number: spec.id,
            name: spec.name.clone(),
            flavour: spec.flavour,
            peer_id: node.peer_id().map(str::to_owned),
            wallet: spec.wallet.clone(),
            ports: spec.ports.clone(),
            root_dir: spec.root_dir.clone(),
            key: has_key.then(|| key_path(spec.id, spec.flavour)),
        }
    }
}

impl Manifest {
    /// Its text, and the line that holds the text's digest.
    ///
    /// # Errors
    /// Where a path is not UTF-8.
    pub(super) fn render(&self) -> Result<(String, String), serde_json::Error> {
        let text = serde_json::to_string_pretty(self)? + "\n";
        let sum = format!("{}  {MANIFEST}\n", digest(text.as_bytes()));
        Ok((text, sum))
    }

    /// How many keys it holds.
    #[must_use]
    pub fn keys(&self) -> usize {
        self.nodes.iter().filter(|node| node.key.is_some()).count()
    }
}

/// Where a node's key lies in a backup: `nodes/antnode0007/secret-key`.
pub(super) fn key_path(id: NodeId, flavour: Flavour) -> String {
    format!("{NODES}/{}/{}", id.name(), flavour.key_file())
}

/// The node and flavour whose key lies at this path of a backup.
pub(super) fn key_at(path: &str) -> Option<(NodeId, Flavour)> {
    let (name, file) = path.strip_prefix(NODES)?.strip_prefix('/')?.split_once('/')?;
    let flavour = Flavour::ALL.into_iter().find(|flavour| flavour.key_file() == file)?;
    Some((NodeId::of_name(name)?, flavour))
}

/// The digest of bytes, in hexadecimal digits.
pub(super) fn digest(bytes: &[u8]) -> String {
    format!("{:x}", Sha256::digest(bytes))
}
