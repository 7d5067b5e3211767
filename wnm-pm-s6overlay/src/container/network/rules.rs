//! The rules of one machine lead the ports of its groups to their containers: one table of our own, one translation
//! per range, host port = container port. This module renders them, and compares them with what the kernel lists.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde_json::Value;
use wnm_pm::container_host::{Range, Ranges};
use wnm_pm::node::PortKind;

use crate::container::addresses::Addresses;
use crate::settings::MachineId;

/// A range of addresses, such as 10.20.4.0/22.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Subnet<A> {
    /// The first address.
    pub base: A,
    /// How many leading bits are common.
    pub length: u8,
}

impl<A: std::fmt::Display> std::fmt::Display for Subnet<A> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{}/{}", self.base, self.length)
    }
}

/// A group as the rules need to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The group's name.
    pub name: String,
    /// The ports that lead to its container: public ones from everywhere, the others from the machine's own 127.0.0.1.
    pub ports: Ranges,
    /// Where the container is.
    pub addresses: Addresses,
}

/// Everything that the rules are made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rules<'a> {
    /// Whose they are.
    pub machine: &'a MachineId,
    /// The containers' network.
    pub subnet: Subnet<Ipv4Addr>,
    /// The same for IPv6, where the machine has it.
    pub subnet6: Option<Subnet<Ipv6Addr>>,
    /// The groups.
    pub targets: &'a [Target],
}

/// The chains, and where each is hooked into the kernel. Those of the way in and of the way back come before Docker's own.
const CHAINS: [(&str, &str); 5] = [
    ("guard", "type filter hook prerouting priority raw"),
    ("from_outside", "type nat hook prerouting priority dstnat"),
    ("from_here", "type nat hook output priority -100"),
    ("way_back", "type nat hook postrouting priority srcnat"),
    ("direct", "type filter hook forward priority filter"),
];

/// One rule, its text, and the words that have to occur in it when the kernel lists it.
struct Rule {
    chain: &'static str,
    comment: String,
    text: String,
    words: Vec<String>,
}

impl Rules<'_> {
    /// What `nft -f -` reads to put exactly these rules in place of whatever there was, in one step.
    #[must_use]
    pub fn render(&self) -> String {
        let table = self.machine.table_name();
        let rules = self.rules();
        // Declaring it first makes deleting it legal when there is none.
        let mut text = format!("table inet {table} {{}}\ndelete table inet {table}\ntable inet {table} {{\n");
        for (chain, place) in CHAINS {
            let _ = writeln!(text, "\tchain {chain} {{\n\t\t{place}; policy accept;");
            for rule in rules.iter().filter(|rule| rule.chain == chain) {
                let _ = writeln!(text, "\t\t{} comment \"{}\"", rule.text, rule.comment);
            }
            text.push_str("\t}\n");
        }
        text.push_str("}\n");
        text
    }

    /// Whether what `nft -j list table` printed is these rules: the same rules in the same order, each with its ports,
    /// addresses and verdict. How a version of nft spells the rest does not matter, nor do comments.
    #[must_use]
    pub fn are_listed_in(&self, listing: &str) -> bool {
        let Ok(listing) = serde_json::from_str::<Value>(listing) else {
            return false;
        };
        let entries = listing["nftables"].as_array().map_or(&[][..], Vec::as_slice);
        let listed: Vec<&Value> = entries.iter().map(|entry| &entry["rule"]).filter(|rule| rule.is_object()).collect();
        let wanted = self.rules();
        CHAINS.iter().all(|(chain, _)| {
            let listed: Vec<_> = listed.iter().filter(|rule| rule["chain"] == *chain).collect();
            let wanted: Vec<_> = wanted.iter().filter(|rule| rule.chain == *chain).collect();
            listed.len() == wanted.len() && wanted.iter().zip(listed).all(|(wanted, listed)| wanted.is(listed))
        })
    }

    fn rules(&self) -> Vec<Rule> {
        let bridge = self.machine.network_name();
        let mut rules = vec![Rule::new(
            "guard",
            "containers do not reach the machine's own 127.0.0.1",
            format!("iifname \"{bridge}\" ip daddr 127.0.0.0/8 drop"),
            &[&bridge, "127.0.0.0", "drop"],
        )];
        rules.extend(self.targets.iter().flat_map(Target::rules));
        rules.extend([
            Rule::new(
                "way_back",
                "asked from 127.0.0.1",
                format!("oifname \"{bridge}\" ip saddr 127.0.0.0/8 masquerade"),
                &[&bridge, "127.0.0.0", "masquerade"],
            ),
            Rule::new(
                "way_back",
                "from one group to another by the machine's address",
                format!("oifname \"{bridge}\" ip saddr {} ct status dnat masquerade", self.subnet),
                &[&bridge, &self.subnet.base.to_string(), "masquerade"],
            ),
            // The engine has a rule for it too, unless it is told to set none, or somebody flushed it.
            Rule::new(
                "way_back",
                "out into the world",
                format!("oifname != \"{bridge}\" ip saddr {} masquerade", self.subnet),
                &["!=", &bridge, &self.subnet.base.to_string(), "masquerade"],
            ),
        ]);
        if let Some(subnet) = self.subnet6 {
            rules.extend([
                Rule::new(
                    "way_back",
                    "from one group to another by the machine's address, IPv6",
                    format!("oifname \"{bridge}\" ip6 saddr {subnet} ct status dnat masquerade"),
                    &[&bridge, &subnet.base.to_string(), "masquerade"],
                ),
                Rule::new(
                    "way_back",
                    "out into the world, IPv6",
                    format!("oifname != \"{bridge}\" ip6 saddr {subnet} masquerade"),
                    &["!=", &bridge, &subnet.base.to_string(), "masquerade"],
                ),
            ]);
        }
        rules.push(Rule::new(
            "direct",
            "containers are reached through the ranges only",
            format!("iifname != \"{bridge}\" oifname \"{bridge}\" ct state new ct status & dnat == 0 drop"),
            &[&bridge, "new", "dnat", "drop"],
        ));
        rules
    }
}

