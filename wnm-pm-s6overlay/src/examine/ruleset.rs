//! A ruleset is what `nft -j list ruleset` prints. It is asked what becomes of a packet in each chain on its way.

use serde_json::Value;

use super::packet::Packet;

/// A hundred jumps are a circle.
const DEEPEST: u32 = 100;

/// All chains and rules of the machine.
pub struct Ruleset(Vec<Value>);

/// Where a packet is dropped for certain.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Drop {
    pub family: String,
    pub table: String,
    pub chain: String,
    pub hook: String,
    /// Its policy drops it; otherwise one of its rules does.
    pub by_policy: bool,
}

/// What may become of a packet in a chain.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
struct Fate {
    passes: bool,
    falls: bool,
    goes_on: bool,
}

const PASSES: Fate = Fate { passes: true, falls: false, goes_on: false };
const FALLS: Fate = Fate { passes: false, falls: true, goes_on: false };
const GOES_ON: Fate = Fate { passes: false, falls: false, goes_on: true };
const ANYTHING: Fate = Fate { passes: true, falls: true, goes_on: true };

impl Fate {
    fn or(self, other: Self) -> Self {
        Self {
            passes: self.passes || other.passes,
            falls: self.falls || other.falls,
            goes_on: self.goes_on || other.goes_on,
        }
    }

    /// What becomes of what goes on, where this holds only perhaps.
    fn perhaps(self, holds: Option<bool>) -> Self {
        if holds == Some(true) { self } else { self.or(GOES_ON) }
    }
}

impl Ruleset {
    /// Reads a listing; what is not one has no chains.
    pub fn read(listing: &str) -> Self {
        let listing: Value = serde_json::from_str(listing).unwrap_or_default();
        Self(listing["nftables"].as_array().cloned().unwrap_or_default())
    }

    /// Whether there is a table or a chain of this name.
    pub fn has(&self, kind: &str, name: &str) -> bool {
        self.0.iter().any(|entry| entry[kind]["name"] == name)
    }

    /// The base chains at one of these hooks that drop a packet whatever else may be true of it. Tables for which `passes_over`
    /// holds are not asked.
    pub fn drops(&self, packet: &Packet, hooks: &[&str], passes_over: impl Fn(&str) -> bool) -> Vec<Drop> {
        let families: &[&str] = if packet.is_ipv6 { &["inet", "ip6"] } else { &["inet", "ip"] };
        let from = packet.from_device.as_deref();
        // Not every version of nft names the device in its listing.
        let is_of_device = |chain: &Value| {
            chain["family"] == "netdev" && (chain["dev"].is_null() || from.is_some_and(|from| chain["dev"] == from))
        };
        let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
        let chains = self.0.iter().map(|entry| &entry["chain"]).filter(|chain| {
            chain["type"] == "filter"
                && hooks.iter().any(|hook| chain["hook"] == *hook)
                && (families.iter().any(|family| chain["family"] == *family) || is_of_device(chain))
                && !passes_over(chain["table"].as_str().unwrap_or_default())
        });
        let dropping = chains.filter_map(|chain| {
            let fate = self.fate(chain, packet, 0);
            let by_policy = fate.goes_on && chain["policy"] == "drop";
            let is_dropped = !fate.passes && (by_policy || (fate.falls && !fate.goes_on));
            is_dropped.then(|| Drop {
                family: text(&chain["family"]),
                table: text(&chain["table"]),
                chain: text(&chain["name"]),
                hook: text(&chain["hook"]),
                by_policy,
            })
        });
        dropping.collect()
    }

    fn fate(&self, chain: &Value, packet: &Packet, depth: u32) -> Fate {
        let is_of = |rule: &&Value| {
            ["family", "table"].iter().all(|key| rule[key] == chain[key]) && rule["chain"] == chain["name"]
        };
        let mut fate = GOES_ON;
        for rule in self.0.iter().map(|entry| &entry["rule"]).filter(|rule| rule.is_object()).filter(is_of) {
            let expressions = rule["expr"].as_array().map_or(&[][..], Vec::as_slice);
            let holds = packet.satisfies(expressions);
            if holds == Some(false) {
                continue;
            }
            let Some((verdict, ends)) = self.verdict(expressions, chain, packet, depth) else { continue };
            let verdict = verdict.perhaps(holds);
            let leaves = ends && holds == Some(true);
            fate = Fate { goes_on: leaves || verdict.goes_on, ..fate.or(verdict) };
            if leaves || !fate.goes_on {
                return fate;
            }
        }
        fate
    }

