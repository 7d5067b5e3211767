//! Test node programs: copies of the example `test-node` whose last lines say which version each is.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicU32, Ordering};

use super::traces::build_directory;

/// A test node program of this version, named `antnode`; made when it is not there yet.
///
/// # Panics
/// When the test node cannot be built or copied.
#[must_use]
pub fn test_node(version: &str) -> PathBuf {
    test_node_that("", version)
}

/// A test node program of this version that misbehaves wherever it runs (`exit:7:0`; the words are in
/// `examples/test-node/misbehaviour.rs`).
///
/// # Panics
/// When the test node cannot be built or copied.
#[must_use]
pub fn test_node_that(misbehaviour: &str, version: &str) -> PathBuf {
    program("", "antnode", misbehaviour, version, "")
}

/// A test node program that poses as `ant-node` of this version, by that name, and misbehaves like this.
///
/// # Panics
/// When the test node cannot be built or copied.
#[must_use]
pub fn test_node_of_v2(misbehaviour: &str, version: &str) -> PathBuf {
    program("v2 ", "ant-node", misbehaviour, version, "WNM-TEST-NODE-FLAVOUR=v2\n")
}

fn program(kind: &str, name: &str, misbehaviour: &str, version: &str, more: &str) -> PathBuf {
    let original = original();
    let folder = format!("{kind}{version} {misbehaviour}").trim_end().replace([' ', ':', ',', '/'], "-");
    let copy = original.with_file_name("test-nodes").join(folder).join(name);
    let lines = format!("\nWNM-TEST-NODE-VERSION={version}\nWNM-TEST-NODE-MISBEHAVIOUR={misbehaviour}\n{more}");
    if !is_newer(&copy, original) {
        make(original, &copy, &lines).expect("the build directory can be written");
    }
    copy
}

/// The example as cargo built it, next to the test that runs: `target/debug/examples/test-node`.
fn original() -> &'static Path {
    static ORIGINAL: OnceLock<PathBuf> = OnceLock::new();
    ORIGINAL.get_or_init(|| {
        let profile = build_directory().expect("the test lies in a build directory of cargo");
        let program = profile.join("examples/test-node");
        if sources().iter().any(|source| !is_newer(&program, source)) {
            build(&profile);
        }
        program
    })
}

/// What the example is made of, apart from libraries. A test machine has what was built, and none of this.
fn sources() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples/test-node");
    let entries = fs::read_dir(folder).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Cargo lets one build at a time into a build directory, so tests that need it at the same time wait for one another.
fn build(profile: &Path) {
    let name = profile.file_name().and_then(|name| name.to_str()).unwrap_or("debug");
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).join("../Cargo.toml");
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["build", "--quiet", "--package", "wnm-examples", "--example", "test-node"]);
    cargo.args(["--profile", if name == "debug" { "dev" } else { name }]);
    cargo.arg("--manifest-path").arg(manifest);
    cargo.arg("--target-dir").arg(profile.parent().unwrap_or(profile));
    let status = cargo.status().expect("cargo can be run");
    assert!(status.success(), "`cargo build --example test-node` failed");
}

fn is_newer(copy: &Path, original: &Path) -> bool {
    let time = |path: &Path| fs::metadata(path).and_then(|data| data.modified()).ok();
    time(copy) >= time(original)
}

/// Whoever sees the copy sees all of it, also when several tests make it at once.
fn make(original: &Path, copy: &Path, lines: &str) -> std::io::Result<()> {
    static SERIAL: AtomicU32 = AtomicU32::new(0);
    let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
    fs::create_dir_all(copy.with_file_name(""))?;
    let unfinished = copy.with_extension(format!("{}.{serial}", std::process::id()));
    // By another process: while a file is open for writing here, it is so in whatever another test starts at that moment,
    // and nobody can run it.
    let write = "cat \"$1\" > \"$3\" && printf '%s' \"$2\" >> \"$3\" && chmod 755 \"$3\"";
    let mut writer = Command::new("sh");
    let status = writer.args(["-c", write, "sh"]).arg(original).arg(lines).arg(&unfinished).status()?;
    if !status.success() {
        return Err(std::io::Error::other(format!("{} cannot be written", unfinished.display())));
    }
    fs::rename(unfinished, copy)
}
