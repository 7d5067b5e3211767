//! A container of one test with a volume of its own, both gone when the test ends, however it ends.

use std::collections::BTreeMap;
use std::fs;
use std::io::Write;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use wnm_pm::launch::Launch;
use wnm_pm::node::NodeId;
use wnm_pm_s6overlay::definition::{Definition, run_script};
use wnm_pm_s6overlay::layout::STORAGE;
use wnm_pm_s6overlay::script::{Call, NodeReport, NodeState, invocation, parse};
use wnm_testing::docker_label;
pub use wnm_testing::s6_image as image;

/// Enough for whatever has to happen, on a busy machine.
pub const PATIENCE: Duration = Duration::from_secs(120);

pub const START: Call = Call::Start { wait: Duration::from_secs(30), settle: Duration::from_millis(300) };
pub const STOP: Call = Call::Stop { grace: Duration::from_secs(10) };

/// Runs `docker` to its end.
pub fn docker<A: AsRef<std::ffi::OsStr>>(arguments: &[A]) -> Output {
    Command::new("docker").args(arguments).output().expect("docker can be run")
}

pub struct Container {
    pub name: String,
    dir: TempDir,
    image: String,
    options: Vec<String>,
}

impl Container {
    /// A container of group a1 that is not made yet, with more options of `docker run`.
    pub fn prepared(options: &[&str]) -> Self {
        Self::of_image(&image(), options)
    }

    /// The same of another image.
    pub fn of_image(image: &str, options: &[&str]) -> Self {
        static SERIAL: AtomicU32 = AtomicU32::new(0);
        let serial = SERIAL.fetch_add(1, Ordering::Relaxed);
        let dir = tempfile::Builder::new().prefix("wnm-image-").tempdir().unwrap();
        fs::set_permissions(dir.path(), fs::Permissions::from_mode(0o755)).unwrap();
        let container = Self {
            name: format!("wnm-image-test-{}-{serial}", std::process::id()),
            image: image.to_owned(),
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            dir,
        };
        container.make_dir(&container.storage());
        container
    }

    /// A container that runs.
    pub fn running(options: &[&str]) -> Self {
        let container = Self::prepared(options);
        container.run();
        container.await_boot();
        container
    }

    /// Makes the container and starts it.
    pub fn run(&self) {
        let mount = format!("type=bind,source={},target={STORAGE}", self.storage().display());
        let label = docker_label();
        let mut arguments = vec!["run", "--detach", "--name", &self.name, "--label", &label];
        arguments.extend(["--mount", &mount, "--env", "WNM_GROUP=a1"]);
        arguments.extend(self.options.iter().map(String::as_str));
        arguments.push(&self.image);
        assert_success(&docker(&arguments));
    }

    pub fn await_boot(&self) {
        until("the container has booted", || {
            docker(&["exec", &self.name, "pgrep", "-xf", "sleep infinity"]).status.success()
        });
    }

    /// The volume as this machine sees it.
    pub fn storage(&self) -> PathBuf {
        self.dir.path().join("services")
    }

    /// User and group of the volume.
    pub fn owner(&self) -> (u32, u32) {
        let data = fs::metadata(self.storage()).unwrap();
        (data.uid(), data.gid())
    }

    /// Makes a directory that belongs to an ordinary user, whoever runs the tests.
    fn make_dir(&self, path: &Path) {
        fs::create_dir_all(path).unwrap();
        self.give(path);
    }

    fn give(&self, path: &Path) {
        if fs::metadata("/proc/self").unwrap().uid() == 0 {
            chown(path, Some(12_345), Some(12_346)).unwrap();
        }
    }

    pub fn definition(&self, number: u32) -> Definition {
        Definition::new(&self.storage(), "a1", &NodeId(number).name())
    }

    /// The directory of a node, as this machine sees it.
    pub fn node_dir(&self, number: u32) -> PathBuf {
        self.storage().join(NodeId(number).name())
    }

    /// Writes a node's definition: this command line, in the node's own directory.
    pub fn define(&self, number: u32, arguments: &[&str], environment: &[(String, String)]) {
        let launch = Launch {
            program: arguments[0].into(),
            arguments: arguments[1..].iter().map(|word| (*word).to_owned()).collect(),
            environment: environment.to_vec(),
            directory: Path::new(STORAGE).join(NodeId(number).name()),
        };
        let text = run_script(&launch).unwrap();
        let definition = self.definition(number);
        for dir in [self.storage().join(".s6"), self.storage().join(".s6/a1"), definition.dir, self.node_dir(number)] {
            self.make_dir(&dir);
        }
        fs::write(&definition.run, text).unwrap();
        fs::set_permissions(&definition.run, fs::Permissions::from_mode(0o700)).unwrap();
        self.give(&definition.run);
    }

