//! The files of a node, for managers that work on the disk themselves: directories that are its user's alone and its own
//! copy of the program, made all or not at all, and deleted without following a symbolic link.

use std::fs::{self, DirBuilder, DirEntry, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{DirBuilderExt, PermissionsExt, lchown};
use std::path::{Path, PathBuf};

use crate::hint::Hint;
use crate::node::NodeSpec;
use crate::path_policy::{check_program, owns_log_dir};
use crate::process_manager::ManagerError;
use crate::program;
use crate::user::Owner;

/// Makes a node's directories and its own copy of the program, for `owner` where that is another user. What is there
/// already is left as it is; a program that is damaged is copied anew. What was made goes again with the answer, unless that is [kept](Made::keep).
///
/// # Errors
/// [`ManagerError::Program`] when there is no program to copy, [`ManagerError::Io`] when something cannot be made. Then
/// nothing stays of the node that was not there before.
pub fn make(spec: &NodeSpec, owner: Option<Owner>) -> Result<Made, ManagerError> {
    let has_program = program::check_own(spec).is_ok();
    if !has_program {
        check_program(&spec.program)?;
    }
    let mut made = Made::default();
    made.directory(&spec.root_dir, owner)?;
    made.directory(&spec.log_dir, owner)?;
    // All nodes share it, so it is nobody's to take away again.
    make_private(&spec.bootstrap_cache_dir, owner)?;
    // The node keeps its key there.
    fs::set_permissions(&spec.root_dir, Permissions::from_mode(0o700))
        .map_err(|source| ManagerError::io("make private", &spec.root_dir, source))?;
    if has_program {
        program::share_own(spec, owner);
    } else {
        if !exists(&spec.binary) {
            made.file(&spec.binary);
            made.file(&program::stamp_of(&spec.binary));
        }
        program::stage_for(spec, &spec.program, owner)?.install()?;
    }
    Ok(made)
}

/// Files and directories that were made and go again, directories only while they are empty, unless they are kept.
#[derive(Debug, Default)]
#[must_use = "what was made goes again when this is dropped"]
pub struct Made(Vec<PathBuf>);

impl Made {
    /// Makes a directory of mode 0700 with its parents, for `owner` where that is another user.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn directory(&mut self, path: &Path, owner: Option<Owner>) -> Result<(), ManagerError> {
        if !path.is_dir() {
            self.0.push(path.to_owned());
        }
        make_private(path, owner)
    }

    /// Takes note of a file that was just made.
    pub fn file(&mut self, path: &Path) {
        self.0.push(path.to_owned());
    }

    /// All of it stays.
    pub fn keep(mut self) {
        self.0.clear();
    }
}

impl Drop for Made {
    fn drop(&mut self) {
        for path in self.0.iter().rev() {
            let _ = fs::remove_file(path).or_else(|_| fs::remove_dir(path));
        }
    }
}

fn make_private(path: &Path, owner: Option<Owner>) -> Result<(), ManagerError> {
    fn make(path: &Path, owner: Option<Owner>) -> io::Result<()> {
        if path.is_dir() {
            return Ok(());
        }
        path.parent().map_or(Ok(()), |parent| make(parent, owner))?;
        match DirBuilder::new().mode(0o700).create(path) {
            // The creation of another node made it just now.
            Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
            Err(error) => Err(error),
            Ok(()) => owner.map_or(Ok(()), |owner| lchown(path, Some(owner.uid), Some(owner.gid))),
        }
    }
    make(path, owner).map_err(|source| ManagerError::io("make the directory", path, source))
}

/// Makes a directory, with those above it that are missing, each of exactly this mode, whatever the umask of this process
/// is. One that is there already is left as it is.
///
/// # Errors
/// When it cannot be made.
pub fn make_open(path: &Path, mode: u32) -> io::Result<()> {
    if path.as_os_str().is_empty() || path.is_dir() {
        return Ok(());
    }
    path.parent().map_or(Ok(()), |parent| make_open(parent, mode))?;
    match DirBuilder::new().mode(mode).create(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists && path.is_dir() => Ok(()),
        Err(error) => Err(error),
        Ok(()) => fs::set_permissions(path, Permissions::from_mode(mode)),
    }
}

