//! The nodes' metrics seen from outside their container.

use std::fs;
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::time::Duration;

use wnm_pm_s6overlay::layout::STORAGE;
use wnm_pm_s6overlay::script::NodeState;
use wnm_testing::Need::S6Image;
use wnm_testing::{docker_label, test_node};

use crate::container::{Container, docker, image, until};

const OPTIONS: [&str; 6] = [
    "--cap-add=NET_ADMIN",
    "--security-opt=no-new-privileges",
    "--sysctl",
    "net.ipv4.conf.all.route_localnet=1",
    "--env",
    "WNM_METRICS_PORTS=13001-13200",
];

/// Defines node 1 with its metrics server on port 13001.
fn define_node(container: &Container) {
    fs::copy(test_node("0.4.17"), container.storage().join("antnode")).unwrap();
    let (program, root_dir) = (format!("{STORAGE}/antnode"), format!("{STORAGE}/antnode0001"));
    let wallet = format!("0x{}", "a".repeat(40));
    let ports = ["--port", "55001", "--enable-metrics-server", "--metrics-server-port", "13001"];
    let line = [&[program.as_str(), "--root-dir", &root_dir][..], &ports, &["--rewards-address", &wallet]].concat();
    container.define(1, &line, &[]);
}

/// What this port of the container answers to this machine.
fn ask(container: &Container, port: u16) -> Option<String> {
    let address = container.inspect("{{.NetworkSettings.IPAddress}}");
    let address: SocketAddr = format!("{address}:{port}").parse().ok()?;
    let mut stream = TcpStream::connect_timeout(&address, Duration::from_secs(2)).ok()?;
    stream.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
    stream.write_all(b"GET /metrics HTTP/1.1\r\nHost: node\r\n\r\n").ok()?;
    // A node keeps the connection open for more questions, until it hears that there are none.
    stream.shutdown(Shutdown::Write).ok()?;
    let mut answer = String::new();
    stream.read_to_string(&mut answer).ok()?;
    Some(answer)
}

fn metrics_are_reached_at_the_containers_address_also_after_a_restart() {
    let container = Container::prepared(&OPTIONS);
    define_node(&container);
    container.run();
    let answers = || ask(&container, 13001).is_some_and(|answer| answer.contains("ant_networking_connected_peers"));
    until("the node's metrics answer", answers);
    let sockets = container.shell("ss -Htln sport = :13001");
    assert!(sockets.contains("127.0.0.1:13001"), "the node listens on the container's own 127.0.0.1: {sockets}");
    assert_eq!(ask(&container, 13201), None, "ports outside the range stay closed");

    docker(&["restart", "--time", "60", &container.name]);
    until("the node's metrics answer again", answers);
}

fn what_else_listens_inside_stays_out_of_reach() {
    let container = Container::prepared(&OPTIONS);
    container.run();
    container.await_boot();
    let rules = container.shell("nft list table ip wnm_metrics");
    assert!(rules.contains("ip daddr 127.0.0.0/8 drop"), "packets from outside for 127.0.0.1 are dropped: {rules}");
}

fn without_the_right_nodes_run_unseen_and_the_log_says_why() {
    let container = Container::prepared(&OPTIONS[1..]);
    define_node(&container);
    container.run();
    until("the node runs", || {
        container.inspect("{{.State.Running}}") == "true" && container.states().values().eq(&[NodeState::Up])
    });
    assert!(container.log().contains("has the container NET_ADMIN?"), "{}", container.log());

    let container = Container::prepared(&[OPTIONS[0], OPTIONS[4], OPTIONS[5]]);
    container.run();
    container.await_boot();
    assert!(container.log().contains("lacks the sysctl net.ipv4.conf.all.route_localnet=1"), "{}", container.log());
}

fn several_ranges_are_handed_over_each_by_its_protocol() {
    let mut options = OPTIONS;
    options[5] = "WNM_METRICS_PORTS=14001-14200,13001-13200,15001-15002/udp";
    let container = Container::prepared(&options);
    define_node(&container);
    container.run();
    until("the node's metrics answer", || ask(&container, 13001).is_some());
    let rules = container.shell("nft list chain ip wnm_metrics metrics");
    for range in ["tcp dport 14001-14200", "tcp dport 13001-13200", "udp dport 15001-15002"] {
        assert!(rules.contains(&format!("{range} dnat to 127.0.0.1")), "{range}: {rules}");
    }
}

fn a_range_that_is_none_is_not_handed_to_nft() {
    let options = [OPTIONS[0], OPTIONS[2], OPTIONS[3], "--env", "WNM_METRICS_PORTS=1 accept; drop"];
    let container = Container::prepared(&options);
    container.run();
    container.await_boot();
    assert!(container.log().contains("WNM_METRICS_PORTS is not a list of port ranges"), "{}", container.log());
}

fn metrics_are_the_machines_business_and_not_a_neighbours() {
    let container = Container::prepared(&OPTIONS);
    define_node(&container);
    container.run();
    until("the node's metrics answer the machine", || ask(&container, 13001).is_some());
    let address = format!("http://{}:13001/metrics", container.inspect("{{.NetworkSettings.IPAddress}}"));
    let label = docker_label();
    let neighbour =
        ["run", "--rm", "--label", &label, "--entrypoint", "curl", &image(), "--silent", "--max-time", "3", &address];
    let asked = docker(&neighbour);
    assert!(!asked.status.success() && asked.stdout.is_empty(), "a neighbour reads nothing: {asked:?}");
    assert!(ask(&container, 13001).is_some(), "the machine still does");
}

wnm_testing::trials! {
    &[S6Image] =>
        metrics_are_reached_at_the_containers_address_also_after_a_restart,
        what_else_listens_inside_stays_out_of_reach,
        without_the_right_nodes_run_unseen_and_the_log_says_why,
        several_ranges_are_handed_over_each_by_its_protocol,
        a_range_that_is_none_is_not_handed_to_nft,
        metrics_are_the_machines_business_and_not_a_neighbours;
}
