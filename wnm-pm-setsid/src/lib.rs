//! Setsid is wnm's process manager for plain background processes: each node is a process in a session of its own,
//! started by wnm itself, and nothing but Linux is needed.
//!
//! It keeps no record. What runs is what the kernel says runs: a process is a node's when its program is the node's own
//! copy and its command line holds the node's directory. A pid is never believed without that.

mod examine;
mod files;
mod look;
mod output;
mod processes;
mod program;
mod spawn;
mod start;
mod stop;
mod survey;
mod upgrade;

use std::path::{Path, PathBuf};
use std::time::Duration;

use async_trait::async_trait;
use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::path_policy;
use wnm_pm::process_manager::{
    Binary, Capabilities, Created, Finding, FoundNode, ManagerError, ManagerKind, Mode, NumberingKind, Outcome,
    ProcessManager, ProcessState, Started, Teardown,
};

use look::Look;

/// The process manager for plain background processes.
#[derive(Debug, Clone)]
pub struct Setsid {
    kind: ManagerKind,
    node_storage: PathBuf,
    patience: Patience,
}

/// How long a node is waited for.
#[derive(Debug, Clone, Copy)]
struct Patience {
    /// A node that lived this long and has its port has started.
    settle_least: Duration,
    /// A node that lived this long has started, port or not.
    settle_most: Duration,
    /// A node that was asked to end and has not after this long is made to.
    grace: Duration,
}

impl Setsid {
    /// Keeps the nodes whose directories lie in `node_storage`. `kind` is `setsid+user` or `setsid+sudo`; with the latter
    /// nothing works but for root.
    #[must_use]
    pub fn new(kind: ManagerKind, node_storage: impl Into<PathBuf>) -> Self {
        Self {
            kind,
            node_storage: node_storage.into(),
            patience: Patience {
                settle_least: Duration::from_secs(1),
                settle_most: Duration::from_secs(3),
                grace: Duration::from_secs(10),
            },
        }
    }

    /// With another time that a node has to live before it counts as started: at least `least` (1 s), and no longer than
    /// `most` (3 s) while it opens its port.
    #[must_use]
    pub fn settling(mut self, least: Duration, most: Duration) -> Self {
        self.patience.settle_least = least;
        self.patience.settle_most = most.max(least);
        self
    }

    /// With another grace (10 s) between asking a node to end and making it.
    #[must_use]
    pub fn grace(mut self, grace: Duration) -> Self {
        self.patience.grace = grace;
        self
    }

    /// Refuses a machine or a user that this manager cannot serve.
    fn refuse_unavailable(&self) -> Result<(), ManagerError> {
        let (reason, hint) = if !Path::new("/proc/self/exe").exists() {
            ("there is no /proc, so no process can be told from another", "use a process manager of this system")
        } else if self.kind.mode == Mode::Sudo && !rustix::process::geteuid().is_root() {
            (
                "it keeps nodes in the machine's name and this user is not root",
                "run wnm as root, or begin a record of your own with setsid+user",
            )
        } else {
            return Ok(());
        };
        Err(ManagerError::Unavailable {
            manager: self.kind.to_string(),
            reason: reason.to_owned(),
            hint: hint.to_owned(),
        })
    }

    /// Refuses a node that is not this manager's to touch.
    fn refuse(&self, spec: &NodeSpec) -> Result<(), ManagerError> {
        self.refuse_unavailable()?;
        path_policy::check(&self.node_storage, spec)
    }
}

#[async_trait]
impl ProcessManager for Setsid {
    fn kind(&self) -> ManagerKind {
        self.kind
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { numbering: NumberingKind::FillGaps, restarts_crashed: false, starts_at_boot: false }
    }

    async fn create(&self, nodes: &[NodeSpec]) -> Vec<Outcome<Created>> {
        let manager = self.clone();
        in_background(nodes.to_vec(), move |spec| {
            manager.refuse(&spec)?;
            files::create(&spec)
        })
        .await
    }

    async fn start(&self, nodes: &[NodeRef]) -> Vec<Outcome<Started>> {
        start::start(self, nodes).await
    }

    async fn stop(&self, nodes: &[NodeRef]) -> Vec<Outcome<()>> {
        stop::stop(self, nodes).await
    }

    async fn upgrade(&self, nodes: &[NodeRef], to: &Binary) -> Vec<Outcome<Started>> {
        upgrade::upgrade(self, nodes, to).await
    }

    async fn remove(&self, nodes: &[NodeRef]) -> Vec<Outcome<()>> {
        let stopped = stop::stop(self, nodes).await;
        let manager = self.clone();
        in_background(nodes.iter().cloned().zip(stopped).collect(), move |(node, stopped)| {
            stopped?;
            // Again, since stopping takes its time.
            manager.refuse(&node.spec)?;
            files::remove(&node.spec)
        })
        .await
    }

    async fn inspect(&self, nodes: &[NodeRef]) -> Vec<Outcome<ProcessState>> {
        let look = Look::at(nodes.iter().map(|node| &node.spec));
        let states = nodes.iter().map(|node| {
            self.refuse(&node.spec)?;
            Ok(look.state(&node.spec))
        });
        states.collect()
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

/// Does what takes its time on a disk to each of many, one after the other, while others get on.
async fn in_background<N, T>(each: Vec<N>, deed: impl Fn(N) -> Outcome<T> + Send + 'static) -> Vec<Outcome<T>>
where
    N: Send + 'static,
    T: Send + 'static,
{
    let task = tokio::task::spawn_blocking(move || each.into_iter().map(deed).collect());
    task.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}
