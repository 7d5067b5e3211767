//! Docker's own publishing, for those who cannot set rules.

mod common;

use std::net::Ipv4Addr;

use common::peer::{Peer, answer_udp, ask_from_here, metrics};
use common::{Machine, PUBLISHED, open, run};
use wnm_pm::container_host::ContainerHost;
use wnm_pm::process_manager::{ProcessManager, Severity};
use wnm_pm_s6overlay::ContainerNetwork;

async fn docker_publishes_node_ports_to_all_and_metrics_to_this_machine() {
    let machine = Machine::new(ContainerNetwork::Docker).await;
    let manager = machine.manager();
    let mut spec = machine.group(1);
    // Every port costs its time.
    spec.ports.values_mut().for_each(|range| range.last = range.first + 4);
    let group = open(&manager, &spec).await;
    run(&manager, &[machine.spec(1)]).await;
    let udp = machine.node_port(2);
    answer_udp(machine.container_pid(1).await, udp);
    let peer = Peer::new();
    assert_eq!(peer.ask((peer.machine, udp)), Some(peer.own.into()));
    assert!(ask_from_here((Ipv4Addr::LOCALHOST, udp)).is_some());

    let port = machine.metrics_port(1);
    let said = metrics((manager.metrics_host(&group), port)).expect("metrics answer where they are read");
    assert!(said.contains("ant_networking_"), "{said}");
    assert!(!peer.connects((peer.machine, port)), "metrics are nobody else's business");

    let findings = manager.examine().await;
    let cost = findings.iter().find(|finding| finding.code == "docker-publishes").expect("the cost is found");
    assert!(cost.severity == Severity::Warning && cost.what.contains("rules"), "{cost:?}");
    assert_eq!(open(&manager, &spec).await, group, "what is up is left as it is");
}

wnm_testing::trials! {
    PUBLISHED => docker_publishes_node_ports_to_all_and_metrics_to_this_machine;
}

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([trials()])
}
