//! The path policy keeps wnm off what is not a node's own: a directory outside the node storage, a symbolic link in its place,
//! a log directory that others live in, a program that cannot be run.

use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::launch::check_path;
use crate::node::{NodeRef, NodeSpec};
use crate::process_manager::ManagerError;

/// The file that marks a storage as wnm's own: where it is missing, the storage's disk may not be mounted.
pub const STORAGE_MARKER: &str = ".wnm-storage";

/// Refuses a node whose paths are not what a node of this storage can have, or whose launch no process could be given.
///
/// # Errors
/// [`ManagerError::NotOurs`] with the path and what is wrong with it, or what [`crate::launch::Launch::check`] refuses.
pub fn check(node_storage: &Path, node: &NodeRef) -> Result<(), ManagerError> {
    node.launch.check()?;
    check_paths(node_storage, &node.spec)
}

/// Refuses a node whose paths are not what a node of this storage can have.
///
/// # Errors
/// [`ManagerError::NotOurs`] with the path and what is wrong with it.
pub fn check_paths(node_storage: &Path, spec: &NodeSpec) -> Result<(), ManagerError> {
    let NodeSpec { root_dir, binary, log_dir, bootstrap_cache_dir, .. } = spec;
    let named = [("root_dir", root_dir), ("binary", binary), ("log_dir", log_dir)];
    for (name, path) in named.into_iter().chain([("bootstrap_cache_dir", bootstrap_cache_dir)]) {
        check_path(name, path)?;
    }
    let storage = resolve(node_storage);
    let root_dir = own_path(&spec.root_dir)?;
    if root_dir == storage || !root_dir.starts_with(&storage) {
        return Err(not_ours(&spec.root_dir, format!("it does not lie in the node storage {}", storage.display())));
    }
    refuse_all_but_a_directory(&spec.root_dir)?;
    if own_path(&spec.binary)?.parent() != Some(&root_dir) {
        return Err(not_ours(&spec.binary, format!("it does not lie in {}", root_dir.display())));
    }
    let log_dir = own_path(&spec.log_dir)?;
    if storage.starts_with(&log_dir) {
        return Err(not_ours(&spec.log_dir, "the node storage lies in it".to_owned()));
    }
    refuse_all_but_a_directory(&spec.log_dir)
}

/// Whether the log directory is the node's alone, so that it goes with the node: it is named after the node. What lies in
/// the node's own directory goes anyway.
#[must_use]
pub fn owns_log_dir(spec: &NodeSpec) -> bool {
    let name = spec.log_dir.file_name().map(|name| name.to_string_lossy());
    name.is_some_and(|name| name.starts_with(&spec.name))
}

/// Where a path leads once every symbolic link before its last part is followed. The last part itself is not followed:
/// it is the node's own.
///
/// # Errors
/// [`ManagerError::NotOurs`] for a path without a last part, or one with `..` in it: where that leads can change with every
/// directory that is made.
pub fn own_path(path: &Path) -> Result<PathBuf, ManagerError> {
    if path.components().any(|part| part == std::path::Component::ParentDir) {
        return Err(not_ours(path, "it holds `..`".to_owned()));
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => Ok(resolve(parent).join(name)),
        _ => Err(not_ours(path, "it names no directory".to_owned())),
    }
}

/// Where a path leads once every symbolic link is followed, also when its end is not there (any more).
#[must_use]
pub fn resolve(path: &Path) -> PathBuf {
    if let Ok(resolved) = path.canonicalize() {
        return resolved;
    }
    match (path.parent(), path.file_name()) {
        (Some(parent), Some(name)) => resolve(parent).join(name),
        _ => path.to_owned(),
    }
}

/// Refuses what cannot be run as a node's program.
///
/// # Errors
/// [`ManagerError::Program`] with what is wrong with it.
pub fn check_program(program: &Path) -> Result<(), ManagerError> {
    let refused = |reason: String| ManagerError::Program { path: program.to_owned(), reason };
    let found = fs::metadata(program).map_err(|error| refused(error.to_string()))?;
    if !found.is_file() {
        return Err(refused("it is not a file".to_owned()));
    }
    if found.permissions().mode() & 0o111 == 0 {
        return Err(refused("it is not executable".to_owned()));
    }
    if found.len() == 0 {
        return Err(refused("it is empty".to_owned()));
    }
    Ok(())
}

fn refuse_all_but_a_directory(path: &Path) -> Result<(), ManagerError> {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(found) if found.is_symlink() => {
            Err(not_ours(path, "it is a symbolic link, not the node's own directory".to_owned()))
        }
        Ok(_) => Err(not_ours(path, "it is not a directory".to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(source) => Err(ManagerError::io("look at", path, source)),
    }
}

fn not_ours(path: &Path, reason: String) -> ManagerError {
    ManagerError::NotOurs { path: path.to_owned(), reason }
}
