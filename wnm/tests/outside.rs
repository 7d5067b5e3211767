//! The front door opens from outside: a program that is not part of this workspace builds with it and runs.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

const MANIFEST: &str = r#"
[package]
name = "outside"
version = "0.1.0"
edition = "2024"

[dependencies]
wnm = { path = "WNM", default-features = false, features = ["setsid"] }
tempfile = "3"
tokio = { version = "1", features = ["rt", "macros"] }

[workspace]

# As in the workspace, so that what is built already is built once.
[profile.dev]
debug = "line-tables-only"

[profile.dev.package."*"]
debug = false
"#;

/// Where cargo builds this test: `target/debug`.
fn profile() -> PathBuf {
    let test = std::env::current_exe().expect("a test knows its own program");
    let profile = test.ancestors().find(|folder| folder.join(".fingerprint").is_dir());
    profile.expect("the test is in a build directory of cargo").to_owned()
}

#[test]
fn a_program_outside_the_workspace_embeds_wnm() {
    let own = Path::new(env!("CARGO_MANIFEST_DIR"));
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = |name: &str| directory.path().join(name);
    fs::create_dir(path("src")).expect("it is ours");
    fs::write(path("Cargo.toml"), MANIFEST.replace("WNM", &own.display().to_string())).expect("it is ours");
    fs::copy(own.join("examples/embed.rs"), path("src/main.rs")).expect("the example is there");
    fs::copy(own.join("../Cargo.lock"), path("Cargo.lock")).expect("the versions are known");

    let target = profile().parent().expect("it has a parent").to_owned();
    let mut cargo = Command::new(std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    cargo.args(["run", "--quiet", "--offline"]).current_dir(directory.path()).env("CARGO_TARGET_DIR", target);
    let output = cargo.output().expect("cargo can be run");
    let (said, complaint) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{complaint}");
    assert!(said.contains("cycle 1: ") && said.contains("cycle 3: "), "{said}{complaint}");
}
