//! The files of a node: its directories, its own copy of the program and its property list.

use std::fs::{self, DirBuilder, File, Permissions};
use std::io::ErrorKind;
use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
use std::path::{Path, PathBuf};

use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::path_policy::{self, check_program};
use wnm_pm::process_manager::{Created, ManagerError, Outcome};

use crate::{Launchd, render};

impl Launchd {
    /// Makes what a node needs; what is there already is left as it is, but for the property list.
    pub(crate) fn create_one(&self, spec: &NodeSpec) -> Outcome<Created> {
        render::check(spec)?;
        path_policy::check(&self.node_storage, spec)?;
        let has_program = check_program(&spec.binary).is_ok();
        if !has_program {
            check_program(&spec.program)?;
        }
        for directory in [&spec.root_dir, &spec.log_dir, &spec.bootstrap_cache_dir] {
            make(directory, 0o700)?;
        }
        if !has_program {
            put_in_place(&stage(&spec.program, &spec.binary)?, &spec.binary)?;
        }
        make(&self.domain.plists, 0o755)?;
        let label = render::label(spec.id);
        self.write_plist(&self.plist(&label), spec)?;
        Ok(Created::as_specified(spec, label))
    }

    /// Writes a property list; whoever reads it reads all of it. launchd refuses one that others may write.
    fn write_plist(&self, path: &Path, spec: &NodeSpec) -> Outcome<()> {
        let unfinished = path.with_extension("plist.new");
        let written = File::create(&unfinished).and_then(|file| {
            render::job(spec).to_writer_xml(&file).map_err(std::io::Error::other)?;
            file.set_permissions(Permissions::from_mode(0o644))?;
            file.sync_all()?;
            fs::rename(&unfinished, path)
        });
        written.map_err(|source| io("write", path, source))
    }

    /// Stops a node and deletes all that is its own; the guard was asked before.
    pub(crate) async fn remove_one(&self, node: &NodeRef) -> Outcome<()> {
        self.stop_one(node).await?;
        // launchd remembers for ever what is disabled, and the number may come again.
        self.launchctl.enable(&node.service).await?;
        delete(&self.plist(&node.service), |path| fs::remove_file(path))?;
        let log_dir = &node.spec.log_dir;
        if path_policy::owns_log_dir(&node.spec) {
            delete(log_dir, |path| fs::remove_dir_all(path))?;
        } else if !log_dir.starts_with(&node.spec.root_dir) {
            tracing::warn!(log_dir = %log_dir.display(), "left alone: it is not named after its node");
        }
        delete(&node.spec.root_dir, |path| fs::remove_dir_all(path))
    }
}

/// Copies a program beside its place, whole, so that putting it there cannot fail half-way. A file that ran is never
/// written to: macOS would kill the next process for a signature that no longer fits.
pub(crate) fn stage(program: &Path, place: &Path) -> Outcome<PathBuf> {
    let staged = with_suffix(place, ".new");
    let copied = fs::copy(program, &staged)
        .and_then(|_| fs::set_permissions(&staged, Permissions::from_mode(0o755)))
        .and_then(|()| File::open(&staged)?.sync_all());
    copied.map_err(|source| {
        let _ = fs::remove_file(&staged);
        io("copy the node program to", &staged, source)
    })?;
    Ok(staged)
}

/// Renames a staged program into its place.
pub(crate) fn put_in_place(staged: &Path, place: &Path) -> Outcome<()> {
    fs::rename(staged, place).map_err(|source| io("put the node program in place as", place, source))
}

/// A path with something behind its last name.
pub(crate) fn with_suffix(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

fn make(directory: &Path, mode: u32) -> Outcome<()> {
    let made = DirBuilder::new().recursive(true).mode(mode).create(directory);
    made.map_err(|source| io("make", directory, source))
}

fn delete(path: &Path, how: impl Fn(&Path) -> std::io::Result<()>) -> Outcome<()> {
    match how(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io("delete", path, error)),
        _ => Ok(()),
    }
}

pub(crate) fn io(doing: &'static str, path: &Path, source: std::io::Error) -> ManagerError {
    ManagerError::Io { doing, path: path.to_owned(), source }
}
