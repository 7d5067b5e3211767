//! A memory manager is a process manager without processes: its world lives in memory and can be shared by a second one,
//! as a second run of wnm shares the machine with the first.

mod containers;
mod contract_world;
mod habit;
mod world;

use std::sync::Arc;

use async_trait::async_trait;

use wnm_pm::batch::Outcomes;
use wnm_pm::container_host::ContainerHost;
use wnm_pm::flavour::CommandLine;
use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::{
    Binary, Capabilities, Created, Finding, FoundNode, ManagerError, ManagerKind, NumberingKind, Outcome,
    ProcessManager, ProcessState, Started, Teardown,
};

use containers::MemoryContainers;
pub use habit::Habit;
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
            capabilities: Capabilities::plain(numbering),
            world: world.clone(),
            containers: (numbering == NumberingKind::Blocks).then(|| Arc::new(containers)),
        }
    }

    /// Does something to each node in turn, in one recorded call.
    fn each<T>(
        &self,
        operation: Operation,
        nodes: &[NodeRef],
        mut step: impl FnMut(&mut State, &NodeRef) -> Outcome<T>,
    ) -> Outcomes<T> {
        let mut state = self.world.lock();
        state.calls.push(Call { operation, nodes: nodes.iter().map(NodeRef::id).collect() });
        let outcome = |node: &NodeRef| state.fails(operation, node.id()).and_then(|()| step(&mut state, node));
        nodes.iter().map(outcome).zip(nodes).map(|(outcome, node)| (node.id(), outcome)).collect()
    }
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

    async fn take_over(&self) -> Outcome<()> {
        self.world.lock().calls.push(Call { operation: Operation::TakeOver, nodes: vec![] });
        Ok(())
    }

    async fn create(&self, nodes: &[NodeRef]) -> Outcomes<Created> {
        self.each(Operation::Create, nodes, create)
    }

    async fn start(&self, nodes: &[NodeRef]) -> Outcomes<Started> {
        self.each(Operation::Start, nodes, start)
    }

    async fn stop(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        self.each(Operation::Stop, nodes, |state, node| {
            state.end(&node.spec);
            Ok(())
        })
    }

    async fn replace_program(&self, nodes: &[NodeRef], to: &Binary) -> Outcomes<()> {
        self.each(Operation::ReplaceProgram, nodes, |state, node| {
            state.program(&to.path)?;
            let previous = state.node(&node.spec)?.program.clone();
            state.end(&node.spec);
            state.copy_program(&node.spec, &to.path, Some(&to.version))?;
            state.node(&node.spec)?.previous = Some(previous);
            Ok(())
        })
    }

    async fn restore_program(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        self.each(Operation::RestoreProgram, nodes, |state, node| {
            let kept = state.node(&node.spec)?.previous.take();
            let none = || ManagerError::Failed(format!("no previous program of {} is kept", node.spec.name));
            let previous = kept.ok_or_else(none)?;
            state.end(&node.spec);
            state.node(&node.spec)?.program = previous;
            Ok(())
        })
    }

    async fn forget_previous(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        self.each(Operation::ForgetPrevious, nodes, |state, node| {
            state.node(&node.spec)?.previous = None;
            Ok(())
        })
    }

    async fn remove(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        self.each(Operation::Remove, nodes, |state, node| {
            state.refuse_link(&node.spec.root_dir)?;
            state.end(&node.spec);
            state.nodes.remove(&node.spec.root_dir);
            state
                .files
                .retain(|path, _| !path.starts_with(&node.spec.root_dir) && !path.starts_with(&node.spec.log_dir));
            Ok(())
        })
    }

    async fn inspect(&self, nodes: &[NodeRef]) -> Outcomes<ProcessState> {
        self.each(Operation::Inspect, nodes, |state, node| {
            let version = state.node(&node.spec).ok().and_then(|node| node.program.1.clone());
            if state.habit(node.id(), version.as_ref()) == Some(Habit::End) {
                state.end(&node.spec);
            }
            Ok(state.look(&node.spec))
        })
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

fn create(state: &mut State, node: &NodeRef) -> Outcome<Created> {
    let spec = &node.spec;
    node.launch.check()?;
    state.refuse_link(&spec.root_dir)?;
    if !state.nodes.contains_key(&spec.root_dir) {
        state.program(&spec.program)?;
        let program = (spec.program.clone(), spec.version.clone());
        let node = MemoryNode { spec: spec.clone(), program, previous: None, process: None };
        state.nodes.insert(spec.root_dir.clone(), node);
    }
    state.write(&spec.binary, b"a program");
    Ok(Created::as_specified(spec, spec.name.clone()))
}

fn start(state: &mut State, node: &NodeRef) -> Outcome<Started> {
    let spec = &node.spec;
    if let ProcessState::Running { process } = state.look(spec) {
        return Ok(Started { process });
    }
    let (program, version) = state.node(spec)?.program.clone();
    state.refuse_closed_group(spec)?;
    spec.ports.iter().try_for_each(|(kind, port)| state.refuse_busy(kind.protocol(), port))?;
    let ends = state.program(&program)? == Death::AtOnce;
    if ends || state.habit(spec.id, version.as_ref()) == Some(Habit::Crash) {
        return Err(ManagerError::ExitedAtOnce {
            name: spec.name.clone(),
            how: "exit code 7".to_owned(),
            said: "told to end".to_owned(),
            log_dir: spec.log_dir.clone(),
        });
    }
    let process = state.begin(node, version.as_ref());
    Ok(Started { process: Some(process) })
}

fn found(node: &MemoryNode) -> FoundNode {
    let launch = node.spec.launch();
    let line = CommandLine::new([vec![launch.program.display().to_string()], launch.arguments].concat());
    let state = match node.process {
        Some(process) => ProcessState::Running { process: Some(process) },
        None => ProcessState::Stopped { reason: None },
    };
    FoundNode {
        group: node.spec.group,
        ..FoundNode::named(node.spec.name.clone(), Some(node.spec.id), state).told(&line)
    }
}
