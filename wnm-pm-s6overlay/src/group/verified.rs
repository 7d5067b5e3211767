//! Rules that a helper found in place count as in place for a while, as long as nothing shows that they may have changed: a
//! helper costs more than all else in a cycle together.
//!
//! Looked at without a helper, in every cycle: the boot, the machine's switches, the bridge and its ports, the kernel's
//! counts of who uses its modules for rules (where they are modules), and whether the machine itself is led to a container
//! by the rules, which are replaced as a whole. So a flush is seen at once. A single rule of somebody's that changes, where
//! no count does, is seen when the time has passed.

use std::fs;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use tokio::net::TcpStream;
use wnm_pm::container_host::{Group, GroupState};
use wnm_pm::port::Protocol;
use wnm_pm::program::write_whole;

use crate::settings::MachineId;
use crate::storage;

/// How long the helper's word counts.
const TRUSTED: Duration = Duration::from_mins(10);
/// How long a port of this machine may take to answer.
const PATIENCE: Duration = Duration::from_millis(500);

/// All that can be seen of rules and network without a helper, as text.
pub fn signs(machine: &MachineId, wanted: &str) -> String {
    let bridge = machine.network_name();
    let boot = read("/proc/sys/kernel/random/boot_id");
    let switches = ["ip_forward".to_owned(), format!("conf/{bridge}/route_localnet")]
        .map(|switch| read(&format!("/proc/sys/net/ipv4/{switch}")));
    let mut ports: Vec<String> = fs::read_dir(format!("/sys/class/net/{bridge}/brif"))
        .into_iter()
        .flatten()
        .flatten()
        .map(|port| {
            let hairpin = read(&port.path().join("hairpin_mode").to_string_lossy());
            format!("{} {hairpin}", port.file_name().display())
        })
        .collect();
    ports.sort();
    let modules = read("/proc/modules");
    let users = modules.lines().filter(|line| is_about_rules(line)).map(count_of_users);
    let users: Vec<String> = users.collect();
    [boot, switches.concat(), ports.concat(), users.join("\n"), wanted.to_owned()].join("\n")
}

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_default()
}

fn is_about_rules(module: &str) -> bool {
    ["nf", "xt_", "x_tables", "ip", "br_netfilter"].iter().any(|prefix| module.starts_with(prefix))
}

/// The name and the count of `nft_masq 16384 3 - Live …`.
fn count_of_users(module: &str) -> String {
    let mut words = module.split(' ');
    format!("{} {}", words.next().unwrap_or_default(), words.nth(1).unwrap_or_default())
}

/// Whether a helper found all in place a short while ago, and nothing shows that anything has changed since.
pub async fn holds(node_storage: &Path, signs: &str, groups: &[Group]) -> bool {
    let note = storage::verified(node_storage);
    let is_same = fs::symlink_metadata(&note).is_ok_and(|data| data.is_file())
        && fs::read_to_string(&note).is_ok_and(|noted| noted == signs);
    let age = fs::metadata(&note).and_then(|data| data.modified()).ok().and_then(|since| since.elapsed().ok());
    is_same && age.is_some_and(|age| age < TRUSTED) && are_led(groups).await
}

/// Notes that a helper found all in place. Without the note the next cycle takes a helper.
pub fn note(node_storage: &Path, signs: &str) {
    let owner = crate::owner::of(node_storage).ok();
    if let Err(error) = write_whole(&storage::verified(node_storage), signs.as_bytes(), 0o600, owner) {
        tracing::warn!(%error, "the rules are verified again in the next cycle");
    }
}

/// Whether the rules lead from this machine to the containers, judging by a port that is open in one of them.
async fn are_led(groups: &[Group]) -> bool {
    for group in groups.iter().filter(|group| group.state == GroupState::Running) {
        let Some(address) = group.address else { continue };
        let local = group.spec.ports.iter().filter(|(kind, _)| !kind.is_public() && kind.protocol() == Protocol::Tcp);
        for port in local.flat_map(|(_, range)| range.first..=range.last) {
            if is_open(address, port).await {
                return is_open(Ipv4Addr::LOCALHOST.into(), port).await;
            }
        }
    }
    false
}

async fn is_open(address: IpAddr, port: u16) -> bool {
    let connected = tokio::time::timeout(PATIENCE, TcpStream::connect(SocketAddr::new(address, port))).await;
    matches!(connected, Ok(Ok(_)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_uses_the_modules_for_rules_is_counted_and_nothing_else() {
        let modules =
            "nft_masq 16384 3 - Live 0x0\nxt_conntrack 12288 5 - Live 0x0\nsnd_timer 45056 1 snd_pcm, Live 0x0";
        let counts: Vec<String> = modules.lines().filter(|line| is_about_rules(line)).map(count_of_users).collect();
        assert_eq!(counts, ["nft_masq 3", "xt_conntrack 5"]);
    }
}
