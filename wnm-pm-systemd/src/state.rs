//! The state of a node is what systemd says about its unit, and whether its files are in place.

use std::collections::HashMap;
use std::io::ErrorKind;

use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::path_policy::check_program;
use wnm_pm::process::identity;
use wnm_pm::process_manager::{Outcome, ProcessState};

use crate::Systemd;
use crate::batch::Batch;
use crate::parse::Unit;

impl Systemd {
    pub(crate) async fn inspect_all(&self, nodes: &[NodeRef]) -> Vec<Outcome<ProcessState>> {
        let mut batch = Batch::of_nodes(nodes);
        self.refuse(&mut batch);
        let units = self.show(&mut batch).await;
        batch.outcomes(|item| Ok(of_node(item.spec, &units[&item.unit])))
    }

    /// What systemd knows of the units of a batch, in one call; every good node's unit is in the answer.
    pub(crate) async fn show(&self, batch: &mut Batch<'_>) -> HashMap<String, Unit> {
        let units = batch.units();
        let names: Vec<&str> = units.iter().map(String::as_str).collect();
        batch.all(self.systemctl.show(&names).await).unwrap_or_default()
    }
}

fn of_node(spec: &NodeSpec, unit: &Unit) -> ProcessState {
    if let Some(state) = of_unit(unit) {
        return state;
    }
    if spec.root_dir.symlink_metadata().is_err_and(|error| error.kind() == ErrorKind::NotFound) {
        return ProcessState::Absent;
    }
    let missing = match unit.load.as_str() {
        "masked" => return ProcessState::Stopped { reason: Some("its unit is masked".to_owned()) },
        "not-found" | "" => Some("its unit file".to_owned()),
        "loaded" => check_program(&spec.binary).err().map(|error| format!("its program: {error}")),
        _ => Some(format!("a unit file that systemd can read: {}", unit.load_error)),
    };
    match missing {
        Some(missing) => ProcessState::Incomplete { missing },
        None => ProcessState::Stopped { reason: unit.end() },
    }
}

/// What a unit that is up tells about its node; none when nothing runs and nothing will.
pub(crate) fn of_unit(unit: &Unit) -> Option<ProcessState> {
    if unit.runs() {
        return Some(ProcessState::Running { process: identity(unit.main_pid) });
    }
    let after = || unit.end().map(|end| format!(" after {end}")).unwrap_or_default();
    unit.waits().then(|| ProcessState::Waiting { reason: format!("systemd starts it again in a moment{}", after()) })
}
