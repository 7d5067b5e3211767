//! A stale flow is one that the kernel knows from before the rules stood: it goes on treating the peer as it did then,
//! for as long as the peer keeps sending. Peers keep sending while a machine restarts.

use std::collections::BTreeSet;
use std::net::IpAddr;

use serde_json::Value;
use wnm_pm::container_host::Range;
use wnm_pm::process_manager::ManagerError;

use super::RuleBackend;

/// As many as are forgotten at once: each takes a program of its own, and the rest ends by itself when a peer pauses for
/// half a minute.
const MOST: usize = 500;

/// A flow from outside that the machine took for its own.
#[derive(Debug, PartialEq, Eq)]
struct Flow<'a> {
    from: &'a str,
    to: &'a str,
    from_port: &'a str,
    to_port: &'a str,
}

/// Makes the kernel forget stale flows to these ports. Where `conntrack` or `ip` is not installed, they end when their peer
/// pauses for half a minute.
///
/// # Errors
/// When a program does not end.
pub async fn forget(ranges: &[Range], hands: &RuleBackend<'_>) -> Result<(), ManagerError> {
    if ranges.is_empty() {
        return Ok(());
    }
    let own = own_addresses(&hands.run("ip", &["-json", "address", "show"], "").await?.stdout);
    for family in ["ipv4", "ipv6"] {
        let listed = hands.run("conntrack", &["-L", "-p", "udp", "-f", family], "").await?;
        if !listed.success() {
            tracing::debug!(said = listed.stderr, "flows from before the rules stood cannot be looked for");
            return Ok(());
        }
        for flow in stale(&listed.stdout, ranges, &own).take(MOST) {
            let arguments = [
                "-D",
                "-p",
                "udp",
                "-f",
                family,
                "-s",
                flow.from,
                "-d",
                flow.to,
                "--sport",
                flow.from_port,
                "--dport",
                flow.to_port,
            ];
            hands.run("conntrack", &arguments, "").await?;
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
/// container. What the machine only passes on, such as its own containers' flows to peers who use the same ports, is
/// answered from there rightly.
fn stale<'a>(listing: &'a str, ranges: &'a [Range], own: &'a BTreeSet<IpAddr>) -> impl Iterator<Item = Flow<'a>> {
    listing.lines().filter_map(move |line| {
        let field = |name: &'static str| {
            line.split_whitespace().filter_map(move |word| word.strip_prefix(name)?.strip_prefix('='))
        };
        // Each is there twice: as the peer sent, and as it would be answered.
        let (from, to) = (field("src").next()?, field("dst").next()?);
        let (from_port, to_port) = (field("sport").next()?, field("dport").next()?);
        let answers_from = field("src").nth(1)?;
        let port: u16 = to_port.parse().ok()?;
        let is_ours =
            own.contains(&to.parse().ok()?) && ranges.iter().any(|range| (range.first..=range.last).contains(&port));
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
