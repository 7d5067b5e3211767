//! A test machine is a container that was booted with systemd, for one test alone: the test runs itself again in there,
//! as root, as a user of no rights (`resident`), or as one with sudo (`keeper`).

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::traces::{build_directory, docker_label};
use super::{block_on, test_node, test_node_that};

/// The image of test machines.
pub(crate) const IMAGE: &str = "wnm-test-systemd:1";
/// What cargo built, as the machine sees it.
const BUILD: &str = "/opt/wnm/debug";
/// Tools of this machine that a test needs, as the test machine sees them.
const TOOLS: &str = "/opt/wnm/tools";
/// Which part of the test runs inside.
const PART: &str = "TEST_MACHINE_PART";
/// How long systemd may take to come up on a busy machine.
const PATIENCE: Duration = Duration::from_mins(1);

/// Runs `body` on a machine of its own, as this user of it. `test` is the full name of the test that calls this.
///
/// # Panics
/// Where `body` does, or when the machine cannot be had: the test needs [`Need::SystemdImage`](crate::Need).
pub fn on_machine(user: &str, test: &str, body: impl AsyncFnOnce()) {
    match std::env::var(PART) {
        Ok(_) => block_on(body()),
        Err(_) => Machine::boot(test).run(user, test, "1"),
    }
}

/// Runs the whole of a program that is not a list of tests, such as a benchmark, on a machine of its own, and shows what it
/// prints. `name` is the program's.
///
/// # Panics
/// As [`on_machine`].
pub fn program_on_machine(user: &str, name: &str, body: impl AsyncFnOnce()) {
    if is_inside() {
        return block_on(body());
    }
    let status = Machine::boot(name).program(user, "1").status().expect("docker can be run");
    assert!(status.success(), "{name} fails as {user}");
}

/// Runs `before` on a machine of its own, restarts that machine, and runs `after` on it.
///
/// # Panics
/// As [`on_machine`].
pub fn on_machine_that_restarts(user: &str, test: &str, before: impl AsyncFnOnce(), after: impl AsyncFnOnce()) {
    match std::env::var(PART).as_deref() {
        Ok("1") => block_on(before()),
        Ok(_) => block_on(after()),
        Err(_) => {
            let machine = Machine::boot(test);
            machine.run(user, test, "1");
            machine.restart();
            machine.run(user, test, "2");
        }
    }
}

/// Whether this process is the part of a test that runs on a test machine.
pub(crate) fn is_inside() -> bool {
    std::env::var_os(PART).is_some()
}

/// A tool such as the real `antnode`, on this machine or on the test machine that this is: where `WNM_ANTNODE` says, or
/// where `.ci/install` puts it. None when nobody built it.
#[must_use]
pub fn tool(name: &str) -> Option<PathBuf> {
    let path = if is_inside() { Path::new(TOOLS).join(name) } else { host_tool(name) };
    path.is_file().then_some(path)
}

/// Where a tool lies on this machine, if somebody built it: `.ci/install` knows the same places.
fn host_tool(name: &str) -> PathBuf {
    if let Some(named) = std::env::var_os(format!("WNM_{}", name.to_uppercase().replace('-', "_"))) {
        return named.into();
    }
    let usual = || std::env::home_dir().unwrap_or_default().join(".cache/wnm-tools");
    std::env::var_os("WNM_TOOLS").map_or_else(usual, PathBuf::from).join("bin").join(name)
}

/// A container that goes with its test.
struct Machine {
    name: String,
    profile: PathBuf,
}

impl Drop for Machine {
    fn drop(&mut self) {
        let _ = docker(&["rm", "--force", "--volumes", &self.name]).output();
    }
}

impl Machine {
    fn boot(test: &str) -> Self {
        // The build directory cannot be written from inside.
        let _ = (test_node("0.4.17"), test_node("0.4.18"), test_node_that("exit:7:0", "0.4.19"));
        let profile = build_directory().expect("the test lies in a build directory of cargo");
        let name = format!("wnm-test-machine-{}-{}", std::process::id(), test.replace("::", "-").replace('_', "-"));
        let mut command =
            docker(&["run", "--detach", "--name", &name, "--label", &docker_label(), "--cgroupns=private"]);
        for capability in ["SYS_ADMIN", "NET_ADMIN", "NET_RAW"] {
            command.args(["--cap-add", capability]);
        }
        for volatile in ["/run", "/run/lock", "/tmp"] {
            command.args(["--tmpfs", volatile]);
        }
        // A node has no network to meet others in, and none outside learns of it.
        command.args(["--network", "none", "--volume", &format!("{}:{BUILD}:ro", profile.display())]);
        for (name, path) in ["antnode", "antctl", "ant-node"].into_iter().filter_map(|name| Some((name, tool(name)?))) {
            command.args(["--volume", &format!("{}:{TOOLS}/{name}:ro", path.display())]);
        }
        let machine = Self { name, profile };
        succeed(command.args([IMAGE, "/sbin/init"]));
        machine.wait();
        machine
    }

    /// Waits for systemd; the lingering user's own is the last to come up.
    fn wait(&self) {
        let deadline = Instant::now() + PATIENCE;
        let up = |user: &str, arguments: &[&str]| {
            let mut command = docker(&["exec", "--user", user, "--env", "XDG_RUNTIME_DIR=/run/user/1000", &self.name]);
            let output = command.arg("systemctl").args(arguments).output().expect("docker can be run");
            ["running", "degraded"].contains(&String::from_utf8_lossy(&output.stdout).trim())
        };
        while !(up("root", &["is-system-running"]) && up("resident", &["--user", "is-system-running"])) {
            assert!(Instant::now() < deadline, "systemd comes up in {}", self.name);
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    fn restart(&self) {
        succeed(&mut docker(&["restart", "--time", "5", &self.name]));
        self.wait();
    }

    /// This very program, inside.
    fn program(&self, user: &str, part: &str) -> Command {
        let program = std::env::current_exe().expect("a test knows its own program");
        let program = program.strip_prefix(&self.profile).expect("it was built there");
        // As a job of cron: of the environment only HOME, and a short PATH.
        let part_of_test = format!("{PART}={part}");
        let mut command = docker(&["exec", "--user", user, "--env", &part_of_test, "--env", "PATH=/usr/bin:/bin"]);
        for variable in ["CI", "RUST_BACKTRACE", "RUST_LOG"] {
            command.args(["--env", variable]);
        }
        command.arg(&self.name).arg(Path::new(BUILD).join(program));
        command
    }

    fn run(&self, user: &str, test: &str, part: &str) {
        let mut command = self.program(user, part);
        let output = command.args(["--exact", test, "--nocapture"]).output().expect("docker can be run");
        let said = |bytes| String::from_utf8_lossy(bytes).into_owned();
        let (stdout, stderr) = (said(&output.stdout), said(&output.stderr));
        assert!(output.status.success(), "{test} fails in part {part} as {user}:\n{stdout}\n{stderr}");
        assert!(stdout.contains("1 passed"), "{test} is not the name of the test that calls this:\n{stdout}");
    }
}

fn docker(arguments: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command.args(arguments);
    command
}

fn succeed(command: &mut Command) {
    let output = command.output().expect("docker can be run");
    assert!(output.status.success(), "{command:?}: {}", String::from_utf8_lossy(&output.stderr));
}