    /// What a rule does with a packet that it is for, and whether the rest of its chain is left out then.
    fn verdict(&self, expressions: &[Value], chain: &Value, packet: &Packet, depth: u32) -> Option<(Fate, bool)> {
        expressions.iter().find_map(|expression| {
            let (word, content) = expression.as_object()?.iter().next()?;
            match word.as_str() {
                "vmap" => Some((self.mapped(content, chain, packet, depth), false)),
                word => self.word(word, content, chain, packet, depth),
            }
        })
    }

    fn word(&self, word: &str, content: &Value, chain: &Value, packet: &Packet, depth: u32) -> Option<(Fate, bool)> {
        match word {
            "accept" => Some((PASSES, false)),
            "drop" | "reject" => Some((FALLS, false)),
            "queue" => Some((ANYTHING, false)),
            "return" => Some((GOES_ON, true)),
            "jump" | "goto" => {
                let is_target = |entry: &&Value| {
                    ["family", "table"].iter().all(|key| entry[key] == chain[key]) && entry["name"] == content["target"]
                };
                let target = self.0.iter().map(|entry| &entry["chain"]).find(is_target)?;
                let fate = if depth < DEEPEST { self.fate(target, packet, depth + 1) } else { ANYTHING };
                Some((fate, word == "goto"))
            }
            _ => None,
        }
    }

