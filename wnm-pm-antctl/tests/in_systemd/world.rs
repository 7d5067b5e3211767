//! The container as the tests see it: managers, nodes to add, and what systemd and antctl say without wnm.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use semver::Version;
use wnm_pm::command::{Command, CommandRunner, Output, SystemRunner};
use wnm_pm::node::{NodeRef, NodeSpec, PortKind};
use wnm_pm::process_manager::{Binary, Created, ManagerError, Mode, ProcessManager, ProcessState};
use wnm_pm_antctl::{Antctl, AntctlSettings};
use wnm_testing::{ContractWorld, HostWorld, only};

/// A peer that nobody is; with it a node runs on alone.
const NOBODY: &str = "/ip4/127.0.0.1/udp/9/quic-v1/p2p/12D3KooWKdoyTc3S1YuoQoUbhihMRrPvZGv4FWyDAqt8ps8t9ygT";

/// A tool of the machine's.
pub fn tool(name: &str) -> PathBuf {
    wnm_testing::tool(name).expect("this test needs it")
}

/// Nodes of this test, in a container of its own.
pub struct World {
    host: HostWorld,
    directory: PathBuf,
}

impl World {
    pub fn new() -> Self {
        let root = rustix::process::geteuid().is_root();
        // antctl's own user has to get there.
        let directory = PathBuf::from(if root { "/srv/wnm" } else { "/home/resident/wnm" });
        std::fs::create_dir_all(&directory).expect("the container is this test's own");
        Self { host: HostWorld::new(&directory), directory }
    }

    pub fn manager(&self, mode: Mode) -> Antctl {
        self.try_manager(mode).expect("this user may use antctl")
    }

    pub fn try_manager(&self, mode: Mode) -> Result<Antctl, ManagerError> {
        Antctl::new(self.settings(mode), Arc::new(SystemRunner))
    }

    pub fn settings(&self, mode: Mode) -> AntctlSettings {
        AntctlSettings {
            mode,
            antctl_path: tool("antctl"),
            antctl_debug: false,
            antctl_version: None,
            rust_backtrace: None,
            node_storage: self.host.node_storage(),
            log_dir: self.directory.join("log"),
        }
    }

    /// What a node of the real antnode shall be.
    pub fn real(&self, number: u32) -> NodeSpec {
        NodeSpec {
            program: tool("antnode"),
            environment: vec![],
            start_args: vec!["--peer".to_owned(), NOBODY.to_owned()],
            ..self.spec(number)
        }
    }

    /// Adds nodes; answers them as the database would hold them.
    pub async fn create(&self, manager: &Antctl, specs: &[NodeSpec]) -> Vec<NodeRef> {
        let nodes: Vec<NodeRef> = specs.iter().cloned().map(NodeRef::new).collect();
        let mut created = manager.create(&nodes).await;
        let created = |spec: &NodeSpec| created.take(spec.id).expect("each node has an outcome").expect("it is added");
        specs.iter().map(created).zip(specs).map(|(created, spec)| reference(spec, created)).collect()
    }

    /// A newer node program.
    pub fn newer(&self) -> Binary {
        let version = Version::new(0, 4, 18);
        Binary { path: self.program(&version), version }
    }

    /// Where the programs of replaced nodes are kept.
    pub fn kept(&self) -> PathBuf {
        self.registry().with_file_name("wnm-previous")
    }

    /// Nodes that nobody has created yet.
    pub fn planned(&self, numbers: impl IntoIterator<Item = u32>) -> Vec<NodeRef> {
        numbers.into_iter().map(|number| NodeRef::new(self.spec(number))).collect()
    }

    pub async fn state(&self, manager: &Antctl, node: &NodeRef) -> ProcessState {
        only(manager.inspect(std::slice::from_ref(node)).await).expect("it can be observed")
    }

    /// This user's systemd, whose units antctl's nodes are.
    pub async fn systemctl(&self, arguments: &[&str]) -> Output {
        let root = rustix::process::geteuid().is_root();
        run(Command::new("systemctl").args(if root { None } else { Some("--user") }).args(arguments)).await
    }

    /// antctl without wnm.
    pub async fn antctl(&self, arguments: &[&str]) -> Output {
        run(Command::new(tool("antctl")).args(arguments)).await
    }

    pub fn unit(&self, service: &str) -> PathBuf {
        let root = rustix::process::geteuid().is_root();
        let units = if root { "/etc/systemd/system" } else { "/home/resident/.config/systemd/user" };
        Path::new(units).join(format!("{service}.service"))
    }

    pub fn node_storage(&self) -> PathBuf {
        self.host.node_storage()
    }

    /// wnm's copy of the registry.
    pub fn copy(&self) -> PathBuf {
        self.registry().with_file_name("wnm-registry.json")
    }

    pub fn registry(&self) -> PathBuf {
        let root = rustix::process::geteuid().is_root();
        let base = if root { "/var/antctl" } else { "/home/resident/.local/share/autonomi/node" };
        Path::new(base).join("node_registry.json")
    }
}

/// Runs a program with this user's systemd in reach.
pub async fn run(command: Command) -> Output {
    let root = rustix::process::geteuid().is_root();
    let command = if root { command } else { command.env("XDG_RUNTIME_DIR", "/run/user/1000") };
    SystemRunner.run(&command).await.expect("it can be run")
}

fn reference(spec: &NodeSpec, created: Created) -> NodeRef {
    let Created { service, root_dir, binary, log_dir } = created;
    NodeRef { service, ..NodeRef::new(NodeSpec { root_dir, binary, log_dir, ..spec.clone() }) }
}

/// An error as it is stored and shown: one line, without advice.
pub fn text(error: &ManagerError) -> String {
    let text = error.text();
    assert!(!text.contains(char::is_control) && !text.contains("hint:"), "{text:?}");
    text
}

#[async_trait]
impl ContractWorld for World {
    fn spec(&self, number: u32) -> NodeSpec {
        let spec = self.host.spec(number);
        let rpc = self.host.ports().rpc_port(u16::try_from(number).expect("tests use small numbers"));
        NodeSpec { ports: spec.ports.clone().with(PortKind::Rpc, rpc), ..spec }
    }
}
