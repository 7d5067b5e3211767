//! Replacing gives nodes another program and keeps the one before it; restoring puts that back.

use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::node::NodeRef;
use wnm_pm::path_policy::check_program;
use wnm_pm::process_manager::Binary;

use crate::parse::Unit;
use crate::state::check_own;
use crate::{Systemd, programs};

impl Systemd {
    /// Puts the new program in its place while the nodes still run, and stops only those that got it: neither a full disk
    /// nor a directory that cannot be written to stops a node.
    pub(crate) async fn replace_all(&self, nodes: &[NodeRef], to: &Binary) -> Outcomes<()> {
        let batch = self.begin(nodes).check(|node, ()| {
            check_program(&to.path)?;
            check_program(&node.spec.binary)
        });
        let known = self.loadable(batch).await;
        let fresh = known.part(|node, _| !programs::is_replaced(node, &to.path));
        let replaced = known.join_part(programs::replace(&self.systemctl, fresh, &to.path).await);
        let ended = self.end(replaced.part(|_, _| true)).await;
        self.take_back(&ended).await;
        replaced.join_part(ended).then(|_, _| Ok(())).outcomes()
    }

    /// A node that did not stop keeps running its old program, so that is put back in its place.
    async fn take_back(&self, ended: &Batch<'_, Unit>) {
        let running_on = ended.bad_nodes();
        let back = programs::restore(&self.systemctl, Batch::of(&running_on)).await;
        for (node, error) in back.bad() {
            tracing::warn!("cannot put the previous program of {} back: {}", node.spec.name, error.text());
        }
    }

    pub(crate) async fn restore_all(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        let batch = self.begin(nodes).check(|node, ()| programs::check_previous(node));
        let known = self.known(batch).await.check(check_own);
        let restored = programs::restore(&self.systemctl, known).await;
        self.end(restored).await.then(|_, _| Ok(())).outcomes()
    }
}
