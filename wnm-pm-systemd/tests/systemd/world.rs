//! The nodes of a test on a machine of its own, seen from outside the manager, in whoever's name they run.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use wnm_pm::command::{CommandRunner, SystemRunner};
use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::process_manager::{ManagerKind, Mode, ProcessManager, ProcessState};
use wnm_pm_systemd::Systemd;
use wnm_testing::{ContractWorld, HostWorld, eventually, only};

/// Nodes below `/srv/wnm`, or in the home directory of whoever has no rights.
pub struct World {
    host: HostWorld,
    mode: Mode,
}

impl World {
    pub fn new(mode: Mode) -> Self {
        if mode == Mode::User {
            return Self::in_home(mode);
        }
        let world = Self { host: HostWorld::new(Path::new("/srv/wnm")), mode };
        world.root("mkdir", &["-p".as_ref(), world.host.node_storage().as_ref()]);
        world
    }

    /// Nodes in the home directory of whoever runs the test.
    pub fn in_home(mode: Mode) -> Self {
        let directory = std::env::home_dir().expect("users have a home").join("wnm");
        let world = Self { host: HostWorld::new(&directory), mode };
        std::fs::create_dir_all(world.host.node_storage()).expect("the home directory can be written");
        world
    }

    /// Those of another database on the same machine.
    pub fn beside(&self, directory: &Path) -> Self {
        let world = Self { host: HostWorld::new(directory), mode: self.mode };
        std::fs::create_dir_all(world.host.node_storage()).expect("it can be made");
        world
    }

    pub fn manager(&self) -> Systemd {
        self.manager_with(Arc::new(SystemRunner))
    }

    /// A manager that has its programs run by somebody else.
    pub fn manager_with(&self, runner: Arc<dyn CommandRunner>) -> Systemd {
        let word = if self.mode == Mode::User { "systemd+user" } else { "systemd+sudo" };
        let kind: ManagerKind = word.parse().expect("it is a kind");
        Systemd::new(kind, self.host.node_storage(), runner)
            .settling(Duration::from_millis(300), Duration::from_secs(3))
    }

    pub fn node_storage(&self) -> PathBuf {
        self.host.node_storage()
    }

    /// Runs a program as whoever the nodes' files belong to.
    pub fn root(&self, program: &str, arguments: &[&Path]) -> Output {
        let sudo = self.mode == Mode::Sudo && !rustix::process::geteuid().is_root();
        let mut command = Command::new(if sudo { "sudo" } else { program });
        if sudo {
            command.args(["-n", "--", program]);
        }
        command.args(arguments).stdin(Stdio::null()).output().expect("it can be run")
    }

    /// systemctl, as somebody without wnm calls it.
    pub fn systemctl(&self, arguments: &[&str]) -> String {
        let sudo = self.mode == Mode::Sudo && !rustix::process::geteuid().is_root();
        let mut command = Command::new(if sudo { "sudo" } else { "systemctl" });
        if sudo {
            command.args(["-n", "--", "systemctl"]);
        }
        if self.mode == Mode::User {
            let directory = format!("/run/user/{}", rustix::process::getuid().as_raw());
            command.arg("--user").env("XDG_RUNTIME_DIR", directory);
        }
        let output = command.args(arguments).output().expect("systemctl can be run");
        String::from_utf8_lossy(&output.stdout).trim().to_owned() + String::from_utf8_lossy(&output.stderr).trim()
    }

    /// Where a unit's file lies.
    pub fn unit(&self, node: &NodeRef) -> PathBuf {
        match self.mode {
            Mode::User => std::env::home_dir().expect("users have a home").join(".config/systemd/user"),
            _ => PathBuf::from("/etc/systemd/system"),
        }
        .join(&node.service)
    }

    /// Nodes as the database would hold them after their creation.
    pub async fn create(&self, manager: &Systemd, specs: &[NodeSpec]) -> Vec<NodeRef> {
        let mut nodes: Vec<NodeRef> = specs.iter().cloned().map(NodeRef::new).collect();
        let mut created = manager.create(&nodes).await;
        for node in &mut nodes {
            let created = created.take(node.id()).expect("each node has an outcome");
            node.service = created.expect("it is created").service;
        }
        nodes
    }

    /// A node as the database would hold it.
    pub fn reference(&self, number: u32) -> NodeRef {
        let node = NodeRef::new(self.spec(number));
        NodeRef { service: format!("{}.service", node.spec.name), ..node }
    }

    /// What a node was started with, as it wrote it down itself.
    pub async fn seen(&self, node: &NodeRef) -> serde_json::Value {
        let path = node.spec.root_dir.join("seen.json");
        eventually("the node writes seen.json", async || self.read(&path).await.is_some()).await;
        serde_json::from_slice(&self.read(&path).await.unwrap_or_default()).expect("test nodes write JSON")
    }

    /// Nodes that run.
    pub async fn running(&self, manager: &Systemd, numbers: &[u32]) -> Vec<NodeRef> {
        let specs: Vec<NodeSpec> = numbers.iter().map(|number| self.spec(*number)).collect();
        let mut nodes = self.create(manager, &specs).await;
        let mut started = manager.start(&nodes).await;
        for node in &mut nodes {
            let started = started.take(node.id()).expect("each node has an outcome");
            node.process = started.expect("it starts").process;
        }
        nodes
    }

    pub async fn state(&self, manager: &Systemd, node: &NodeRef) -> ProcessState {
        only(manager.inspect(std::slice::from_ref(node)).await).expect("it can be observed")
    }

    /// Waits until a node is as it should be.
    pub async fn until(&self, manager: &Systemd, node: &NodeRef, wanted: impl Fn(&ProcessState) -> bool) {
        eventually("the node is as it should be", async || wanted(&self.state(manager, node).await)).await;
    }
}

#[async_trait]
impl ContractWorld for World {
    fn spec(&self, number: u32) -> NodeSpec {
        self.host.spec(number)
    }

    async fn kill(&self, spec: &NodeSpec) {
        let pid = self.read(&spec.root_dir.join("antnode.pid")).await.expect("the node wrote its pid");
        let killed = self.root("kill", &["-9".as_ref(), String::from_utf8_lossy(&pid).trim().as_ref()]);
        assert!(killed.status.success(), "{killed:?}");
    }

    async fn read(&self, path: &Path) -> Option<Vec<u8>> {
        Some(self.root("cat", &[path])).filter(|output| output.status.success()).map(|output| output.stdout)
    }

    async fn write(&self, path: &Path, content: &[u8]) {
        let staged = tempfile::NamedTempFile::new().expect("a temporary file");
        std::fs::write(staged.path(), content).expect("it is written");
        self.root("mkdir", &["-p".as_ref(), path.parent().expect("it lies somewhere")]);
        let copied = self.root("cp", &[staged.path(), path]);
        assert!(copied.status.success(), "{copied:?}");
    }

    async fn exists(&self, path: &Path) -> bool {
        self.root("stat", &["--".as_ref(), path]).status.success()
    }

    async fn link(&self, target: &Path, link: &Path) {
        self.root("ln", &["-s".as_ref(), target, link]);
    }

    async fn rename(&self, from: &Path, to: &Path) {
        self.root("mv", &["-T".as_ref(), from, to]);
    }

    async fn delete(&self, path: &Path) {
        self.root("rm", &["-d".as_ref(), path]);
    }
}
