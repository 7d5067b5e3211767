//! Systemd is wnm's process manager for units: each node is a service of the machine's own systemd (`systemd+sudo`, nodes
//! run as user `ant`) or of the systemd of whoever calls wnm (`systemd+user`, no rights needed).
//!
//! A unit is `antnode0001.service`, as the Python wnm named it. What runs is what systemd says runs. Every step is one
//! program for all nodes of a batch; only when it fails it is repeated for each alone, so that each has its own outcome.

mod create;
mod examine;
mod exec_start;
mod files;
mod loadable;
mod mark;
mod parse;
mod paths;
mod programs;
mod remove;
mod render;
mod replace;
mod sharing;
mod start;
mod state;
mod step;
mod stop;
mod survey;
mod systemctl;
mod taken;
mod units;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::command::CommandRunner;
use wnm_pm::logs::{JournalOf, LogPlace};
use wnm_pm::node::NodeRef;
use wnm_pm::path_policy;
use wnm_pm::patience::Settling;
use wnm_pm::process_manager::{
    Binary, Capabilities, Created, Finding, FoundNode, ManagerError, ManagerKind, Mode, NumberingKind, Outcome,
    ProcessManager, ProcessState, Started, TakenNumber, Teardown,
};
use wnm_pm::storages::Storages;
use wnm_pm::user::Owner;

use paths::{Scope, unit_name};
use systemctl::Systemctl;

/// The process manager for units of systemd.
#[derive(Clone)]
pub struct Systemd {
    kind: ManagerKind,
    node_storage: Storages,
    systemctl: Systemctl,
    settling: Settling,
}

impl Systemd {
    /// Keeps the nodes whose directories lie in `node_storage`. `kind` is `systemd+user` or `systemd+sudo`; the latter acts
    /// as root, directly or through `sudo -n`.
    #[must_use]
    pub fn new(kind: ManagerKind, node_storage: impl Into<Storages>, runner: Arc<dyn CommandRunner>) -> Self {
        let scope = if kind.mode == Mode::User { Scope::User } else { Scope::System };
        Self {
            kind,
            node_storage: node_storage.into(),
            systemctl: Systemctl::new(kind, scope, runner),
            settling: Settling { least: Duration::from_secs(1), most: Duration::from_secs(3) },
        }
    }

    /// With another time that a node has to live before it counts as started: at least `least` (1 s), and no longer than
    /// `most` (3 s) while it opens its port.
    #[must_use]
    pub fn settling(mut self, least: Duration, most: Duration) -> Self {
        self.settling = Settling { least, most: most.max(least) };
        self
    }

    fn scope(&self) -> Scope {
        self.systemctl.places.scope
    }

    /// Begins every operation: refuses all nodes where systemd cannot be talked to, and those that are not wnm's to touch.
    fn begin<'a>(&self, nodes: &'a [NodeRef]) -> Batch<'a> {
        let (batch, _) = Batch::of(nodes).all(self.systemctl.refuse_unavailable());
        batch.check(|node, ()| self.refuse_foreign(node))
    }

    fn refuse_foreign(&self, node: &NodeRef) -> Result<(), ManagerError> {
        let unit = unit_name(node);
        let plain = |each: char| each.is_ascii_alphanumeric() || matches!(each, '.' | '-' | '_');
        if !unit.starts_with("antnode") || !unit.chars().all(plain) {
            let reason = format!("systemd's unit of a node is called antnode0001.service, not {unit:?}");
            return Err(ManagerError::Unusable { what: format!("the service name of {}", node.spec.name), reason });
        }
        path_policy::check_paths(&self.node_storage, &node.spec)
    }
}

#[async_trait]
impl ProcessManager for Systemd {
    fn kind(&self) -> ManagerKind {
        self.kind
    }

    /// A user's systemd starts nodes at boot only while lingering is on; `examine` says when it is off.
    fn capabilities(&self) -> Capabilities {
        Capabilities {
            restarts_crashed: true,
            starts_at_boot: true,
            runs_nodes_as_caller: self.scope() == Scope::User,
            ..Capabilities::plain(NumberingKind::FillGaps)
        }
    }

    async fn owner(&self) -> Outcome<Option<Owner>> {
        self.systemctl.refuse_unavailable()?;
        files::owner_of_nodes(&self.systemctl).await
    }

    async fn create(&self, nodes: &[NodeRef]) -> Outcomes<Created> {
        self.create_all(nodes).await
    }

    async fn start(&self, nodes: &[NodeRef]) -> Outcomes<Started> {
        self.start_all(nodes).await
    }

    async fn check_restart(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        self.loadable(self.begin(nodes)).await.then(|_, _| Ok(())).outcomes()
    }

    async fn stop(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        self.stop_all(self.begin(nodes)).await.then(|_, _| Ok(())).outcomes()
    }

    async fn replace_program(&self, nodes: &[NodeRef], to: &Binary) -> Outcomes<()> {
        self.replace_all(nodes, to).await
    }

    async fn restore_program(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        self.restore_all(nodes).await
    }

    async fn forget_previous(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        programs::forget(&self.systemctl, self.begin(nodes)).await.outcomes()
    }

    async fn remove(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        self.remove_all(nodes).await
    }

    async fn inspect(&self, nodes: &[NodeRef]) -> Outcomes<ProcessState> {
        self.inspect_all(nodes).await
    }

    fn logs(&self, node: &NodeRef) -> Vec<LogPlace> {
        let of = if self.scope() == Scope::User { JournalOf::USER } else { JournalOf::machine() };
        vec![LogPlace::Journal { unit: unit_name(node), of }, LogPlace::own(&node.spec)]
    }

    async fn survey(&self) -> Result<Vec<FoundNode>, ManagerError> {
        self.systemctl.refuse_unavailable()?;
        survey::survey(self).await
    }

    async fn taken(&self, recorded: &[NodeRef]) -> Result<Vec<TakenNumber>, ManagerError> {
        self.systemctl.refuse_unavailable()?;
        self.taken_units(recorded).await
    }

    async fn teardown(&self) -> Result<Teardown, ManagerError> {
        self.systemctl.refuse_unavailable()?;
        self.remove_slice().await?;
        Ok(Teardown::OneByOne)
    }

    async fn examine(&self) -> Vec<Finding> {
        examine::examine(self).await
    }
}
