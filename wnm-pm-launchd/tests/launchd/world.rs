//! The machine as the tests see it: a stand-in for launchctl that keeps real processes, and a directory of its own.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use tempfile::TempDir;
use wnm_pm::command::{Command, CommandError, CommandRunner, Output, SystemRunner};
use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::process_manager::{Mode, Outcome, ProcessManager, ProcessState, Started};
use wnm_pm_launchd::{Domain, Launchd};
use wnm_testing::{ContractWorld, HostWorld, only};

/// Runs the stand-in where `launchctl` is asked for.
#[derive(Clone)]
pub struct StandIn {
    state: PathBuf,
    /// How long a label is refused after a bootout.
    race: &'static str,
}

#[async_trait]
impl CommandRunner for StandIn {
    async fn run(&self, command: &Command) -> Result<Output, CommandError> {
        assert_eq!(command.program, "launchctl", "nothing else is run");
        let mut replaced = command.clone();
        replaced.program = python().into();
        let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/launchd/launchctl.py");
        replaced.arguments.insert(0, OsString::from(script));
        let replaced = replaced.env("LAUNCHCTL_STATE", &self.state).env("LAUNCHCTL_RACE", self.race);
        SystemRunner.run(&replaced).await
    }
}

/// The system's own Python where there is one: it starts quicker than others on the PATH.
pub fn python() -> &'static str {
    let own = "/usr/bin/python3";
    if Path::new(own).exists() { own } else { "python3" }
}

/// A machine with launchd.
pub struct World {
    host: HostWorld,
    pub directory: TempDir,
    pub runner: StandIn,
}

impl World {
    pub fn new() -> Self {
        Self::with_race("0.3")
    }

    pub fn with_race(race: &'static str) -> Self {
        let directory = tempfile::tempdir().expect("the temporary directory can be written");
        let runner = StandIn { state: directory.path().join("state"), race };
        Self { host: HostWorld::new(directory.path()), directory, runner }
    }

    pub fn domain(&self) -> Domain {
        Domain { target: "gui/501".to_owned(), plists: self.directory.path().join("LaunchAgents") }
    }

    pub fn manager(&self) -> Launchd {
        Launchd::in_domain(Mode::User, self.host.node_storage(), self.domain(), Arc::new(self.runner.clone()))
    }

    pub async fn launchctl(&self, words: &[&str]) -> Output {
        self.runner.run(&Command::new("launchctl").args(words)).await.expect("the stand-in can be run")
    }

    pub async fn created(&self, manager: &Launchd, spec: &NodeSpec) -> NodeRef {
        let node = NodeRef::new(spec.clone());
        let created = only(manager.create(std::slice::from_ref(&node)).await).expect("it is created");
        NodeRef { service: created.service, ..node }
    }

    pub async fn running(&self, manager: &Launchd, number: u32) -> NodeRef {
        let mut node = self.created(manager, &self.spec(number)).await;
        node.process = self.start(manager, &node).await.expect("it starts").process;
        node
    }

    pub async fn start(&self, manager: &Launchd, node: &NodeRef) -> Outcome<Started> {
        only(manager.start(std::slice::from_ref(node)).await)
    }

    pub async fn stop(&self, manager: &Launchd, node: &NodeRef) {
        only(manager.stop(std::slice::from_ref(node)).await).expect("it stops");
    }

    pub async fn remove(&self, manager: &Launchd, node: NodeRef) {
        only(manager.remove(&[node]).await).expect("it goes");
    }

    pub async fn state(&self, manager: &Launchd, node: &NodeRef) -> ProcessState {
        only(manager.inspect(std::slice::from_ref(node)).await).expect("it can be inspected")
    }

    pub fn plist(&self, label: &str) -> PathBuf {
        self.domain().plists.join(format!("{label}.plist"))
    }
}

#[async_trait]
impl ContractWorld for World {
    fn spec(&self, number: u32) -> NodeSpec {
        self.host.spec(number)
    }
}
