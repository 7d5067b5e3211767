//! A stale flow is one that the kernel knows from before the rules were set: it goes on treating the peer as it did then,
//! for as long as the peer keeps sending. Peers keep sending while a machine restarts.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::Value;
use wnm_pm::container_host::{Range, Ranges};
use wnm_pm::port::Protocol;
use wnm_pm::process_manager::ManagerError;

use super::RuleBackend;

/// As many are forgotten at once: each takes a run of `conntrack`, and the rest ends by itself when a peer pauses for half a
/// minute.
const MOST: usize = 500;

/// A flow from outside that the machine took to be for itself.
#[derive(Debug, PartialEq, Eq)]
struct Flow<'a> {
    from: &'a str,
    to: &'a str,
    from_port: &'a str,
    to_port: &'a str,
}

/// Makes the kernel forget stale flows to the public ports of these ranges. Where `conntrack` or `ip` is not installed, they
/// end when their peer pauses for half a minute.
///
/// # Errors
/// When a program does not end.
pub async fn forget(groups: &[&Ranges], backend: &RuleBackend<'_>) -> Result<(), ManagerError> {
    let public = || groups.iter().flat_map(|ranges| ranges.iter()).filter(|(kind, _)| kind.is_public());
    if public().next().is_none() {
        return Ok(());
    }
    let own = own_addresses(&backend.run("ip", &["-json", "address", "show"], "").await?.stdout);
    for protocol in Protocol::ALL {
        let ranges: Vec<Range> =
            public().filter(|(kind, _)| kind.protocol() == protocol).map(|(_, range)| *range).collect();
        if !ranges.is_empty() {
            forget_over(&protocol.as_str().to_ascii_lowercase(), &ranges, &own, backend).await?;
        }
    }
    Ok(())
}

async fn forget_over(
    protocol: &str,
    ranges: &[Range],
    own: &BTreeSet<IpAddr>,
    backend: &RuleBackend<'_>,
) -> Result<(), ManagerError> {
    for family in ["ipv4", "ipv6"] {
        let listed = backend.run("conntrack", &["-L", "-p", protocol, "-f", family], "").await?;
        if !listed.success() {
            tracing::debug!(said = listed.stderr, "flows from before the rules were set cannot be found");
            return Ok(());
        }
        for Flow { from, to, from_port, to_port } in stale(&listed.stdout, ranges, own).take(MOST) {
            let what = ["-D", "-p", protocol, "-f", family];
            let flow = ["-s", from, "-d", to, "--sport", from_port, "--dport", to_port];
            backend.run("conntrack", &[&what[..], &flow].concat(), "").await?;
        }
    }
    Ok(())
}

/// The machine's own addresses, from what `ip` lists.
fn own_addresses(listing: &str) -> BTreeSet<IpAddr> {
    let links: Vec<Value> = serde_json::from_str(listing).unwrap_or_default();
    let addresses = links.iter().filter_map(|link| link["addr_info"].as_array()).flatten();
    addresses.filter_map(|address| address["local"].as_str()?.parse().ok()).collect()
}

/// Flows to one of these ports of the machine itself whose answers would come from where the peer sent to, and not from a
/// container. What the machine only forwards, such as its own containers' flows to peers that use the same ports, is rightly
/// answered from there.
fn stale<'a>(listing: &'a str, ranges: &'a [Range], own: &'a BTreeSet<IpAddr>) -> impl Iterator<Item = Flow<'a>> {
    listing.lines().filter_map(move |line| {
        let field = |name: &'static str| {
            line.split_whitespace().filter_map(move |word| word.strip_prefix(name)?.strip_prefix('='))
        };
        // Each occurs twice: as the peer sent it, and as it would be answered.
        let (from, to) = (field("src").next()?, field("dst").next()?);
        let (from_port, to_port) = (field("sport").next()?, field("dport").next()?);
        let answers_from = field("src").nth(1)?;
        let port: u16 = to_port.parse().ok()?;
        let is_ours = own.contains(&to.parse().ok()?) && ranges.iter().any(|range| range.contains(port));
        (is_ours && answers_from == to).then_some(Flow { from, to, from_port, to_port })
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_untranslated_flows_to_our_ports_are_stale() {
        let listing = "\
udp      17 28 src=10.251.0.2 dst=192.0.2.2 sport=40999 dport=30001 [UNREPLIED] src=192.0.2.2 dst=10.251.0.2 sport=30001 dport=40999 mark=0 use=1
udp      17 28 src=10.251.0.3 dst=192.0.2.2 sport=40999 dport=30001 src=10.20.4.2 dst=10.251.0.3 sport=30001 dport=40999 [ASSURED] mark=0 use=1
udp      17 28 src=10.251.0.4 dst=192.0.2.2 sport=40999 dport=53 src=192.0.2.2 dst=10.251.0.4 sport=53 dport=40999 mark=0 use=1
udp      17 28 src=10.20.4.2 dst=198.51.100.7 sport=30001 dport=30001 src=198.51.100.7 dst=192.0.2.2 sport=30001 dport=30001 [ASSURED] mark=0 use=1
udp      17 28 src=192.0.2.2 dst=198.51.100.7 sport=40999 dport=30001 src=198.51.100.7 dst=192.0.2.2 sport=30001 dport=40999 [ASSURED] mark=0 use=1
nonsense
";
        let ranges = [Range { first: 30001, last: 30010 }];
        let own = own_addresses(
            r#"[{"ifname": "lo", "addr_info": [{"family": "inet", "local": "127.0.0.1"}]}, {"ifname": "none"},
            {"ifname": "eth0", "addr_info": [{"local": "192.0.2.2"}, {"family": "inet6", "local": "fd51::2"}]}]"#,
        );
        assert_eq!(own.len(), 3);
        let found: Vec<_> = stale(listing, &ranges, &own).collect();
        assert_eq!(found, [Flow { from: "10.251.0.2", to: "192.0.2.2", from_port: "40999", to_port: "30001" }]);
    }
}
