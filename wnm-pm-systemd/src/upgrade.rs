//! Upgrading replaces nodes' own copies of the program, and takes the new one back where it does not live.

use wnm_pm::node::NodeRef;
use wnm_pm::path_policy::check_program;
use wnm_pm::process_manager::{Binary, Outcome, Started};

use crate::batch::Batch;
use crate::{Systemd, files};

impl Systemd {
    /// Copies the new program while the nodes still run, so that a full disk stops none of them; then stops those that
    /// have their copy, swaps, and starts them again.
    pub(crate) async fn upgrade_all(&self, nodes: &[NodeRef], to: &Binary) -> Vec<Outcome<Started>> {
        let mut batch = Batch::of_nodes(nodes);
        self.refuse(&mut batch);
        batch.check(|item| check_program(&item.spec.binary));
        if !batch.units().is_empty() {
            batch.all(check_program(&to.path));
        }
        if batch.units().is_empty() {
            return batch.outcomes(|_| Ok(Started { process: None }));
        }
        if let Some(owner) = batch.all(files::owner(&self.systemctl).await) {
            files::stage_programs(&self.systemctl, &mut batch, owner, |_| to.path.clone()).await;
            files::keep_programs(&self.systemctl, &mut batch).await;
        }
        let known = self.show(&mut batch).await;
        let mut living = batch.part(|item| known[&item.unit].is_up());
        self.end(&mut living).await;
        batch.take_failures(living);
        let mut swapped = batch.part(|_| true);
        files::place_programs(&self.systemctl, &mut swapped, "new").await;
        let started = self.start_batch(&mut swapped).await;
        self.roll_back(&mut swapped).await;
        batch.take_failures(swapped);
        files::forget_programs(&self.systemctl, nodes.iter().map(|node| &node.spec)).await;
        batch.outcomes(|item| Ok(Started { process: started.get(&item.unit).copied().flatten() }))
    }

    /// Gives nodes whose new program does not live their previous one back and starts them; the failure of the upgrade
    /// stays their outcome.
    async fn roll_back(&self, swapped: &mut Batch<'_>) {
        let mut back = swapped.failed_part();
        if back.0.is_empty() {
            return;
        }
        files::place_programs(&self.systemctl, &mut back, "previous").await;
        self.start_batch(&mut back).await;
        for (unit, reason) in back.failures() {
            swapped.add_to_failure(&unit, &format!("The previous program does not run either: {reason}"));
        }
    }
}
