//! A node's output is what it prints: kept in its log directory, so that its last words can be told.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use wnm_pm::last_words::{complaint, last_words as last_words_of};
use wnm_pm::node::NodeSpec;
use wnm_pm::process_manager::ManagerError;

use crate::files::io;

/// When a node starts, output longer than this is put aside, and what was aside before goes.
const LONG_BYTES: u64 = 1024 * 1024;

/// How much of the end is looked through for last words; antnode prints long backtraces.
const TAIL_BYTES: u64 = 64 * 1024;

/// Opens the file that takes a node's output. Answers also where new output begins.
pub(crate) fn open(spec: &NodeSpec) -> Result<(File, u64), ManagerError> {
    let path = path(&spec.log_dir);
    let opened = put_aside(&path).and_then(|()| {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        // The node could have put a link there to have any file of root's written to.
        options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        let file = options.open(&path)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    });
    opened.map_err(|source| io("open the node's output", &path, source))
}

fn put_aside(path: &Path) -> std::io::Result<()> {
    if path.symlink_metadata().is_ok_and(|found| found.len() > LONG_BYTES) {
        fs::rename(path, path.with_extension("log.1"))?;
    }
    Ok(())
}

fn path(log_dir: &Path) -> PathBuf {
    log_dir.join("output.log")
}

/// The last thing that a node printed in the run whose output begins at `start`. Empty when it said nothing.
pub(crate) fn last_words(spec: &NodeSpec, start: u64) -> String {
    last_words_of(&tail(&path(&spec.log_dir), start).unwrap_or_default())
}

/// What a node complained about at the end of the run whose output begins at `start`; none when it just fell silent.
pub(crate) fn last_complaint(spec: &NodeSpec, start: u64) -> Option<String> {
    complaint(&tail(&path(&spec.log_dir), start).ok()?)
}

fn tail(path: &Path, start: u64) -> std::io::Result<String> {
    let mut file = File::open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(start.max(length.saturating_sub(TAIL_BYTES)).min(length)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}
