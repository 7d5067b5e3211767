//! A firewall of this machine may drop what nodes and their peers send one another: every chain of nftables on the way is
//! asked.

use std::collections::BTreeSet;

use wnm_pm::container_host::{ContainerNetwork, Range};
use wnm_pm::process_manager::Finding;

use super::packet::Packet;
use super::ruleset::{Drop, Ruleset};
use crate::settings::MachineId;

/// Docker's own bridge.
const ENGINE_BRIDGE: &str = "docker0";

/// The way between nodes and their peers.
pub struct Way<'a> {
    pub machine: &'a MachineId,
    pub network: ContainerNetwork,
    /// The public ports of the groups that exist.
    pub ports: &'a [Range],
    /// The device that leads to the world.
    pub outside: Option<String>,
    /// Whether the containers' own network exists: rules that the engine keeps for it come with it.
    pub is_built: bool,
}

/// What a chain drops, in words.
const QUESTIONS: &str = "what peers send to nodes";
const ANSWERS: &str = "what peers answer nodes";
const OUT: &str = "what nodes send to peers";

impl Way<'_> {
    /// Every chain that drops something that nodes and peers send each other.
    pub fn findings(&self, rules: &Ruleset, is_ipv6: bool) -> Vec<Finding> {
        let mut found: BTreeSet<(Drop, &str)> = BTreeSet::new();
        for (packet, direction, hooks) in self.packets(is_ipv6) {
            let mine = self.machine.table_name();
            // Until the first group is opened the engine has no rules for its network.
            let is_empty = |table: &str| !self.is_built && rules.has("chain", "DOCKER-USER") && table == "filter";
            let drops = rules.drops(&packet, hooks, |table| table == mine || is_empty(table));
            found.extend(drops.into_iter().map(|drop| (drop, direction)));
        }
        let chains: BTreeSet<&Drop> = found.iter().map(|(drop, _)| drop).collect();
        let all = |chain: &Drop| {
            let directions = found.iter().filter(|(drop, _)| drop == chain).map(|(_, direction)| *direction);
            directions.collect::<Vec<_>>().join(" and ")
        };
        chains.into_iter().map(|chain| self.finding(chain, &all(chain), is_ipv6)).collect()
    }

    /// A question to each port, an answer, and what a node sends, with the hooks that each passes. Before a packet is
    /// forwarded nobody knows where it goes, and its destination is not translated yet.
    fn packets(&self, is_ipv6: bool) -> Vec<(Packet, &'static str, &'static [&'static str])> {
        let bridge = match self.network {
            ContainerNetwork::Host => None,
            ContainerNetwork::Docker => Some(ENGINE_BRIDGE.to_owned()),
            ContainerNetwork::Published => Some(self.machine.network_name()),
        };
        let arriving = Packet { from_device: self.outside.clone(), is_from_peer: true, is_ipv6, ..Packet::default() };
        let ports = self.ports.iter().flat_map(|range| range.first..=range.last).map(Some);
        let ports: Vec<Option<u16>> = if self.ports.is_empty() { vec![None] } else { ports.collect() };
        let questions = ports.into_iter().map(|to_port| (Packet { to_port, ..arriving.clone() }, QUESTIONS));
        let answer = Packet { is_answer: true, ..arriving.clone() };
        let leaving = Packet { from_device: bridge.clone(), is_ipv6, ..Packet::default() };
        let Some(bridge) = bridge else {
            let arriving = questions.chain([(answer, ANSWERS)]);
            let arriving =
                arriving.map(|(packet, direction)| (packet, direction, &["ingress", "prerouting", "input"][..]));
            let to_device = self.outside.clone();
            return arriving.chain([(Packet { to_device, ..leaving }, OUT, &["output", "postrouting"][..])]).collect();
        };
        let each = questions.chain([(answer, ANSWERS), (leaving, OUT)]).flat_map(|(packet, direction)| {
            let to_device = if direction == OUT { self.outside.clone() } else { Some(bridge.clone()) };
            let forwarded = Packet { to_device, is_translated: direction == QUESTIONS, ..packet.clone() };
            [
                (packet, direction, &["ingress", "prerouting"][..]),
                (forwarded, direction, &["forward", "postrouting"][..]),
            ]
        });
        each.collect()
    }

    fn finding(&self, drop: &Drop, directions: &str, is_ipv6: bool) -> Finding {
        let Drop { family, table, chain, hook, by_policy } = drop;
        let by = if *by_policy { "its policy is drop" } else { "one of its rules does" };
        let what = format!("the chain {chain} of the table {family} {table} (hook {hook}) drops {directions}: {by}");
        let insert = |condition: &str| format!("nft insert rule {family} {table} {chain} {condition} accept");
        let own = self.machine.network_name();
        let bridge = if self.network == ContainerNetwork::Docker { ENGINE_BRIDGE } else { &own };
        let to_bridge = format!("oifname {bridge}");
        let accept = match (hook.as_str(), self.network) {
            ("forward" | "postrouting", ContainerNetwork::Docker | ContainerNetwork::Published) => vec![
                insert(&format!("{to_bridge} ct status dnat")),
                insert(&format!("{to_bridge} ct state established,related")),
                insert(&format!("iifname {bridge}")),
            ],
            ("output" | "postrouting", _) => vec![insert("meta l4proto udp")],
            ("ingress", _) => vec![insert("meta l4proto udp")],
            _ => {
                let ports: Vec<String> = self.ports.iter().map(ToString::to_string).collect();
                let ports = if ports.is_empty() { "PORTS".to_owned() } else { format!("{{ {} }}", ports.join(", ")) };
                let own = (self.network != ContainerNetwork::Host).then(|| insert(&format!("iifname {bridge}")));
                let others = [insert(&format!("udp dport {ports}")), insert("ct state established,related")];
                others.into_iter().chain(own).collect()
            }
        };
        let fix = format!("{}; and the same where the firewall keeps its rules", accept.join("; "));
        if is_ipv6 {
            let consequence = "nodes and peers do not reach each other over IPv6";
            return Finding::warning("firewall-drops-ipv6", what, consequence, fix);
        }
        Finding::error("firewall-drops", what, "nodes and peers do not reach each other", fix)
    }
}

/// The device of the default route, from the text of `/proc/net/route`.
pub fn outside(routes: &str) -> Option<String> {
    routes.lines().skip(1).find_map(|line| {
        let fields: Vec<&str> = line.split_whitespace().collect();
        let is_default = fields.get(1) == Some(&"00000000") && fields.get(7) == Some(&"00000000");
        is_default.then(|| fields[0].to_owned())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_device_of_the_default_route_leads_outside() {
        let routes = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n\
            docker0\t000011AC\t00000000\t0001\t0\t0\t0\t0000FFFF\t0\t0\t0\n\
            eth0\t00000000\t010200C0\t0003\t0\t0\t0\t00000000\t0\t0\t0\n";
        assert_eq!(outside(routes).as_deref(), Some("eth0"));
        assert_eq!(outside(""), None);
    }
}
