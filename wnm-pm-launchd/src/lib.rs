//! wnm's process manager for launchd, the service manager of macOS: each node is a job with a property list of its own,
//! which launchd keeps alive and starts with the session (`launchd+user`) or the machine (`launchd+sudo`).
//!
//! It keeps no record: what exists is what the property lists say, what runs is what `launchctl print` says. Only today's
//! verbs are used (`bootstrap`, `bootout`, `enable`, `disable`, `kickstart`, `print`) and none of the deprecated ones.

mod examine;
mod files;
mod launchctl;
mod look;
mod parse;
mod render;
mod start;
mod stop;
mod upgrade;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use wnm_pm::command::CommandRunner;
use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::path_policy;
use wnm_pm::process_manager::{
    Binary, Capabilities, Created, Finding, FoundNode, ManagerError, ManagerKind, Mode, NumberingKind, Outcome,
    ProcessManager, ProcessState, Started, Supervisor, Teardown,
};

use launchctl::Launchctl;

/// Where launchd keeps a set of jobs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Domain {
    /// launchd's word for it: `gui/501` or `system`.
    pub target: String,
    /// The directory of its property lists.
    pub plists: PathBuf,
}

impl Domain {
    /// The domain of the user that runs wnm, or that of the machine.
    ///
    /// # Errors
    /// [`ManagerError::Unavailable`] when the machine's domain is wanted by somebody other than root, or when this user has
    /// no home directory.
    pub fn own(mode: Mode) -> Result<Self, ManagerError> {
        let unavailable = |reason: &str, hint: &str| ManagerError::Unavailable {
            manager: kind(mode).to_string(),
            reason: reason.to_owned(),
            hint: hint.to_owned(),
        };
        let user = rustix::process::geteuid();
        if mode == Mode::Sudo {
            return match user.is_root() {
                true => Ok(Self { target: "system".to_owned(), plists: "/Library/LaunchDaemons".into() }),
                false => Err(unavailable(
                    "only root changes the machine's jobs",
                    "run wnm as root (`sudo wnm`), or begin a record of your own with process_manager launchd+user",
                )),
            };
        }
        let home = std::env::home_dir().filter(|home| home.is_absolute());
        let home = home.ok_or_else(|| unavailable("this user has no home directory", "set HOME"))?;
        Ok(Self { target: format!("gui/{}", user.as_raw()), plists: home.join("Library/LaunchAgents") })
    }
}

fn kind(mode: Mode) -> ManagerKind {
    ManagerKind { supervisor: Supervisor::Launchd, mode }
}

/// The process manager for launchd.
pub struct Launchd {
    mode: Mode,
    node_storage: PathBuf,
    domain: Domain,
    launchctl: Launchctl,
}

impl Launchd {
    /// Keeps the nodes whose directories lie in `node_storage`, in the domain that belongs to `mode` (`User` or `Sudo`).
    ///
    /// # Errors
    /// Those of [`Domain::own`].
    pub fn new(
        mode: Mode,
        node_storage: impl Into<PathBuf>,
        runner: Arc<dyn CommandRunner>,
    ) -> Result<Self, ManagerError> {
        Ok(Self::in_domain(mode, node_storage, Domain::own(mode)?, runner))
    }

    /// Keeps them in another domain.
    #[must_use]
    pub fn in_domain(
        mode: Mode,
        node_storage: impl Into<PathBuf>,
        domain: Domain,
        runner: Arc<dyn CommandRunner>,
    ) -> Self {
        let launchctl = Launchctl { runner, target: domain.target.clone() };
        Self { mode, node_storage: node_storage.into(), domain, launchctl }
    }

    /// The property list of a job.
    fn plist(&self, label: &str) -> PathBuf {
        self.domain.plists.join(format!("{label}.plist"))
    }
}

#[async_trait]
impl ProcessManager for Launchd {
    fn kind(&self) -> ManagerKind {
        kind(self.mode)
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { numbering: NumberingKind::FillGaps, restarts_crashed: true, starts_at_boot: true }
    }

    async fn create(&self, nodes: &[NodeSpec]) -> Vec<Outcome<Created>> {
        nodes.iter().map(|spec| self.create_one(spec)).collect()
    }

    async fn start(&self, nodes: &[NodeRef]) -> Vec<Outcome<Started>> {
        self.start_all(nodes).await
    }

    async fn stop(&self, nodes: &[NodeRef]) -> Vec<Outcome<()>> {
        self.stop_all(nodes).await
    }

    async fn upgrade(&self, nodes: &[NodeRef], to: &Binary) -> Vec<Outcome<Started>> {
        self.upgrade_all(nodes, to).await
    }

    async fn remove(&self, nodes: &[NodeRef]) -> Vec<Outcome<()>> {
        let mut outcomes = Vec::with_capacity(nodes.len());
        for node in nodes {
            outcomes.push(match path_policy::check(&self.node_storage, &node.spec) {
                Ok(()) => self.remove_one(node).await,
                Err(error) => Err(error),
            });
        }
        outcomes
    }

    async fn inspect(&self, nodes: &[NodeRef]) -> Vec<Outcome<ProcessState>> {
        let mut states = Vec::with_capacity(nodes.len());
        for node in nodes {
            states.push(self.state(node).await);
        }
        states
    }

    async fn survey(&self) -> Result<Vec<FoundNode>, ManagerError> {
        self.find_nodes().await
    }

    async fn teardown(&self) -> Result<Teardown, ManagerError> {
        Ok(Teardown::OneByOne)
    }

    async fn examine(&self) -> Vec<Finding> {
        self.find_troubles().await
    }
}
