//! A packet as nftables sees it: some of it is known, the rest may be anything. A condition on it holds, does not hold, or
//! may hold.

use std::net::IpAddr;

use serde_json::Value;

/// What is known of a packet.
#[derive(Debug, Clone, Default)]
pub struct Packet {
    /// The device that it comes in by, and that it goes out by.
    pub from_device: Option<String>,
    pub to_device: Option<String>,
    /// The port that it comes from, and that it goes to.
    pub from_port: Option<u16>,
    pub to_port: Option<u16>,
    /// Whether it comes from a peer; otherwise it goes to one. Peers are everywhere.
    pub is_from_peer: bool,
    pub is_ipv6: bool,
    /// Whether it answers an earlier one.
    pub is_answer: bool,
    /// Whether its destination was translated.
    pub is_translated: bool,
}

/// A part of a packet.
enum Part {
    /// One of these words.
    Words(Vec<&'static str>),
    Name(String),
    Number(u64),
    /// The address of a peer, which may be any.
    AnyPeer,
    /// Another kind of packet has it, this one has not.
    Lacking,
}

impl Packet {
    /// Whether all of a rule's conditions hold; none where that cannot be known.
    pub fn satisfies(&self, expressions: &[Value]) -> Option<bool> {
        let conditions = expressions.iter().filter_map(|expression| {
            let (name, content) = expression.as_object()?.iter().next()?;
            match name.as_str() {
                "match" => Some(self.matches(content)),
                // Of what is translated for iptables nothing more is known; limits and the like may hold.
                "xt" | "limit" | "quota" | "ct count" | "meter" | "socket" | "tproxy" => Some(None),
                _ => None,
            }
        });
        let each: Vec<Option<bool>> = conditions.collect();
        if each.contains(&Some(false)) {
            Some(false)
        } else if each.contains(&None) {
            None
        } else {
            Some(true)
        }
    }

    fn matches(&self, condition: &Value) -> Option<bool> {
        let part = self.part(&condition["left"])?;
        if matches!(part, Part::Lacking) {
            return Some(false);
        }
        let right = &condition["right"];
        let compared = |holds: fn(&u64, &u64) -> bool| match &part {
            Part::Number(number) => Some(holds(number, &right.as_u64()?)),
            _ => None,
        };
        match condition["op"].as_str()? {
            "==" | "in" => part.is_in(right),
            "!=" => part.is_in(right).map(|is_in| !is_in),
            "<" => compared(u64::lt),
            ">" => compared(u64::gt),
            "<=" => compared(u64::le),
            ">=" => compared(u64::ge),
            _ => None,
        }
    }

    /// Whether a part of the packet is this, as the key of a map.
    pub fn is(&self, part: &Value, value: &Value) -> Option<bool> {
        self.part(part)?.is_in(value)
    }

    fn part(&self, left: &Value) -> Option<Part> {
        let (kind, content) = left.as_object()?.iter().next()?;
        match kind.as_str() {
            "meta" => self.meta(content["key"].as_str()?),
            "ct" => match content["key"].as_str()? {
                "state" => Some(Part::Words(if self.is_answer { vec!["established"] } else { vec!["new"] })),
                "status" => Some(Part::Words(if self.is_translated { vec!["dnat"] } else { vec![] })),
                _ => None,
            },
            "payload" => self.payload(content["protocol"].as_str()?, content["field"].as_str()?),
            _ => None,
        }
    }

    fn meta(&self, key: &str) -> Option<Part> {
        match key {
            "iifname" | "iif" => self.from_device.clone().map(Part::Name),
            "oifname" | "oif" => self.to_device.clone().map(Part::Name),
            "l4proto" => Some(Part::Words(vec!["udp", "17"])),
            "nfproto" => Some(Part::Words(if self.is_ipv6 { vec!["ipv6"] } else { vec!["ipv4"] })),
            "protocol" => Some(Part::Words(if self.is_ipv6 { vec!["ip6"] } else { vec!["ip"] })),
            _ => None,
        }
    }

    fn payload(&self, protocol: &str, field: &str) -> Option<Part> {
        match (protocol, field) {
            ("udp" | "th", "sport") => self.from_port.map(|port| Part::Number(port.into())),
            ("udp" | "th", "dport") => self.to_port.map(|port| Part::Number(port.into())),
            ("ip", _) if self.is_ipv6 => Some(Part::Lacking),
            ("ip6", _) if !self.is_ipv6 => Some(Part::Lacking),
            ("ip", "protocol") | ("ip6", "nexthdr") => Some(Part::Words(vec!["udp", "17"])),
            ("ip" | "ip6", "saddr") if self.is_from_peer => Some(Part::AnyPeer),
            ("ip" | "ip6", "daddr") if !self.is_from_peer => Some(Part::AnyPeer),
            ("tcp" | "icmp" | "icmpv6" | "sctp" | "dccp" | "igmp" | "esp" | "ah", _) => Some(Part::Lacking),
            _ => None,
        }
    }
}

impl Part {
    fn is_in(&self, value: &Value) -> Option<bool> {
        match value {
            Value::Array(values) => self.is_in_any(values),
            Value::Object(fields) => match fields.iter().next().map(|(name, content)| (name.as_str(), content))? {
                ("set", Value::Array(values)) => self.is_in_any(values),
                ("set", single) => self.is_in(single),
                ("elem", element) => self.is_in(&element["val"]),
                ("range", Value::Array(ends)) => self.is_between(ends.first()?, ends.get(1)?),
                ("prefix", prefix) => match self {
                    // A part of the world is not where peers are.
                    Self::AnyPeer => Some(prefix["len"].as_u64()? == 0),
                    _ => None,
                },
                _ => None,
            },
            Value::String(text) if text.starts_with('@') => None,
            Value::String(text) => match self {
                Self::Words(words) => Some(words.contains(&text.as_str())),
                Self::Name(name) => Some(text.strip_suffix('*').map_or(name == text, |begin| name.starts_with(begin))),
                Self::Number(number) => text.parse().ok().map(|text: u64| *number == text),
                Self::AnyPeer => text.parse::<IpAddr>().ok().map(|_| false),
                Self::Lacking => Some(false),
            },
            Value::Number(wanted) => match self {
                Self::Number(number) => Some(wanted.as_u64() == Some(*number)),
                Self::Words(words) => Some(words.contains(&wanted.to_string().as_str())),
                _ => None,
            },
            _ => None,
        }
    }

    fn is_in_any(&self, values: &[Value]) -> Option<bool> {
        let each: Vec<Option<bool>> = values.iter().map(|value| self.is_in(value)).collect();
        if each.contains(&Some(true)) {
            Some(true)
        } else if each.contains(&None) {
            None
        } else {
            Some(false)
        }
    }

    fn is_between(&self, first: &Value, last: &Value) -> Option<bool> {
        match self {
            Self::Number(number) => Some((first.as_u64()?..=last.as_u64()?).contains(number)),
            Self::AnyPeer => Some(false),
            _ => None,
        }
    }
}