    /// Defines a node that does nothing.
    pub fn define_idle(&self, number: u32) {
        self.define(number, &["/bin/sleep", "100000"], &[]);
    }

    /// Defines a node that runs this shell script.
    pub fn define_shell(&self, number: u32, script: &str) {
        self.define(number, &["/bin/sh", "-c", script], &[]);
    }

    /// Writes or removes the mark that a node stays down.
    pub fn mark(&self, number: u32, down: bool) {
        let mark = self.definition(number).down;
        if down {
            fs::write(&mark, "").unwrap();
        } else if mark.exists() {
            fs::remove_file(&mark).unwrap();
        }
    }

    /// Carries out a call for these nodes.
    pub fn call(&self, call: Call, numbers: &[u32]) -> BTreeMap<String, NodeReport> {
        let mut child = self.begin(call, "a test", numbers);
        // It stays open until the end: the script ends with its caller.
        let input = child.stdin.take();
        let output = child.wait_with_output().expect("docker ends");
        drop(input);
        assert_success(&output);
        assert_eq!(String::from_utf8_lossy(&output.stderr), "", "the script complains of nothing");
        parse(&String::from_utf8_lossy(&output.stdout)).unwrap()
    }

    /// Begins a call for these nodes by this caller.
    pub fn begin(&self, call: Call, caller: &str, numbers: &[u32]) -> Child {
        let names: Vec<String> = numbers.iter().map(|number| NodeId(*number).name()).collect();
        let called = invocation(call, caller, "a1", &names).unwrap();
        let mut command = Command::new("docker");
        command.args(["exec", "--interactive", &self.name]).args(called.argv);
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .expect("docker can be run");
        child.stdin.as_mut().expect("it was asked for").write_all(&called.input).expect("the script reads");
        child
    }

    /// Marks nodes down and stops them, as a manager does.
    pub fn stop(&self, numbers: &[u32]) -> BTreeMap<String, NodeReport> {
        numbers.iter().for_each(|number| self.mark(*number, true));
        self.call(STOP, numbers)
    }

    /// Unmarks nodes and starts them, as a manager does.
    pub fn start(&self, numbers: &[u32]) -> BTreeMap<String, NodeReport> {
        numbers.iter().for_each(|number| self.mark(*number, false));
        self.call(START, numbers)
    }

    pub fn status(&self, number: u32) -> NodeReport {
        self.call(Call::Status, &[number])[&NodeId(number).name()]
    }

    /// The states of all nodes that the container or the volume knows.
    pub fn states(&self) -> BTreeMap<String, NodeState> {
        states(&self.call(Call::Status, &[]))
    }

    /// Runs a shell script in the container, as root; answers what it prints.
    pub fn shell(&self, script: &str) -> String {
        let output = docker(&["exec", &self.name, "sh", "-c", script]);
        assert_success(&output);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// What the container itself printed so far.
    pub fn log(&self) -> String {
        let output = docker(&["logs", &self.name]);
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    }

    /// What `docker inspect` says about the container's state.
    pub fn inspect(&self, format: &str) -> String {
        let output = docker(&["inspect", "--format", format, &self.name]);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    }

    /// Waits until the container has ended; answers its exit code.
    pub fn await_end(&self) -> i32 {
        until("the container ends", || self.inspect("{{.State.Running}}") == "false");
        self.inspect("{{.State.ExitCode}}").parse().unwrap()
    }

    /// Removes the container; the volume stays.
    pub fn remove(&self) {
        docker(&["rm", "--force", &self.name]);
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("--- the container's log:\n{}", self.log());
        }
        self.remove();
    }
}

pub fn states(reports: &BTreeMap<String, NodeReport>) -> BTreeMap<String, NodeState> {
    reports.iter().map(|(name, report)| (name.clone(), report.state)).collect()
}

/// All nodes are so.
pub fn all(reports: &BTreeMap<String, NodeReport>, count: usize, state: NodeState) -> bool {
    reports.len() == count && reports.values().all(|report| report.state == state)
}

/// Waits until something is so.
pub fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let started = Instant::now();
    while !is_so() {
        assert!(started.elapsed() < PATIENCE, "{what} within {PATIENCE:?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn assert_success(output: &Output) {
    assert!(output.status.success(), "{output:?}");
}
