//! A record needs nothing but the program: no file beside it, no directory to stand in, no variable.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::path::Path;
use std::process::Command;

use wnm_core::store::Store;

/// Names the database to the process that stands in an empty directory.
const VARIABLE: &str = "WNM_TEST_ALONE";

#[test]
fn f10_a_record_is_made_by_the_program_alone() {
    if let Some(database) = std::env::var_os(VARIABLE) {
        drop(Store::create(Path::new(&database)).expect("a new database"));
        return;
    }
    let [empty, place] = [(); 2].map(|()| tempfile::tempdir().expect("a temporary directory"));
    let program = place.path().join("program");
    std::fs::copy(std::env::current_exe().expect("a test knows its own program"), &program).expect("it is copied");
    let database = empty.path().join("colony.db");
    let output = Command::new(&program)
        .args(["--exact", "f10_a_record_is_made_by_the_program_alone"])
        .current_dir(empty.path())
        .env_clear()
        .env(VARIABLE, "colony.db")
        .output()
        .expect("it runs");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stdout));
    let files: Vec<_> = std::fs::read_dir(empty.path()).expect("it is read").flatten().collect();
    assert_eq!(files.len(), 2, "the database and its reserve: {files:?}");
    let record = Store::open(&database).and_then(|store| store.load()).expect("it is whole");
    assert!(!record.initialised);
}
