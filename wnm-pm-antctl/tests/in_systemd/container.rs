//! A test container is booted with systemd; a test runs itself again in there, as root or as a user of no rights.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use wnm_testing::{skip, test_node, test_node_that};

const IMAGE: &str = "wnm-test-systemd:1";
/// What cargo built, as the container sees it.
const BUILD: &str = "/opt/wnm/debug";
/// antctl and antnode, as the container sees them.
const TOOLS: &str = "/opt/wnm/tools";
const INSIDE: &str = "WNM_TEST_INSIDE";

/// A container that goes with its test.
struct Container(String);

impl Drop for Container {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["rm", "--force", "--volumes", &self.0]).output();
    }
}

/// Runs `body` in a container of its own, as this user of it.
pub fn in_container(user: &str, test: &str, body: impl AsyncFnOnce()) {
    if std::env::var_os(INSIDE).is_some() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
        return runtime.block_on(body());
    }
    if let Some(why) = lacking() {
        return skip(test, &why);
    }
    // The build directory cannot be written from the container.
    for version in ["0.4.17", "0.4.18"] {
        let _ = test_node(version);
    }
    let _ = test_node_that("exit:7:0", "0.4.19");
    let container = boot(test);
    let program = std::env::current_exe().expect("a test knows its own program");
    let profile = profile(&program);
    let inside = Path::new(BUILD).join(program.strip_prefix(&profile).expect("it was built there"));
    let mut command = Command::new("docker");
    command.args(["exec", "--user", user, "--env", &format!("{INSIDE}=1"), "--env", "RUST_BACKTRACE=1"]);
    if user != "root" {
        command.args(["--env", "HOME=/home/resident", "--workdir", "/home/resident"]);
    }
    command.arg(&container.0).arg(inside).args(["--exact", test, "--nocapture"]);
    let status = command.status().expect("docker can be run");
    assert!(status.success(), "{test} fails inside {IMAGE} as {user}");
}

/// A tool in the container.
pub fn tool(name: &str) -> PathBuf {
    Path::new(TOOLS).join(name)
}

/// What this machine lacks for a test in a container.
fn lacking() -> Option<String> {
    let image = Command::new("docker").args(["image", "inspect", IMAGE]).output();
    if !image.is_ok_and(|output| output.status.success()) {
        return Some(format!("there is no image {IMAGE}: wnm-pm-systemd/image/build-test-image.sh makes it"));
    }
    ["antctl", "antnode"]
        .into_iter()
        .map(host_tool)
        .find(|path| !path.is_file())
        .map(|path| format!("there is no {}: set WNM_ANTCTL and WNM_ANTNODE", path.display()))
}

/// A tool on this machine.
fn host_tool(name: &str) -> PathBuf {
    let variable = format!("WNM_{}", name.to_uppercase());
    let usual = || std::env::home_dir().unwrap_or_default().join(".cache/wnm-tools/bin").join(name);
    std::env::var_os(variable).map_or_else(usual, PathBuf::from)
}

fn boot(test: &str) -> Container {
    let name = format!("wnm-antctl-test-{}-{}", std::process::id(), test.replace([':', '_'], "-"));
    let profile = profile(&std::env::current_exe().expect("a test knows its own program"));
    let mut command = Command::new("docker");
    command.args(["run", "--detach", "--name", &name, "--cap-add", "SYS_ADMIN", "--cgroupns=private"]);
    // A node has no network to meet others in, and none outside learns of it.
    command.args(["--network", "none"]);
    for volatile in ["/run", "/run/lock", "/tmp"] {
        command.args(["--tmpfs", volatile]);
    }
    command.args(["--volume", &format!("{}:{BUILD}:ro", profile.display())]);
    for tool in ["antctl", "antnode"] {
        command.args(["--volume", &format!("{}:{TOOLS}/{tool}:ro", host_tool(tool).display())]);
    }
    let output = command.args([IMAGE, "/sbin/init"]).output().expect("docker can be run");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let container = Container(name);
    // The lingering user's own systemd is the last to come up.
    let deadline = Instant::now() + Duration::from_secs(60);
    let up = |user: &str, arguments: &[&str]| {
        let mut command = Command::new("docker");
        command.args(["exec", "--user", user, "--env", "XDG_RUNTIME_DIR=/run/user/1000", &container.0, "systemctl"]);
        let output = command.args(arguments).output().expect("docker can be run");
        let said = String::from_utf8_lossy(&output.stdout);
        ["running", "degraded"].contains(&said.trim())
    };
    while !(up("root", &["is-system-running"]) && up("resident", &["--user", "is-system-running"])) {
        assert!(Instant::now() < deadline, "systemd comes up in {}", container.0);
        std::thread::sleep(Duration::from_millis(100));
    }
    container
}

/// The directory of the build, `target/debug`.
fn profile(program: &Path) -> PathBuf {
    let profile = program.ancestors().find(|folder| folder.join(".fingerprint").is_dir());
    profile.expect("the test lies in a build directory of cargo").to_owned()
}