/// Refuses to start a node that lacks what cannot be made again: its directory, with its key in it, or its program when
/// there is nothing to copy it from. Everything else of it, [`make`] makes again.
///
/// # Errors
/// [`ManagerError::Advised`] with what is missing and what can be done about it.
pub fn check_startable(spec: &NodeSpec) -> Result<(), ManagerError> {
    check_startable_with(spec, program::check_own(spec))
}

/// The same where its manager has looked at the node's own program.
///
/// # Errors
/// [`ManagerError::Advised`] with what is missing and what can be done about it.
pub fn check_startable_with(spec: &NodeSpec, own: Result<(), ManagerError>) -> Result<(), ManagerError> {
    let NodeSpec { name, root_dir, program: source, .. } = spec;
    if !exists(root_dir) {
        let what = format!("{name} cannot be started: its directory {} is gone", root_dir.display());
        return Err(ManagerError::advised(what, Hint::node("remove", name).to("clear what is left of it")));
    }
    let Err(broken) = own.or_else(|broken| check_program(source).map_err(|_| broken)) else {
        return Ok(());
    };
    let program = source.display();
    let what = format!("{name} cannot be started: {}, and it cannot be copied again from {program}", broken.text());
    let hint = Hint::text(format!("put a node program at {program}, or remove the node"));
    Err(ManagerError::advised(what, hint))
}

/// The directories that go with a node: its own, and its log directory where that is the node's alone.
#[must_use]
pub fn own_directories(spec: &NodeSpec) -> Vec<&Path> {
    let mut own: Vec<&Path> = vec![&spec.root_dir];
    if owns_log_dir(spec) {
        own.insert(0, &spec.log_dir);
    } else if !spec.log_dir.starts_with(&spec.root_dir) {
        tracing::warn!("{} is left alone: it is not named after {}", spec.log_dir.display(), spec.name);
    }
    own
}

/// Deletes the directories that go with a node; [`crate::path_policy::check`] was asked before. No symbolic link in them is
/// followed.
///
/// # Errors
/// When one of them cannot be deleted.
pub fn remove(spec: &NodeSpec) -> Result<(), ManagerError> {
    own_directories(spec).into_iter().try_for_each(delete)?;
    if let Some(storage) = program::shared::storage(spec) {
        program::shared::sweep(storage);
    }
    Ok(())
}

/// Deletes a file, or a directory with all that is in it. No symbolic link is followed; what is gone already is fine.
///
/// # Errors
/// When it cannot be deleted.
pub fn delete(path: &Path) -> Result<(), ManagerError> {
    // On a disk that is read-only, even what is not there cannot be deleted.
    if !exists(path) {
        return Ok(());
    }
    let is_directory = path.symlink_metadata().is_ok_and(|found| found.is_dir());
    match if is_directory { fs::remove_dir_all(path) } else { fs::remove_file(path) } {
        Err(error) if error.kind() != ErrorKind::NotFound => Err(ManagerError::io("delete", path, error)),
        _ => Ok(()),
    }
}

/// What is in a directory, in no order; nothing when it does not exist.
///
/// # Errors
/// When it cannot be read.
pub fn entries(directory: &Path) -> Result<Vec<DirEntry>, ManagerError> {
    match fs::read_dir(directory).and_then(Iterator::collect) {
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(vec![]),
        listed => listed.map_err(|source| ManagerError::io("list", directory, source)),
    }
}

