//! The files that wnm keeps for a node on the volume: its directories, its own copy of the program, and its definition,
//! from which the container knows how to run it and whether to.

use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::node_files;
use wnm_pm::process_manager::{Created, ManagerError};
use wnm_pm::program::write_whole;
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
    // Nodes are created in groups that are up, so that the storage has its id.
    if !storage::is_known(&settings.node_storage) {
        return Err(storage::missing(&settings.node_storage));
    }
    let owner = owner::of_storage(&settings.node_storage)?;
    let is_new = !definition.run.exists();
    let mut made = node_files::make(spec, Some(owner))?;
    made.directory(&definition.dir, Some(owner))?;
    if is_new {
        // In this order: a definition without its mark would start at the container's next boot.
        made.file(&definition.down);
        mark_down(&definition, owner)?;
    }
    write_run(&definition, &run, owner)?;
    made.keep();
    Ok(Created::as_specified(spec, spec.name.clone()))
}

/// Writes a node's definition anew, since its launch may have changed or the definition been lost, makes what else is
/// missing of it, and removes its mark: it may run.
///
/// # Errors
/// When the node lacks what cannot be made again, or something cannot be made.
pub fn enable(settings: &S6Settings, node: &NodeRef) -> Result<(), ManagerError> {
    let spec = &node.spec;
    let (definition, run) = checked(settings, node)?;
    node_files::check_startable(spec)?;
    let owner = owner::of_storage(&settings.node_storage)?;
    let mut made = node_files::make(spec, Some(owner))?;
    made.directory(&definition.dir, Some(owner))?;
    write_run(&definition, &run, owner)?;
    made.keep();
    node_files::delete(&definition.down)
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

/// Deletes a node's directories and its definition, nothing else, following no symbolic link.
///
/// # Errors
/// When a path is not the node's own, or something cannot be deleted.
pub fn remove(settings: &S6Settings, spec: &NodeSpec) -> Result<(), ManagerError> {
    paths::check(settings, spec)?;
    node_files::delete(&definition(settings, spec)?.dir)?;
    node_files::remove(spec)
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