    /// The verdict that a map has for a packet.
    fn mapped(&self, map: &Value, chain: &Value, packet: &Packet, depth: u32) -> Fate {
        let Some(entries) = map["data"]["set"].as_array() else { return ANYTHING };
        let mut fate = GOES_ON;
        for entry in entries {
            let holds = packet.is(&map["key"], &entry[0]);
            let verdict = entry[1].as_object().and_then(|verdict| verdict.iter().next());
            let verdict = verdict.and_then(|(word, content)| self.word(word, content, chain, packet, depth));
            match (holds, verdict) {
                (Some(true), Some((verdict, _))) => return Fate { goes_on: verdict.goes_on, ..fate.or(verdict) },
                (None, Some((verdict, _))) => fate = fate.or(verdict),
                _ => {}
            }
        }
        fate
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a peer asks a node in a container.
    fn question() -> Packet {
        Packet {
            from_device: Some("eth0".to_owned()),
            to_device: Some("wnm-d7990fc5".to_owned()),
            to_port: Some(55_007),
            is_from_peer: true,
            is_translated: true,
            ..Packet::default()
        }
    }

    /// A chain `forward` with this policy and these rules.
    fn drops(policy: &str, rules: &[&str]) -> bool {
        let rules: Vec<String> = rules.iter().map(|rule| rule_of("forward", rule)).collect();
        is_dropped(policy, &rules)
    }

    fn rule_of(chain: &str, expressions: &str) -> String {
        format!(r#"{{"rule": {{"family": "inet", "table": "own", "chain": "{chain}", "expr": [{expressions}]}}}}"#)
    }

    fn is_dropped(policy: &str, others: &[String]) -> bool {
        let base = format!(
            r#"{{"chain": {{"family": "inet", "table": "own", "name": "forward", "type": "filter", "hook": "forward", "policy": "{policy}"}}}}"#
        );
        let listing = format!(r#"{{"nftables": [{}]}}"#, [&[base], others].concat().join(","));
        let found = Ruleset::read(&listing).drops(&question(), &["forward"], |_| false);
        assert!(found.iter().all(|drop| (drop.table.as_str(), drop.chain.as_str()) == ("own", "forward")));
        !found.is_empty()
    }

    const ACCEPT: &str = r#"{"accept": null}"#;
    const DROP: &str = r#"{"drop": null}"#;

    fn when(left: &str, op: &str, right: &str, then: &str) -> String {
        format!(r#"{{"match": {{"op": "{op}", "left": {left}, "right": {right}}}}}, {then}"#)
    }

    const STATE: &str = r#"{"ct": {"key": "state"}}"#;
    const FROM: &str = r#"{"meta": {"key": "iifname"}}"#;
    const TO: &str = r#"{"meta": {"key": "oifname"}}"#;
    const PORT: &str = r#"{"payload": {"protocol": "udp", "field": "dport"}}"#;
    const TCP_PORT: &str = r#"{"payload": {"protocol": "tcp", "field": "dport"}}"#;
    const PEER: &str = r#"{"payload": {"protocol": "ip", "field": "saddr"}}"#;

    #[test]
    fn policies_and_rules_that_drop_are_found() {
        assert!(drops("drop", &[]) && !drops("accept", &[]));
        assert!(drops("accept", &[DROP]) && !drops("drop", &[ACCEPT]));
        assert!(drops("drop", &[&when(STATE, "in", r#"["established", "related"]"#, ACCEPT)]), "it is a new one");
        assert!(drops("drop", &[&when(FROM, "==", r#""lo""#, ACCEPT), &when(TCP_PORT, "==", "22", ACCEPT)]));
        assert!(drops("accept", &[&when(FROM, "==", r#""eth*""#, DROP)]));
        assert!(drops("accept", &[&when(PORT, "==", r#"{"range": [50000, 60000]}"#, r#"{"reject": null}"#)]));
        assert!(drops("drop", &[&when(PEER, "==", r#"{"prefix": {"addr": "10.0.0.0", "len": 8}}"#, ACCEPT)]));
    }

    #[test]
    fn what_may_pass_is_not_said_to_be_dropped() {
        assert!(!drops("drop", &[&when(TO, "==", r#""wnm-*""#, ACCEPT)]));
        assert!(!drops("drop", &[&when(PORT, "==", r#"{"set": [22, {"range": [55001, 55200]}]}"#, ACCEPT)]));
        assert!(!drops("drop", &[&when(PEER, "==", r#""@friends""#, ACCEPT)]), "nobody knows who is in it");
        assert!(!drops("drop", &[r#"{"xt": {"type": "match", "name": "conntrack"}}, {"accept": null}"#]));
        assert!(!drops("accept", &[&when(PEER, "==", r#"{"prefix": {"addr": "10.0.0.0", "len": 8}}"#, DROP)]));
        assert!(!drops("accept", &[&when(PORT, "!=", "55007", DROP)]));
    }

    #[test]
    fn chains_that_are_jumped_to_and_maps_are_followed() {
        let to = |word: &str| rule_of("forward", &format!(r#"{{"{word}": {{"target": "more"}}}}"#));
        let more = r#"{"chain": {"family": "inet", "table": "own", "name": "more"}}"#.to_owned();
        let with = |word: &str, rule: &str, after: &str| {
            vec![more.clone(), to(word), rule_of("more", rule), rule_of("forward", after)]
        };
        assert!(is_dropped("accept", &with("jump", DROP, ACCEPT)));
        assert!(!is_dropped("drop", &with("jump", ACCEPT, DROP)));
        assert!(!is_dropped("accept", &with("goto", r#"{"return": null}"#, DROP)), "the rest is left out");
        assert!(is_dropped("accept", &with("jump", r#"{"return": null}"#, DROP)));
        let map = |new: &str| {
            format!(
                r#"{{"vmap": {{"key": {STATE}, "data": {{"set": [["established", {{"accept": null}}], ["new", {new}]]}}}}}}"#
            )
        };
        assert!(drops("accept", &[&map(DROP)]) && !drops("drop", &[&map(ACCEPT)]));
    }

    #[test]
    fn what_is_no_listing_drops_nothing() {
        for listing in ["", "{}", r#"{"nftables": 1}"#, r#"{"nftables": [{"chain": {}}, {"rule": {}}]}"#] {
            assert_eq!(Ruleset::read(listing).drops(&question(), &["forward"], |_| false), []);
        }
    }
}
