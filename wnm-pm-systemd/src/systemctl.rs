//! systemctl is how wnm asks systemd and gives it orders: one call for all units of a batch.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use wnm_pm::batch::Batch;
use wnm_pm::command::{Command, CommandError, CommandRunner, Output};
use wnm_pm::hint::Hint;
use wnm_pm::privilege::{self, Privilege, SUDO_HINT};
use wnm_pm::process_manager::{ManagerError, ManagerKind};
use wnm_pm::user;

use crate::parse::{self, Unit};
use crate::paths::{Places, Scope, unit_name, without_systemd};

/// Longer than systemd takes to stop a batch of nodes that do not want to.
const TIMEOUT: Duration = Duration::from_mins(3);

/// The oldest systemd that understands the units: it leaves `$` alone behind a colon, and hides clocks and kernel logs.
const OLDEST_VERSION: u32 = 245;

/// The way to one systemd.
#[derive(Clone)]
pub(crate) struct Systemctl {
    kind: ManagerKind,
    runner: Arc<dyn CommandRunner>,
    pub(crate) places: Places,
    pub(crate) privilege: Privilege,
}

impl Systemctl {
    pub(crate) fn new(kind: ManagerKind, scope: Scope, runner: Arc<dyn CommandRunner>) -> Self {
        let privilege = match scope {
            Scope::System => Privilege::of_root(),
            Scope::User => Privilege::Own,
        };
        Self { kind, runner, places: Places::find(scope), privilege }
    }

    /// Refuses a machine or a user that this systemd does not serve.
    pub(crate) fn refuse_unavailable(&self) -> Result<(), ManagerError> {
        match self.places.obstacle() {
            None => Ok(()),
            Some((reason, hint)) => Err(ManagerError::unavailable(self.kind, reason, hint)),
        }
    }

    /// What systemd knows of the unit of each good node, in one call.
    pub(crate) async fn show<'a, T>(&self, batch: Batch<'a, T>) -> Batch<'a, (T, Unit)> {
        let shown = self.units(&units_of(&batch)).await;
        let (batch, units) = batch.all(shown);
        let mut units = units.unwrap_or_default();
        batch.then(|node, known| Ok((known, units.remove(&unit_name(node)).unwrap_or_default())))
    }

    /// What systemd knows of these units. One that it does not know may be missing from the answer.
    pub(crate) async fn units(&self, names: &[String]) -> Result<HashMap<String, Unit>, ManagerError> {
        if names.is_empty() {
            return Ok(HashMap::new());
        }
        let command = self.systemctl(Privilege::Own).args(["show", parse::PROPERTIES, "--"]).args(names);
        Ok(parse::units(&self.succeed(command).await?.stdout))
    }

    /// The names of all nodes' units that systemd knows, with a file or without.
    pub(crate) async fn names(&self) -> Result<Vec<String>, ManagerError> {
        const PLAIN: [&str; 4] = ["--no-legend", "--plain", "--full", "--"];
        let mut names = Vec::new();
        for verb in [&["list-unit-files"][..], &["list-units", "--all"]] {
            let command = self.systemctl(Privilege::Own).args(verb).args(PLAIN).arg("antnode*.service");
            let output = self.run(&command).await?;
            // Some versions fail where there is none, and say nothing.
            if !output.success() && !output.stderr.trim().is_empty() {
                return Err(self.explain(output.failure(&command)));
            }
            names.extend(parse::names(&output.stdout));
        }
        names.sort();
        names.dedup();
        Ok(names)
    }

    /// The version of systemd.
    pub(crate) async fn version(&self) -> Result<u32, ManagerError> {
        let output = self.succeed(Command::new("systemctl").arg("--version")).await?;
        let version = parse::version(&output.stdout).unwrap_or_default();
        if version >= OLDEST_VERSION {
            return Ok(version);
        }
        let reason = format!("this is systemd {version}, and units of nodes need {OLDEST_VERSION} or newer");
        Err(ManagerError::unavailable(self.kind, reason, without_systemd()))
    }

    /// How a person calls a program of systemd's for these units: `systemctl --user`, `sudo systemctl`.
    pub(crate) fn typed(&self, program: &str) -> String {
        match (self.places.scope, self.privilege) {
            (Scope::User, _) => format!("{program} --user"),
            (Scope::System, Privilege::Own) => program.to_owned(),
            (Scope::System, Privilege::Sudo) => format!("sudo {program}"),
        }
    }

    /// Has systemd read changed unit files.
    pub(crate) async fn reload(&self) -> Result<(), ManagerError> {
        self.succeed(self.privileged(&["daemon-reload"])).await.map(drop)
    }

    /// Has systemd do something to units; for none there is nothing to do.
    pub(crate) async fn tell(&self, verb: &[&str], names: &[String]) -> Result<(), ManagerError> {
        if names.is_empty() {
            return Ok(());
        }
        self.succeed(self.privileged(verb).args(names)).await.map(drop)
    }

    /// A systemctl command that not everybody may run.
    pub(crate) fn privileged(&self, verb: &[&str]) -> Command {
        self.systemctl(self.privilege).args(verb)
    }

    fn systemctl(&self, privilege: Privilege) -> Command {
        let command = self.command(privilege, "systemctl").arg("--no-pager");
        if self.places.scope == Scope::User { command.arg("--user") } else { command }
    }

    /// The last words of a unit's last process.
    pub(crate) async fn last_words(&self, name: &str, unit: &Unit) -> String {
        let field = match self.places.scope {
            Scope::System => "_SYSTEMD_UNIT",
            Scope::User => "_SYSTEMD_USER_UNIT",
        };
        let command = self
            .command(self.privilege, "journalctl")
            .args(["--no-pager", "--quiet", "--boot", "--output=cat", "--lines=200"])
            .args([format!("{field}={name}"), format!("_PID={}", unit.last_pid)]);
        let output = self.run(&command).await;
        output.map(|output| wnm_pm::last_words::last_words(&output.stdout)).unwrap_or_default()
    }

    fn command(&self, privilege: Privilege, program: &str) -> Command {
        let command = privilege.command(program).timeout(TIMEOUT);
        if self.places.scope == Scope::User { user::in_own_session(command) } else { command }
    }

    /// Runs a program, whatever its exit code.
    async fn run(&self, command: &Command) -> Result<Output, ManagerError> {
        self.runner.run(command).await.map_err(|error| self.explain(error))
    }

    /// Runs a program that has to succeed.
    pub(crate) async fn succeed(&self, command: Command) -> Result<Output, ManagerError> {
        self.runner.succeed(&command).await.map_err(|error| self.explain(error))
    }

    fn explain(&self, error: CommandError) -> ManagerError {
        match privilege::refusal(&error) {
            Some(reason) => ManagerError::unavailable(self.kind, reason, Hint::text(SUDO_HINT)),
            None => error.into(),
        }
    }
}

/// The units of those that nothing went wrong with.
pub(crate) fn units_of<T>(batch: &Batch<'_, T>) -> Vec<String> {
    batch.good().map(|(node, _)| unit_name(node)).collect()
}
