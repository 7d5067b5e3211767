//! Peers: what a node wrote down of those that it knows.

use serde::{Deserialize, Serialize};

use crate::node::UnixSeconds;
use wnm_pm::bounded::{Directory, Edition, Fault};

/// Files with peers, the fuller first. The second is there seconds after a start, the first after minutes.
const FILES: [&str; 2] = ["routing_snapshot.json", "close_group_cache.json"];
/// A full routing table takes some 25 kB; the node itself reads no more than half of this.
const LARGEST: u64 = 1 << 20;

/// What is known of a node's peers.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    files: [Option<Found>; 2],
}

/// What one file says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct Found {
    edition: Edition,
    /// None where it could not be understood.
    peers: Option<u64>,
    owner: Option<String>,
}

/// What is seen of a node's peers.
#[derive(Debug, Default)]
pub(super) struct Peers {
    pub(super) count: Option<u64>,
    /// The name of the node that wrote it.
    pub(super) owner: Option<String>,
    /// When the file was written that they were counted in.
    pub(super) counted_at: Option<UnixSeconds>,
    /// When it last wrote one of the files.
    pub(super) written_at: Option<UnixSeconds>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    owner: Option<String>,
    peers: Vec<serde::de::IgnoredAny>,
}

impl Memory {
    pub(super) fn look(&mut self, root: &Directory) -> Result<Peers, Fault> {
        for (name, known) in FILES.into_iter().zip(&mut self.files) {
            let edition = root.edition(name)?;
            if known.as_ref().map(|known| known.edition) != edition {
                *known = edition.map(|edition| read(root, name, edition)).transpose()?;
            }
        }
        let known = || self.files.iter().flatten();
        // A node that just started has an old snapshot and a new cache: the newer one tells how it is now.
        let newest = known().rev().filter(|found| found.peers.is_some()).max_by_key(|found| found.edition.modified);
        Ok(Peers {
            count: newest.and_then(|found| found.peers),
            counted_at: newest.map(|found| found.edition.modified),
            owner: known().find_map(|found| found.owner.clone()),
            written_at: known().map(|found| found.edition.modified).max(),
        })
    }
}

fn read(root: &Directory, name: &str, edition: Edition) -> Result<Found, Fault> {
    let bytes = match root.read(name, LARGEST) {
        // It is replaced by renaming: the next look finds the new one.
        Err(fault) if fault.is_gone() => return Ok(Found { edition, ..Found::default() }),
        read => read?,
    };
    let file: Option<File> = serde_json::from_slice(&bytes).ok();
    let is_id = |text: &String| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    Ok(Found {
        edition,
        peers: file.as_ref().map(|file| file.peers.len() as u64),
        owner: file.and_then(|file| file.owner).filter(is_id),
    })
}
