use proptest::prelude::*;

use super::*;
use crate::node::{NodeId, NodeRef, Ports};
use crate::process_manager::{FoundNode, ProcessState};

fn spec(flavour: Flavour) -> NodeSpec {
    NodeSpec {
        id: NodeId(7),
        name: NodeId(7).name(),
        flavour,
        program: "/usr/local/bin/antnode".into(),
        version: None,
        root_dir: "/srv/my nodes/antnode0007".into(),
        binary: format!("/srv/my nodes/antnode0007/{}", flavour.program_name()).into(),
        log_dir: "/var/log/antnode/antnode0007".into(),
        bootstrap_cache_dir: "/srv/bootstrap-cache".into(),
        ports: flavour.ports().iter().zip([55007, 13007]).map(|(kind, port)| (*kind, port)).collect(),
        wallet: "0x03B770D9cD32077cC0bF330c13C114a87643B124".to_owned(),
        network: "evm-arbitrum-one".to_owned(),
        no_upnp: true,
        environment: vec![("A".to_owned(), "1 B=2".to_owned())],
        start_args: vec!["--peer".to_owned(), "/ip4/10.0.0.1/udp/1".to_owned()],
        group: None,
    }
}

fn line(spec: &NodeSpec) -> CommandLine {
    let launch = spec.launch();
    CommandLine::new([vec![launch.program.display().to_string()], launch.arguments].concat())
}

