//! The files that wnm keeps for a node on the volume: its directories, its own copy of the program, and its definition,
//! from which the container knows how to run it and whether to.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::path_policy;
use wnm_pm::process_manager::{Created, ManagerError};
use wnm_pm::program::{stage, write_whole};
use wnm_pm::user::Owner;

use super::definition::{self, Definition};
use super::{launch, paths};
use crate::settings::{S6Settings, group_name};
use crate::{owner, storage};

/// The definition of a node.
///
/// # Errors
/// When the node belongs to no group.
pub fn definition(settings: &S6Settings, spec: &NodeSpec) -> Result<Definition, ManagerError> {
    let group = group_name(paths::group(spec)?);
    Ok(Definition::new(&settings.node_storage, &group, &spec.name))
}

/// Makes a node's directories, its own copy of the program and its definition, marked down. What exists already is left as
/// it is.
///
/// # Errors
/// When something cannot be made; then nothing of it stays that was not there before.
pub fn create(settings: &S6Settings, node: &NodeRef) -> Result<Created, ManagerError> {
    let spec = &node.spec;
    let (definition, run) = checked(settings, node)?;
    let has_program = path_policy::check_program(&spec.binary).is_ok();
    if !has_program {
        path_policy::check_program(&spec.program)?;
    }
    // Nodes are created in groups that are up, so that the storage has its id.
    if !storage::is_known(&settings.node_storage) {
        return Err(storage::missing(&settings.node_storage));
    }
    let owner = owner::of_storage(&settings.node_storage)?;
    let is_new = !definition.run.exists();
    let mut made = Made::default();
    for directory in [&spec.root_dir, &spec.log_dir, &spec.bootstrap_cache_dir, &definition.dir] {
        made.directory(directory, owner)?;
    }
    if !has_program {
        stage(&spec.program, &spec.binary, Some(owner))?.put_in_place()?;
        made.0.push(spec.binary.clone());
    }
    if is_new {
        // In this order: a definition without its mark would start at the container's next boot.
        made.0.push(definition.down.clone());
        mark_down(&definition, owner)?;
    }
    write_run(&definition, &run, owner)?;
    made.0.clear();
    Ok(Created::as_specified(spec, spec.name.clone()))
}

/// Writes a node's definition anew, since its launch may have changed or the definition been lost, and removes its mark: it
/// may run.
///
/// # Errors
/// When the node's files are not in place, or the definition cannot be written.
pub fn enable(settings: &S6Settings, node: &NodeRef) -> Result<(), ManagerError> {
    let spec = &node.spec;
    let (definition, run) = checked(settings, node)?;
    if !spec.root_dir.is_dir() {
        let missing = ErrorKind::NotFound.into();
        return Err(ManagerError::io("start a node without its directory", &spec.root_dir, missing));
    }
    path_policy::check_program(&spec.binary)?;
    let owner = owner::of_storage(&settings.node_storage)?;
    owner::make_dir(&spec.log_dir, owner)?;
    owner::make_dir(&definition.dir, owner)?;
    write_run(&definition, &run, owner)?;
    remove_file(&definition.down)
}

/// Marks a node down, so that it stays down whatever becomes of its container. A node without a definition has nothing that
/// could be started.
///
/// # Errors
/// When the mark cannot be made.
pub fn disable(settings: &S6Settings, spec: &NodeSpec) -> Result<(), ManagerError> {
    paths::check(settings, spec)?;
    let definition = definition(settings, spec)?;
    if !definition.dir.is_dir() {
        return Ok(());
    }
    mark_down(&definition, owner::of_storage(&settings.node_storage)?)
}

/// Deletes a node's directories and its definition, nothing else, following no symbolic link. A log directory that is not
/// named after the node may be shared with other nodes and stays.
///
/// # Errors
/// When a path is not the node's own, or something cannot be deleted.
pub fn remove(settings: &S6Settings, spec: &NodeSpec) -> Result<(), ManagerError> {
    paths::check(settings, spec)?;
    delete(&definition(settings, spec)?.dir)?;
    if path_policy::owns_log_dir(spec) {
        delete(&spec.log_dir)?;
    } else if !spec.log_dir.starts_with(&spec.root_dir) {
        tracing::warn!("{} is left alone: it is not named after {}", spec.log_dir.display(), spec.name);
    }
    delete(&spec.root_dir)
}

/// The definition of a node, and the text that goes into it, once nothing is wrong with the node.
fn checked(settings: &S6Settings, node: &NodeRef) -> Result<(Definition, String), ManagerError> {
    let run = definition::run_script(&launch::inside(settings, node)?)?;
    paths::check(settings, &node.spec)?;
    Ok((definition(settings, &node.spec)?, run))
}

fn write_run(definition: &Definition, run: &str, owner: Owner) -> Result<(), ManagerError> {
    write_whole(&definition.run, run.as_bytes(), 0o700, Some(owner))
}

fn mark_down(definition: &Definition, owner: Owner) -> Result<(), ManagerError> {
    write_whole(&definition.down, b"", 0o600, Some(owner))
}

fn remove_file(path: &Path) -> Result<(), ManagerError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(ManagerError::io("delete", path, error)),
        _ => Ok(()),
    }
}

fn delete(directory: &Path) -> Result<(), ManagerError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(ManagerError::io("delete", directory, error)),
        _ => Ok(()),
    }
}

/// What was made and goes again unless it is kept: files, and directories that are still empty.
#[derive(Default)]
struct Made(Vec<PathBuf>);

impl Made {
    fn directory(&mut self, path: &Path, owner: Owner) -> Result<(), ManagerError> {
        if !path.is_dir() {
            self.0.push(path.to_owned());
        }
        owner::make_dir(path, owner)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            let _ = fs::remove_file(path).or_else(|_| fs::remove_dir(path));
        }
    }
}
