//! What a cycle sees of a machine before it decides: real directories, real ports, a real record; only the processes are
//! in memory.

mod adopt;
mod apply;
mod firewall;
mod look;
mod progress;
mod storage;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tempfile::TempDir;
use wnm_core::clock::{Clock, RandomDice};
use wnm_core::event::Event;
use wnm_core::host::firewall::Null;
use wnm_core::machine::{Machine, Observation, Parts};
use wnm_core::node::{Flavour, Node, NodeId, NodeRef, NodeSpec, Ports, UnixSeconds, Verb};
use wnm_core::observe::ThisMachine;
use wnm_core::progress::Silent;
use wnm_core::settings::Config;
use wnm_core::store::Store;
use wnm_pm::command::CommandRunner;
use wnm_pm::container_host::{GroupSpec, Range};
use wnm_pm::process_manager::{NumberingKind, ProcessManager};
use wnm_testing::{MemoryManager, MemoryWorld, PortBlock, RecordedRunner};

const NOW: UnixSeconds = 1_790_000_000;

struct FixedClock;

impl Clock for FixedClock {
    fn now(&self) -> UnixSeconds {
        NOW
    }
}

/// A machine with an empty storage on ports of its own.
struct Scene {
    machine: Machine,
    world: MemoryWorld,
    manager: MemoryManager,
    ports: PortBlock,
    directory: TempDir,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let base = directory.path().canonicalize().expect("it is there");
        let ports = PortBlock::reserve();
        let program = base.join("program/antnode");
        fs::create_dir(base.join("program")).expect("it is ours");
        fs::write(&program, "a program").expect("it is ours");
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).expect("it is ours");
        let config = Config {
            antnode_path: program.clone(),
            log_dir: base.join("logs"),
            bootstrap_cache_dir: base.join("cache"),
            port_start: ports.port_start,
            metrics_port_start: ports.metrics_port_start,
            rpc_port_start: ports.rpc_port_start,
            ..wnm_testing::config(&base.join("storage"))
        };
        wnm_core::storage::prepare(config.node_storage.first()).expect("it is ours");
        let mut store = Store::create(&base.join("colony.db")).expect("a new database");
        store.apply(NOW, &[Event::Initialised { settings: Vec::new(), boot_time: NOW }]).expect("it is recorded");
        let world = MemoryWorld::new();
        let kind = "setsid+user".parse().expect("there is such a manager");
        let manager = MemoryManager::new(kind, NumberingKind::FillGaps, &world);
        let runner = RecordedRunner::new().on_success(&program.to_string_lossy(), "Autonomi Node v0.4.17\n");
        let (boxed, runner) = (Box::new(manager.clone()), Arc::new(runner));
        let machine = Machine::new(Parts {
            config,
            store,
            manager: boxed,
            firewall: Arc::new(Null),
            observer: Arc::new(ThisMachine::new(Arc::clone(&runner) as Arc<dyn CommandRunner>)),
            runner,
            clock: Arc::new(FixedClock),
            dice: Arc::new(RandomDice),
        });
        Self { machine, world, manager, ports, directory }
    }

    /// The same with nodes in containers, three each, in so many groups that stand.
    async fn in_containers(mut self, groups: u16) -> Self {
        self.machine.parts_mut().config.max_node_per_container = 3;
        let kind = "s6overlay+user".parse().expect("there is such a manager");
        self.manager = MemoryManager::new(kind, NumberingKind::Blocks, &self.world);
        self.machine.parts_mut().manager = Box::new(self.manager.clone());
        for group in 1..=groups {
            let (first, last) = (self.ports.ports(group * 3 - 2), self.ports.ports(group * 3));
            let spec = GroupSpec {
                group: group.into(),
                name: format!("a{group}"),
                image: self.machine.config().docker_image.clone(),
                ports: first
                    .iter()
                    .zip(last.iter())
                    .map(|((kind, first), (_, last))| (kind, Range { first, last }))
                    .collect(),
            };
            let host = self.manager.containers().expect("it has containers");
            assert!(host.open(&[spec]).await.all_good(), "it is opened");
        }
        self
    }

    fn base(&self) -> PathBuf {
        self.directory.path().canonicalize().expect("it is there")
    }

    fn storage(&self) -> &Path {
        self.machine.config().node_storage.first()
    }

    /// A node of this number in this directory, which is not made.
    fn spec(&self, number: u32, root_dir: &Path) -> NodeSpec {
        NodeSpec {
            id: NodeId(number),
            name: NodeId(number).name(),
            flavour: Flavour::V1,
            program: self.machine.config().antnode_path.clone(),
            version: None,
            root_dir: root_dir.to_owned(),
            binary: root_dir.join("antnode"),
            log_dir: root_dir.join("logs"),
            bootstrap_cache_dir: self.machine.config().bootstrap_cache_dir.clone(),
            ports: self.ports.ports(u16::try_from(number).expect("it is small")),
            wallet: "0x00455d78f850b0358E8cea5be24d415E01E107CF".to_owned(),
            network: "evm-arbitrum-one".to_owned(),
            no_upnp: true,
            environment: Vec::new(),
            start_args: Vec::new(),
            group: None,
        }
    }

    /// A directory as a node leaves it.
    fn node_directory(&self, root_dir: &Path) {
        fs::create_dir_all(root_dir).expect("it is ours");
        fs::write(root_dir.join("secret-key"), [7; 32]).expect("it is ours");
        fs::write(root_dir.join("antnode"), "a program").expect("it is ours");
    }

    /// Lets a node live on the machine, recorded or not.
    async fn live(&self, spec: &NodeSpec) {
        let nodes = [NodeRef::new(spec.clone())];
        assert!(self.manager.create(&nodes).await.all_good(), "it is created");
        assert!(self.manager.start(&nodes).await.all_good(), "it is started");
    }

    fn record(&mut self, node: Node) {
        let event = Event::Intended { verb: Verb::Add, node: Box::new(node), why: "a test".to_owned() };
        self.machine.parts_mut().store.apply(NOW, &[event]).expect("it is recorded");
    }

    /// A recorded node in the storage, with its directory, its process and, where asked for, other ports.
    async fn recorded(&mut self, number: u32, ports: Option<Ports>) -> Node {
        let root_dir = self.storage().join(NodeId(number).name());
        self.node_directory(&root_dir);
        let spec = self.spec(number, &root_dir);
        let spec = NodeSpec { ports: ports.unwrap_or(spec.ports), ..spec };
        let service = spec.name.clone();
        let node = Node::adopted(spec, service, NOW);
        self.live(node.spec()).await;
        self.record(node.clone());
        node
    }

    async fn observe(&self) -> Observation {
        self.machine.observe(&Silent).await.expect("the machine is seen")
    }
}
