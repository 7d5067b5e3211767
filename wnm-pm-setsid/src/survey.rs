//! A survey finds this manager's nodes in the kernel's process table and in the node storage, in the database or not.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use wnm_pm::node::NodeId;
use wnm_pm::process_manager::{FoundNode, ManagerError, ProcessState};
use wnm_pm::storages::Storages;
use wnm_pm::{node_files, path_policy};

use crate::processes::{self, Process};

/// Every node whose program lies below a node storage: those with a process, and those with a directory only. Ordered
/// by directory.
pub(crate) fn survey(node_storage: &Storages) -> Result<Vec<FoundNode>, ManagerError> {
    let storages: Vec<PathBuf> = node_storage.iter().map(path_policy::resolve).collect();
    let mut found: BTreeMap<PathBuf, FoundNode> = BTreeMap::new();
    for process in processes::running(|program| storages.iter().any(|storage| program.starts_with(storage)))? {
        if let (Some(node), Some(directory)) = (running(&process), process.program.parent()) {
            found.entry(directory.to_owned()).or_insert(node);
        }
    }
    for storage in node_storage.iter() {
        at_rest(storage, &mut found)?;
    }
    Ok(found.into_values().collect())
}

/// The nodes whose directories lie in a storage, unless they were found before.
fn at_rest(storage: &Path, found: &mut BTreeMap<PathBuf, FoundNode>) -> Result<(), ManagerError> {
    let real = path_policy::resolve(storage);
    for entry in node_files::entries(storage)? {
        let node = FoundNode::at_rest(&entry.path());
        // One that wnm could make must not be taken for a free place: it may hold the key of a node that was.
        let is_node = node.binary.is_some() || node.id.is_some();
        if is_node && entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            found.entry(real.join(entry.file_name())).or_insert(node);
        }
    }
    Ok(())
}

/// A node by the command line of its process; none when it is not a node's (`antnode --version`).
fn running(process: &Process) -> Option<FoundNode> {
    let root_dir = process.line.path("--root-dir")?;
    let name = root_dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
    let state = ProcessState::Running { process: Some(process.id) };
    Some(FoundNode::named(name.clone(), NodeId::of_name(&name), state).told(&process.line))
}

#[cfg(test)]
mod tests {
    use wnm_pm::node::ProcessId;

    use super::*;
    use crate::processes::command_line;

    #[test]
    fn a_node_program_that_is_asked_for_its_version_is_not_a_node() {
        let line = command_line(Path::new("/n/antnode"), b"antnode\0--version\0");
        let asked = Process { id: ProcessId { pid: 5, start_time: 6 }, program: "/n/antnode".into(), line };
        assert_eq!(running(&asked), None);
    }
}