#[test]
fn f52_start_args_are_part_of_the_v1_command_line() {
    insta::assert_snapshot!(spec(Flavour::V1).launch().arguments.join("\n"), @"
    --bootstrap-cache-dir
    /srv/bootstrap-cache
    --root-dir
    /srv/my nodes/antnode0007
    --port
    55007
    --enable-metrics-server
    --metrics-server-port
    13007
    --log-output-dest
    /var/log/antnode/antnode0007
    --max-log-files
    1
    --max-archived-log-files
    1
    --no-upnp
    --rewards-address
    0x03B770D9cD32077cC0bF330c13C114a87643B124
    --peer
    /ip4/10.0.0.1/udp/1
    evm-arbitrum-one
    ");
}

#[test]
fn a_v2_node_has_one_port_and_does_not_start_its_successor() {
    let spec = NodeSpec { start_args: vec![], ..spec(Flavour::V2) };
    insta::assert_snapshot!(spec.launch().arguments.join(" "), @"--root-dir /srv/my nodes/antnode0007 --port 55007 --disable-webrtc-direct --stop-on-upgrade --enable-logging --log-dir /var/log/antnode/antnode0007 --log-max-files 1 --rewards-address 0x03B770D9cD32077cC0bF330c13C114a87643B124 --evm-network arbitrum-one");
}

#[test]
fn an_option_is_found_in_either_spelling_and_never_by_a_part_of_a_word() {
    let words = ["/a/antnode", "--rewards-address", "0x--port", "--port=7", "--root-dir", "/a"];
    let line = CommandLine::new(words.map(str::to_owned).to_vec());
    assert_eq!(line.option("--port"), Some("7"));
    assert_eq!(line.option("--root-dir"), Some("/a"));
    assert_eq!(line.option("--root"), None);
    assert!(!CommandLine::new(vec!["/a/antnode".to_owned(), "--version".to_owned()]).is_nodes());
}

#[test]
fn antctls_rpc_address_tells_a_port() {
    let words = ["/a/antnode", "--rpc", "127.0.0.1:30001", "--root-dir", "/a", "--port", "0"];
    let line = CommandLine::new(words.map(str::to_owned).to_vec());
    assert_eq!(line.ports(), Ports::default().with(PortKind::Rpc, 30001));
    assert_eq!(line.flavour(), Some(Flavour::V1));
}

#[test]
fn what_somebody_else_gave_a_node_is_told_from_what_wnm_gives_every_node() {
    let added = |line: &str| {
        let words = line.split(' ').map(str::to_owned).collect();
        CommandLine::new(words).start_args().join(" ")
    };
    let lines = [
        "/a/antnode --rpc 127.0.0.1:30001 --root-dir /a --relay --port=1 --ip 10.0.0.1 --stop-on-upgrade evm-arbitrum-one",
        "/a/antnode --first --rewards-address 0x1 --peer /ip4/1 --no-upnp --enable-metrics-server --metrics-server-port 2",
        "/a/ant-node --root-dir /a --bootstrap 1.2.3.4:5 --enable-logging --log-dir /l --evm-network arbitrum-one --ipv4-only",
        "/a/antnode --root-dir /a --network-id=7 evm-elsewhere",
        "/a/antnode",
    ];
    insta::assert_snapshot!(lines.map(added).join("\n"), @"
    --relay --ip 10.0.0.1
    --first --peer /ip4/1
    --bootstrap 1.2.3.4:5 --ipv4-only
    --network-id=7
    ");
}

#[test]
fn a_program_tells_its_flavour_and_version() {
    let told = |text| Flavour::of_version_text(text).map(|(flavour, version)| format!("{flavour} {version}"));
    assert_eq!(told("Autonomi Node v0.4.17\nNetwork version: x\n").as_deref(), Some("v1 0.4.17"));
    assert_eq!(told("\nant-node 0.23.1-rc.1\nA node\n").as_deref(), Some("v2 0.23.1-rc.1"));
    assert_eq!(told("nginx 1.2.3"), None);
    assert_eq!(told(""), None);
}

fn any_spec() -> impl Strategy<Value = NodeSpec> {
    let path = "/[a-z ]{1,8}/antnode0007";
    let networks: Vec<&str> = NETWORKS.iter().map(|(word, _)| *word).chain(["evm-custom"]).collect();
    (
        prop::sample::select(Flavour::ALL.to_vec()),
        path,
        path,
        1..=u16::MAX,
        1..=u16::MAX,
        prop::sample::select(networks),
        any::<bool>(),
        start_args(),
    )
        .prop_map(|(flavour, root_dir, log_dir, node, metrics, network, no_upnp, start_args)| NodeSpec {
            root_dir: root_dir.into(),
            log_dir: log_dir.into(),
            ports: flavour.ports().iter().zip([node, metrics]).map(|(kind, port)| (*kind, port)).collect(),
            network: network.to_owned(),
            no_upnp,
            start_args,
            ..spec(flavour)
        })
}

/// What an owner may give nodes: options of every form, with values that look like anything but one of wnm's options.
fn start_args() -> impl Strategy<Value = Vec<String>> {
    let option = "--(x|peer|relay|ip|no-upnp-please|port-range)(=[a-z0-9 =-]{0,5})?";
    let words = prop_oneof![option, "[a-z0-9 /.=]{0,6}", Just("-v".to_owned())];
    prop::collection::vec(words, 0..5)
}

proptest! {
    #[test]
    fn what_a_node_is_told_is_read_back(spec in any_spec()) {
        let found = FoundNode::named(spec.name.clone(), Some(spec.id), ProcessState::Absent).told(&line(&spec));
        prop_assert_eq!(found.flavour, Some(spec.flavour));
        prop_assert_eq!(found.root_dir.as_ref(), Some(&spec.root_dir));
        prop_assert_eq!(found.binary.as_ref(), Some(&spec.binary));
        prop_assert_eq!(found.log_dir.as_ref(), Some(&spec.log_dir));
        prop_assert_eq!(&found.ports, &spec.ports);
        prop_assert_eq!(found.wallet.as_ref(), Some(&spec.wallet));
        prop_assert_eq!(found.network.as_ref(), Some(&spec.network));
        prop_assert_eq!(found.start_args.as_ref(), Some(&spec.start_args));
        prop_assert_eq!(found.no_upnp, (spec.flavour == Flavour::V1).then_some(spec.no_upnp));
        prop_assert!(line(&spec).names_directory(&spec.root_dir));
        prop_assert_eq!(NodeRef::new(spec.clone()).launch.program, spec.binary);
    }

    #[test]
    fn any_words_are_read_without_a_panic(words in prop::collection::vec(".*", 0..6)) {
        let line = CommandLine::new(words);
        let _ = (line.flavour(), line.ports(), line.network(), line.log_dir(), line.is_nodes(), line.start_args());
    }
}
