//! What systemd knows of antctl's nodes, and what antctl leaves out: to make it read changed unit files.

use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use wnm_pm::command::{Command, CommandError, CommandRunner, Output};
use wnm_pm::last_words::last_words;

use crate::places::Places;

/// The systemd that runs antctl's nodes; on a machine without one nothing is asked and nothing is done.
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
    pub(crate) async fn reload(&self, services: &[String]) {
        self.attempt(&["daemon-reload"], &[]).await;
        self.attempt(&["reset-failed"], services).await;
    }

    /// Does something to services. What came of it is observed afterwards, so a failure is only logged.
    pub(crate) async fn attempt(&self, verb: &[&str], services: &[String]) {
        if !self.booted || (services.is_empty() && verb != ["daemon-reload"]) {
            return;
        }
        match self.run(verb, services).await {
            Ok(output) if output.success() => {}
            Ok(output) => tracing::debug!(?verb, ?services, stderr = output.stderr, "systemctl failed"),
            Err(error) => tracing::warn!(?verb, ?services, %error, "systemctl cannot be run"),
        }
    }

    /// What a service complained about in the journal, or the last line that it wrote there.
    pub(crate) async fn last_words(&self, service: &str) -> Option<String> {
        if !self.booted {
            return None;
        }
        let mut command = self.command("journalctl").args(["--no-pager", "--output=cat", "--lines=40"]);
        command = command.arg(if self.places.system { "--unit" } else { "--user-unit" }).arg(service);
        let output = self.runner.run(&command).await.ok().filter(Output::success)?;
        let words = last_words(&of_node(&output.stdout));
        (!words.is_empty()).then_some(words)
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
        self.places.lead(command)
    }
}

/// The lines of a journal without systemd's own about the unit.
fn of_node(journal: &str) -> String {
    let own = |line: &&str| !line.contains(".service") && !line.starts_with("-- ");
    journal.lines().filter(own).collect::<Vec<_>>().join("\n")
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
    fn the_last_words_of_a_node_are_not_systemds() {
        let journal = "Started antnode1.service - antnode1.\nError: \n   0: \u{1b}[91mno peers\u{1b}[0m\n\nLocation:\n   x.rs:1\n\
                       antnode1.service: Main process exited, code=exited, status=1/FAILURE\n\
                       antnode1.service: Failed with result 'exit-code'.\n";
        assert_eq!(last_words(&of_node(journal)), "no peers");
        assert_eq!(last_words(&of_node("-- No entries --\n")), "");
    }

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
