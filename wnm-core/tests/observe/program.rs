//! The version of a node program is read from the very file, once for each file.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use wnm_core::node::Flavour;
use wnm_core::observe::version::parse_node_version;
use wnm_core::observe::{Program, VersionCache, VersionError, program_version};
use wnm_pm::command::SystemRunner;
use wnm_testing::{RecordedRunner, test_node, test_node_that};

/// A program that answers by a script, at a place of its own.
fn script(directory: &Path, text: &str) -> PathBuf {
    program_file(directory, &format!("#!/bin/sh\n{text}\n"))
}

/// An executable file with this content.
fn program_file(directory: &Path, text: &str) -> PathBuf {
    let path = directory.join("antnode");
    // By another process: while a file is open for writing here, it is so in whatever another test starts at that moment,
    // and nobody can run it.
    let write = "rm -f \"$1\"; printf '%s' \"$2\" > \"$1\"; chmod 755 \"$1\"";
    let mut writer = Command::new("sh");
    writer.args(["-c", write, "sh"]).arg(&path).arg(text);
    assert!(writer.status().expect("there is a shell").success());
    path
}

async fn asked(path: &Path) -> Result<Program, VersionError> {
    program_version(&SystemRunner, path, &VersionCache::default()).await.map(|(program, _)| program)
}

/// What is wrong with a program, as a person reads it.
async fn complaint(path: &Path, directory: &Path) -> String {
    let error = wnm_testing::told(&asked(path).await.expect_err("something is wrong with it"));
    error.replace(&directory.display().to_string(), "/base")
}

