//! Removing stops nodes and deletes what `create` made and the nodes wrote, units first of all.

use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::Outcome;

use crate::batch::Batch;
use crate::{Systemd, files};

impl Systemd {
    pub(crate) async fn remove_all(&self, nodes: &[NodeRef]) -> Vec<Outcome<()>> {
        let mut batch = Batch::of_nodes(nodes);
        self.stop_batch(&mut batch).await;
        // Again, since stopping takes its time.
        self.refuse(&mut batch);
        files::delete(&self.systemctl, &mut batch).await;
        if !batch.units().is_empty() {
            batch.all(self.systemctl.reload().await);
        }
        batch.outcomes(|_| Ok(()))
    }
}
