//! The contract is what every process manager promises, tried on the manager itself with test nodes for nodes.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

mod changes;
mod hostile;
mod lifecycle;
mod world;

use std::time::{Duration, Instant};

use wnm_pm::batch::Outcomes;
use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::process_manager::{Created, Outcome, ProcessManager, ProcessState, Started};

pub use world::{ContractWorld, HostWorld, metrics_port, node_port};

/// How long anything that the contract waits for may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// Tries every promise of [`ProcessManager`] in turn, on nodes with the numbers 1 to 60. Nothing of them is left in the
/// end.
///
/// # Panics
/// Where a promise is not kept.
pub async fn contract(manager: &dyn ProcessManager, world: &impl ContractWorld) {
    let trial = Trial { manager, world };
    trial.creation().await;
    trial.starting_and_stopping().await;
    trial.logs().await;
    trial.batches().await;
    trial.ports_in_use().await;
    trial.crash().await;
    trial.replacement().await;
    trial.upgrade().await;
    trial.removal().await;
    trial.survey().await;
    trial.hostile_values().await;
    trial.unusable_values().await;
}

/// A manager on trial, and where its nodes run.
struct Trial<'a, W> {
    manager: &'a dyn ProcessManager,
    world: &'a W,
}

impl<W: ContractWorld> Trial<'_, W> {
    async fn create(&self, specs: &[NodeSpec]) -> Vec<NodeRef> {
        let mut outcomes = self.manager.create(&references(specs)).await;
        assert_eq!(outcomes.len(), specs.len(), "create answers for each node");
        specs.iter().map(|spec| reference(spec, outcomes.take(spec.id).expect("each node has an outcome"))).collect()
    }

    async fn created(&self, number: u32) -> NodeRef {
        let mut nodes = self.create(&[self.world.spec(number)]).await;
        nodes.remove(0)
    }

    async fn running(&self, number: u32) -> NodeRef {
        let mut node = self.created(number).await;
        self.start(&mut node).await;
        node
    }

    async fn start(&self, node: &mut NodeRef) {
        let started = only(self.manager.start(std::slice::from_ref(node)).await);
        let Started { process } = started.unwrap_or_else(|error| panic!("{} starts: {error}", node.spec.name));
        node.process = process;
        self.assert_running(node).await;
    }

    async fn stop(&self, node: &NodeRef) {
        let stopped = only(self.manager.stop(std::slice::from_ref(node)).await);
        stopped.unwrap_or_else(|error| panic!("{} stops: {error}", node.spec.name));
    }

    async fn remove(&self, nodes: &[NodeRef]) {
        let mut outcomes = self.manager.remove(nodes).await;
        assert_eq!(outcomes.len(), nodes.len(), "remove answers for each node");
        for node in nodes {
            let outcome = outcomes.take(node.id()).expect("each node has an outcome");
            outcome.unwrap_or_else(|error| panic!("{} is removed: {error}", node.spec.name));
            assert_eq!(self.inspect(node).await, ProcessState::Absent, "{} is gone", node.spec.name);
            for path in [&node.spec.root_dir, &node.spec.binary, &node.spec.log_dir] {
                assert!(!self.world.exists(path).await, "{} goes with its node", path.display());
            }
            assert!(!self.world.listens(&node.spec).await, "{} ends with its files", node.spec.name);
        }
    }

    async fn inspect(&self, node: &NodeRef) -> ProcessState {
        let outcome = only(self.manager.inspect(std::slice::from_ref(node)).await);
        outcome.unwrap_or_else(|error| panic!("{} is inspected: {error}", node.spec.name))
    }

    async fn assert_running(&self, node: &NodeRef) {
        let state = self.inspect(node).await;
        assert!(matches!(state, ProcessState::Running { .. }), "{} runs, not {state:?}", node.spec.name);
        eventually("the node opens its port", async || self.world.listens(&node.spec).await).await;
    }

    async fn assert_stopped(&self, node: &NodeRef) {
        let state = self.inspect(node).await;
        assert!(matches!(state, ProcessState::Stopped { .. }), "{} is stopped, not {state:?}", node.spec.name);
        assert!(!self.world.listens(&node.spec).await, "nobody listens on {}'s port", node.spec.name);
    }

    /// What the node was started with, as it wrote it down itself.
    async fn seen(&self, node: &NodeRef) -> serde_json::Value {
        let path = node.spec.root_dir.join("seen.json");
        eventually("the node writes seen.json", async || self.world.read(&path).await.is_some()).await;
        let content = self.world.read(&path).await.unwrap_or_default();
        serde_json::from_slice(&content).expect("test nodes write JSON")
    }

    async fn key(&self, node: &NodeRef) -> Vec<u8> {
        let path = node.spec.root_dir.join("secret-key");
        eventually("the node writes its key", async || self.world.read(&path).await.is_some()).await;
        self.world.read(&path).await.unwrap_or_default()
    }
}

/// The node as it is known after its creation.
fn reference(spec: &NodeSpec, outcome: Outcome<Created>) -> NodeRef {
    let created = outcome.unwrap_or_else(|error| panic!("{} is created: {error}", spec.name));
    let mut spec = spec.clone();
    spec.root_dir = created.root_dir;
    spec.binary = created.binary;
    spec.log_dir = created.log_dir;
    NodeRef { service: created.service, ..NodeRef::new(spec) }
}

/// Nodes that nobody has created yet.
fn references(specs: &[NodeSpec]) -> Vec<NodeRef> {
    specs.iter().cloned().map(NodeRef::new).collect()
}

/// The outcome of a batch of one.
///
/// # Panics
/// When it is not one.
pub fn only<T>(outcomes: Outcomes<T>) -> Outcome<T> {
    assert_eq!(outcomes.len(), 1, "one node has one outcome");
    outcomes.into_iter().next().expect("it was counted").1
}

/// Waits for something to come true.
///
/// # Panics
/// When that takes more than 30 s.
pub async fn eventually(what: &str, happens: impl AsyncFn() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !happens().await {
        assert!(Instant::now() < deadline, "{what} within {PATIENCE:?}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
