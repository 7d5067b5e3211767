//! Stopping ends nodes' processes and takes them off the list of what starts at boot.

use wnm_pm::batch::Batch;
use wnm_pm::process_manager::ManagerError;

use crate::Systemd;
use crate::parse::Unit;
use crate::paths::unit_name;
use crate::systemctl::units_of;

/// Takes units off the list of what starts at boot.
pub(crate) const DISABLE: [&str; 4] = ["disable", "--quiet", "--no-reload", "--"];

impl Systemd {
    /// Answers with what systemd knows of each that is stopped now.
    pub(crate) async fn stop_all<'a>(&self, batch: Batch<'a>) -> Batch<'a, Unit> {
        let known = self.known(batch).await;
        // First, so that nothing brings them back.
        let listed = known.part(|_, unit| unit.file_state == "enabled");
        let known = known.join_part(self.systemctl.tell_all(listed, &DISABLE).await);
        let ended = self.end(known).await;
        // They are stopped because somebody asked for it, whatever happened before.
        let failed = units_of(&ended.part(|_, unit| unit.active == "failed"));
        let _ = self.systemctl.tell(&["reset-failed", "--"], &failed).await;
        ended
    }

    /// Ends the processes of those nodes that are up; answers with what systemd knows of each afterwards.
    pub(crate) async fn end<'a>(&self, known: Batch<'a, Unit>) -> Batch<'a, Unit> {
        let up = known.part(|_, unit| unit.is_up());
        if up.is_done() {
            return known;
        }
        // What became of each is observed, whatever this answers.
        let told = self.systemctl.tell(&["stop", "--"], &units_of(&up)).await;
        let complaint = told.err().map(|error| format!(": {}", error.text())).unwrap_or_default();
        let now = self.systemctl.show(up).await.then(|node, (_, unit)| {
            if unit.is_up() {
                let state = format!("its unit {} is {} ({})", unit_name(node), unit.active, unit.sub);
                return Err(ManagerError::Failed(format!("{} did not stop, {state}{complaint}", node.spec.name)));
            }
            Ok(unit)
        });
        let mut now = now.outcomes();
        known.then(|node, before| now.take(node.id()).unwrap_or(Ok(before)))
    }
}
