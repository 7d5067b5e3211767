//! A file system whose server is gone lets nobody go who asks it. wnm is never caught by it.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use wnm_core::node::Status::Running;
use wnm_testing::Need::Fuse;
use wnm_testing::{Colony, Run};

use crate::{bare, running};

/// A file system in user space whose server never answers, over what is there; gone when dropped.
struct Hanging {
    place: PathBuf,
    _server: File,
}

impl Hanging {
    fn over(place: &Path) -> Self {
        let server = File::options().read(true).write(true).open("/dev/fuse").expect("FUSE is there");
        let mut mount = Command::new("mount");
        mount.args(["-i", "-t", "fuse", "-o", "fd=0,rootmode=40000,user_id=0,group_id=0", "hangs"]).arg(place);
        let mounted = mount.stdin(server.try_clone().expect("a copy")).status().expect("mount can be run");
        assert!(mounted.success());
        Self { place: place.to_owned(), _server: server }
    }
}

impl Drop for Hanging {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.place).status();
    }
}

/// Runs wnm, which must not take long.
fn soon(colony: &Colony, words: &[&str]) -> Run {
    let begin = Instant::now();
    let run = colony.wnm(words);
    assert!(begin.elapsed() < Duration::from_secs(10), "{words:?} took {:?}: {run:?}", begin.elapsed());
    run
}

fn calls_on_a_storage_that_hangs_end_in_an_error_that_names_it() {
    let colony = running(1);
    let hanging = Hanging::over(&colony.path().join("nodes"));
    let named = format!("node_storage {} has not answered for 6 s", colony.path().join("nodes").display());
    for words in [&["run", "--quiet"][..], &["stop", "1"], &["plan"]] {
        let run = soon(&colony, words);
        assert_eq!(run.code, 1, "{words:?}: {run:?}");
        assert!(run.stderr.contains(&named), "{words:?}: {run:?}");
    }
    assert_eq!(soon(&colony, &["config", "set", "node_cap=1"]).code, 0, "the lock is free");

    let run = soon(&colony, &["status"]);
    assert_eq!(run.code, 0, "{run:?}");
    assert!(run.stdout.contains("disk unknown") && run.stdout.contains("antnode0001  RUNNING"), "{run:?}");
    assert!(run.stderr.contains(&named), "{run:?}");
    let json = soon(&colony, &["status", "--json"]).json();
    assert!(json["nodes"][0]["metrics"]["uptime_seconds"].is_u64(), "it was asked over the network: {json}");
    assert!(json["host"]["used_hd_percent"].is_null() && json["host"]["used_mem_percent"].is_f64(), "{json}");
    let findings = soon(&colony, &["doctor"]).stdout;
    assert!(findings.contains(&format!("error storage-hangs: {named}")), "{findings}");

    drop(hanging);
    colony.done(&["run"]);
    assert_eq!(colony.statuses(), [(1, Running)]);
    colony.agrees();
}

fn a_log_directory_that_hangs_is_named_as_well() {
    let colony = running(1);
    let _hanging = Hanging::over(&colony.path().join("logs"));
    let run = soon(&colony, &["run"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("log_dir "), "{run:?}");
}

fn a_storage_that_hangs_cannot_be_initialised() {
    let colony = bare();
    let storage = colony.path().join("nodes");
    fs::create_dir(&storage).expect("it is made");
    let _hanging = Hanging::over(&storage);
    let run = soon(&colony, &["init", "--rewards_address", "faucet"]);
    assert_eq!(run.code, 1, "{run:?}");
    assert!(run.stderr.contains("node_storage "), "{run:?}");
    assert!(!colony.database().exists());
}

wnm_testing::trials! {
    &[Fuse] =>
        calls_on_a_storage_that_hangs_end_in_an_error_that_names_it,
        a_log_directory_that_hangs_is_named_as_well,
        a_storage_that_hangs_cannot_be_initialised;
}
