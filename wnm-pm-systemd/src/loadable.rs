//! Whether systemd could start a node again that runs: it is asked before the node is stopped, since a unit file or a drop-in
//! that cannot be read, or a mask, hurts nobody until then.

use wnm_pm::batch::Batch;
use wnm_pm::hint::Hint;
use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::ManagerError;

use crate::Systemd;
use crate::parse::Unit;
use crate::paths::unit_name;
use crate::state::check_own;
use crate::units::refuse_link;

impl Systemd {
    /// Refuses nodes whose units systemd cannot load. What somebody changed without a `daemon-reload` is read now.
    pub(crate) async fn loadable<'a>(&self, batch: Batch<'a>) -> Batch<'a, Unit> {
        let mut known = self.known(batch).await;
        if known.good().any(|(_, unit)| unit.is_outdated) {
            let (batch, _) = known.all(self.systemctl.reload().await);
            known = self.known(batch.then(|_, _| Ok(()))).await;
        }
        known.check(check_own).check(|node, unit| {
            refuse_link(&self.systemctl, node)?;
            check_loaded(node, unit, &self.systemctl.typed("systemctl"))
        })
    }
}

fn check_loaded(node: &NodeRef, unit: &Unit, systemctl: &str) -> Result<(), ManagerError> {
    // A unit file that is not there is written by a start.
    if matches!(unit.load.as_str(), "loaded" | "not-found" | "") {
        return Ok(());
    }
    let name = unit_name(node);
    let what = format!("systemd cannot start {} again, so it is not stopped: {}", node.spec.name, unit.load_error);
    Err(ManagerError::advised(
        what,
        Hint::shell(format!("{systemctl} cat {name}")).to("find the line, also in drop-ins"),
    ))
}
