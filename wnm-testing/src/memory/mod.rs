//! A memory manager is a process manager without processes: its world lives in memory and can be shared by a second one,
//! as a second run of wnm shares the machine with the first.

mod containers;
mod contract_world;
mod world;

use std::sync::Arc;

use async_trait::async_trait;

use wnm_pm::container_host::ContainerHost;
use wnm_pm::node::{NodeId, NodeRef, NodeSpec};
use wnm_pm::process_manager::{
    Binary, Capabilities, Created, Finding, FoundNode, ManagerError, ManagerKind, NumberingKind, Outcome,
    ProcessManager, ProcessState, Started, Teardown,
};
use wnm_pm::{flavour, port_use::Protocol};

use containers::MemoryContainers;
pub use world::{Call, MemoryWorld, Operation};
use world::{Death, MemoryNode, State};

/// A process manager whose machine is a [`MemoryWorld`].
#[derive(Debug, Clone)]
pub struct MemoryManager {
    kind: ManagerKind,
    capabilities: Capabilities,
    world: MemoryWorld,
    containers: Option<Arc<MemoryContainers>>,
}

impl MemoryManager {
    /// Poses as this kind, with its numbering; with containers when it numbers in blocks.
    #[must_use]
    pub fn new(kind: ManagerKind, numbering: NumberingKind, world: &MemoryWorld) -> Self {
        let containers = MemoryContainers { world: world.clone() };
        Self {
            kind,
            capabilities: Capabilities { numbering, restarts_crashed: false, starts_at_boot: false },
            world: world.clone(),
            containers: (numbering == NumberingKind::Blocks).then(|| Arc::new(containers)),
        }
    }

    /// Does something to each node in turn, in one recorded call.
    fn each<N, T>(
        &self,
        operation: Operation,
        nodes: &[N],
        id: impl Fn(&N) -> NodeId,
        mut deed: impl FnMut(&mut State, &N) -> Outcome<T>,
    ) -> Vec<Outcome<T>> {
        let mut state = self.world.lock();
        state.calls.push(Call { operation, nodes: nodes.iter().map(&id).collect() });
        let outcomes = nodes.iter().map(|node| {
            state.fails(operation, id(node))?;
            deed(&mut state, node)
        });
        outcomes.collect()
    }
}

fn number(node: &NodeRef) -> NodeId {
    node.spec.id
}

#[async_trait]
impl ProcessManager for MemoryManager {
    fn kind(&self) -> ManagerKind {
        self.kind
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities
    }

    fn containers(&self) -> Option<&dyn ContainerHost> {
        self.containers.as_deref().map(|host| host as &dyn ContainerHost)
    }

    async fn create(&self, nodes: &[NodeSpec]) -> Vec<Outcome<Created>> {
        self.each(Operation::Create, nodes, |spec| spec.id, create)
    }

    async fn start(&self, nodes: &[NodeRef]) -> Vec<Outcome<Started>> {
        self.each(Operation::Start, nodes, number, |state, node| start(state, &node.spec))
    }

    async fn stop(&self, nodes: &[NodeRef]) -> Vec<Outcome<()>> {
        self.each(Operation::Stop, nodes, number, |state, node| {
            state.end(&node.spec);
            Ok(())
        })
    }

    async fn upgrade(&self, nodes: &[NodeRef], to: &Binary) -> Vec<Outcome<Started>> {
        self.each(Operation::Upgrade, nodes, number, |state, node| {
            state.program(&to.path)?;
            state.end(&node.spec);
            let previous = state.node(&node.spec)?.program.clone();
            state.copy_program(&node.spec, &to.path, Some(&to.version))?;
            start(state, &node.spec).inspect_err(|_| {
                if let Ok(node) = state.node(&node.spec) {
                    node.program = previous;
                }
                let _ = start(state, &node.spec);
            })
        })
    }

    async fn remove(&self, nodes: &[NodeRef]) -> Vec<Outcome<()>> {
        self.each(Operation::Remove, nodes, number, |state, node| {
            state.refuse_link(&node.spec.root_dir)?;
            state.end(&node.spec);
            state.nodes.remove(&node.spec.root_dir);
            state
                .files
                .retain(|path, _| !path.starts_with(&node.spec.root_dir) && !path.starts_with(&node.spec.log_dir));
            Ok(())
        })
    }

    async fn inspect(&self, nodes: &[NodeRef]) -> Vec<Outcome<ProcessState>> {
        self.each(Operation::Inspect, nodes, number, |state, node| Ok(state.look(&node.spec)))
    }

    async fn survey(&self) -> Result<Vec<FoundNode>, ManagerError> {
        let mut state = self.world.lock();
        state.calls.push(Call { operation: Operation::Survey, nodes: vec![] });
        Ok(state.nodes.values().map(found).collect())
    }

    async fn teardown(&self) -> Result<Teardown, ManagerError> {
        self.world.lock().calls.push(Call { operation: Operation::Teardown, nodes: vec![] });
        Ok(Teardown::OneByOne)
    }

    async fn examine(&self) -> Vec<Finding> {
        vec![]
    }
}

fn create(state: &mut State, spec: &NodeSpec) -> Outcome<Created> {
    flavour::check(spec)?;
    state.refuse_link(&spec.root_dir)?;
    if !state.nodes.contains_key(&spec.root_dir) {
        state.program(&spec.program)?;
        let node =
            MemoryNode { spec: spec.clone(), program: (spec.program.clone(), spec.version.clone()), process: None };
        state.nodes.insert(spec.root_dir.clone(), node);
    }
    state.write(&spec.binary, b"a program");
    Ok(Created::as_specified(spec, spec.name.clone()))
}

fn start(state: &mut State, spec: &NodeSpec) -> Outcome<Started> {
    if let ProcessState::Running { process } = state.look(spec) {
        return Ok(Started { process });
    }
    let (program, version) = state.node(spec)?.program.clone();
    state.refuse_closed_group(spec)?;
    state.refuse_busy(Protocol::Udp, spec.ports.node)?;
    state.refuse_busy(Protocol::Tcp, spec.ports.metrics)?;
    if let Death::AtOnce = state.program(&program)? {
        return Err(ManagerError::ExitedAtOnce {
            name: spec.name.clone(),
            how: "exit code 7".to_owned(),
            said: "told to end".to_owned(),
            log_dir: spec.log_dir.clone(),
        });
    }
    let process = state.begin(spec, version.as_ref());
    Ok(Started { process: Some(process) })
}

fn found(node: &MemoryNode) -> FoundNode {
    FoundNode {
        service: node.spec.name.clone(),
        id: Some(node.spec.id),
        root_dir: Some(node.spec.root_dir.clone()),
        binary: Some(node.spec.binary.clone()),
        log_dir: Some(node.spec.log_dir.clone()),
        ports: Some(node.spec.ports),
        wallet: Some(node.spec.wallet.clone()),
        network: Some(node.spec.network.clone()),
        group: node.spec.group,
        state: match node.process {
            Some(process) => ProcessState::Running { process: Some(process) },
            None => ProcessState::Stopped { reason: None },
        },
    }
}
