//! `.ci/clean` removes what killed tests left behind, and nothing that looks like it.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use wnm_testing::Need::{Program, Root, S6Image};
use wnm_testing::s6_image;

/// What is on the engine and in the firewall, gone with the test.
struct Remains {
    /// Stands for the `target` of a checkout whose tests were killed.
    target: TempDir,
    /// The machine ids of a test and of a fleet.
    test: String,
    fleet: String,
}

fn run(program: &str, arguments: &[&str]) -> bool {
    let output = Command::new(program).args(arguments).output().expect("it can be run");
    output.status.success()
}

impl Remains {
    fn new() -> Self {
        let id = |of: &str| format!("{of}{:07x}", std::process::id());
        let remains = Self { target: tempfile::tempdir().expect("a directory"), test: id("a"), fleet: id("b") };
        for machine in [&remains.test, &remains.fleet] {
            let label = format!("wnm.machine={machine}");
            assert!(run("docker", &["network", "create", "--label", &label, &format!("wnm-{machine}")]));
            assert!(run("nft", &["add", "table", "inet", &format!("wnm_{machine}")]));
            remains.container(&format!("wnm-{machine}-a1"), &label);
        }
        remains.container(&remains.of_test(), &format!("org.wnm.test={}", remains.build().display()));
        remains.container(&remains.of_another_checkout(), "org.wnm.test=/elsewhere/target/debug");
        let notes = remains.build().join("test-machines");
        fs::create_dir_all(&notes).and_then(|()| fs::write(notes.join(&remains.test), "")).expect("it is noted");
        remains
    }

    fn build(&self) -> PathBuf {
        self.target.path().canonicalize().expect("it is there").join("debug")
    }

    fn of_test(&self) -> String {
        format!("wnm-clean-{}-own", self.test)
    }

    fn of_another_checkout(&self) -> String {
        format!("wnm-clean-{}-other", self.test)
    }

    fn container(&self, name: &str, label: &str) {
        let image = s6_image();
        assert!(run("docker", &["create", "--name", name, "--label", label, "--network", "none", &image]), "{name}");
    }

    /// Whether there are a network, a table and a container of this machine id.
    fn of_machine(machine: &str) -> [bool; 3] {
        [
            run("docker", &["network", "inspect", &format!("wnm-{machine}")]),
            run("nft", &["list", "table", "inet", &format!("wnm_{machine}")]),
            run("docker", &["container", "inspect", &format!("wnm-{machine}-a1")]),
        ]
    }
}

impl Drop for Remains {
    fn drop(&mut self) {
        for machine in [&self.test, &self.fleet] {
            run("docker", &["rm", "--force", &format!("wnm-{machine}-a1")]);
            run("docker", &["network", "rm", &format!("wnm-{machine}")]);
            run("nft", &["delete", "table", "inet", &format!("wnm_{machine}")]);
        }
        run("docker", &["rm", "--force", &self.of_test(), &self.of_another_checkout()]);
    }
}

fn what_tests_left_goes_and_a_fleet_stays() {
    let remains = Remains::new();
    assert_eq!(Remains::of_machine(&remains.test), [true; 3]);
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.ci/clean");
    let target = remains.target.path().canonicalize().expect("it is there");
    let output = Command::new(script).env("CARGO_TARGET_DIR", target).output().expect("it can be run");
    assert!(output.status.success(), "{output:?}");

    assert_eq!(Remains::of_machine(&remains.test), [false; 3]);
    assert!(!run("docker", &["container", "inspect", &remains.of_test()]));
    assert_eq!(Remains::of_machine(&remains.fleet), [true; 3], "a fleet is not the tests' own");
    assert!(run("docker", &["container", "inspect", &remains.of_another_checkout()]), "another checkout's tests go on");
    assert_eq!(fs::read_dir(remains.build().join("test-machines")).expect("it is there").count(), 0);
}

wnm_testing::trials! {
    &[S6Image, Root, Program("nft")] => what_tests_left_goes_and_a_fleet_stays;
}

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([trials()])
}