impl Target {
    fn rules(&self) -> Vec<Rule> {
        self.ports.iter().flat_map(|(kind, range)| self.rules_for(*kind, *range)).collect()
    }

    /// One translation for each chain and each family of addresses that the range is reached by.
    fn rules_for(&self, kind: PortKind, range: Range) -> Vec<Rule> {
        let protocol = kind.protocol().as_str().to_ascii_lowercase();
        let (first, last) = (range.first.to_string(), range.last.to_string());
        let v4 = self.addresses.v4.to_string();
        let comment = format!("{} {kind} ports", self.name);
        let rule = |chain, comment: &str, from: &str, family: &str, to: &str| {
            let text = format!("{from} {protocol} dport {range} dnat {family} to {to}");
            Rule::new(chain, comment, text, &[&first, &last, &protocol, to, "dnat"])
        };
        if !kind.is_public() {
            let mut local = rule("from_here", &comment, "ip daddr 127.0.0.0/8", "ip", &v4);
            local.words.push("127.0.0.0".to_owned());
            return vec![local];
        }
        let mut rules = vec![];
        for chain in ["from_outside", "from_here"] {
            rules.push(rule(chain, &comment, "meta nfproto ipv4 fib daddr type local", "ip", &v4));
            if let Some(v6) = self.addresses.v6.map(|v6| v6.to_string()) {
                let comment = format!("{comment}, IPv6");
                rules.push(rule(chain, &comment, "ip6 daddr != ::1 fib daddr type local", "ip6", &v6));
            }
        }
        rules
    }
}

impl Rule {
    fn new(chain: &'static str, comment: &str, text: String, words: &[&str]) -> Self {
        Self { chain, comment: comment.to_owned(), text, words: words.iter().map(|&word| word.to_owned()).collect() }
    }

    fn is(&self, listed: &Value) -> bool {
        let mut found = BTreeSet::new();
        collect_words(&listed["expr"], &mut found);
        self.words.iter().all(|word| found.contains(word))
    }
}

