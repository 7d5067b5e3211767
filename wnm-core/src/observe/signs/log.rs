//! The log of a v2 node: which version started, under which name, and whether it ended to upgrade itself.

use semver::Version;
use serde::{Deserialize, Serialize};

use crate::node::{Flavour, UnixSeconds};
use wnm_pm::bounded::{Directory, Edition, Fault};

/// What is read of a log at one look: a node writes far less in a minute.
const READ: u64 = 256 << 10;
/// A longer line says nothing that is wanted.
const LINE: usize = 8 << 10;
/// Names in a directory of logs, of which nodes keep a few.
const NAMES: usize = 1000;

/// What a node's log said so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    name: String,
    edition: Edition,
    /// Up to where it was read.
    read: u64,
    said: Said,
}

/// What a node's log says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Said {
    pub(super) version: Option<Version>,
    pub(super) peer_id: Option<String>,
    pub(super) peers: Option<u64>,
    pub(super) left_to_upgrade: bool,
    pub(super) written_at: Option<UnixSeconds>,
}

impl Memory {
    pub(super) fn look(&mut self, logs: &Directory) -> Result<Said, Fault> {
        let names = logs.names(NAMES)?;
        let (begin, end) = Flavour::V2.log_name();
        let is_log = |name: &&String| name.starts_with(begin) && name.ends_with(end);
        // `ant-node.2026-11-27.log`: the last in this order is the latest.
        let Some(name) = names.iter().filter(is_log).max() else { return Ok(self.said.clone()) };
        let Some(edition) = logs.edition(name)? else { return Ok(self.said.clone()) };
        if *name != self.name || !edition.continues(&self.edition) {
            (self.name, self.read) = (name.clone(), 0);
        }
        // What a node said long ago is of no use; what it said at its start is at the end of a log that is young.
        let begin = self.read.max(edition.size.saturating_sub(READ));
        if begin < edition.size {
            let bytes = logs.read_from(name, begin, READ)?;
            let whole = bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |last| last + 1);
            // A line without an end may get one, unless it is too long to be wanted.
            let taken = if whole == 0 && bytes.len() > LINE { bytes.len() } else { whole };
            bytes[..whole].split(|byte| *byte == b'\n').filter(|line| line.len() <= LINE).for_each(|line| {
                self.said.hear(&String::from_utf8_lossy(line));
            });
            self.read = begin + taken as u64;
        }
        self.edition = edition;
        self.said.written_at = Some(edition.modified);
        Ok(self.said.clone())
    }
}

impl Said {
    fn hear(&mut self, line: &str) {
        if line.contains("ant-node starting") {
            let version = value(line, "version").and_then(|text| Version::parse(text.trim_matches('"')).ok());
            *self = Self { version, peer_id: self.peer_id.take(), ..Self::default() };
        } else if line.contains("Node identity resolved") {
            let is_id = |text: &&str| text.len() == 64 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
            self.peer_id = value(line, "peer_id").filter(is_id).map(str::to_owned);
        } else if line.contains("for upgrade restart") {
            self.left_to_upgrade = true;
        } else if let Some((_, rest)) = line.split_once("Routing table ready: ") {
            self.peers = rest.split(' ').next().and_then(|count| count.parse().ok());
        }
    }
}

/// `1` of `a=1 b=2`.
fn value<'l>(line: &'l str, name: &str) -> Option<&'l str> {
    line.split_whitespace().find_map(|word| word.strip_prefix(name)?.strip_prefix('='))
}
