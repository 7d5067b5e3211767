//! A node's output is what it prints: kept in its log directory, so that its last words can be reported.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use rustix::fs::OFlags;
use wnm_pm::last_words::tail;
use wnm_pm::node::NodeSpec;
use wnm_pm::process_manager::ManagerError;

use crate::note::Note;

/// When a node starts, output longer than this is put aside, and what was aside before goes.
const LONG_BYTES: u64 = 1024 * 1024;

/// Opens the file that takes a node's output. Answers also where new output begins.
pub(crate) fn open(spec: &NodeSpec) -> Result<(File, u64), ManagerError> {
    let path = path(spec);
    let opened = put_aside(&path).and_then(|()| {
        let mut options = OpenOptions::new();
        options.append(true).create(true).mode(0o600);
        // The node could have put a link there to have any file of root's written to.
        options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed());
        let file = options.open(&path)?;
        let length = file.metadata()?.len();
        Ok((file, length))
    });
    opened.map_err(|source| ManagerError::io("open the node's output", &path, source))
}

fn put_aside(path: &Path) -> io::Result<()> {
    if path.symlink_metadata().is_ok_and(|found| found.len() > LONG_BYTES) {
        fs::rename(path, path.with_extension("log.1"))?;
    }
    Ok(())
}

/// Output of a running node longer than this is cut.
const MOST_BYTES: u64 = 16 * 1024 * 1024;

/// Cuts output that has grown too long: its end is put aside, and it begins anew. The node appends to the file whatever
/// becomes of it.
pub(crate) fn cut(spec: &NodeSpec) -> io::Result<()> {
    let path = path(spec);
    let open = |options: &mut OpenOptions, path: &Path| {
        options.custom_flags(OFlags::NOFOLLOW.bits().cast_signed()).mode(0o600).open(path)
    };
    if !path.symlink_metadata().is_ok_and(|found| found.is_file() && found.len() > MOST_BYTES) {
        return Ok(());
    }
    let mut output = open(OpenOptions::new().read(true).write(true), &path)?;
    output.seek(SeekFrom::End(-LONG_BYTES.cast_signed()))?;
    let mut aside = open(OpenOptions::new().write(true).create(true).truncate(true), &path.with_extension("log.1"))?;
    io::copy(&mut output.by_ref().take(LONG_BYTES), &mut aside)?;
    output.set_len(0)?;
    if let Some(note) = Note::of(spec) {
        let _ = Note { output_start: 0, ..note }.keep(spec);
    }
    Ok(())
}

/// The file that takes a node's output.
pub(crate) fn path(spec: &NodeSpec) -> PathBuf {
    spec.log_dir.join("output.log")
}

/// The end of what a node printed in the run whose output begins at `start`. Empty when it printed nothing.
pub(crate) fn end(spec: &NodeSpec, start: u64) -> String {
    tail(&path(spec), start)
}
