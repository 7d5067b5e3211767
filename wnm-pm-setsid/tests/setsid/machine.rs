//! A machine of a test's own: node storage in a temporary directory, a block of ports, and nothing left in the end.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::{Child, Command};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use tempfile::TempDir;
use wnm_pm::batch::Outcomes;
use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::process_manager::{Created, Outcome, ProcessManager, ProcessState};
use wnm_pm_setsid::Setsid;
use wnm_testing::{ContractWorld, HostWorld, eventually, only};

/// See the module's words.
pub struct Machine {
    pub world: HostWorld,
    pub manager: Setsid,
    directory: TempDir,
}

impl Machine {
    /// A machine whose manager waits as long as it does for everybody.
    pub fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let world = HostWorld::new(directory.path());
        Self { manager: setsid(&world.node_storage()), world, directory }
    }

    /// A machine whose manager does not wait a second for each node that starts.
    pub fn hasty() -> Self {
        let mut machine = Self::new();
        machine.manager = machine.manager.clone().settling(Duration::from_millis(50), Duration::from_secs(3));
        machine
    }

    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    pub fn spec(&self, number: u32) -> NodeSpec {
        self.world.spec(number)
    }

    pub fn spec_that(&self, misbehaviour: &str, number: u32) -> NodeSpec {
        let mut spec = self.spec(number);
        spec.environment = vec![("WNM_TEST_NODE".to_owned(), misbehaviour.to_owned())];
        spec
    }

    pub async fn create(&self, specs: &[NodeSpec]) -> Vec<NodeRef> {
        let nodes: Vec<NodeRef> = specs.iter().cloned().map(NodeRef::new).collect();
        let mut created = self.manager.create(&nodes).await;
        let named = |node: NodeRef| {
            let service = taken(&mut created, &node).expect("it is created").service;
            NodeRef { service, ..node }
        };
        nodes.into_iter().map(named).collect()
    }

    /// What becomes of the creation of one node.
    pub async fn try_create(&self, spec: &NodeSpec) -> Outcome<Created> {
        only(self.manager.create(&[NodeRef::new(spec.clone())]).await)
    }

    pub async fn start(&self, specs: &[NodeSpec]) -> Vec<NodeRef> {
        let mut nodes = self.create(specs).await;
        let mut started = self.manager.start(&nodes).await;
        for node in &mut nodes {
            node.process = taken(&mut started, node).expect("it starts").process;
        }
        nodes
    }

    pub async fn stop(&self, nodes: &[NodeRef]) {
        for (_, outcome) in self.manager.stop(nodes).await {
            outcome.expect("it stops");
        }
    }

    pub async fn state(&self, node: &NodeRef) -> ProcessState {
        only(self.manager.inspect(std::slice::from_ref(node)).await).expect("it is inspected")
    }

    pub async fn is_running(&self, node: &NodeRef) -> bool {
        matches!(self.state(node).await, ProcessState::Running { .. })
    }

    pub async fn seen(&self, node: &NodeRef) -> serde_json::Value {
        let path = node.spec.root_dir.join("seen.json");
        eventually("the node writes seen.json", async || path.exists()).await;
        serde_json::from_slice(&fs::read(path).expect("it is there")).expect("it is JSON")
    }
}

impl Drop for Machine {
    /// A test that failed leaves no process.
    fn drop(&mut self) {
        let below = self.path().canonicalize().unwrap_or_default();
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let program = fs::read_link(entry.path().join("exe")).unwrap_or_default();
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok()).and_then(Pid::from_raw);
            if let (true, Some(pid)) = (program.starts_with(&below), pid) {
                let _ = kill_process(pid, Signal::KILL);
            }
        }
    }
}

pub fn setsid(node_storage: &Path) -> Setsid {
    Setsid::new("setsid+user".parse().expect("it is a kind"), node_storage)
}

/// What became of a node of a batch.
pub fn taken<T>(outcomes: &mut Outcomes<T>, node: &NodeRef) -> Outcome<T> {
    outcomes.take(node.id()).expect("each node has an outcome")
}

pub fn is_process(pid: u32) -> bool {
    Path::new("/proc").join(pid.to_string()).exists()
}

pub fn pid(node: &NodeRef) -> u32 {
    node.process.expect("setsid knows the process").pid
}

pub fn files_below(directory: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(directory).into_iter().flatten().flatten();
    let mut files: Vec<_> = entries.map(|entry| entry.path()).collect();
    files.sort();
    files
}

/// Runs a program that was just copied: while another thread of this test starts a process, the copy may for a moment be
/// open for writing there.
pub fn spawn_fresh(command: &mut Command) -> Child {
    let deadline = Instant::now() + Duration::from_secs(5);
    loop {
        match command.spawn() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(5));
            }
            spawned => return spawned.expect("it can be run"),
        }
    }
}

/// A small file system in memory, gone when dropped.
pub struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    pub fn mount(path: &'a Path, options: &str) -> Self {
        let mut mount = Command::new("mount");
        mount.args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(path);
        let output = mount.output().expect("mount can be run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self(path)
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.0).status();
    }
}
