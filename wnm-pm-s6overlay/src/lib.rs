//! wnm's process manager for nodes under s6 inside Docker containers: hundreds of nodes per container, balanced over
//! container groups.

use std::net::IpAddr;

use async_trait::async_trait;
use futures_util::future::join_all;
use wnm_pm::container_host::{ContainerHost, Group, GroupSpec, Usage};
use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::process_manager::{
    Binary, Capabilities, Created, Finding, FoundNode, ManagerError, ManagerKind, Mode, NumberingKind, Outcome,
    ProcessManager, ProcessState, Started, Supervisor, Teardown,
};

mod batch;
mod boot;
mod command_line;
mod containers;
pub mod dockerfile;
mod engine;
mod examine;
mod files;
mod groups;
mod images;
mod look;
mod network;
pub mod output;
mod paths;
mod ports;
mod processes;
mod program;
pub mod render;
pub mod script;
mod settings;
mod spec;
mod start;
mod storage;
mod upgrade;
mod usage;

pub use settings::{ContainerNetwork, MachineId, RulesBy, S6Settings};

use script::Call;
use start::STOP_GRACE;

/// The word for this manager.
const MANAGER: &str = "s6overlay+user";

/// The process manager.
#[derive(Debug)]
pub struct S6Overlay {
    settings: S6Settings,
    machine: MachineId,
    engine: engine::Engine,
    /// Groups are made and taken down one call at a time: they share a network and a table of rules.
    turn: tokio::sync::Mutex<()>,
}

impl S6Overlay {
    /// The manager for these settings. The engine is connected when it is first needed, so that a manager can be made,
    /// and can say what is wrong, without one.
    ///
    /// # Errors
    /// When the settings cannot work: relative paths, or more nodes per container than s6 can supervise.
    pub fn connect(settings: S6Settings) -> Result<Self, ManagerError> {
        render::check_capacity(settings.max_node_per_container)?;
        for path in [&settings.node_storage, &settings.log_dir, &settings.bootstrap_cache_dir] {
            if !path.is_absolute() || path.to_str().is_none() {
                return Err(ManagerError::Unusable {
                    what: format!("the directory {}", path.display()),
                    reason: "containers are given absolute paths that are UTF-8 text".to_owned(),
                });
            }
        }
        Ok(Self {
            machine: settings.machine(),
            engine: engine::Engine::new(settings.engine_address.clone()),
            turn: tokio::sync::Mutex::new(()),
            settings,
        })
    }
}

#[async_trait]
impl ProcessManager for S6Overlay {
    fn kind(&self) -> ManagerKind {
        ManagerKind { supervisor: Supervisor::S6overlay, mode: Mode::User }
    }

    fn capabilities(&self) -> Capabilities {
        Capabilities { numbering: NumberingKind::Blocks, restarts_crashed: true, starts_at_boot: true }
    }

    fn containers(&self) -> Option<&dyn ContainerHost> {
        Some(self)
    }

    async fn create(&self, nodes: &[NodeSpec]) -> Vec<Outcome<Created>> {
        let settings = self.settings.clone();
        batch::in_background(nodes.to_vec(), move |spec| files::create(&settings, spec)).await
    }

    async fn start(&self, nodes: &[NodeRef]) -> Vec<Outcome<Started>> {
        self.start_nodes(nodes).await
    }

    async fn stop(&self, nodes: &[NodeRef]) -> Vec<Outcome<()>> {
        self.end_nodes(nodes, Call::Stop { grace: STOP_GRACE }).await
    }

    async fn upgrade(&self, nodes: &[NodeRef], to: &Binary) -> Vec<Outcome<Started>> {
        self.upgrade_nodes(nodes, to).await
    }

    async fn remove(&self, nodes: &[NodeRef]) -> Vec<Outcome<()>> {
        let unloaded = self.end_nodes(nodes, Call::Unload { grace: STOP_GRACE }).await;
        let settings = self.settings.clone();
        batch::step(start::specs(nodes), unloaded, move |spec| files::remove(&settings, spec)).await
    }

    async fn inspect(&self, nodes: &[NodeRef]) -> Vec<Outcome<ProcessState>> {
        self.look_at(nodes).await
    }

    async fn survey(&self) -> Result<Vec<FoundNode>, ManagerError> {
        self.find_nodes().await
    }

    async fn teardown(&self) -> Result<Teardown, ManagerError> {
        self.clear_away().await?;
        Ok(Teardown::OneByOne)
    }

    async fn examine(&self) -> Vec<Finding> {
        self.findings().await
    }
}

#[async_trait]
impl ContainerHost for S6Overlay {
    async fn open(&self, groups: &[GroupSpec]) -> Vec<Outcome<Group>> {
        self.open_groups(groups).await
    }

    async fn groups(&self) -> Result<Vec<Group>, ManagerError> {
        self.standing_groups().await
    }

    async fn close(&self, groups: &[Group]) -> Vec<Outcome<()>> {
        self.close_groups(groups).await
    }

    async fn usage(&self, groups: &[Group]) -> Vec<Outcome<Usage>> {
        let asked = groups.iter().map(|group| async { Ok(self.engine.usage(&group.container_name).await?) });
        join_all(asked).await
    }

    fn metrics_host(&self, group: &Group) -> IpAddr {
        groups::metrics_host(group)
    }
}
