//! A survey finds nodes by their units, whoever wrote them, and by what lies in the node storage without a unit.

use std::collections::HashSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use wnm_pm::node::NodeId;
use wnm_pm::node_files;
use wnm_pm::process_manager::{FoundNode, ManagerError, ProcessState};
use wnm_pm::storages::Storages;

use crate::Systemd;
use crate::exec_start::command_line;
use crate::mark::{self, is_one_of};
use crate::parse::Unit;
use crate::state::{missing_program, of_unit};

/// Every node of this systemd, ordered by unit.
pub(crate) async fn survey(manager: &Systemd) -> Result<Vec<FoundNode>, ManagerError> {
    let mut names = manager.systemctl.names().await?;
    names.retain(|name| number(name).is_some());
    let units = manager.systemctl.units(&names).await?;
    let of_unit = |(name, unit): (&String, &Unit)| of_files(&manager.node_storage, name, unit);
    let mut found: Vec<FoundNode> = units.iter().filter_map(of_unit).collect();
    let told: HashSet<PathBuf> = found.iter().filter_map(|node| node.root_dir.clone()).collect();
    for storage in manager.node_storage.iter() {
        found.extend(leftovers(storage)?.into_iter().filter(|path| !told.contains(path)).map(leftover));
    }
    found.sort_by(|one, other| one.service.cmp(&other.service));
    Ok(found)
}

/// A node as its unit's files describe it; none for antctl's nodes, those of another database, and what is no node.
fn of_files(node_storage: &Storages, name: &str, unit: &Unit) -> Option<FoundNode> {
    let texts: Vec<String> = unit.files.iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
    let is_of_another = |text: &String| mark::marked(text).is_some_and(|storage| !is_one_of(&storage, node_storage));
    if texts.iter().any(is_of_another) {
        return None;
    }
    of_texts(name, unit, &texts)
}

fn of_texts(name: &str, unit: &Unit, texts: &[String]) -> Option<FoundNode> {
    let state = of_unit(unit);
    let Some(line) = command_line(texts) else {
        // Its unit file was deleted while it runs.
        let is_node = mark::running_in(unit.main_pid).is_some_and(|directory| directory.is_absolute());
        return state.filter(|_| is_node).map(|state| FoundNode::named(name, number(name), state));
    };
    // Only antctl's have an RPC port; they are antctl's to manage.
    if line.option("--rpc").is_some() || !line.is_nodes() {
        return None;
    }
    let program = line.program().filter(|path| is_one_place(path));
    let missing = || program.map_or(Some("its program".to_owned()), |path| missing_program(&path));
    let state = state.unwrap_or_else(|| match missing() {
        None => ProcessState::Stopped { reason: unit.end() },
        Some(missing) => ProcessState::Incomplete { missing },
    });
    let mut found = FoundNode::named(name, number(name), state).told(&line);
    for path in [&mut found.root_dir, &mut found.binary, &mut found.log_dir] {
        *path = path.take().filter(|path| is_one_place(path));
    }
    Some(found)
}

/// Whether a path leads to one place only, wherever it is read.
fn is_one_place(path: &Path) -> bool {
    path.is_absolute() && path.components().all(|part| part != Component::ParentDir)
}

/// Directories that are named as nodes' are.
fn leftovers(node_storage: &Path) -> Result<Vec<PathBuf>, ManagerError> {
    let entries = node_files::entries(node_storage)?.into_iter();
    let real = entries.filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(real.map(|entry| entry.path()).filter(|path| number(&name_of(path)).is_some()).collect())
}

/// A directory without a unit is not free to use: it may hold the key of a former node.
fn leftover(root_dir: PathBuf) -> FoundNode {
    let name = name_of(&root_dir);
    let state = ProcessState::Incomplete { missing: "its unit file".to_owned() };
    FoundNode { root_dir: Some(root_dir), ..FoundNode::named(format!("{name}.service"), number(&name), state) }
}

fn name_of(root_dir: &Path) -> String {
    root_dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

pub(crate) fn number(name: &str) -> Option<NodeId> {
    NodeId::of_name(name.strip_suffix(".service").unwrap_or(name))
}

#[cfg(test)]
mod tests {
    use wnm_pm::node::NodeRef;

    use super::*;
    use crate::paths::Scope;
    use crate::render;

    #[test]
    fn a_found_node_is_of_its_flavour_and_in_its_network() {
        for spec in render::tests::specs() {
            let text = render::unit(&NodeRef::new(spec.clone()), &Path::new("/srv").into(), Scope::User, 252)
                .expect("it is plain");
            let found = of_texts("antnode0007.service", &Unit::default(), &[text]).expect("it is a node");
            assert_eq!((found.flavour, found.network), (Some(spec.flavour), Some(spec.network)));
            assert_eq!((found.id, found.ports, found.wallet), (Some(spec.id), spec.ports, Some(spec.wallet)));
            assert_eq!((found.root_dir, found.binary), (Some(spec.root_dir), Some(spec.binary)));
            assert_eq!(found.log_dir, Some(spec.log_dir));
        }
    }

    #[test]
    fn a_directory_that_could_be_anywhere_is_none() {
        for root_dir in ["antnode0001", "/srv/../home", "%h/antnode0001"] {
            let text = format!("[Service]\nExecStart={root_dir}/antnode --root-dir {root_dir} --port 55001\n");
            let found = of_texts("antnode0001.service", &Unit::default(), &[text]).expect("it is a node");
            assert_eq!((found.root_dir, found.binary), (None, None), "{root_dir}");
        }
    }
}
