//! OpenMetrics is the text in which a node tells how it is. What is wanted is picked out line by line; what is broken,
//! missing or unknown is passed over.

use semver::Version;

use crate::node::NodeMetrics;

/// What `/metadata` tells about a node.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Metadata {
    /// Its name in the network.
    pub peer_id: Option<String>,
    /// Its version, where it is one.
    pub version: Option<Version>,
}

/// One line: `name{label="value"} figure`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Sample<'a> {
    name: &'a str,
    labels: &'a str,
    figure: &'a str,
}

impl<'a> Sample<'a> {
    fn parse(line: &'a str) -> Option<Self> {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            return None;
        }
        let end = line.find(['{', ' ', '\t'])?;
        let (name, rest) = line.split_at(end);
        let (labels, rest) = match rest.strip_prefix('{') {
            Some(inside) => inside.split_at_checked(end_of_labels(inside)?)?,
            None => ("", rest),
        };
        let figure = rest.trim_start_matches('}').split_whitespace().next()?;
        Some(Self { name, labels, figure })
    }

    /// The value of a label, its escapes undone.
    fn label(&self, wanted: &str) -> Option<String> {
        let mut rest = self.labels;
        while let Some((name, quoted)) = rest.split_once("=\"") {
            let end = end_of_text(quoted)?;
            if name.trim_matches([',', ' ']) == wanted {
                return Some(unescaped(&quoted[..end]));
            }
            rest = quoted.get(end + 1..)?;
        }
        None
    }

    fn number(&self) -> Option<f64> {
        self.figure.parse().ok().filter(|number: &f64| number.is_finite())
    }

    /// A count: never negative, and fractions are cut off. Integers stay exact however large they are.
    fn count(&self) -> Option<u64> {
        if let Ok(exact) = self.figure.parse() {
            return Some(exact);
        }
        let number = self.number().filter(|number| *number >= 0.0)?;
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "fractions are cut off on purpose")]
        Some(number as u64)
    }

    /// An amount as exact text, however large it is.
    fn amount(&self) -> Option<String> {
        let whole = self.figure.strip_suffix(".0").unwrap_or(self.figure);
        if !whole.is_empty() && whole.bytes().all(|digit| digit.is_ascii_digit()) {
            return Some(whole.to_owned());
        }
        self.number().filter(|number| *number >= 0.0).map(|number| number.to_string())
    }
}

/// The samples of a text. What follows its last line end was broken off, perhaps in the middle of a figure.
fn samples(text: &str) -> impl Iterator<Item = Sample<'_>> {
    text.split_inclusive('\n').filter(|line| line.ends_with('\n')).filter_map(Sample::parse)
}

/// Where the labels end: the first `}` outside of a quoted text.
fn end_of_labels(text: &str) -> Option<usize> {
    let mut from = 0;
    loop {
        let next = from + text.get(from..)?.find(['"', '}'])?;
        if text.as_bytes()[next] == b'}' {
            return Some(next);
        }
        from = next + 1 + end_of_text(text.get(next + 1..)?)? + 1;
    }
}

/// Where a quoted text ends: the first `"` without an odd number of backslashes before it.
fn end_of_text(text: &str) -> Option<usize> {
    let mut escaped = false;
    text.bytes().position(|byte| {
        let ends = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        ends
    })
}

fn unescaped(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\\' => plain.extend(characters.next().map(|escaped| if escaped == 'n' { '\n' } else { escaped })),
            other => plain.push(other),
        }
    }
    plain
}

/// Reads `/metadata`; none when nothing in it comes from a node.
#[must_use]
pub fn metadata(text: &str) -> Option<Metadata> {
    let mut metadata = Metadata::default();
    let mut is_node = false;
    for sample in samples(text) {
        match sample.name {
            "ant_networking_peer_id_info" => metadata.peer_id = sample.label("peer_id").filter(|id| is_peer_id(id)),
            "ant_node_antnode_version_info" => {
                metadata.version = sample.label("antnode_version").and_then(|version| Version::parse(&version).ok());
            }
            _ => continue,
        }
        is_node = true;
    }
    is_node.then_some(metadata)
}

/// Whether it can be a peer's name, which is Base58. It is kept and shown, so nothing else may pass for one.
fn is_peer_id(text: &str) -> bool {
    (1..=128).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_alphanumeric())
}

/// Reads `/metrics`. What is not reported stays none.
#[must_use]
pub fn metrics(text: &str) -> NodeMetrics {
    let mut metrics = NodeMetrics::default();
    for sample in samples(text) {
        let (count, number) = (|| sample.count(), || sample.number());
        match sample.name {
            "ant_node_uptime" => metrics.uptime_seconds = count(),
            "ant_networking_records_stored" => metrics.records = count(),
            "ant_networking_relevant_records" => metrics.relevant_records = count(),
            "ant_networking_max_records" => metrics.max_records = count(),
            // One series for each kind of record.
            "ant_node_put_record_ok_total" => metrics.puts = sum(metrics.puts, count()),
            "libp2p_kad_query_result_get_record_ok_total" => metrics.gets = sum(metrics.gets, count()),
            "ant_networking_connected_peers" => metrics.connected_peers = count(),
            "ant_networking_open_connections" => metrics.open_connections = count(),
            "ant_networking_peers_in_routing_table" => metrics.peers_in_routing_table = count(),
            "ant_networking_bad_peers_count_total" => metrics.bad_peers = count(),
            "ant_networking_shunned_count_total" => metrics.shunned = count(),
            "ant_networking_estimated_network_size" => metrics.network_size = count(),
            "ant_networking_received_payment_count" => metrics.payments = count(),
            "ant_networking_live_time" => metrics.live_time = count(),
            "ant_node_current_reward_wallet_balance" => metrics.rewards = sample.amount(),
            "ant_networking_process_memory_used_mb" => metrics.memory_megabytes = number(),
            "ant_networking_process_cpu_usage_percentage" => metrics.cpu_percent = number(),
            _ => {}
        }
    }
    metrics
}

fn sum(before: Option<u64>, more: Option<u64>) -> Option<u64> {
    match (before, more) {
        (Some(before), Some(more)) => Some(before.saturating_add(more)),
        (before, more) => before.or(more),
    }
}
