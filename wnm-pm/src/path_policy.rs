//! The path policy keeps wnm off what is not a node's own: a directory outside the node storage, a symbolic link in its place,
//! a log directory that others live in, a program that cannot be run.

use std::fs::{self, File};
use std::io::{ErrorKind, Read};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::elf;
use crate::launch::check_path;
use crate::node::{NodeRef, NodeSpec};
use crate::process_manager::ManagerError;
use crate::storages::Storages;

/// The file that marks a storage as wnm's own: where it is missing, the storage's disk may not be mounted.
pub const STORAGE_MARKER: &str = ".wnm-storage";

/// Refuses a node whose paths are not what a node of these storages can have, or whose launch no process could be given.
///
/// # Errors
/// [`ManagerError::NotOurs`] with the path and what is wrong with it, or what [`crate::launch::Launch::check`] refuses.
pub fn check(node_storage: &Storages, node: &NodeRef) -> Result<(), ManagerError> {
    node.launch.check()?;
    check_paths(node_storage, &node.spec)
}

/// Refuses a node whose paths are not what a node of these storages can have.
///
/// # Errors
/// [`ManagerError::NotOurs`] with the path and what is wrong with it.
pub fn check_paths(node_storage: &Storages, spec: &NodeSpec) -> Result<(), ManagerError> {
    let NodeSpec { root_dir, binary, log_dir, bootstrap_cache_dir, .. } = spec;
    let named = [("root_dir", root_dir), ("binary", binary), ("log_dir", log_dir)];
    for (name, path) in named.into_iter().chain([("bootstrap_cache_dir", bootstrap_cache_dir)]) {
        check_path(name, path)?;
    }
    let storages: Vec<PathBuf> = node_storage.iter().map(resolve).collect();
    let root_dir = own_path(&spec.root_dir)?;
    if storages.contains(&root_dir) || !storages.iter().any(|storage| root_dir.starts_with(storage)) {
        let named: Vec<_> = storages.iter().map(|storage| storage.display().to_string()).collect();
        return Err(not_ours(&spec.root_dir, format!("it does not lie in the node storage {}", named.join(" or "))));
    }
    refuse_all_but_a_directory(&spec.root_dir)?;
    if own_path(&spec.binary)?.parent() != Some(&root_dir) {
        return Err(not_ours(&spec.binary, format!("it does not lie in {}", root_dir.display())));
    }
    let log_dir = own_path(&spec.log_dir)?;
    if storages.iter().any(|storage| storage.starts_with(&log_dir)) {
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
    match beginning(program) {
        // Whoever starts it may be allowed to run what this user may not read.
        Err(_) => Ok(()),
        Ok(_) if elf::is_cut(program) => {
            Err(refused(format!("it is damaged: its {} bytes end before the program does", found.len())))
        }
        Ok(bytes) if BEGINNINGS.iter().any(|known| bytes.starts_with(known)) => Ok(()),
        // Many a starter hands what the kernel does not run to a shell, which would take it for commands.
        Ok(_) => {
            Err(refused("Exec format error: it is neither a program nor a script that begins with `#!`".to_owned()))
        }
    }
}

/// What can be run begins with one of these: ELF, a script that names its interpreter, and Mach-O in its four byte orders
/// and its two of several architectures at once.
const BEGINNINGS: [&[u8]; 8] = [
    elf::MAGIC,
    b"#!",
    b"\xfe\xed\xfa\xce",
    b"\xfe\xed\xfa\xcf",
    b"\xce\xfa\xed\xfe",
    b"\xcf\xfa\xed\xfe",
    b"\xca\xfe\xba\xbe",
    b"\xca\xfe\xba\xbf",
];

fn beginning(program: &Path) -> std::io::Result<Vec<u8>> {
    let mut bytes = Vec::with_capacity(4);
    File::open(program)?.take(4).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn refuse_all_but_a_directory(path: &Path) -> Result<(), ManagerError> {
    match path.symlink_metadata() {
        Ok(found) if found.is_dir() => Ok(()),
        Ok(found) if found.is_symlink() => {
            Err(not_ours(path, "it is a symbolic link, not the node's own directory".to_owned()))
        }
        Ok(_) => Err(not_ours(path, "it is not a directory".to_owned())),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(source) => Err(ManagerError::io("read", path, source)),
    }
}

fn not_ours(path: &Path, reason: String) -> ManagerError {
    ManagerError::NotOurs { path: path.to_owned(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_run_is_refused_with_the_reason() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let program = directory.path().join("antnode");
        let tried = |content: &[u8], mode: u32| {
            fs::write(&program, content).expect("it is written");
            fs::set_permissions(&program, fs::Permissions::from_mode(mode)).expect("its mode is set");
            check_program(&program).map_err(|error| error.to_string().replace(&program.display().to_string(), "P"))
        };
        let refused = |content: &[u8], mode| tried(content, mode).expect_err("it cannot be run");
        let shell = fs::read("/bin/sh").expect("every machine has one");
        insta::assert_snapshot!(refused(&shell[..5_000], 0o755), @"the node program P cannot be used: it is damaged: its 5000 bytes end before the program does");
        insta::assert_snapshot!(refused(b"\x7fELF", 0o644), @"the node program P cannot be used: it is not executable");
        insta::assert_snapshot!(refused(b"", 0o755), @"the node program P cannot be used: it is empty");
        insta::assert_snapshot!(refused(b"touch x\n", 0o755), @"the node program P cannot be used: Exec format error: it is neither a program nor a script that begins with `#!`");
        assert_eq!(tried(b"#!/bin/sh\n", 0o755), Ok(()));
        assert_eq!(tried(&shell, 0o755), Ok(()));
        assert!(check_program(directory.path()).is_err_and(|error| error.to_string().ends_with("it is not a file")));
    }
}