#[test]
fn both_programs_are_known_by_what_they_say() {
    let cases = [
        "Autonomi Node v0.4.17\nNetwork version: ant/1.0/1",
        "\n  Autonomi Node v0.4.18-rc.1 \n",
        "ant-node 0.23.1",
        "ant-node 0.23.1 (abc123)",
        "Autonomi Node v0.4",
        "antctl 0.14.2",
        "Autonomi Node",
        "",
    ];
    let said =
        |text: &str| parse_node_version(text).map(|program| format!("{:?} {}", program.flavour, program.version));
    let lines: Vec<String> = cases.iter().map(|text| format!("{text:?}: {:?}", said(text))).collect();
    insta::assert_snapshot!(lines.join("\n"), @r#"
    "Autonomi Node v0.4.17\nNetwork version: ant/1.0/1": Some("V1 0.4.17")
    "\n  Autonomi Node v0.4.18-rc.1 \n": Some("V1 0.4.18-rc.1")
    "ant-node 0.23.1": Some("V2 0.23.1")
    "ant-node 0.23.1 (abc123)": Some("V2 0.23.1")
    "Autonomi Node v0.4": None
    "antctl 0.14.2": None
    "Autonomi Node": None
    "": None
    "#);
}

#[test]
fn f49_the_version_is_that_of_the_very_file() {
    const VARIABLE: &str = "WNM_TEST_WITH_ANOTHER_PATH";
    if std::env::var_os(VARIABLE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
        for version in ["0.4.17", "0.4.18-rc.1"] {
            let program = runtime.block_on(asked(&test_node(version))).expect("it tells");
            assert_eq!((program.flavour, program.version.to_string().as_str()), (Flavour::V1, version));
        }
        return;
    }
    // Another program of that name comes first on the PATH.
    let directory = tempfile::tempdir().expect("a temporary directory");
    script(directory.path(), "echo 'Autonomi Node v9.9.9'");
    let path = std::env::var("PATH").expect("there is one");
    let output = Command::new(std::env::current_exe().expect("a test knows its own program"))
        .args(["--exact", "program::f49_the_version_is_that_of_the_very_file"])
        .env(VARIABLE, "1")
        .env("PATH", format!("{}:{path}", directory.path().display()))
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
async fn f47_a_program_that_does_not_tell_is_named_with_what_it_said() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let base = directory.path();
    let mut complaints = Vec::new();
    for text in ["echo bash 5.2; echo more", "echo broken >&2; exit 3", "exit 0", "kill -9 $$"] {
        complaints.push(complaint(&script(base, text), base).await);
    }
    complaints.push(complaint(&base.join("missing"), base).await);
    complaints.push(complaint(base, base).await);
    let data = script(base, "echo 'Autonomi Node v0.4.17'");
    fs::set_permissions(&data, fs::Permissions::from_mode(0o644)).expect("it is ours");
    complaints.push(complaint(&data, base).await);
    complaints.push(complaint(&program_file(base, "\x7fELF, or so it says"), base).await);
    insta::assert_snapshot!(complaints.join("\n\n"), @r#"
    /base/antnode is not a node program: asked for its version it says "bash 5.2"
    hint: set antnode_path … to name a node program

    the node program at /base/antnode does not report its version: `/base/antnode --version` failed (exit code 3): broken

    /base/antnode is not a node program: asked for its version it says ""
    hint: set antnode_path … to name a node program

    the node program at /base/antnode does not report its version: `/base/antnode --version` failed (ended by a signal): it said nothing

    there is no node program at /base/missing: No such file or directory (os error 2)
    hint: install one there
    hint: set antnode_path … to name another program

    /base is not a file that can be run
    hint: set antnode_path … to name another program

    /base/antnode is not a file that can be run
    hint: `chmod +x /base/antnode` to make it executable
    hint: set antnode_path … to name another program

    the node program at /base/antnode does not report its version: cannot run `/base/antnode --version`: Exec format error (os error 8)
    hint: is the program installed, and on the PATH of this user?
    "#);
}

#[tokio::test]
async fn a_known_file_is_not_run_again() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = script(directory.path(), "");
    let runner = RecordedRunner::new().on_success(&path.to_string_lossy(), "Autonomi Node v0.4.17\n");
    let (first, cache) = program_version(&runner, &path, &VersionCache::default()).await.expect("it tells");
    let cache = cache.expect("there is something to keep");
    // It is kept in the database as text.
    let text = serde_json::to_string(&cache).expect("it is text");
    let cache: VersionCache = serde_json::from_str(&text).expect("it comes back");
    let (second, renewed) = program_version(&runner, &path, &cache).await.expect("it is known");
    assert_eq!((first, None), (second, renewed));
    assert_eq!(runner.calls().len(), 1);
    assert_eq!(runner.lines(), [format!("{} --version", path.display())]);
}

#[tokio::test]
async fn a_replaced_file_is_asked_again() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let path = script(directory.path(), "echo 'Autonomi Node v0.4.17'");
    let times = fs::metadata(&path).expect("it is there").modified().expect("it has one");
    let (_, cache) = program_version(&SystemRunner, &path, &VersionCache::default()).await.expect("it tells");
    let cache = cache.expect("there is something to keep");

    // As long as the first, and made to look as old.
    script(directory.path(), "echo 'Autonomi Node v0.4.18'");
    fs::File::open(&path).and_then(|file| file.set_modified(times)).expect("it is ours");
    let (program, renewed) = program_version(&SystemRunner, &path, &cache).await.expect("it tells");
    assert_eq!(program.version.to_string(), "0.4.18");
    assert!(renewed.is_some_and(|renewed| renewed != cache));

    // The same file elsewhere is another one.
    let elsewhere = directory.path().join("elsewhere");
    fs::hard_link(&path, &elsewhere).expect("it is ours");
    let runner = RecordedRunner::new().on_success("", "ant-node 0.23.1");
    let (program, _) = program_version(&runner, &elsewhere, &cache).await.expect("it tells");
    assert_eq!(program.flavour, Flavour::V2);
}

#[tokio::test]
async fn a_program_that_ends_at_once_can_still_tell_its_version() {
    let program = asked(&test_node_that("exit:7:0", "0.4.17")).await.expect("it tells");
    assert_eq!(program.version.to_string(), "0.4.17");
}
