//! The records of a v2 node, a file each in 256 directories: counted a few directories at a time, since a fleet has millions.

use rustix::fs::{AtFlags, FileType, statat};
use serde::{Deserialize, Serialize};

use wnm_pm::bounded::{Directory, Fault};

/// One for each value of the last byte of a record's name.
const SHARDS: usize = 256;
/// What opening a directory costs, beside what each file in it costs.
const OPENING: usize = 4;
/// Files in one directory of which a node keeps hundreds.
const MOST: usize = 1 << 16;

/// What was counted so far.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(super) struct Memory {
    /// The directory that is counted next.
    next: usize,
    /// Files and kilobytes (1024 bytes) in each directory, as far as it was counted.
    shards: Vec<(u32, u32)>,
    /// The files of all together when each had been counted the last time.
    before: Option<u64>,
}

/// What a node stores.
#[derive(Debug, Default)]
pub(super) struct Stored {
    pub(super) records: Option<u64>,
    pub(super) bytes: Option<u64>,
    pub(super) has_grown: bool,
}

impl Memory {
    /// Counts directories until so many entries were looked at, once around at most.
    pub(super) fn look(&mut self, root: &Directory, share: usize) -> Result<Stored, Fault> {
        let Some(chunks) = root.inside("chunks")? else { return Ok(Stored::default()) };
        let (mut looked_at, mut counted) = (0, 0);
        while counted < SHARDS && (counted == 0 || looked_at < share) {
            let name = format!("{:02x}", self.next);
            let (files, bytes) = match chunks.inside(&name)? {
                Some(shard) => content(&shard)?,
                None => (0, 0),
            };
            looked_at += OPENING + files;
            counted += 1;
            self.note(u32::try_from(files).unwrap_or(u32::MAX), u32::try_from(bytes >> 10).unwrap_or(u32::MAX));
        }
        Ok(self.stored())
    }

    fn note(&mut self, files: u32, kilobytes: u32) {
        match self.shards.get_mut(self.next) {
            Some(shard) => *shard = (files, kilobytes),
            None => self.shards.push((files, kilobytes)),
        }
        self.next = (self.next + 1) % SHARDS;
    }

    fn stored(&mut self) -> Stored {
        if self.shards.len() < SHARDS {
            return Stored::default();
        }
        let sum = |part: fn(&(u32, u32)) -> u32| self.shards.iter().map(|shard| u64::from(part(shard))).sum::<u64>();
        let (records, bytes) = (sum(|shard| shard.0), sum(|shard| shard.1) << 10);
        let has_grown = self.before.replace(records).is_some_and(|before| records > before);
        Stored { records: Some(records), bytes: Some(bytes), has_grown }
    }
}

/// How many records lie in a directory, and their bytes.
fn content(directory: &Directory) -> Result<(usize, u64), Fault> {
    let is_record = |name: &&String| name.len() == 64 && name.bytes().all(|byte| byte.is_ascii_hexdigit());
    let names = directory.names(MOST)?;
    let sizes = names.iter().filter(is_record).filter_map(|name| {
        let stat = statat(directory.descriptor(), name.as_str(), AtFlags::SYMLINK_NOFOLLOW).ok()?;
        let is_file = FileType::from_raw_mode(stat.st_mode) == FileType::RegularFile;
        is_file.then(|| u64::try_from(stat.st_size).unwrap_or(0))
    });
    let sizes: Vec<u64> = sizes.collect();
    Ok((sizes.len(), sizes.iter().sum()))
}
