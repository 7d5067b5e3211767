//! Replacing gives nodes another program and keeps the one before it; restoring puts that back.

use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::node::NodeRef;
use wnm_pm::path_policy::check_program;
use wnm_pm::process_manager::Binary;

use crate::parse::Unit;
use crate::{Systemd, programs};

impl Systemd {
    /// Puts the new program in its place while the nodes still run, and stops only those that got it: neither a full disk
    /// nor a directory that cannot be written to stops a node.
    pub(crate) async fn replace_all(&self, nodes: &[NodeRef], to: &Binary) -> Outcomes<()> {
        let batch = self.begin(nodes).check(|node, ()| {
            check_program(&to.path)?;
            check_program(&node.spec.binary)
        });
        let known = self.known(batch).await;
        let fresh = known.part(|node, _| !programs::is_replaced(node, &to.path));
        let staged = programs::stage(&self.systemctl, fresh, |_| to.path.clone()).await;
        let kept = programs::keep(&self.systemctl, staged.part(|_, _| true)).await;
        let placed = programs::put_in_place(&self.systemctl, kept.part(|_, _| true), programs::NEW).await;
        // Where it failed, what was kept is a copy of the program that the node still has.
        programs::discard(&self.systemctl, &placed, &[programs::PREVIOUS]).await;
        let replaced = known.join_part(staged).join_part(kept).join_part(placed);
        let ended = self.end(replaced.part(|_, _| true)).await;
        self.take_back(&ended).await;
        replaced.join_part(ended).then(|_, _| Ok(())).outcomes()
    }

    /// A node that did not stop keeps running its old program, so that is put back in its place.
    async fn take_back(&self, ended: &Batch<'_, Unit>) {
        let running_on = ended.bad_nodes();
        let back = programs::put_in_place(&self.systemctl, Batch::of(&running_on), programs::PREVIOUS).await;
        for (node, error) in back.bad() {
            tracing::warn!("cannot put the previous program of {} back: {}", node.spec.name, error.text());
        }
    }

    pub(crate) async fn restore_all(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        let batch = self.begin(nodes).check(|node, ()| programs::check_previous(node));
        let known = self.known(batch).await;
        let restored = programs::put_in_place(&self.systemctl, known, programs::PREVIOUS).await;
        self.end(restored).await.then(|_, _| Ok(())).outcomes()
    }
}
