//! wnm's process manager for antctl, Autonomi's own node manager: it creates, starts, stops, upgrades and removes nodes by
//! running the `antctl` program, and believes what `status --json`, systemd and the kernel say about the result.
//!
//! antctl chooses a node's name and directory (`antnode7`) when it adds the node; they come back in
//! [`Created`]. It works in the machine's name for root and in the user's for everybody else, whatever the mode is called.

mod access;
mod call;
mod check;
mod copy;
mod create;
mod examine;
mod leftovers;
mod observation;
mod parse;
mod places;
mod process;
mod remove;
mod render;
mod renew;
mod repair;
mod replace;
mod start;
mod stop;
mod systemd;
mod teardown;
#[cfg(test)]
mod transcripts;
mod words;

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::command::CommandRunner;
use wnm_pm::hint::Hint;
use wnm_pm::logs::{JournalOf, LogPlace};
use wnm_pm::node::{NodeRef, PortKind};
use wnm_pm::process_manager::{
    Binary, Capabilities, Created, Finding, FoundNode, ManagerError, ManagerKind, Mode, NumberingKind, ProcessManager,
    ProcessState, Started, Supervisor, Teardown,
};

use call::Caller;
use observation::Observation;
use places::Places;
use systemd::Systemd;

/// What the owner has set for antctl.
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
    /// Where the nodes' directories are made. Zen: antctl's own directory counts instead.
    pub node_storage: PathBuf,
    /// Where the nodes' log directories are made. Zen: antctl's own directory counts instead.
    pub log_dir: PathBuf,
}

/// How long whoever only reads waits for antctl, before systemd is asked alone.
const READERS_PATIENCE: Duration = Duration::from_secs(1);

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
        let places = Places::own(kind)?;
        if settings.mode == Mode::Sudo && !places.system {
            let reason = "antctl manages the machine's nodes for root only";
            let hint = Hint::text("run wnm as root, or initialise another database with process_manager antctl+user");
            return Err(ManagerError::unavailable(kind, reason, hint));
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

    /// Does something to nodes under the lock, by what is known of them at that moment; where that cannot be had, all fail.
    async fn locked<T, F: Future<Output = Outcomes<T>>>(
        &self,
        nodes: &[NodeRef],
        action: impl FnOnce(Observation) -> F,
    ) -> Outcomes<T> {
        if nodes.is_empty() {
            return Outcomes::none();
        }
        let all_failed = |error| Outcomes::all_failed(nodes.iter().map(NodeRef::id), &error);
        let _lock = match self.caller.lock().await {
            Ok(lock) => lock,
            Err(error) => return all_failed(error),
        };
        let observation = match self.observe_whole(nodes).await {
            Ok(observation) => observation,
            Err(error) => return all_failed(error),
        };
        let outcomes = action(observation).await;
        // What was added is remembered.
        if let Err(error) = self.put_back_lost().await {
            tracing::warn!(error = error.text(), "antctl's registry stays without what it lost");
        }
        outcomes
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
        Capabilities {
            extra_ports: &[PortKind::Rpc],
            places_nodes_itself: true,
            teardown_takes_untracked: true,
            // Root's antctl has a user for nodes.
            runs_nodes_as_caller: !self.places().system,
            ..Capabilities::plain(NumberingKind::NeverReuse)
        }
    }

    async fn create(&self, nodes: &[NodeRef]) -> Outcomes<Created> {
        self.locked(nodes, |observation| self.create_nodes(nodes, observation)).await
    }

    async fn start(&self, nodes: &[NodeRef]) -> Outcomes<Started> {
        self.locked(nodes, |observation| self.start_nodes(nodes, observation)).await
    }

    async fn stop(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        self.locked(nodes, |observation| self.stop_nodes(nodes, observation)).await
    }

    async fn replace_program(&self, nodes: &[NodeRef], to: &Binary) -> Outcomes<()> {
        self.locked(nodes, |observation| self.replace_programs(nodes, observation, &to.path)).await
    }

    async fn restore_program(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        self.locked(nodes, |observation| self.restore_programs(nodes, observation)).await
    }

    async fn forget_previous(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        Batch::of(nodes).check(|node, ()| self.forget(node)).outcomes()
    }

    async fn remove(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        self.locked(nodes, |observation| self.remove_nodes(nodes, observation)).await
    }

    async fn inspect(&self, nodes: &[NodeRef]) -> Outcomes<ProcessState> {
        if nodes.is_empty() {
            return Outcomes::none();
        }
        match self.caller.lock_within(READERS_PATIENCE).await {
            Ok(None) if self.systemd.booted => return self.states_by_units(nodes).await,
            // It is free in a moment: whoever reads is soon done.
            locked => drop(locked),
        }
        let _lock = match self.caller.lock().await {
            Ok(lock) => lock,
            Err(error) => return Outcomes::all_failed(nodes.iter().map(NodeRef::id), &error),
        };
        let states = |observation: &Observation| {
            Batch::of(nodes).then(|node, ()| Ok(self.state_of(observation, node))).outcomes()
        };
        // antctl writes its registry at every look, so that what it lost may be put back at one, too.
        match self.observe_whole(nodes).await {
            Ok(observation) => states(&observation),
            Err(error) => Outcomes::all_failed(nodes.iter().map(NodeRef::id), &error),
        }
    }

    fn logs(&self, node: &NodeRef) -> Vec<LogPlace> {
        let of = if self.places().system { JournalOf::machine() } else { JournalOf::USER };
        let journal = LogPlace::Journal { unit: format!("{}.service", node.service), of };
        self.systemd.booted.then_some(journal).into_iter().chain([LogPlace::own(&node.spec)]).collect()
    }

    async fn survey(&self) -> Result<Vec<FoundNode>, ManagerError> {
        let _lock = self.caller.lock().await?;
        let observation = self.observe(&[]).await?;
        let found = observation.registry.present().map(|entry| {
            let state = self.state_of_entry(&observation, entry);
            FoundNode { start_args: self.given(entry), ..entry.found(state) }
        });
        Ok(found.collect())
    }

    async fn teardown(&self) -> Result<Teardown, ManagerError> {
        let _lock = self.caller.lock().await?;
        self.take_down().await
    }

    async fn examine(&self) -> Vec<Finding> {
        self.findings().await
    }
}
