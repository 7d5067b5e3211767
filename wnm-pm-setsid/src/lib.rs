//! Setsid is wnm's process manager for plain background processes: each node is a process in a session of its own,
//! started by wnm itself, and nothing but Linux is needed.
//!
//! It keeps no database. What runs is what the kernel says runs: a process is a node's when its program is the node's own
//! copy and its command line holds the node's directory. A pid is never believed without that.

mod examine;
mod image;
mod note;
mod observation;
mod output;
mod processes;
mod spawn;
mod start;
mod stop;
mod survey;

use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::hint::Hint;
use wnm_pm::logs::LogPlace;
use wnm_pm::node::NodeRef;
use wnm_pm::patience::Settling;
use wnm_pm::process_manager::{
    Binary, Capabilities, Created, Finding, FoundNode, ManagerError, ManagerKind, Mode, NumberingKind, ProcessManager,
    ProcessState, Started, Teardown,
};
use wnm_pm::storages::Storages;
use wnm_pm::{node_files, path_policy, replacement};

use observation::Observation;

/// The process manager for plain background processes.
#[derive(Debug, Clone)]
pub struct Setsid {
    kind: ManagerKind,
    node_storage: Storages,
    settling: Settling,
    /// A node that was asked to end and has not after this long is made to.
    grace: Duration,
}

impl Setsid {
    /// Keeps the nodes whose directories lie in `node_storage`. `kind` is `setsid+user` or `setsid+sudo`; with the latter
    /// everything fails unless wnm runs as root.
    #[must_use]
    pub fn new(kind: ManagerKind, node_storage: impl Into<Storages>) -> Self {
        Self {
            kind,
            node_storage: node_storage.into(),
            settling: Settling { least: Duration::from_secs(1), most: Duration::from_secs(3) },
            grace: Duration::from_secs(10),
        }
    }

    /// With another time that a node has to live before it counts as started: at least `least` (1 s), and no longer than
    /// `most` (3 s) while it opens its port.
    #[must_use]
    pub fn settling(mut self, least: Duration, most: Duration) -> Self {
        self.settling = Settling { least, most: most.max(least) };
        self
    }

    /// With another grace (10 s) between asking a node to end and making it.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.grace = grace;
        self
    }

    /// Why this manager cannot serve this machine or this user, and what can be done about it.
    fn obstacle(&self) -> Option<(&'static str, &'static str)> {
        if !Path::new("/proc/self/exe").exists() {
            let reason = "there is no /proc, so processes cannot be told apart";
            return Some((reason, "use a process manager of this system"));
        }
        let is_root = rustix::process::geteuid().is_root();
        (self.kind.mode == Mode::Sudo && !is_root).then_some((
            "it keeps nodes in the machine's name and this user is not root",
            "run wnm as root, or use setsid+user with a database of its own",
        ))
    }

    fn refuse_unavailable(&self) -> Result<(), ManagerError> {
        match self.obstacle() {
            Some((reason, fix)) => Err(ManagerError::unavailable(self.kind, reason, Hint::text(fix))),
            None => Ok(()),
        }
    }

    /// Refuses a node that is not this manager's to touch.
    fn refuse(&self, node: &NodeRef) -> Result<(), ManagerError> {
        self.refuse_unavailable()?;
        path_policy::check_paths(&self.node_storage, &node.spec)
    }

    /// Refuses also a node whose command line no process could be given.
    fn refuse_launch(&self, node: &NodeRef) -> Result<(), ManagerError> {
        self.refuse_unavailable()?;
        path_policy::check(&self.node_storage, node)
    }

    /// Nodes of a call, without those that are not this manager's to touch.
    fn ours<'a>(&self, nodes: &'a [NodeRef]) -> Batch<'a> {
        Batch::of(nodes).check(|node, ()| self.refuse(node))
    }
}

#[async_trait]
impl ProcessManager for Setsid {
    fn kind(&self) -> ManagerKind {
        self.kind
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities::plain(NumberingKind::FillGaps)
    }

    async fn create(&self, nodes: &[NodeRef]) -> Outcomes<Created> {
        let ready = Batch::of(nodes).check(|node, ()| self.refuse_launch(node));
        let made = ready.in_background(|node, ()| {
            node_files::make(&node.spec, None)?.keep();
            Ok(Created::as_specified(&node.spec, node.spec.name.clone()))
        });
        made.await.outcomes()
    }

    async fn start(&self, nodes: &[NodeRef]) -> Outcomes<Started> {
        start::start(self, nodes).await
    }

    async fn stop(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        stop::stop(self, nodes).await
    }

    async fn replace_program(&self, nodes: &[NodeRef], to: &Binary) -> Outcomes<()> {
        let stop = |nodes: Vec<NodeRef>| async move { stop::stop(self, &nodes).await };
        replacement::replace(self.ours(nodes), &to.path, None, stop).await
    }

    async fn restore_program(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        let stop = |nodes: Vec<NodeRef>| async move { stop::stop(self, &nodes).await };
        replacement::restore(self.ours(nodes), stop).await
    }

    async fn forget_previous(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        replacement::forget(self.ours(nodes)).await
    }

    async fn remove(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        let stopped = Batch::of(nodes).join(stop::stop(self, nodes).await);
        // Again, since stopping takes its time.
        let ours = stopped.check(|node, ()| self.refuse(node));
        ours.in_background(|node, ()| node_files::remove(&node.spec)).await.outcomes()
    }

    async fn inspect(&self, nodes: &[NodeRef]) -> Outcomes<ProcessState> {
        let observation = Observation::of(nodes);
        self.ours(nodes).then(|node, ()| observation.state(&node.spec)).outcomes()
    }

    fn logs(&self, node: &NodeRef) -> Vec<LogPlace> {
        vec![LogPlace::File(output::path(&node.spec)), LogPlace::own(&node.spec)]
    }

    async fn tidy(&self, nodes: &[NodeRef]) {
        for (node, ()) in self.ours(nodes).good() {
            if let Err(error) = output::cut(&node.spec) {
                tracing::warn!("cannot cut the output of {}: {error}", node.spec.name);
            }
        }
    }

    async fn survey(&self) -> Result<Vec<FoundNode>, ManagerError> {
        self.refuse_unavailable()?;
        survey::survey(&self.node_storage)
    }

    async fn teardown(&self) -> Result<Teardown, ManagerError> {
        self.refuse_unavailable()?;
        Ok(Teardown::OneByOne)
    }

    async fn examine(&self) -> Vec<Finding> {
        examine::examine(self)
    }
}
