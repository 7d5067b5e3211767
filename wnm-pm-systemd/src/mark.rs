//! Whose a unit is. wnm marks its units with the storage that their nodes lie in, since no two databases share one. A unit
//! without a mark, of an older wnm or of the Python wnm, is known by the directory that its node lies in. All others are
//! somebody else's: they are never written, counted, stopped or deleted.

use std::fs;
use std::path::{Path, PathBuf};

use wnm_pm::flavour::CommandLine;
use wnm_pm::path_policy::resolve;
use wnm_pm::process_manager::ManagerError;
use wnm_pm::storages::Storages;
use wnm_pm::unit_file;

use crate::exec_start::command_line;
use crate::parse::Unit;
use crate::paths::Places;

/// The key of the mark; systemd leaves keys that begin so alone.
const KEY: &str = "X-WnmNodeStorage";

/// The line that marks a unit of this storage.
///
/// # Errors
/// [`ManagerError::Unusable`] for a storage that systemd cannot name.
pub(crate) fn line(node_storage: &Path) -> Result<String, ManagerError> {
    Ok(format!("{KEY}={}", unit_file::path(node_storage)?))
}

/// Somebody else's unit under the name of a node's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Foreign {
    /// Its file.
    pub(crate) path: PathBuf,
    /// How that is known.
    pub(crate) reason: String,
}

impl Foreign {
    /// The refusal to do anything to it.
    pub(crate) fn refusal(self) -> ManagerError {
        ManagerError::NotOurs { path: self.path, reason: self.reason }
    }
}

/// Whether the unit of this name is somebody else's; `is_own` says which directories of nodes without a mark are ours.
pub(crate) fn foreign(
    places: &Places,
    node_storage: &Storages,
    (name, unit): (&str, &Unit),
    is_own: impl Fn(&Path) -> bool,
) -> Option<Foreign> {
    let place = places.unit(name);
    let loaded = unit.fragment.clone().filter(|path| *path != place);
    // One that is not loaded yet counts like one whose file has been replaced.
    let files: Vec<PathBuf> = [place.clone()].into_iter().chain(loaded).filter(|path| path.is_file()).collect();
    let foreign = |path: PathBuf, reason: String| Some(Foreign { path, reason });
    for path in &files {
        let reason = match fs::read_to_string(path) {
            Ok(text) => whose(&text, node_storage, &is_own),
            Err(error) => Some(format!("it cannot be read: {error}")),
        };
        if let Some(reason) = reason {
            return foreign(path.clone(), reason);
        }
    }
    if files.is_empty() && unit.main_pid != 0 && !is_own(&running_in(unit.main_pid)?) {
        return foreign(place, format!("process {} runs under its name and is not this database's", unit.main_pid));
    }
    None
}

/// Why the unit in this text is somebody else's; none when it is ours.
pub(crate) fn whose(text: &str, node_storage: &Storages, is_own: impl Fn(&Path) -> bool) -> Option<String> {
    match marked(text) {
        Some(storage) if is_one_of(&storage, node_storage) => None,
        Some(storage) => Some(format!("it is a unit of the nodes in {}", storage.display())),
        None if root_dir(text).is_some_and(|directory| is_own(&directory)) => None,
        None => Some("it is not a unit of this database".to_owned()),
    }
}

/// The storage that a unit is marked with.
pub(crate) fn marked(text: &str) -> Option<PathBuf> {
    let value = text.lines().find_map(|line| line.trim().strip_prefix(KEY)?.trim_start().strip_prefix('='))?;
    unit_file::split(value).into_iter().next().map(PathBuf::from)
}

/// The directory of the node that a unit starts.
fn root_dir(text: &str) -> Option<PathBuf> {
    command_line(&[text.to_owned()])?.path("--root-dir")
}

/// The directory of the node that a process is; none for a process that cannot be looked at, or is not a node.
pub(crate) fn running_in(pid: u32) -> Option<PathBuf> {
    let words = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    let words = words.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned());
    Some(CommandLine::new(words.collect()).path("--root-dir").unwrap_or_default())
}

/// Whether a storage is one of these, by whatever links they are reached.
pub(crate) fn is_one_of(storage: &Path, node_storage: &Storages) -> bool {
    node_storage.iter().any(|own| is_same(storage, own))
}

/// By whatever link they are reached.
pub(crate) fn is_same(one: &Path, other: &Path) -> bool {
    one == other || resolve(one) == resolve(other)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_unit_is_known_by_its_mark_or_else_by_the_directory_of_its_node() {
        let storage = Path::new("/srv/my 100% nodes");
        let own = |directory: &Path| directory.starts_with(storage);
        let storages = &Storages::from(storage);
        let line = line(storage).expect("it can be named");
        assert_eq!(marked(&line), Some(storage.to_owned()));
        let starts = |directory: &str| format!("[Service]\nExecStart=/a/antnode --root-dir \"{directory}\"\n");
        assert_eq!(whose(&format!("[Unit]\n{line}\n[Service]\nExecStart=/bin/false\n"), storages, own), None);
        assert_eq!(whose(&starts("/srv/my 100%% nodes/antnode0001"), storages, own), None, "of an older wnm");
        let of_another = format!("[Unit]\n{KEY}=/disk2\n{}", starts("/srv/my 100%% nodes/antnode0001"));
        insta::assert_snapshot!(whose(&of_another, storages, own).expect("it is marked"), @"it is a unit of the nodes in /disk2");
        insta::assert_snapshot!(whose("[Service]\nExecStart=/bin/true", storages, own).expect("it is his"), @"it is not a unit of this database");
        assert!(whose(&starts("/home/else/antnode0001"), storages, own).is_some());
    }
}
