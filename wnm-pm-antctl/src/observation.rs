//! An observation of the nodes: what antctl's registry, systemd and the kernel say about them at one moment, taken together.

use std::collections::{BTreeSet, HashMap};
use std::path::Path;

use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::command::CommandError;
use wnm_pm::hint::{Hint, Hinted};
use wnm_pm::last_words::{last_words, tail};
use wnm_pm::node::NodeRef;
use wnm_pm::node_files::exists;
use wnm_pm::process::identity;
use wnm_pm::process_manager::{ManagerError, ManagerKind, ProcessState, Started, Supervisor};

use crate::Antctl;
use crate::parse::{Entry, Registry, Status};
use crate::process;
use crate::systemd::Unit;

/// What is known at one moment.
pub(crate) struct Observation {
    pub registry: Registry,
    pub units: HashMap<String, Unit>,
}

impl Observation {
    /// antctl's entry of a node that the database knows.
    pub(crate) fn entry(&self, node: &NodeRef) -> Option<&Entry> {
        self.registry.find(&node.service, &node.spec.root_dir)
    }

    /// Whether systemd keeps a service alive, or will by itself.
    pub(crate) fn is_up(&self, service: &str) -> bool {
        self.units.get(service).is_some_and(Unit::is_up)
    }

    /// A node that lives, with its process where it is known.
    pub(crate) fn running(&self, entry: &Entry) -> Option<Started> {
        let main_pid = self.units.get(&entry.service_name).map(|unit| unit.main_pid).filter(|pid| *pid > 0);
        let process = main_pid.and_then(identity).or_else(|| process::of_node(entry));
        // Without systemd and /proc only antctl can say.
        let only_antctl = !cfg!(target_os = "linux") && entry.status == Status::Running;
        (process.is_some() || only_antctl).then_some(Started { process })
    }
}

impl Antctl {
    /// Observes all nodes that antctl has, and these.
    ///
    /// # Errors
    /// When antctl or systemd does not report them.
    pub(crate) async fn observe(&self, nodes: &[NodeRef]) -> Result<Observation, ManagerError> {
        let registry = self.caller.registry().await.map_err(|error| self.unusable(error))?;
        let present = registry.present().map(|entry| &entry.service_name);
        let services: BTreeSet<_> = present.chain(nodes.iter().map(|node| &node.service)).cloned().collect();
        let units = self.systemd.show(&services.into_iter().collect::<Vec<_>>()).await?;
        Ok(Observation { registry, units })
    }

    /// The same before something is done, with what antctl lost put back.
    ///
    /// # Errors
    /// When antctl or systemd does not report them, or the registry cannot be written.
    pub(crate) async fn observe_whole(&self, nodes: &[NodeRef]) -> Result<Observation, ManagerError> {
        let observation = self.observe(nodes).await?;
        if self.put_back_lost()?.is_empty() { Ok(observation) } else { self.observe(nodes).await }
    }

    /// While antctl cannot report its nodes nothing is known of any, and nothing can be done to one.
    fn unusable(&self, error: ManagerError) -> ManagerError {
        let kind = ManagerKind { supervisor: Supervisor::Antctl, mode: self.settings.mode };
        let hint = match &error {
            ManagerError::Command(CommandError::NotRun { .. }) => Hint::change("antctl_path").to("name antctl"),
            other => other.hints().into_iter().next().unwrap_or_else(|| Hint::text(self.caller.restore_registry())),
        };
        ManagerError::unavailable(kind, error.text(), hint)
    }

    /// Observes nodes after something was done to services; where nothing was done, nothing has changed.
    pub(crate) async fn observe_after(
        &self,
        before: Observation,
        nodes: &[NodeRef],
        services: &[String],
    ) -> Result<Observation, ManagerError> {
        if services.is_empty() { Ok(before) } else { self.observe(nodes).await }
    }

