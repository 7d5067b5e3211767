//! A machine of one test: a storage of its own, and with it containers, a network and rules of its own, all gone when
//! the test ends, however it ends.

#![allow(
    dead_code,
    clippy::allow_attributes,
    clippy::disallowed_methods,
    reason = "each test program uses its part, and looks at the machine by itself"
)]

pub mod engine;
pub mod events;
pub mod peer;

use std::collections::HashMap;
use std::fmt::Debug;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use bollard::Docker;
use bollard::exec::{CreateExecOptions, StartExecResults};
use bollard::query_parameters::{InspectContainerOptions, ListContainersOptionsBuilder, RemoveContainerOptionsBuilder};
use futures_util::StreamExt;
use tempfile::TempDir;
use wnm_pm::batch::Outcomes;
use wnm_pm::container_host::{ContainerHost, Group, GroupSpec, Range};
use wnm_pm::hint::Hinted;
use wnm_pm::node::{Flavour, NodeId, NodeRef, NodeSpec, PortKind};
use wnm_pm::process_manager::{ManagerError, Outcome, ProcessManager};
use wnm_pm_s6overlay::{ContainerNetwork, MachineId, RulesBy, S6Overlay, S6Settings};
pub use wnm_testing::s6_image as image;
use wnm_testing::{Need, NotedMachine, PortBlock, test_node};

/// Nodes per group in tests.
pub const GROUP_SIZE: u16 = 30;

/// What a machine whose containers publish their ports needs: only root can look at rules and make peers.
pub const PUBLISHED: &[Need] = &[Need::S6Image, Need::Root, Need::Program("ip"), Need::Program("nft")];

/// A machine with its own storage.
pub struct Machine {
    pub settings: S6Settings,
    pub docker: Docker,
    pub ports: PortBlock,
    _noted: NotedMachine,
    _dir: TempDir,
}

impl Machine {
    /// A machine whose containers use the network so. Needs an engine and the image, and [`PUBLISHED`] for any network
    /// but the host's.
    pub async fn new(network: ContainerNetwork) -> Self {
        Self::on(None, network).await
    }

    /// The same on another engine than the machine's own.
    pub async fn on(engine_address: Option<String>, network: ContainerNetwork) -> Self {
        let docker = match &engine_address {
            None => Docker::connect_with_defaults(),
            Some(address) => Docker::connect_with_host(address),
        };
        let docker = docker.expect("its address is good");
        let docker = docker.negotiate_version().await.expect("the engine answers");
        let dir = tempfile::Builder::new().prefix("wnm-s6-").tempdir().expect("a temporary directory");
        let storage = dir.path().join("services");
        std::fs::create_dir(&storage).expect("the storage is made");
        give_to_a_user(dir.path());
        give_to_a_user(&storage);
        let ports = PortBlock::reserve();
        let settings = S6Settings {
            log_dir: dir.path().join("logs"),
            bootstrap_cache_dir: dir.path().join("bootstrap_cache"),
            node_storage: storage,
            more_storages: vec![],
            docker_image: image(),
            container_network: network,
            max_node_per_container: GROUP_SIZE.into(),
            engine_address,
            rules_by: RulesBy::WhoeverCan,
        };
        let noted = NotedMachine::new(settings.machine().as_str());
        Self { settings, docker, ports, _noted: noted, _dir: dir }
    }

    pub fn id(&self) -> MachineId {
        self.settings.machine()
    }

    pub fn manager(&self) -> S6Overlay {
        S6Overlay::connect(self.settings.clone()).expect("the settings are good")
    }

    /// Group `a<group>` with its block of numbers.
    pub fn group(&self, group: u16) -> GroupSpec {
        let range = |thousand: u16| Range {
            first: thousand * 1000 + (group - 1) * GROUP_SIZE + 1,
            last: thousand * 1000 + group * GROUP_SIZE,
        };
        GroupSpec {
            group: group.into(),
            name: format!("a{group}"),
            image: self.settings.docker_image.clone(),
            ports: [
                (PortKind::Node, range(self.ports.port_start)),
                (PortKind::Metrics, range(self.ports.metrics_port_start)),
            ]
            .into(),
        }
    }

    /// The UDP port of this number.
    pub fn node_port(&self, number: u16) -> u16 {
        self.ports.ports(number).node().expect("a block of ports has one")
    }

    /// The metrics port of this number.
    pub fn metrics_port(&self, number: u16) -> u16 {
        self.ports.ports(number).metrics().expect("a block of ports has one")
    }

    /// A test node that writes down what it was given.
    pub fn spec(&self, number: u16) -> NodeSpec {
        let id = NodeId(number.into());
        let root_dir = self.settings.node_storage.join(id.name());
        NodeSpec {
            id,
            name: id.name(),
            flavour: Flavour::V1,
            program: test_node("0.4.17"),
            version: Some(semver::Version::new(0, 4, 17)),
            binary: root_dir.join("antnode"),
            log_dir: self.settings.log_dir.join(id.name()),
            root_dir,
            bootstrap_cache_dir: self.settings.bootstrap_cache_dir.clone(),
            ports: self.ports.ports(number),
            wallet: "0x03B770D9cD32077cC0bF330c13C114a87643B124".to_owned(),
            network: "evm-arbitrum-one".to_owned(),
            no_upnp: true,
            environment: vec![("WNM_TEST_NODE".to_owned(), "record".to_owned())],
            start_args: vec![],
            group: Some(u32::from((number - 1) / GROUP_SIZE + 1)),
        }
    }

