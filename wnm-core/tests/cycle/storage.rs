//! The states of a node's directory, and the mark that tells a lost directory from a lost disk.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};

use wnm_core::snapshot::DirectoryState;
use wnm_core::storage::{STORAGE_MARKER, directory, prepare};

#[test]
fn a_storage_is_made_marked_and_for_its_owner_only() {
    let base = tempfile::tempdir().expect("a temporary directory");
    let storage = base.path().join("deep/storage");
    for _ in 0..2 {
        prepare(&storage).expect("it may be repeated");
    }
    let mode = |path: &std::path::Path| fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
    assert_eq!((mode(&storage), mode(&storage.join(STORAGE_MARKER))), (0o700, 0o600));
    assert!(fs::read_to_string(storage.join(STORAGE_MARKER)).expect("it is text").contains("wnm"));
}

#[test]
fn a_storage_that_cannot_be_made_is_named() {
    let base = tempfile::tempdir().expect("a temporary directory");
    let file = base.path().join("file");
    fs::write(&file, "precious").expect("it is written");
    let message = wnm_testing::told(&prepare(&file.join("storage")).expect_err("a file is in the way"));
    insta::assert_snapshot!(message.replace(&base.path().display().to_string(), "/base"), @"
    cannot make /base/file/storage the storage of nodes: Not a directory (os error 20)
    hint: node_storage must be on a mounted disk that this user may write to
    ");
    prepare(&file).expect_err("it is a file");
    assert_eq!(fs::read_to_string(file).expect("it is read"), "precious");
}

#[test]
fn f37_a_directory_is_seen_as_it_is() {
    let base = tempfile::tempdir().expect("a temporary directory");
    let storage = base.path().join("storage");
    prepare(&storage).expect("it is ours");
    let state = |name: &str| directory(&storage, &storage.join(name));
    fs::create_dir(storage.join("there")).expect("it is ours");
    fs::write(storage.join("file"), "").expect("it is ours");
    symlink(storage.join("there"), storage.join("link")).expect("it is ours");
    symlink("nowhere", storage.join("dangling")).expect("it is ours");
    assert_eq!(state("there"), DirectoryState::Present);
    assert_eq!(state("gone"), DirectoryState::Missing);
    for name in ["file", "link", "dangling"] {
        assert_eq!(state(name), DirectoryState::NotADirectory, "{name}");
    }
    assert_eq!(state("file/below"), DirectoryState::Unknown, "nobody can look there");
}

#[test]
fn nodes_are_not_dead_because_their_disk_is_away() {
    let base = tempfile::tempdir().expect("a temporary directory");
    let storage = base.path().join("storage");
    prepare(&storage).expect("it is ours");
    fs::remove_file(storage.join(STORAGE_MARKER)).expect("it is ours");
    assert_eq!(directory(&storage, &storage.join("gone")), DirectoryState::Unknown, "an empty mount point");
    fs::remove_dir(&storage).expect("it is ours");
    assert_eq!(directory(&storage, &storage.join("gone")), DirectoryState::Unknown, "no mount point at all");
    // Another file system may lie there and have a directory where the mark should be.
    fs::create_dir_all(storage.join(STORAGE_MARKER)).expect("it is ours");
    assert_eq!(directory(&storage, &storage.join("gone")), DirectoryState::Unknown);
}

#[test]
fn an_adopted_directory_is_missed_by_its_brothers() {
    let base = tempfile::tempdir().expect("a temporary directory");
    let (storage, elsewhere) = (base.path().join("storage"), base.path().join("elsewhere"));
    prepare(&storage).expect("it is ours");
    assert_eq!(directory(&storage, &elsewhere.join("gone")), DirectoryState::Unknown);
    fs::create_dir(&elsewhere).expect("it is ours");
    assert_eq!(directory(&storage, &elsewhere.join("gone")), DirectoryState::Unknown);
    fs::create_dir(elsewhere.join("brother")).expect("it is ours");
    assert_eq!(directory(&storage, &elsewhere.join("gone")), DirectoryState::Missing);
    assert_eq!(directory(&storage, &elsewhere.join("brother")), DirectoryState::Present);
}