/// Every name and every value in a piece of JSON.
fn collect_words(value: &Value, words: &mut BTreeSet<String>) {
    match value {
        Value::Object(fields) => {
            for (name, value) in fields {
                words.insert(name.clone());
                collect_words(value, words);
            }
        }
        Value::Array(values) => values.iter().for_each(|value| collect_words(value, words)),
        Value::String(text) => {
            words.insert(text.clone());
        }
        Value::Number(number) => {
            words.insert(number.to_string());
        }
        Value::Null | Value::Bool(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    fn target(number: u16, v6: bool) -> Target {
        let range = |thousand: u16| Range {
            first: thousand * 1000 + (number - 1) * 200 + 1,
            last: thousand * 1000 + number * 200,
        };
        Target {
            name: format!("a{number}"),
            ports: [(PortKind::Node, range(55)), (PortKind::Metrics, range(13))].into(),
            addresses: Addresses {
                v4: Ipv4Addr::from([10, 20, 4, u8::try_from(number + 1).unwrap()]),
                v6: v6.then(|| format!("fd77::{}", number + 1).parse().unwrap()),
            },
        }
    }

    fn rendered(targets: &[Target], v6: bool) -> String {
        let machine = MachineId::of(Path::new("/var/antctl/services"));
        Rules {
            machine: &machine,
            subnet: Subnet { base: Ipv4Addr::new(10, 20, 4, 0), length: 22 },
            subnet6: v6.then(|| Subnet { base: "fd77::".parse().unwrap(), length: 64 }),
            targets,
        }
        .render()
    }

    #[test]
    fn two_groups_are_rendered() {
        insta::assert_snapshot!(rendered(&[target(1, false), target(2, false)], false), @r#"
        table inet wnm_d7990fc5 {}
        delete table inet wnm_d7990fc5
        table inet wnm_d7990fc5 {
        	chain guard {
        		type filter hook prerouting priority raw; policy accept;
        		iifname "wnm-d7990fc5" ip daddr 127.0.0.0/8 drop comment "containers do not reach the machine's own 127.0.0.1"
        	}
        	chain from_outside {
        		type nat hook prerouting priority dstnat; policy accept;
        		meta nfproto ipv4 fib daddr type local udp dport 55001-55200 dnat ip to 10.20.4.2 comment "a1 node ports"
        		meta nfproto ipv4 fib daddr type local udp dport 55201-55400 dnat ip to 10.20.4.3 comment "a2 node ports"
        	}
        	chain from_here {
        		type nat hook output priority -100; policy accept;
        		meta nfproto ipv4 fib daddr type local udp dport 55001-55200 dnat ip to 10.20.4.2 comment "a1 node ports"
        		ip daddr 127.0.0.0/8 tcp dport 13001-13200 dnat ip to 10.20.4.2 comment "a1 metrics ports"
        		meta nfproto ipv4 fib daddr type local udp dport 55201-55400 dnat ip to 10.20.4.3 comment "a2 node ports"
        		ip daddr 127.0.0.0/8 tcp dport 13201-13400 dnat ip to 10.20.4.3 comment "a2 metrics ports"
        	}
        	chain way_back {
        		type nat hook postrouting priority srcnat; policy accept;
        		oifname "wnm-d7990fc5" ip saddr 127.0.0.0/8 masquerade comment "asked from 127.0.0.1"
        		oifname "wnm-d7990fc5" ip saddr 10.20.4.0/22 ct status dnat masquerade comment "from one group to another by the machine's address"
        		oifname != "wnm-d7990fc5" ip saddr 10.20.4.0/22 masquerade comment "out into the world"
        	}
        	chain direct {
        		type filter hook forward priority filter; policy accept;
        		iifname != "wnm-d7990fc5" oifname "wnm-d7990fc5" ct state new ct status & dnat == 0 drop comment "containers are reached through the ranges only"
        	}
        }
        "#);
    }

    #[test]
    fn a_group_with_ipv6_is_rendered() {
        insta::assert_snapshot!(rendered(&[target(1, true)], true), @r#"
        table inet wnm_d7990fc5 {}
        delete table inet wnm_d7990fc5
        table inet wnm_d7990fc5 {
        	chain guard {
        		type filter hook prerouting priority raw; policy accept;
        		iifname "wnm-d7990fc5" ip daddr 127.0.0.0/8 drop comment "containers do not reach the machine's own 127.0.0.1"
        	}
        	chain from_outside {
        		type nat hook prerouting priority dstnat; policy accept;
        		meta nfproto ipv4 fib daddr type local udp dport 55001-55200 dnat ip to 10.20.4.2 comment "a1 node ports"
        		ip6 daddr != ::1 fib daddr type local udp dport 55001-55200 dnat ip6 to fd77::2 comment "a1 node ports, IPv6"
        	}
        	chain from_here {
        		type nat hook output priority -100; policy accept;
        		meta nfproto ipv4 fib daddr type local udp dport 55001-55200 dnat ip to 10.20.4.2 comment "a1 node ports"
        		ip6 daddr != ::1 fib daddr type local udp dport 55001-55200 dnat ip6 to fd77::2 comment "a1 node ports, IPv6"
        		ip daddr 127.0.0.0/8 tcp dport 13001-13200 dnat ip to 10.20.4.2 comment "a1 metrics ports"
        	}
        	chain way_back {
        		type nat hook postrouting priority srcnat; policy accept;
        		oifname "wnm-d7990fc5" ip saddr 127.0.0.0/8 masquerade comment "asked from 127.0.0.1"
        		oifname "wnm-d7990fc5" ip saddr 10.20.4.0/22 ct status dnat masquerade comment "from one group to another by the machine's address"
        		oifname != "wnm-d7990fc5" ip saddr 10.20.4.0/22 masquerade comment "out into the world"
        		oifname "wnm-d7990fc5" ip6 saddr fd77::/64 ct status dnat masquerade comment "from one group to another by the machine's address, IPv6"
        		oifname != "wnm-d7990fc5" ip6 saddr fd77::/64 masquerade comment "out into the world, IPv6"
        	}
        	chain direct {
        		type filter hook forward priority filter; policy accept;
        		iifname != "wnm-d7990fc5" oifname "wnm-d7990fc5" ct state new ct status & dnat == 0 drop comment "containers are reached through the ranges only"
        	}
        }
        "#);
    }

    #[test]
    fn every_kind_of_port_leads_to_its_container() {
        let mut target = target(1, true);
        target.ports = PortKind::ALL
            .into_iter()
            .zip([20, 21, 22])
            .map(|(kind, thousand)| (kind, Range { first: thousand * 1000 + 1, last: thousand * 1000 + 200 }))
            .collect();
        let text = rendered(&[target.clone()], true);
        for (kind, range) in &target.ports {
            let protocol = kind.protocol().as_str().to_lowercase();
            let rules: Vec<&str> =
                text.lines().filter(|line| line.contains(&format!("{protocol} dport {range} dnat"))).collect();
            // Public ones for each family and each way in; the others from this machine alone.
            assert_eq!(rules.len(), if kind.is_public() { 4 } else { 1 }, "{kind}: {rules:?}");
            assert!(rules.iter().all(|rule| kind.is_public() || rule.contains("ip daddr 127.0.0.0/8 ")), "{rules:?}");
        }
    }

    #[test]
    fn comments_fit_into_what_nft_keeps() {
        let text = rendered(&[target(52, true)], true);
        let comments = text.lines().filter_map(|line| line.split_once(" comment "));
        assert!(comments.map(|(_, comment)| comment.len()).max().unwrap() < 128);
    }

    #[test]
    fn what_is_not_a_listing_does_not_list_the_rules() {
        let machine = MachineId::of(Path::new("/a"));
        let rules = Rules {
            machine: &machine,
            subnet: Subnet { base: Ipv4Addr::new(10, 20, 4, 0), length: 22 },
            subnet6: None,
            targets: &[],
        };
        for listing in ["", "{}", "[]", "{\"nftables\": 1}", "{\"nftables\": [{\"rule\": {}}]}"] {
            assert!(!rules.are_listed_in(listing), "{listing:?}");
        }
    }
}
