//! wnm's process manager for nodes under s6 inside Docker containers: hundreds of nodes per container, balanced over
//! container groups.

use std::net::IpAddr;
use std::path::Path;

use async_trait::async_trait;
use wnm_pm::batch::Outcomes;
use wnm_pm::container_host::{ContainerHost, Group, GroupSpec, Usage};
use wnm_pm::launch::check_path;
use wnm_pm::logs::LogPlace;
use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::{
    Binary, Capabilities, Created, Finding, FoundNode, ManagerError, ManagerKind, Mode, NumberingKind, Outcome,
    ProcessManager, ProcessState, Started, Supervisor, Teardown,
};
use wnm_pm::user::Owner;

mod container;
mod examine;
mod group;
mod host;
mod node;
mod owner;
mod settings;
mod storage;

pub use container::{dockerfile, layout};
pub use node::{definition, output, script};
pub use settings::{ContainerNetwork, MachineId, RulesBy, S6Settings};

use group::Groups;
use host::Host;
use node::{Nodes, turn};

/// The process manager.
#[derive(Debug)]
pub struct S6Overlay(Host);

impl S6Overlay {
    /// The manager for these settings. The engine is connected when it is first needed, so that a manager can be made,
    /// and can say what is wrong, without one.
    ///
    /// # Errors
    /// When the settings cannot work: relative paths, or more nodes per container than s6 can supervise.
    pub fn connect(settings: S6Settings) -> Result<Self, ManagerError> {
        definition::check_capacity(settings.max_node_per_container)?;
        check_path("node_storage", &settings.node_storage)?;
        settings.more_storages.iter().try_for_each(|storage| check_path("node_storage", storage))?;
        check_path("log_dir", &settings.log_dir)?;
        check_path("bootstrap_cache_dir", &settings.bootstrap_cache_dir)?;
        Ok(Self(Host::new(settings)))
    }
}

#[async_trait]
impl ProcessManager for S6Overlay {
    fn kind(&self) -> ManagerKind {
        ManagerKind { supervisor: Supervisor::S6overlay, mode: Mode::User }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities {
            restarts_crashed: true,
            starts_at_boot: true,
            // In a container files belong to whom the volume maps them to.
            runs_nodes_as_caller: false,
            ..Capabilities::plain(NumberingKind::Blocks)
        }
    }

    fn containers(&self) -> Option<&dyn ContainerHost> {
        Some(self)
    }

    async fn owner(&self) -> Outcome<Option<Owner>> {
        owner::of_storage(&self.0.settings.node_storage).map(Some)
    }

    async fn take_over(&self) -> Outcome<()> {
        turn::take(&self.0.settings.node_storage)
    }

    async fn create(&self, nodes: &[NodeRef]) -> Outcomes<Created> {
        Nodes(&self.0).create(nodes).await
    }

    async fn start(&self, nodes: &[NodeRef]) -> Outcomes<Started> {
        Nodes(&self.0).start(nodes).await
    }

    async fn stop(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        Nodes(&self.0).stop(nodes).await
    }

    async fn replace_program(&self, nodes: &[NodeRef], to: &Binary) -> Outcomes<()> {
        Nodes(&self.0).replace_program(nodes, to).await
    }

    async fn restore_program(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        Nodes(&self.0).restore_program(nodes).await
    }

    async fn forget_previous(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        Nodes(&self.0).forget_previous(nodes).await
    }

    async fn remove(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        Nodes(&self.0).remove(nodes).await
    }

    async fn inspect(&self, nodes: &[NodeRef]) -> Outcomes<ProcessState> {
        Nodes(&self.0).inspect(nodes).await
    }

    fn logs(&self, node: &NodeRef) -> Vec<LogPlace> {
        node::logs(&self.0.settings, node)
    }

    async fn survey(&self) -> Result<Vec<FoundNode>, ManagerError> {
        Nodes(&self.0).survey().await
    }

    async fn vacate(&self, node_storage: &Path) {
        storage::vacate(node_storage);
    }

    async fn teardown(&self) -> Result<Teardown, ManagerError> {
        Groups(&self.0).clear_away().await?;
        Ok(Teardown::OneByOne)
    }

    async fn examine(&self) -> Vec<Finding> {
        examine::findings(&self.0).await
    }
}

#[async_trait]
impl ContainerHost for S6Overlay {
    async fn open(&self, groups: &[GroupSpec]) -> Outcomes<Group, u32> {
        Groups(&self.0).open(groups).await
    }

    async fn groups(&self) -> Result<Vec<Group>, ManagerError> {
        Groups(&self.0).list().await
    }

    async fn close(&self, groups: &[Group]) -> Outcomes<(), u32> {
        Groups(&self.0).close(groups).await
    }

    async fn usage(&self, groups: &[Group]) -> Outcomes<Usage, u32> {
        Groups(&self.0).usage(groups).await
    }

    fn metrics_host(&self, group: &Group) -> IpAddr {
        group::metrics_host(group)
    }
}
