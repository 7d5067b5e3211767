//! What nodes say is read tolerantly, and never wrongly.

use proptest::prelude::*;
use wnm_core::node::NodeMetrics;
use wnm_core::observe::openmetrics::{Metadata, metadata, metrics};

const METADATA: &str = include_str!("../data/metadata.txt");
const ALONE: &str = include_str!("../data/metrics-alone.txt");
const CONNECTED: &str = include_str!("../data/metrics-connected.txt");

#[test]
fn a_nodes_metadata_is_read() {
    insta::assert_compact_debug_snapshot!(metadata(METADATA).expect("it is a node's"), @r#"Metadata { peer_id: Some("12D3KooWEy6S5kyWcmk6HCoGdy7J656vbiRbFY6WWnxi2SgoG3rk"), version: Some(Version { major: 0, minor: 4, patch: 17 }) }"#);
}

#[test]
fn the_figures_of_a_connected_node_are_read() {
    insta::assert_compact_debug_snapshot!(metrics(CONNECTED), @r#"NodeMetrics { uptime_seconds: Some(60), records: Some(0), stored_bytes: None, relevant_records: Some(0), max_records: Some(0), puts: None, gets: Some(0), connected_peers: Some(3), open_connections: Some(3), peers_in_routing_table: Some(3), bad_peers: Some(0), shunned: Some(0), network_size: Some(4), payments: Some(0), live_time: Some(0), rewards: Some("0"), memory_megabytes: Some(47.3784), cpu_percent: Some(0.3091) }"#);
}

#[test]
fn the_figures_of_a_node_alone_are_read() {
    insta::assert_compact_debug_snapshot!(metrics(ALONE), @r#"NodeMetrics { uptime_seconds: Some(0), records: Some(0), stored_bytes: None, relevant_records: Some(0), max_records: Some(0), puts: None, gets: Some(0), connected_peers: Some(0), open_connections: Some(0), peers_in_routing_table: Some(0), bad_peers: Some(0), shunned: Some(0), network_size: Some(0), payments: Some(0), live_time: Some(0), rewards: Some("0"), memory_megabytes: Some(38.0436), cpu_percent: Some(0.0) }"#);
}

fn version_of(label: &str) -> Option<String> {
    let text = format!("ant_node_antnode_version_info{{antnode_version=\"{label}\"}} 1\n");
    metadata(&text).expect("it is a node's").version.map(|version| version.to_string())
}

#[test]
fn f50_pre_releases_keep_their_whole_version() {
    assert_eq!(version_of("0.4.17-rc.1").as_deref(), Some("0.4.17-rc.1"));
    assert_eq!(version_of("0.4.17+build.9").as_deref(), Some("0.4.17+build.9"));
    assert_eq!(version_of("soon"), None, "it runs, without a version");
}

#[test]
fn texts_of_others_are_no_nodes() {
    let exporter = "# TYPE node_cpu_seconds_total counter\nnode_cpu_seconds_total{cpu=\"0\"} 1.5\n";
    for text in ["", "\n", exporter, "<html>ant_networking_peer_id_info</html>\n", "{}\n", "# EOF\n"] {
        assert_eq!(metadata(text), None, "{text:?}");
    }
}

#[test]
fn f61_rewards_are_exact() {
    let rewards = |figure: &str| metrics(&format!("ant_node_current_reward_wallet_balance {figure}\n")).rewards;
    assert_eq!(rewards("246913578024691370001").as_deref(), Some("246913578024691370001"));
    assert_eq!(rewards("246913578024691370001.0").as_deref(), Some("246913578024691370001"));
    assert_eq!(rewards("0").as_deref(), Some("0"));
    assert_eq!(rewards("1e3").as_deref(), Some("1000"));
    for nothing in ["NaN", "-5", "+Inf", "", "lots", "-"] {
        assert_eq!(rewards(nothing), None, "{nothing:?}");
    }
}

#[test]
fn f31_one_malformed_figure_spoils_no_other() {
    let text = "ant_node_uptime soon\nant_networking_connected_peers 12\nant_networking_records_stored {{{ 12 13\n";
    let expected = NodeMetrics { connected_peers: Some(12), ..NodeMetrics::default() };
    assert_eq!(metrics(text), expected);
}

#[test]
fn numbers_come_in_every_dress() {
    let peers = |figure: &str| metrics(&format!("ant_networking_connected_peers {figure}\n")).connected_peers;
    let cases = [
        ("12", Some(12)),
        ("12.0", Some(12)),
        ("12.9", Some(12)),
        ("1.2e1", Some(12)),
        ("1.2E+1", Some(12)),
        ("12 1790000000.5", Some(12)),
        ("12 # {trace=\"}\"} 5", Some(12)),
        ("9007199254740993", Some(9_007_199_254_740_993)),
        ("1e300", Some(u64::MAX)),
        ("-1", None),
        ("NaN", None),
        ("+Inf", None),
        ("0x10", None),
        ("", None),
    ];
    for (figure, expected) in cases {
        assert_eq!(peers(figure), expected, "{figure:?}");
    }
}

#[test]
fn series_of_one_kind_are_added_up() {
    let text = "ant_node_put_record_ok_total{record_type=\"Chunk\"} 5\n\
                ant_node_put_record_ok_total{record_type=\"Scratch}pad\"} 7.0\n\
                ant_node_put_record_ok_total{record_type=\"Odd\"} NaN\n";
    assert_eq!(metrics(text).puts, Some(12));
}

/// A series that no antnode has would leave its figure unknown for ever, and no other test would tell.
#[test]
fn each_count_comes_from_a_series_that_antnode_has() {
    type Figure = fn(&NodeMetrics) -> Option<u64>;
    let figures: [(&str, Figure); 13] = [
        ("ant_node_uptime", |metrics| metrics.uptime_seconds),
        ("ant_networking_records_stored", |metrics| metrics.records),
        ("ant_networking_relevant_records", |metrics| metrics.relevant_records),
        ("ant_networking_max_records", |metrics| metrics.max_records),
        ("libp2p_kad_query_result_get_record_ok_total", |metrics| metrics.gets),
        ("ant_networking_connected_peers", |metrics| metrics.connected_peers),
        ("ant_networking_open_connections", |metrics| metrics.open_connections),
        ("ant_networking_peers_in_routing_table", |metrics| metrics.peers_in_routing_table),
        ("ant_networking_bad_peers_count_total", |metrics| metrics.bad_peers),
        ("ant_networking_shunned_count_total", |metrics| metrics.shunned),
        ("ant_networking_estimated_network_size", |metrics| metrics.network_size),
        ("ant_networking_received_payment_count", |metrics| metrics.payments),
        ("ant_networking_live_time", |metrics| metrics.live_time),
    ];
    for (name, figure) in figures {
        assert!(CONNECTED.lines().any(|line| line.split(' ').next() == Some(name)), "antnode has no {name}");
        assert_eq!(figure(&metrics(&format!("{name} 7\n"))), Some(7), "{name}");
        assert_eq!(metrics(&format!("{name} NaN\n")), NodeMetrics::default(), "{name}");
    }
}

#[test]
fn lines_may_end_as_they_do_elsewhere() {
    assert_eq!(metrics(&CONNECTED.replace('\n', "\r\n")), metrics(CONNECTED));
    assert_eq!(metadata(&METADATA.replace('\n', "\r\n")), metadata(METADATA));
}

/// Whether `part` says nothing that `whole` does not say.
fn agrees<T: PartialEq>(part: &Option<T>, whole: &Option<T>) -> bool {
    part.is_none() || part == whole
}

#[test]
fn half_a_body_says_less_and_nothing_else() {
    let text = "ant_node_uptime 86400\nant_networking_connected_peers 345\n\
                ant_node_current_reward_wallet_balance 246913578\nant_networking_process_memory_used_mb 201.75\n";
    let whole = metrics(text);
    assert_eq!(whole.memory_megabytes, Some(201.75));
    for length in 0..text.len() {
        let part = metrics(&text[..length]);
        assert!(agrees(&part.uptime_seconds, &whole.uptime_seconds), "{length}: {part:?}");
        assert!(agrees(&part.connected_peers, &whole.connected_peers), "{length}: {part:?}");
        assert!(agrees(&part.rewards, &whole.rewards), "{length}: {part:?}");
        assert!(agrees(&part.memory_megabytes, &whole.memory_megabytes), "{length}: {part:?}");
    }
    let whole = metadata(METADATA).expect("it is a node's");
    for length in 0..METADATA.len() {
        let part = metadata(&METADATA[..length]).unwrap_or_default();
        assert!(agrees(&part.peer_id, &whole.peer_id) && agrees(&part.version, &whole.version), "{length}: {part:?}");
    }
}

fn escaped(text: &str) -> String {
    text.replace('\\', "\\\\").replace('"', "\\\"").replace('\n', "\\n")
}

proptest! {
    #[test]
    fn any_text_is_read(text in any::<String>(), line in "[a-z_]{0,9}[{}=\", \\\\0-9.a-z]{0,40}\n") {
        let _ = (metadata(&text), metrics(&text));
        let _ = metadata(&format!("ant_networking_peer_id_info{line}ant_node_uptime{line}"));
        let _ = metrics(&format!("ant_node_uptime{line}ant_node_put_record_ok_total{line}"));
    }

    #[test]
    fn samples_with_noise_in_them_are_read(places in proptest::collection::vec((any::<usize>(), any::<u8>()), 1..60)) {
        let mut bytes = CONNECTED.as_bytes().to_vec();
        for (place, byte) in places {
            let place = place % bytes.len();
            bytes[place] = byte;
        }
        let _ = metrics(&String::from_utf8_lossy(&bytes));
    }

    /// Whatever another label holds, braces, quotes and the wanted label's own name, the wanted one is found behind it.
    #[test]
    fn labels_are_told_apart(other in any::<String>(), peer_id in "[1-9A-HJ-NP-Za-km-z]{1,60}") {
        let other = escaped(&other.replace('\r', ""));
        let text = format!("ant_networking_peer_id_info{{note=\"{other}\",peer_id=\"{peer_id}\"}} 1\n");
        prop_assert_eq!(metadata(&text), Some(Metadata { peer_id: Some(peer_id), version: None }));
    }

    /// A peer's name is kept and shown on terminals: nothing else may pass for one.
    #[test]
    fn only_names_of_peers_are_taken_for_them(text in any::<String>()) {
        let line = format!("ant_networking_peer_id_info{{peer_id=\"{}\"}} 1\n", escaped(&text.replace('\r', "")));
        let told = metadata(&line).expect("it is a node's").peer_id;
        let plain = text.chars().all(|character| character.is_ascii_alphanumeric());
        prop_assert_eq!(told.is_some(), plain && (1..=128).contains(&text.len()));
    }
}
