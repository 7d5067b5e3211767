//! wnm's process manager for antctl, Autonomi's own node manager: it creates, starts, stops, upgrades and removes nodes by
//! running the `antctl` program, and believes what `status --json`, systemd and the kernel say about the result.
//!
//! antctl chooses a node's name and directory (`antnode7`) when it adds the node; they come back in
//! [`Created`]. It works in the machine's name for root and in the user's for everybody else, whatever the mode is called.

mod access;
mod call;
mod check;
mod create;
mod examine;
mod leftovers;
mod observation;
mod parse;
mod places;
mod process;
mod remove;
mod render;
mod start;
mod stop;
mod systemd;
mod teardown;
#[cfg(test)]
mod transcripts;
mod upgrade;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use wnm_pm::command::CommandRunner;
use wnm_pm::node::{NodeId, NodeRef, NodeSpec};
use wnm_pm::process_manager::{
    Binary, Capabilities, Created, Finding, FoundNode, ManagerError, ManagerKind, Mode, NumberingKind, Outcome,
    ProcessManager, ProcessState, Started, Supervisor, Teardown,
};

use call::{Caller, to_all};
use places::Places;
use systemd::Systemd;

/// What the owner settled about antctl.
#[derive(Debug, Clone)]
pub struct AntctlSettings {
    /// `Sudo` needs root. `Zen` leaves all paths to antctl.
    pub mode: Mode,
    /// The program: a path, or a name to look up in `PATH`.
    pub antctl_path: PathBuf,
    /// Whether antctl logs what it does; the log goes where wnm's own log goes.
    pub antctl_debug: bool,
    /// The version of the node program that antctl shall download; in zen mode only, as the other modes bring the program.
    pub antctl_version: Option<String>,
    /// `RUST_BACKTRACE` for antctl.
    pub rust_backtrace: Option<String>,
    /// Where the nodes' directories are made; nothing outside is deleted. Zen: antctl's own directory counts instead.
    pub node_storage: PathBuf,
    /// Where the nodes' log directories are made; nothing outside is deleted.
    pub log_dir: PathBuf,
}

/// The process manager that drives antctl.
pub struct Antctl {
    settings: AntctlSettings,
    caller: Caller,
    systemd: Systemd,
}

impl Antctl {
    /// A manager that runs antctl through `runner`. Nothing is run yet.
    ///
    /// # Errors
    /// [`ManagerError::Unavailable`] when `antctl+sudo` is used by somebody other than root (antctl would silently manage
    /// that user's nodes instead), or when this user has no home directory.
    pub fn new(settings: AntctlSettings, runner: Arc<dyn CommandRunner>) -> Result<Self, ManagerError> {
        let kind = ManagerKind { supervisor: Supervisor::Antctl, mode: settings.mode };
        let places = Places::own(kind.as_str())?;
        if settings.mode == Mode::Sudo && !places.system {
            return Err(ManagerError::Unavailable {
                manager: kind.to_string(),
                reason: "antctl manages the machine's nodes for root only".to_owned(),
                hint: "run wnm as root (`sudo wnm`), or begin a record of your own with process_manager antctl+user"
                    .to_owned(),
            });
        }
        Ok(Self::at(settings, runner, places))
    }

    fn at(settings: AntctlSettings, runner: Arc<dyn CommandRunner>, places: Places) -> Self {
        let caller = Caller {
            runner: Arc::clone(&runner),
            antctl: settings.antctl_path.clone(),
            debug: settings.antctl_debug,
            backtrace: settings.rust_backtrace.clone(),
            places: places.clone(),
        };
        Self { settings, caller, systemd: Systemd::new(runner, places) }
    }

    fn places(&self) -> &Places {
        &self.caller.places
    }
}

#[async_trait]
impl ProcessManager for Antctl {
    fn kind(&self) -> ManagerKind {
        ManagerKind { supervisor: Supervisor::Antctl, mode: self.settings.mode }
    }

    fn capabilities(&self) -> Capabilities {
        // antctl's units restart a node that ended well, never one that crashed or was killed; and wnm adds nodes without
        // --auto-restart, since a node that was stopped would come back with the machine.
        Capabilities { numbering: NumberingKind::NeverReuse, restarts_crashed: false, starts_at_boot: false }
    }

    async fn create(&self, nodes: &[NodeSpec]) -> Vec<Outcome<Created>> {
        match self.caller.lock().await {
            Ok(_lock) if !nodes.is_empty() => self.create_locked(nodes).await,
            Ok(_) => vec![],
            Err(error) => to_all(nodes.len(), &error),
        }
    }

    async fn start(&self, nodes: &[NodeRef]) -> Vec<Outcome<Started>> {
        match self.caller.lock().await {
            Ok(_lock) if !nodes.is_empty() => self.start_locked(nodes).await,
            Ok(_) => vec![],
            Err(error) => to_all(nodes.len(), &error),
        }
    }

    async fn stop(&self, nodes: &[NodeRef]) -> Vec<Outcome<()>> {
        match self.caller.lock().await {
            Ok(_lock) if !nodes.is_empty() => self.stop_locked(nodes).await,
            Ok(_) => vec![],
            Err(error) => to_all(nodes.len(), &error),
        }
    }

    async fn upgrade(&self, nodes: &[NodeRef], to: &Binary) -> Vec<Outcome<Started>> {
        match self.caller.lock().await {
            Ok(_lock) if !nodes.is_empty() => self.upgrade_locked(nodes, to).await,
            Ok(_) => vec![],
            Err(error) => to_all(nodes.len(), &error),
        }
    }

    async fn remove(&self, nodes: &[NodeRef]) -> Vec<Outcome<()>> {
        match self.caller.lock().await {
            Ok(_lock) if !nodes.is_empty() => self.remove_locked(nodes).await,
            Ok(_) => vec![],
            Err(error) => to_all(nodes.len(), &error),
        }
    }

    async fn inspect(&self, nodes: &[NodeRef]) -> Vec<Outcome<ProcessState>> {
        match self.caller.lock().await {
            Ok(_lock) if !nodes.is_empty() => match self.look(nodes).await {
                Ok(observation) => nodes.iter().map(|node| Ok(self.state_of(&observation, node))).collect(),
                Err(error) => to_all(nodes.len(), &error),
            },
            Ok(_) => vec![],
            Err(error) => to_all(nodes.len(), &error),
        }
    }

    async fn survey(&self) -> Result<Vec<FoundNode>, ManagerError> {
        let _lock = self.caller.lock().await?;
        let observation = self.look(&[]).await?;
        let found = observation.registry.present().map(|entry| FoundNode {
            service: entry.service_name.clone(),
            id: Some(NodeId(entry.number)),
            root_dir: Some(entry.data_dir_path.clone()),
            binary: Some(entry.antnode_path.clone()),
            log_dir: Some(entry.log_dir_path.clone()),
            ports: Some(entry.ports()),
            wallet: Some(entry.rewards_address.clone()),
            network: Some(entry.network()),
            group: None,
            state: self.state_of_entry(&observation, entry),
        });
        Ok(found.collect())
    }

    async fn teardown(&self) -> Result<Teardown, ManagerError> {
        let _lock = self.caller.lock().await?;
        self.teardown_locked().await
    }

    async fn examine(&self) -> Vec<Finding> {
        self.find().await
    }
}