    /// The process id, on this machine, of a group's container.
    pub async fn container_pid(&self, group: u32) -> i64 {
        let name = self.id().container_name(&format!("a{group}"));
        let found = self.docker.inspect_container(&name, None::<InspectContainerOptions>).await.expect("it exists");
        found.state.and_then(|state| state.pid).expect("it runs")
    }

    /// Runs a program in a group's container, as its root. Its output.
    pub async fn exec(&self, group: u32, argv: &[&str]) -> String {
        let name = self.id().container_name(&format!("a{group}"));
        let options = CreateExecOptions {
            cmd: Some(argv.to_vec()),
            attach_stdout: Some(true),
            attach_stderr: Some(true),
            ..Default::default()
        };
        let exec = self.docker.create_exec(&name, options).await.expect("the container runs");
        let StartExecResults::Attached { mut output, .. } =
            self.docker.start_exec(&exec.id, None).await.expect("it starts")
        else {
            panic!("it was to be attached");
        };
        let mut said = String::new();
        while let Some(Ok(piece)) = output.next().await {
            said.push_str(&piece.to_string());
        }
        said
    }
}

/// The outcome of a call for one.
pub fn only<T, K: Ord + Copy>(outcomes: Outcomes<T, K>) -> Outcome<T> {
    assert_eq!(outcomes.len(), 1, "one call for one has one outcome");
    outcomes.into_iter().next().expect("it was counted").1
}

/// What a call came to that has to go well for all, in the order of their numbers.
pub fn all_good<T, K: Ord + Copy + Debug>(outcomes: Outcomes<T, K>) -> Vec<T> {
    let each = outcomes.into_iter();
    each.map(|(id, outcome)| outcome.unwrap_or_else(|error| panic!("{id:?}: {}", error.text()))).collect()
}

/// What can be done about an error, as far as a test looks for it.
pub fn hints(error: &ManagerError) -> String {
    format!("{:?}", error.hints())
}

/// Opens one group.
pub async fn open(manager: &S6Overlay, spec: &GroupSpec) -> Group {
    only(manager.open(std::slice::from_ref(spec)).await)
        .unwrap_or_else(|error| panic!("{} opens: {}", spec.name, error.text()))
}

/// Nodes that nobody has created yet.
pub fn references(specs: &[NodeSpec]) -> Vec<NodeRef> {
    specs.iter().cloned().map(NodeRef::new).collect()
}

/// Creates and starts nodes.
pub async fn run(manager: &S6Overlay, specs: &[NodeSpec]) -> Vec<NodeRef> {
    let nodes = references(specs);
    all_good(manager.create(&nodes).await);
    all_good(manager.start(&nodes).await);
    nodes
}

impl Drop for Machine {
    fn drop(&mut self) {
        let (docker, machine) = (self.docker.clone(), self.id());
        // The test's own runtime may be unwinding.
        let cleaned = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
            runtime.block_on(remove_all(&docker, &machine));
        });
        cleaned.join().expect("what the test made is removed");
    }
}

async fn remove_all(docker: &Docker, machine: &MachineId) {
    let filters = HashMap::from([("label", vec![format!("wnm.machine={machine}")])]);
    let options = ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    for container in docker.list_containers(Some(options)).await.unwrap_or_default() {
        let force = RemoveContainerOptionsBuilder::new().force(true).build();
        let _ = docker.remove_container(&container.id.unwrap_or_default(), Some(force)).await;
    }
    let _ = docker.remove_network(&machine.network_name()).await;
    if is_root() {
        let quietly = |program: &str, arguments: &[&str]| {
            let _ = Command::new(program).args(arguments).output();
        };
        quietly("nft", &["delete", "table", "inet", &machine.table_name()]);
        let without = without_acceptance(&machine.network_name());
        let rule: Vec<&str> = without.split(' ').collect();
        quietly("iptables", &rule);
        quietly("ip6tables", &rule);
    }
}

/// Nodes never run as root, so a test that does gives its storage to somebody else.
fn give_to_a_user(path: &Path) {
    if is_root() {
        std::os::unix::fs::chown(path, Some(12_345), Some(12_345)).expect("root gives files away");
    }
}

/// Whom a directory belongs to: `1000:1000`.
pub fn owner_of(path: &Path) -> String {
    let data = std::fs::metadata(path).expect("it is there");
    format!("{}:{}", data.uid(), data.gid())
}

pub fn is_root() -> bool {
    std::fs::metadata("/proc/self").is_ok_and(|data| data.uid() == 0)
}

/// Where a path of the containers' lies on this machine, in a text.
pub fn outside(settings: &S6Settings, text: &str) -> String {
    let display = |path: &PathBuf| path.display().to_string();
    text.replace("/var/antctl/services", &display(&settings.node_storage))
        .replace("/var/log/antnode", &display(&settings.log_dir))
}

/// The words with which iptables takes away what lets peers through to this bridge.
pub fn without_acceptance(bridge: &str) -> String {
    format!("-w -D DOCKER-USER -o {bridge} -p udp -m conntrack --ctstate DNAT -j ACCEPT")
}
