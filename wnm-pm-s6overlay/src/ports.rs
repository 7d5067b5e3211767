//! The ports of a group must be nobody else's on this machine before its container is made.

use std::time::Duration;

use wnm_pm::container_host::{GroupSpec, Range};
use wnm_pm::node::{Flavour, Ports};
use wnm_pm::port_use;
use wnm_pm::process_manager::ManagerError;

/// A port that is taken is looked at again after this long: programs that ask a question over UDP hold one for a moment.
const SECOND_LOOK: Duration = Duration::from_millis(300);

/// Refuses a group when a port of its ranges is in use on this machine.
///
/// # Errors
/// [`ManagerError::PortInUse`] names the first such port and its holder.
pub async fn check(spec: &GroupSpec) -> Result<(), ManagerError> {
    let mut first = look(spec);
    if first.is_err() {
        tokio::time::sleep(SECOND_LOOK).await;
        first = look(spec);
    }
    first
}

fn look(spec: &GroupSpec) -> Result<(), ManagerError> {
    let ports = |range: Range| range.first..=range.last;
    for (node, metrics) in ports(spec.node_ports).zip(ports(spec.metrics_ports)) {
        port_use::check_free(Ports { node, metrics, rpc: 0 }, Flavour::V1)?;
    }
    Ok(())
}