    /// antctl's entry of a node that wnm had it add, and was killed before it could write down the name: the database still
    /// holds what was there before.
    pub(crate) fn half_recorded<'a>(&self, observation: &'a Observation, node: &NodeRef) -> Option<&'a Entry> {
        let is_recorded =
            node.service != node.spec.name || exists(&node.spec.root_dir) || observation.entry(node).is_some();
        let entry = self.entry_of(&observation.registry, &node.spec).filter(|_| !is_recorded)?;
        (entry.status == Status::Added).then_some(entry)
    }

    /// What systemd alone says of nodes, while antctl works for somebody else and cannot be asked.
    pub(crate) async fn states_by_units(&self, nodes: &[NodeRef]) -> Outcomes<ProcessState> {
        tracing::warn!("{} is at work with antctl: nodes are shown as systemd has them", self.caller.holder());
        let services: Vec<String> = nodes.iter().map(|node| node.service.clone()).collect();
        let (batch, units) = Batch::of(nodes).all(self.systemd.show(&services).await.map_err(ManagerError::from));
        let units = units.unwrap_or_default();
        let state = |node: &NodeRef| {
            let unit = units.get(&node.service).filter(|_| self.unit_runs(&node.service, &node.spec.root_dir))?;
            Some(match unit.active.as_str() {
                _ if unit.main_pid > 0 => ProcessState::Running { process: identity(unit.main_pid) },
                "activating" => ProcessState::Waiting { reason: format!("systemd: {} ({})", unit.active, unit.sub) },
                _ if exists(&node.spec.root_dir) => ProcessState::Stopped { reason: unit.end() },
                _ => ProcessState::Absent,
            })
        };
        let unknown = |node: &NodeRef| {
            let name = &node.spec.name;
            ManagerError::Failed(format!("nothing is known of {name} while another wnm is at work with antctl"))
        };
        batch.then(|node, ()| state(node).ok_or_else(|| unknown(node))).outcomes()
    }

    /// A node that antctl lost while systemd runs it: its unit says more than antctl's registry.
    pub(crate) fn lost_and_running(&self, observation: &Observation, node: &NodeRef) -> Option<Started> {
        let unit = observation.units.get(&node.service).filter(|unit| unit.main_pid > 0)?;
        let is_lost = observation.entry(node).is_none() && self.unit_runs(&node.service, &node.spec.root_dir);
        is_lost.then(|| Started { process: identity(unit.main_pid) })
    }

    /// What becomes of the process of a node that the database knows.
    pub(crate) fn state_of(&self, observation: &Observation, node: &NodeRef) -> ProcessState {
        if let Some(Started { process }) = self.lost_and_running(observation, node) {
            return ProcessState::Running { process };
        }
        match observation.entry(node) {
            Some(entry) => self.state_of_entry(observation, entry),
            None if exists(&node.spec.root_dir) => {
                ProcessState::Incomplete { missing: format!("antctl's entry for {}", node.service) }
            }
            None => match self.half_recorded(observation, node) {
                // It has neither key nor past: it goes, and another one comes.
                Some(entry) => ProcessState::Incomplete {
                    missing: format!("the name that antctl gave it ({})", entry.service_name),
                },
                None => ProcessState::Absent,
            },
        }
    }

    /// What becomes of the process of a node that antctl knows.
    pub(crate) fn state_of_entry(&self, observation: &Observation, entry: &Entry) -> ProcessState {
        if let Some(Started { process }) = observation.running(entry) {
            return ProcessState::Running { process };
        }
        if !exists(&entry.data_dir_path) {
            return ProcessState::Absent;
        }
        if self.is_masked(&entry.service_name) {
            return ProcessState::Stopped { reason: Some("its unit is masked".to_owned()) };
        }
        if let Some(missing) = self.missing(entry) {
            return ProcessState::Incomplete { missing };
        }
        let unit = observation.units.get(&entry.service_name);
        if let Some(unit) = unit.filter(|unit| unit.active == "activating") {
            return ProcessState::Waiting { reason: format!("systemd: {} ({})", unit.active, unit.sub) };
        }
        // antctl calls a node whose first start failed `Added`, as if nothing had happened.
        let reason = last_failure(&entry.log_dir_path).or_else(|| unit.and_then(Unit::end));
        ProcessState::Stopped { reason }
    }
}

/// Why a node ended by itself, as it wrote it down in its log directory; it takes the note away at its next start.
pub(crate) fn last_failure(log_dir: &Path) -> Option<String> {
    let line = last_words(&tail(&log_dir.join("critical_failure.log"), 0));
    // `[2026-11-22 11:11:40.175987888 UTC] Ctrl-C received!`
    let said = line.split_once("] ").map_or(line.as_str(), |(_, said)| said);
    (!said.is_empty()).then(|| said.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_that_a_node_wrote_down_is_read_without_its_time() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        assert_eq!(last_failure(directory.path()), None);
        let note =
            "[2026-11-22 11:11:39.0 UTC] first\n[2026-11-22 11:11:40.175987888 UTC] Ctrl-C \u{1b}[31mreceived!\n\n";
        std::fs::write(directory.path().join("critical_failure.log"), note).expect("it is written");
        assert_eq!(last_failure(directory.path()).as_deref(), Some("Ctrl-C received!"));
    }
}
