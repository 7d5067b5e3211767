//! Removing stops nodes and deletes what `create` made and the nodes wrote, units first of all.

use wnm_pm::batch::Outcomes;
use wnm_pm::node::NodeRef;

use crate::{Systemd, files, sharing};

impl Systemd {
    pub(crate) async fn remove_all(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        let stopped = self.stop_all(self.begin(nodes)).await;
        // Again, since stopping takes its time.
        let stopped = stopped.check(|node, _| self.refuse_foreign(node)).then(|_, unit| Ok(unit.foreign.is_none()));
        let deleted = files::delete(&self.systemctl, stopped).await;
        for storage in self.node_storage.iter() {
            sharing::sweep(&self.systemctl, storage).await;
        }
        if deleted.is_done() {
            return deleted.then(|_, _| Ok(())).outcomes();
        }
        deleted.all(self.systemctl.reload().await).0.then(|_, _| Ok(())).outcomes()
    }
}
