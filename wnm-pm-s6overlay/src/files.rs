//! The files that wnm keeps for a node on the volume: its directories, its own copy of the program, and its definition,
//! which tells the container how to run it and whether to.

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use wnm_pm::flavour;
use wnm_pm::node::NodeSpec;
use wnm_pm::path_policy;
use wnm_pm::process_manager::{Created, ManagerError};

use crate::render::{self, Definition, Launch};
use crate::settings::S6Settings;
use crate::storage::{Owner, io_error};
use crate::{paths, program, storage};

/// The definition of a node.
///
/// # Errors
/// When the node belongs to no group.
pub fn definition(settings: &S6Settings, spec: &NodeSpec) -> Result<Definition, ManagerError> {
    let group = paths::group_name(paths::group(spec)?);
    Ok(Definition::new(&settings.node_storage, &group, &spec.name))
}

/// Makes a node's directories, its own copy of the program and its definition, marked down. What is there already is left
/// as it is.
///
/// # Errors
/// When something cannot be made; then nothing of it stays that was not there before.
pub fn create(settings: &S6Settings, spec: &NodeSpec) -> Result<Created, ManagerError> {
    paths::check(settings, spec)?;
    let definition = definition(settings, spec)?;
    let run = run_script(settings, spec)?;
    let has_program = path_policy::check_program(&spec.binary).is_ok();
    if !has_program {
        path_policy::check_program(&spec.program)?;
    }
    // Nodes are created in groups that stand, so that there is a seal.
    if !storage::is_known(&settings.node_storage) {
        return Err(storage::away(&settings.node_storage));
    }
    let owner = Owner::of(&settings.node_storage)?;
    let is_new = !definition.run.exists();
    let mut made = Made::default();
    for directory in [&spec.root_dir, &spec.log_dir, &spec.bootstrap_cache_dir, &definition.dir] {
        made.directory(directory, owner)?;
    }
    if !has_program {
        program::stage(&spec.program, &spec.binary, owner)?.put_in_place()?;
        made.0.push(spec.binary.clone());
    }
    if is_new {
        // In this order: a definition without its mark would start at the container's next boot.
        made.0.push(definition.down.clone());
        mark_down(&definition, owner)?;
    }
    program::write_whole(&definition.run, run.as_bytes(), 0o700, owner)?;
    made.0.clear();
    Ok(Created::as_specified(spec, spec.name.clone()))
}

/// Writes a node's definition anew, as its container may have lost it, and takes its mark away: it may run.
///
/// # Errors
/// When the node's files are not in place, or the definition cannot be written.
pub fn enable(settings: &S6Settings, spec: &NodeSpec) -> Result<(), ManagerError> {
    paths::check(settings, spec)?;
    if !spec.root_dir.is_dir() {
        return Err(io_error("start a node without its directory", &spec.root_dir, ErrorKind::NotFound.into()));
    }
    path_policy::check_program(&spec.binary)?;
    let definition = definition(settings, spec)?;
    let run = run_script(settings, spec)?;
    let owner = Owner::of(&settings.node_storage)?;
    owner.make_dir(&spec.log_dir)?;
    owner.make_dir(&definition.dir)?;
    program::write_whole(&definition.run, run.as_bytes(), 0o700, owner)?;
    remove_file(&definition.down)
}

/// Marks a node down, so that it stays so whatever becomes of its container. A node that has no definition has nothing
/// that could be started.
///
/// # Errors
/// When the mark cannot be made.
pub fn disable(settings: &S6Settings, spec: &NodeSpec) -> Result<(), ManagerError> {
    paths::check(settings, spec)?;
    let definition = definition(settings, spec)?;
    if definition.dir.is_dir() { mark_down(&definition, Owner::of(&settings.node_storage)?) } else { Ok(()) }
}

fn mark_down(definition: &Definition, owner: Owner) -> Result<(), ManagerError> {
    program::write_whole(&definition.down, b"", 0o600, owner)
}

/// Deletes a node's directories and its definition, nothing else, following no symbolic link. A log directory that is not
/// named after the node may be others' too and stays.
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

fn run_script(settings: &S6Settings, spec: &NodeSpec) -> Result<String, ManagerError> {
    let inside = paths::inside(settings, spec)?;
    let mut arguments = vec![inside.binary.to_string_lossy().into_owned()];
    arguments.extend(flavour::arguments(&inside));
    render::run_script(&Launch { directory: &inside.root_dir, arguments: &arguments, environment: &inside.environment })
}

fn remove_file(path: &Path) -> Result<(), ManagerError> {
    match fs::remove_file(path) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io_error("delete", path, error)),
        _ => Ok(()),
    }
}

fn delete(directory: &Path) -> Result<(), ManagerError> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(io_error("delete", directory, error)),
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
        owner.make_dir(path)
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            let _ = fs::remove_file(path).or_else(|_| fs::remove_dir(path));
        }
    }
}