/// Whether there is something of this name, be it a link that leads nowhere.
#[must_use]
pub fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;

    use super::*;
    use crate::hint::Hinted;

    fn program(path: &Path) {
        fs::write(path, "#!/bin/sh\n").expect("it is written");
        fs::set_permissions(path, Permissions::from_mode(0o755)).expect("its mode is set");
    }

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).expect("it is there").permissions().mode() & 0o777
    }

    #[test]
    fn what_is_made_is_private_and_goes_again_unless_it_is_kept() {
        let storage = tempfile::tempdir().expect("a temporary directory");
        let spec = NodeSpec::sample(7, storage.path());
        program(&spec.program);
        drop(make(&spec, None).expect("it is made"));
        assert!(!exists(&spec.root_dir) && !exists(&spec.log_dir), "nothing of the node stays");
        make(&spec, None).expect("it is made").keep();
        assert_eq!([&spec.root_dir, &spec.log_dir, &spec.binary].map(|path| mode(path)), [0o700, 0o700, 0o755]);

        fs::set_permissions(&spec.root_dir, Permissions::from_mode(0o755)).expect("it is ours");
        fs::remove_file(&spec.program).expect("it was there");
        drop(make(&spec, None).expect("all of it is there"));
        assert!(spec.binary.exists() && mode(&spec.root_dir) == 0o700);
    }

    #[test]
    fn a_creation_that_fails_half_way_leaves_nothing() {
        let storage = tempfile::tempdir().expect("a temporary directory");
        let spec = NodeSpec::sample(7, storage.path());
        program(&spec.program);
        fs::write(storage.path().join("log"), "not a directory").expect("it is written");
        let error = make(&spec, None).expect_err("the log directory cannot be made").text();
        assert!(error.starts_with("cannot make the directory /"), "{error}");
        assert!(!exists(&spec.root_dir));
    }

    #[test]
    fn a_node_that_cannot_be_made_whole_says_what_is_missing() {
        let storage = tempfile::tempdir().expect("a temporary directory");
        let spec = NodeSpec::sample(7, storage.path());
        let said = |spec: &NodeSpec| {
            let error = check_startable(spec).expect_err("it cannot be started");
            let hint = serde_json::to_string(&error.hints()).expect("it can be written");
            format!("{error}\n{hint}").replace(&storage.path().display().to_string(), "DIR")
        };
        insta::assert_snapshot!(said(&spec), @r#"
        antnode0007 cannot be started: its directory DIR/node/antnode0007 is gone
        [{"advice":{"run":{"nodes":{"verb":"remove","names":["antnode0007"]}}},"purpose":"clear what is left of it"}]
        "#);
        fs::create_dir_all(&spec.root_dir).expect("it is made");
        insta::assert_snapshot!(said(&spec), @r#"
        antnode0007 cannot be started: the node program DIR/node/antnode0007/antnode cannot be used: No such file or directory (os error 2), and it cannot be copied again from DIR/program
        [{"advice":{"text":"put a node program at DIR/program, or remove the node"}}]
        "#);
        program(&spec.program);
        check_startable(&spec).expect("it can be copied again");
        fs::rename(&spec.program, &spec.binary).expect("both are there");
        check_startable(&spec).expect("it needs nothing else");
    }

    #[test]
    fn only_what_is_the_nodes_is_deleted_and_no_link_is_followed() {
        let storage = tempfile::tempdir().expect("a temporary directory");
        let spec = NodeSpec::sample(7, storage.path());
        let precious = storage.path().join("precious");
        fs::create_dir_all(&spec.root_dir).and_then(|()| fs::create_dir_all(&spec.log_dir)).expect("they are made");
        fs::create_dir(&precious)
            .and_then(|()| symlink(&precious, spec.root_dir.join("link")))
            .expect("a link is made");
        remove(&spec).expect("it goes");
        remove(&spec).expect("it is gone already");
        assert!(precious.is_dir() && !exists(&spec.root_dir) && !exists(&spec.log_dir));

        let shared = NodeSpec { log_dir: storage.path().join("log"), ..spec };
        remove(&shared).expect("there is nothing of its own");
        assert!(shared.log_dir.is_dir(), "it is not named after the node");
        symlink(&precious, storage.path().join("link")).expect("a link is made");
        delete(&storage.path().join("link")).expect("the link goes");
        assert!(precious.is_dir());
    }

    #[test]
    fn a_directory_that_does_not_exist_has_nothing_in_it() {
        let storage = tempfile::tempdir().expect("a temporary directory");
        fs::write(storage.path().join("file"), "").expect("it is written");
        assert_eq!(entries(storage.path()).expect("it can be read").len(), 1);
        assert!(entries(&storage.path().join("missing")).expect("it has nothing").is_empty());
        assert!(entries(&storage.path().join("file")).is_err(), "it is not a directory");
    }
}
