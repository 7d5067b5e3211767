//! What tests make outside their temporary directories can be told from everything else, so that `.ci/clean` removes what
//! killed tests left behind and touches nothing that they did not make.

use std::fs;
use std::path::{Path, PathBuf};

/// The label of each container that a test makes itself, as `docker run --label` takes it. Its value is the build
/// directory: tests of another checkout may be running on the same engine.
///
/// # Panics
/// Outside a build directory of cargo.
#[must_use]
pub fn docker_label() -> String {
    format!("org.wnm.test={}", build_directory().expect("tests lie in a build directory of cargo").display())
}

/// A note that a machine id is a test's, for as long as this lives. Containers, network and rules that a process manager
/// makes in a test carry the id as those of a real fleet do.
pub struct NotedMachine(PathBuf);

impl NotedMachine {
    /// Notes the id.
    ///
    /// # Panics
    /// When the build directory cannot be written.
    #[must_use]
    pub fn new(id: &str) -> Self {
        let notes = build_directory().expect("tests lie in a build directory of cargo").join("test-machines");
        fs::create_dir_all(&notes).expect("the build directory can be written");
        let note = notes.join(id);
        fs::write(&note, "").expect("the build directory can be written");
        Self(note)
    }
}

impl Drop for NotedMachine {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// A note that an engine with its network namespace and directory is a test's, for as long as this lives.
pub struct NotedEngine(PathBuf);

impl NotedEngine {
    /// Notes the name of its namespace, and its directory.
    ///
    /// # Panics
    /// When the build directory cannot be written.
    #[must_use]
    pub fn new(name: &str, directory: &Path) -> Self {
        let notes = build_directory().expect("tests lie in a build directory of cargo").join("test-engines");
        fs::create_dir_all(&notes).expect("the build directory can be written");
        let note = notes.join(name);
        fs::write(&note, directory.as_os_str().as_encoded_bytes()).expect("the build directory can be written");
        Self(note)
    }
}

impl Drop for NotedEngine {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.0);
    }
}

/// Where cargo built this test, such as `target/debug`.
pub(crate) fn build_directory() -> Option<PathBuf> {
    let program = std::env::current_exe().ok()?;
    let found = program.ancestors().find(|folder| {
        // A test machine sees only a part of it.
        folder.join(".fingerprint").is_dir() || folder.join(".cargo-lock").is_file()
    });
    found.map(PathBuf::from)
}
