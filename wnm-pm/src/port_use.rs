//! A port in use is one that somebody holds already: found by trying it, and named by the machine's own tables.

use std::collections::BTreeSet;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::path::Path;

use crate::node::Ports;
pub use crate::port::Protocol;
use crate::process_manager::ManagerError;

/// Refuses the ports of a node that is about to start on this machine when another program holds one of them. A public port
/// is tried on all addresses, one for this machine alone on the loopback.
///
/// # Errors
/// [`ManagerError::PortInUse`] names the first such port and, as far as this user may see it, its holder.
pub fn check_free(ports: &Ports) -> Result<(), ManagerError> {
    ports.iter().try_for_each(|(kind, port)| {
        let address = if kind.is_public() { Ipv4Addr::UNSPECIFIED } else { Ipv4Addr::LOCALHOST };
        let protocol = kind.protocol();
        let tried = match protocol {
            Protocol::Udp => UdpSocket::bind((address, port)).map(drop),
            Protocol::Tcp => TcpListener::bind((address, port)).map(drop),
        };
        match tried {
            // Another failure (a port below 1024, say) is the node's to report, in its own words.
            Err(error) if error.kind() == ErrorKind::AddrInUse => {
                Err(ManagerError::PortInUse { protocol, port, holder: holder(protocol, port) })
            }
            _ => Ok(()),
        }
    })
}

/// Who holds a port of this machine: `nginx (pid 812)`, or that nobody can say.
#[must_use]
pub fn holder(protocol: Protocol, port: u16) -> String {
    let inodes = socket_inodes(protocol, port);
    processes().find(|(_, directory)| holds_socket(directory, &inodes)).map_or_else(
        || "another program (which one, only its owner or root can see)".to_owned(),
        |(pid, directory)| {
            let name = fs::read_to_string(directory.join("comm")).unwrap_or_default();
            format!("{} (pid {pid})", name.trim_end())
        },
    )
}

/// The ports of this machine that somebody holds: bound (UDP), or listened on (TCP). Linux only: empty elsewhere.
#[must_use]
pub fn ports_in_use(protocol: Protocol) -> BTreeSet<u16> {
    rows(protocol).into_iter().map(|(port, _)| port).collect()
}

/// The kernel's names of the sockets that are bound to a port.
fn socket_inodes(protocol: Protocol, port: u16) -> Vec<String> {
    let bound = rows(protocol).into_iter().filter(|(local, inode)| *local == port && inode != "0");
    bound.map(|(_, inode)| format!("socket:[{inode}]")).collect()
}

/// Local port and inode of each socket of a protocol.
fn rows(protocol: Protocol) -> Vec<(u16, String)> {
    let tables = match protocol {
        Protocol::Udp => ["/proc/net/udp", "/proc/net/udp6"],
        Protocol::Tcp => ["/proc/net/tcp", "/proc/net/tcp6"],
    };
    let text = tables.map(|path| fs::read_to_string(path).unwrap_or_default()).concat();
    text.lines().filter_map(|row| parse_row(protocol, row)).collect()
}

/// `  12: 0100007F:2B0C 00000000:0000 0A … 0 0 4711 2 …`: the second word is the local address, the fourth the state, the
/// tenth the inode. Connections that a TCP port once had hold nothing.
fn parse_row(protocol: Protocol, row: &str) -> Option<(u16, String)> {
    const LISTENS: &str = "0A";
    let words: Vec<&str> = row.split_whitespace().collect();
    let (_, port) = words.get(1)?.rsplit_once(':')?;
    if protocol == Protocol::Tcp && words.get(3) != Some(&LISTENS) {
        return None;
    }
    Some((u16::from_str_radix(port, 16).ok()?, (*words.get(9)?).to_owned()))
}

fn processes() -> impl Iterator<Item = (u32, std::path::PathBuf)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| Some((entry.file_name().to_str()?.parse().ok()?, entry.path())))
}

fn holds_socket(process: &Path, inodes: &[String]) -> bool {
    let files = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
    files
        .filter_map(|file| fs::read_link(file.path()).ok())
        .any(|target| inodes.iter().any(|inode| target.as_os_str() == inode.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::port::PortKind;

    #[test]
    fn a_port_in_use_is_named_with_its_holder() {
        let held = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).expect("some port is free");
        let free = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("some port is free");
        let port = |address: std::io::Result<std::net::SocketAddr>| address.expect("it is bound").port();
        let (udp, tcp) = (port(held.local_addr()), port(free.local_addr()));
        let public = Ports::default().with(PortKind::Node, udp);
        let ports = public.clone().with(PortKind::Metrics, tcp);

        let error = check_free(&ports).expect_err("UDP is held").to_string();
        assert!(error.contains(&format!("UDP port {udp} is in use by")), "{error}");
        if cfg!(target_os = "linux") {
            assert!(error.contains(&format!("(pid {})", std::process::id())), "{error}");
        }
        assert_eq!(ports_in_use(Protocol::Udp).contains(&udp), cfg!(target_os = "linux"));
        drop(held);
        let error = check_free(&ports).expect_err("TCP is held").to_string();
        assert!(error.contains(&format!("TCP port {tcp}")), "{error}");
        check_free(&public).expect("it needs no other port");
        drop(free);
        check_free(&ports).expect("both are free");
    }
}
