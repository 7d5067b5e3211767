//! Stopping ends nodes' processes and takes them off the list of what starts at boot.

use std::collections::HashMap;

use wnm_pm::process_manager::ManagerError;

use crate::Systemd;
use crate::batch::Batch;
use crate::parse::Unit;
use crate::start::names;

impl Systemd {
    pub(crate) async fn stop_batch(&self, batch: &mut Batch<'_>) {
        self.refuse(batch);
        let known = self.show(batch).await;
        // First of all nothing may bring them back.
        let mut listed = batch.part(|item| known[&item.unit].file_state == "enabled");
        self.tell_each(&mut listed, &["disable", "--quiet", "--no-reload", "--"]).await;
        batch.take_failures(listed);
        let mut living = batch.part(|item| known[&item.unit].is_up());
        let ended = self.end(&mut living).await;
        batch.take_failures(living);
        // They stand still because they were told to, whatever happened before.
        let has_failed = |unit: &String| ended.get(unit).unwrap_or(&known[unit]).active == "failed";
        let failed: Vec<String> = batch.units().into_iter().filter(has_failed).collect();
        if !failed.is_empty() {
            let _ = self.systemctl.tell(&["reset-failed", "--"], &names(&failed)).await;
        }
    }

    /// Ends the processes of these nodes; answers with what systemd knows of them afterwards.
    pub(crate) async fn end(&self, living: &mut Batch<'_>) -> HashMap<String, Unit> {
        let units = living.units();
        if units.is_empty() {
            return HashMap::new();
        }
        // What comes of it is looked at.
        let told = self.systemctl.tell(&["stop", "--"], &names(&units)).await;
        let now = self.show(living).await;
        let complaint = told.err().map(|error| format!(": {error}")).unwrap_or_default();
        living.check(|item| match &now[&item.unit] {
            unit if unit.is_up() => {
                let state = format!("its unit is {} ({})", unit.active, unit.sub);
                Err(ManagerError::Failed(format!("{} does not end, {state}{complaint}", item.spec.name)))
            }
            _ => Ok(()),
        });
        now
    }
}
