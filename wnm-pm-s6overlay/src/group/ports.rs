//! The ports of a group must be free on this machine before its container is made: no program has them, and no other group,
//! whose ports are led to its container by rules alone.

use std::time::Duration;

use wnm_pm::container_host::GroupSpec;
use wnm_pm::node::Ports;
use wnm_pm::port_use;
use wnm_pm::process_manager::ManagerError;

use crate::container::containers::Container;
use crate::container::labels;

/// A port in use is tried again after this long: programs that ask a question over UDP hold one for a moment.
const PAUSE: Duration = Duration::from_millis(300);

/// Refuses a group when a port of its ranges is in use on this machine.
///
/// # Errors
/// [`ManagerError::PortInUse`] names the first such port and its holder.
pub async fn check(spec: &GroupSpec) -> Result<(), ManagerError> {
    if try_all(spec).is_ok() {
        return Ok(());
    }
    tokio::time::sleep(PAUSE).await;
    try_all(spec)
}

/// Refuses a group when another database's group has a port of its ranges.
///
/// # Errors
/// [`ManagerError::PortInUse`] names the first such port, the other container, and the storage of its nodes.
pub fn check_others(spec: &GroupSpec, others: &[Container]) -> Result<(), ManagerError> {
    for (other, theirs) in others.iter().filter_map(|other| Some((other, labels::group_spec(&other.labels)?.0))) {
        let each = spec.ports.iter().flat_map(|(kind, own)| theirs.ports.iter().map(move |found| (kind, own, found)));
        let met = each.filter(|(kind, own, (other, range))| {
            kind.protocol() == other.protocol() && own.first <= range.last && range.first <= own.last
        });
        if let Some((kind, own, (_, range))) = met.into_iter().next() {
            let storage = other.labels.get(labels::STORAGE).map_or("another directory", String::as_str);
            let holder = format!("the container {} of another wnm database, whose nodes are in {storage}", other.name);
            return Err(ManagerError::PortInUse {
                protocol: kind.protocol(),
                port: own.first.max(range.first),
                holder,
            });
        }
    }
    Ok(())
}

fn try_all(spec: &GroupSpec) -> Result<(), ManagerError> {
    let mut each = spec.ports.iter().flat_map(|(kind, range)| (range.first..=range.last).map(|port| (*kind, port)));
    each.try_for_each(|(kind, port)| port_use::check_free(&Ports::default().with(kind, port)))
}

#[cfg(test)]
mod tests {
    use std::net::{Ipv4Addr, TcpListener, UdpSocket};

    use wnm_pm::container_host::Range;
    use wnm_pm::node::PortKind;
    use wnm_pm::port::Protocol;

    use super::*;

    #[tokio::test]
    async fn a_port_of_any_kind_that_is_in_use_is_found() {
        for kind in PortKind::ALL {
            let spec = |port: u16| GroupSpec {
                group: 1,
                name: "a1".to_owned(),
                image: String::new(),
                ports: [(kind, Range { first: port, last: port })].into(),
            };
            let (port, holder): (u16, Box<dyn std::any::Any + Send>) = match kind.protocol() {
                Protocol::Udp => {
                    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
                    (socket.local_addr().unwrap().port(), Box::new(socket))
                }
                Protocol::Tcp => {
                    let socket = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
                    (socket.local_addr().unwrap().port(), Box::new(socket))
                }
            };
            let refused = check(&spec(port)).await;
            assert!(
                matches!(refused, Err(ManagerError::PortInUse { port: found, .. }) if found == port),
                "{refused:?}"
            );
            drop(holder);
            check(&spec(port)).await.expect("it is free again");
        }
    }
}
