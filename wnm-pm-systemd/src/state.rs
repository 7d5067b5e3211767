//! The state of a node is what systemd says about its unit, and whether its files are in place.

use std::path::Path;

use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::node_files;
use wnm_pm::path_policy::check_program;
use wnm_pm::process::identity;
use wnm_pm::process_manager::{ManagerError, ProcessState};

use crate::Systemd;
use crate::mark::{self, Foreign, is_same};
use crate::parse::Unit;
use crate::paths::unit_name;
use crate::step::is_gone;

impl Systemd {
    pub(crate) async fn inspect_all(&self, nodes: &[NodeRef]) -> Outcomes<ProcessState> {
        let known = self.known(self.begin(nodes)).await;
        known.then(|node, unit| Ok(of_node(&node.spec, &unit))).outcomes()
    }

    /// What systemd knows of the unit of each node. Of somebody else's nothing is told but that it is his.
    pub(crate) async fn known<'a>(&self, batch: Batch<'a>) -> Batch<'a, Unit> {
        self.systemctl.show(batch).await.then(|node, ((), mut unit)| {
            unit.is_outdated |= has_unread_drop_in(&self.systemctl.places.drop_ins(&unit_name(node)), &unit);
            let is_own = |directory: &Path| is_same(directory, &node.spec.root_dir);
            let foreign = mark::foreign(&self.systemctl.places, &self.node_storage, (&unit_name(node), &unit), is_own);
            Ok(foreign.map_or(unit, Unit::of_somebody_else))
        })
    }
}

/// systemd itself does not notice the first drop-in of a unit until it reads all files again.
fn has_unread_drop_in(directory: &Path, unit: &Unit) -> bool {
    let files = node_files::entries(directory).unwrap_or_default();
    let mut drop_ins =
        files.into_iter().map(|file| file.path()).filter(|path| path.extension().is_some_and(|end| end == "conf"));
    drop_ins.any(|path| !unit.files.contains(&path))
}

/// Refuses a node whose unit is somebody else's.
pub(crate) fn check_own(_: &NodeRef, unit: &Unit) -> Result<(), ManagerError> {
    unit.foreign.clone().map_or(Ok(()), |foreign| Err(foreign.refusal()))
}

fn of_node(spec: &NodeSpec, unit: &Unit) -> ProcessState {
    if let Some(state) = of_unit(unit) {
        return state;
    }
    if is_gone(&spec.root_dir) {
        // An active unit is not gone, whatever became of its directory.
        let reason = format!("its unit is {} ({})", unit.active, unit.sub);
        return if unit.is_up() { ProcessState::Waiting { reason } } else { ProcessState::Absent };
    }
    if let Some(Foreign { path, reason }) = &unit.foreign {
        return ProcessState::Stopped { reason: Some(format!("{} is not its unit: {reason}", path.display())) };
    }
    let missing = match unit.load.as_str() {
        "masked" => return ProcessState::Stopped { reason: Some("its unit is masked".to_owned()) },
        "not-found" | "" => Some("its unit file".to_owned()),
        "loaded" => missing_program(&spec.binary),
        _ => Some(format!("a unit file that systemd can read ({})", unit.load_error)),
    };
    match missing {
        Some(missing) => ProcessState::Incomplete { missing },
        None => ProcessState::Stopped { reason: unit.end() },
    }
}

/// What is missing when a node's program cannot be run, as a noun.
pub(crate) fn missing_program(binary: &Path) -> Option<String> {
    let error = check_program(binary).err()?;
    if is_gone(binary) {
        return Some("its program".to_owned());
    }
    let reason = match error {
        ManagerError::Program { reason, .. } => reason,
        other => other.text(),
    };
    Some(format!("a usable program at {} ({reason})", binary.display()))
}

/// The state of a node whose unit is up; none when nothing runs and nothing will.
pub(crate) fn of_unit(unit: &Unit) -> Option<ProcessState> {
    if unit.runs() {
        return Some(ProcessState::Running { process: identity(unit.main_pid) });
    }
    let after = || unit.end().map(|end| format!(" after {end}")).unwrap_or_default();
    unit.waits().then(|| ProcessState::Waiting { reason: format!("systemd will restart it in a moment{}", after()) })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;
    use crate::render;

    /// What is missing of a node with such files and such a unit.
    fn missing(unit: Unit, make: impl FnOnce(&Path)) -> String {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut spec = render::tests::specs().remove(0);
        spec.root_dir = directory.path().to_owned();
        spec.binary = directory.path().join("antnode");
        make(&spec.binary);
        let ProcessState::Incomplete { missing } = of_node(&spec, &unit) else { panic!("it is not complete") };
        missing.replace(&directory.path().display().to_string(), "/node")
    }

    fn loaded(load: &str) -> Unit {
        let mut unit = Unit::default();
        unit.load = load.to_owned();
        unit.load_error = "Unit antnode0007.service has a bad unit file setting.".to_owned();
        unit
    }

    #[test]
    fn what_is_missing_is_a_noun_on_one_line_without_advice() {
        let write = |text: &'static str, mode| {
            move |path: &Path| {
                fs::write(path, text).expect("it is written");
                fs::set_permissions(path, fs::Permissions::from_mode(mode)).expect("it is ours");
            }
        };
        let told = [
            missing(loaded("not-found"), |_| ()),
            missing(loaded("bad-setting"), |_| ()),
            missing(loaded("loaded"), |_| ()),
            missing(loaded("loaded"), write("", 0o755)),
            missing(loaded("loaded"), write("program", 0o644)),
        ];
        insta::assert_snapshot!(told.map(|missing| format!("{missing} is missing")).join("\n"), @"
        its unit file is missing
        a unit file that systemd can read (Unit antnode0007.service has a bad unit file setting.) is missing
        its program is missing
        a usable program at /node/antnode (it is empty) is missing
        a usable program at /node/antnode (it is not executable) is missing
        ");
    }
}
