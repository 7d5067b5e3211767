//! What the kernel tells about nodes' processes: for how long they run, what they take, and which ports they have bound.

use std::collections::{BTreeMap, HashMap};
use std::fs;
use std::path::PathBuf;

use procfs_core::FromRead;
use procfs_core::process::Stat;

use super::{Signs, Target};
use crate::node::{NodeId, ProcessId};

/// The UDP sockets of one network: the ports that each is bound to, by the kernel's name for it.
type Sockets = HashMap<String, u16>;

/// Looks at the processes of nodes. One that is gone meanwhile, or whose number has another process now, is left out.
pub(super) fn look(targets: &[Target]) -> BTreeMap<NodeId, Signs> {
    // Nodes in one container have one network.
    let mut networks: HashMap<PathBuf, Sockets> = HashMap::new();
    let uptime = uptime_seconds();
    let signs = targets.iter().filter_map(|target| {
        let process = target.process?;
        let mut signs = usage(process, uptime?)?;
        signs.has_port = target.port.and_then(|port| has_port(process, port, &mut networks));
        Some((target.id, signs))
    });
    signs.collect()
}

fn uptime_seconds() -> Option<f64> {
    fs::read_to_string("/proc/uptime").ok()?.split(' ').next()?.parse().ok()
}

fn usage(process: ProcessId, uptime: f64) -> Option<Signs> {
    let text = fs::read(format!("/proc/{}/stat", process.pid)).ok()?;
    let stat = Stat::from_read(&text[..]).ok()?;
    if stat.starttime != process.start_time {
        return None;
    }
    let ticks = rustix::param::clock_ticks_per_second() as f64;
    let age = (uptime - stat.starttime as f64 / ticks).max(0.0);
    let used = stat.utime.saturating_add(stat.stime) as f64 / ticks;
    Some(Signs {
        uptime_seconds: Some(age as u64),
        memory_megabytes: Some(stat.rss as f64 * rustix::param::page_size() as f64 / 1e6),
        cpu_percent: (age >= 1.0).then(|| used / age * 100.0),
        ..Signs::default()
    })
}

/// Whether a process has a UDP port of its network bound; none where its files are not this user's to see.
fn has_port(process: ProcessId, port: u16, networks: &mut HashMap<PathBuf, Sockets>) -> Option<bool> {
    let directory = PathBuf::from(format!("/proc/{}", process.pid));
    let network = fs::read_link(directory.join("ns/net")).ok()?;
    let sockets = networks.entry(network).or_insert_with(|| sockets(&directory));
    let files = fs::read_dir(directory.join("fd")).ok()?.flatten();
    let targets = files.filter_map(|file| fs::read_link(file.path()).ok());
    Some(targets.filter_map(|target| sockets.get(target.to_str()?).copied()).any(|bound| bound == port))
}

/// `  12: 0100007F:D6D9 00000000:0000 07 … 0 0 4711 2 …`: the second word is the local address, the tenth the socket's name.
fn sockets(process: &std::path::Path) -> Sockets {
    let text =
        ["net/udp", "net/udp6"].map(|table| fs::read_to_string(process.join(table)).unwrap_or_default()).concat();
    let row = |row: &str| {
        let words: Vec<&str> = row.split_whitespace().collect();
        let (_, port) = words.get(1)?.rsplit_once(':')?;
        Some((format!("socket:[{}]", words.get(9)?), u16::from_str_radix(port, 16).ok()?))
    };
    text.lines().filter_map(row).collect()
}

#[cfg(test)]
mod tests {
    use std::net::UdpSocket;

    use wnm_pm::process::identity;

    use super::*;

    fn target(id: u32, port: u16, process: ProcessId) -> Target {
        let directory = PathBuf::from("/nowhere");
        let (root_dir, log_dir) = (directory.clone(), directory);
        Target { id: NodeId(id), root_dir, log_dir, port: Some(port), process: Some(process) }
    }

    #[test]
    fn a_port_is_a_processes_own_only_where_that_process_has_it_bound() {
        let socket = UdpSocket::bind("127.0.0.1:0").expect("some port is free");
        let port = socket.local_addr().expect("it is bound").port();
        let own = identity(std::process::id()).expect("it lives");
        let another = ProcessId { start_time: own.start_time + 1, ..own };
        let targets = [target(1, port, own), target(2, port, another), target(3, 1, own)];
        let signs = look(&targets);
        assert_eq!(signs[&NodeId(1)].has_port, Some(true));
        assert!(signs[&NodeId(1)].memory_megabytes.is_some_and(|memory| memory > 1.0));
        assert!(!signs.contains_key(&NodeId(2)), "that process is another one");
        assert_eq!(signs[&NodeId(3)].has_port, Some(false));
        drop(socket);
        assert_eq!(look(&targets[..1])[&NodeId(1)].has_port, Some(false));
    }
}
