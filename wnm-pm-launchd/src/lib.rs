//! wnm's process manager for launchd, the service manager of macOS: each node is a job with a property list of its own,
//! which launchd keeps alive and starts with the session (`launchd+user`) or the machine (`launchd+sudo`).
//!
//! It keeps no database: what exists is what the property lists say, what runs is what `launchctl print` says. Only today's
//! verbs are used (`bootstrap`, `bootout`, `enable`, `disable`, `print`) and none of the deprecated ones.

mod examine;
mod files;
mod launchctl;
mod observe;
mod own;
mod parse;
mod render;
mod start;
mod stop;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::command::CommandRunner;
use wnm_pm::hint::Hint;
use wnm_pm::logs::LogPlace;
use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::{
    Binary, Capabilities, Created, Finding, FoundNode, ManagerError, ManagerKind, Mode, NumberingKind, ProcessManager,
    ProcessState, Started, Supervisor, TakenNumber, Teardown,
};
use wnm_pm::storages::Storages;
use wnm_pm::{path_policy, replacement};

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
        let unavailable =
            |reason: &str, fix: &'static str| ManagerError::unavailable(kind(mode), reason, Hint::text(fix));
        let user = rustix::process::geteuid();
        if mode == Mode::Sudo {
            return match user.is_root() {
                true => Ok(Self { target: "system".to_owned(), plists: "/Library/LaunchDaemons".into() }),
                false => Err(unavailable(
                    "only root changes the machine's jobs",
                    "run wnm as root, or use launchd+user with a database of its own",
                )),
            };
        }
        let home = wnm_pm::user::home().filter(|home| home.is_absolute());
        let home =
            home.ok_or_else(|| unavailable("this user has no home directory", "set HOME to an absolute path"))?;
        Ok(Self { target: format!("gui/{}", user.as_raw()), plists: home.join("Library/LaunchAgents") })
    }
}

fn kind(mode: Mode) -> ManagerKind {
    ManagerKind { supervisor: Supervisor::Launchd, mode }
}

/// The process manager for launchd.
#[derive(Clone)]
pub struct Launchd {
    mode: Mode,
    node_storage: Storages,
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
        node_storage: impl Into<Storages>,
        runner: Arc<dyn CommandRunner>,
    ) -> Result<Self, ManagerError> {
        Ok(Self::in_domain(mode, node_storage, Domain::own(mode)?, runner))
    }

    /// Keeps them in another domain.
    #[must_use]
    pub fn in_domain(
        mode: Mode,
        node_storage: impl Into<Storages>,
        domain: Domain,
        runner: Arc<dyn CommandRunner>,
    ) -> Self {
        let launchctl = Launchctl { runner, target: domain.target.clone() };
        Self { mode, node_storage: node_storage.into(), domain, launchctl }
    }

    /// Refuses a node that is not this manager's to touch.
    fn refuse(&self, node: &NodeRef) -> Result<(), ManagerError> {
        path_policy::check_paths(&self.node_storage, &node.spec)?;
        self.refuse_foreign(node, &node.service)
    }

    /// Refuses also a node whose command line launchd could not be given.
    fn refuse_launch(&self, node: &NodeRef) -> Result<(), ManagerError> {
        path_policy::check(&self.node_storage, node)?;
        self.refuse_foreign(node, &node.service)?;
        render::check(node)
    }

    /// Nodes of a call, without those that are not this manager's to touch.
    fn ours<'a>(&self, nodes: &'a [NodeRef]) -> Batch<'a> {
        Batch::of(nodes).check(|node, ()| self.refuse(node))
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
        Capabilities { restarts_crashed: true, starts_at_boot: true, ..Capabilities::plain(NumberingKind::FillGaps) }
    }

    async fn create(&self, nodes: &[NodeRef]) -> Outcomes<Created> {
        let manager = self.clone();
        let made = Batch::of(nodes).check(|node, ()| self.refuse_launch(node)).in_background(move |node, ()| {
            let label = render::label(node.id());
            manager.refuse_foreign(&node, &label)?;
            manager.make(&node, &label)?;
            Ok(Created::as_specified(&node.spec, label))
        });
        made.await.outcomes()
    }

    async fn start(&self, nodes: &[NodeRef]) -> Outcomes<Started> {
        self.start_all(nodes).await
    }

    async fn stop(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        self.ours(nodes).one_by_one(|node, ()| self.stop_one(node)).await.outcomes()
    }

    async fn replace_program(&self, nodes: &[NodeRef], to: &Binary) -> Outcomes<()> {
        let stop = |nodes: Vec<NodeRef>| async move { self.stop_all(&nodes).await };
        replacement::replace(self.ours(nodes), &to.path, None, stop).await
    }

    async fn restore_program(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        let stop = |nodes: Vec<NodeRef>| async move { self.stop_all(&nodes).await };
        replacement::restore(self.ours(nodes), stop).await
    }

    async fn forget_previous(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        replacement::forget(self.ours(nodes)).await
    }

    async fn remove(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        self.ours(nodes).one_by_one(|node, ()| self.remove_one(node)).await.outcomes()
    }

    async fn inspect(&self, nodes: &[NodeRef]) -> Outcomes<ProcessState> {
        Batch::of(nodes).one_by_one(|node, ()| self.state(node)).await.outcomes()
    }

    fn logs(&self, node: &NodeRef) -> Vec<LogPlace> {
        vec![LogPlace::File(render::output(&node.spec)), LogPlace::own(&node.spec)]
    }

    async fn survey(&self) -> Result<Vec<FoundNode>, ManagerError> {
        self.find_nodes().await
    }

    async fn taken(&self, recorded: &[NodeRef]) -> Result<Vec<TakenNumber>, ManagerError> {
        self.taken_labels(recorded)
    }

    async fn teardown(&self) -> Result<Teardown, ManagerError> {
        Ok(Teardown::OneByOne)
    }

    async fn examine(&self) -> Vec<Finding> {
        self.findings().await
    }
}
