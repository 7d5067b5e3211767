//! What systemd knows of antctl's nodes, and what it must be told since antctl does not tell it: to read changed unit files.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use wnm_pm::command::{Command, CommandError, CommandRunner, Output};

use crate::places::Places;

/// The systemd that runs antctl's nodes; on a machine without one nothing is asked and nothing is told.
#[derive(Clone)]
pub(crate) struct Systemd {
    runner: Arc<dyn CommandRunner>,
    places: Places,
    /// Whether this machine was booted with it.
    pub booted: bool,
}

/// What systemd knows of a unit.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Unit {
    /// `active`, `activating`, `deactivating`, `inactive`, `failed`.
    pub active: String,
    /// More exactly: `running`, `auto-restart`.
    pub sub: String,
    /// Its process; 0 for none.
    pub main_pid: u32,
    /// How it ended last: `success`, `exit-code`, `signal`.
    pub result: String,
    /// Its last exit code or signal.
    pub status: String,
    /// `enabled` when it comes back with the machine.
    pub file_state: String,
}

impl Unit {
    /// Whether it lives, or will by itself.
    pub(crate) fn is_up(&self) -> bool {
        matches!(self.active.as_str(), "active" | "activating" | "deactivating")
    }

    /// How its process ended, when it did so by itself.
    pub(crate) fn end(&self) -> Option<String> {
        match self.result.as_str() {
            "" | "success" => None,
            "exit-code" => Some(format!("exit code {}", self.status)),
            "signal" | "core-dump" => Some(format!("signal {}", self.status)),
            other => Some(other.to_owned()),
        }
    }
}

impl Systemd {
    pub(crate) fn new(runner: Arc<dyn CommandRunner>, places: Places) -> Self {
        Self { runner, places, booted: Path::new("/run/systemd/system").is_dir() }
    }

    /// What it knows of these services; a service that it does not know is `inactive`.
    pub(crate) async fn show(&self, services: &[String]) -> Result<HashMap<String, Unit>, CommandError> {
        if !self.booted || services.is_empty() {
            return Ok(HashMap::new());
        }
        let properties = "--property=Id,ActiveState,SubState,MainPID,Result,ExecMainStatus,UnitFileState";
        Ok(units(&self.run(&["show", properties], services).await?.stdout))
    }

    /// Makes it read the unit files again and forget past failures: otherwise the next node of a name starts with the
    /// command line of the last.
    pub(crate) async fn settle(&self, services: &[String]) {
        self.tell(&["daemon-reload"], &[]).await;
        self.tell(&["reset-failed"], services).await;
    }

    /// Does something to services. What comes of it is looked at afterwards, so a failure is only noted.
    pub(crate) async fn tell(&self, verb: &[&str], services: &[String]) {
        if !self.booted || (services.is_empty() && verb != ["daemon-reload"]) {
            return;
        }
        match self.run(verb, services).await {
            Ok(output) if output.success() => {}
            Ok(output) => tracing::debug!(?verb, ?services, stderr = output.stderr, "systemctl failed"),
            Err(error) => tracing::warn!(?verb, ?services, %error, "systemctl cannot be run"),
        }
    }

    /// The last line that a service wrote to the journal.
    pub(crate) async fn last_line(&self, service: &str) -> Option<String> {
        if !self.booted {
            return None;
        }
        let mut command = self.command("journalctl").args(["--no-pager", "--output=cat", "--lines=40"]);
        command = command.arg(if self.places.system { "--unit" } else { "--user-unit" }).arg(service);
        let output = self.runner.run(&command).await.ok().filter(Output::success)?;
        let plain = crate::parse::without_colours(&output.stdout);
        // systemd's own lines about the unit stand between those of the node.
        let said = |line: &&str| !line.trim().is_empty() && !line.contains(".service") && !line.starts_with("-- ");
        plain.lines().rev().find(said).map(|line| line.trim().to_owned())
    }

    async fn run(&self, verb: &[&str], services: &[String]) -> Result<Output, CommandError> {
        let mut command = self.command("systemctl");
        if !self.places.system {
            command = command.arg("--user");
        }
        let units = services.iter().map(|service| format!("{service}.service"));
        self.runner.run(&command.args(verb).args(units)).await
    }

    fn command(&self, program: &str) -> Command {
        let command = Command::new(program).timeout(Duration::from_secs(150));
        match &self.places.runtime_dir {
            Some(directory) => command.env("XDG_RUNTIME_DIR", directory),
            None => command,
        }
    }
}

/// `systemctl show` of several units: a paragraph each.
fn units(text: &str) -> HashMap<String, Unit> {
    let paragraphs = text.split("\n\n").map(|paragraph| {
        let mut unit = Unit::default();
        let mut service = String::new();
        for (name, value) in paragraph.lines().filter_map(|line| line.split_once('=')) {
            let value = value.to_owned();
            match name {
                "Id" => service = value.trim_end_matches(".service").to_owned(),
                "ActiveState" => unit.active = value,
                "SubState" => unit.sub = value,
                "MainPID" => unit.main_pid = value.parse().unwrap_or_default(),
                "Result" => unit.result = value,
                "ExecMainStatus" => unit.status = value,
                "UnitFileState" => unit.file_state = value,
                _ => {}
            }
        }
        (service, unit)
    });
    paragraphs.filter(|(service, _)| !service.is_empty()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_paragraph_is_a_unit() {
        let text = "MainPID=1158\nResult=success\nExecMainStatus=0\nId=antnode1.service\nActiveState=active\n\
                    SubState=running\nUnitFileState=static\n\nMainPID=0\nResult=signal\nExecMainStatus=9\n\
                    Id=antnode2.service\nActiveState=failed\nSubState=failed\nUnitFileState=enabled\n";
        let units = units(text);
        assert_eq!(units.len(), 2);
        assert_eq!(units["antnode1"].main_pid, 1158);
        assert_eq!(units["antnode1"].end(), None);
        assert_eq!(units["antnode2"].end().as_deref(), Some("signal 9"));
    }
}
