//! Ports that others hold, and ports that the kernel may give to others.

use std::collections::BTreeSet;

use wnm_allocator::PORTS_PER_START;

use super::{Facts, HeldPort, error, sysctl, warning};
use crate::decide::port_start;
use crate::node::Status;
use crate::settings::Config;
use wnm_pm::container_host::ContainerNetwork;
use wnm_pm::port::Protocol;
use wnm_pm::process_manager::Finding;

/// The first few, and that there are more.
pub(super) fn some(words: &[String]) -> String {
    const SHOWN: usize = 5;
    match words.len() {
        0..=SHOWN => words.join(", "),
        _ => format!("{} …", words[..SHOWN].join(", ")),
    }
}

/// The highest number that a node has or will get.
fn highest_number(config: &Config, facts: &Facts) -> u32 {
    facts.nodes.iter().map(|node| node.id.0).max().unwrap_or(0).max(config.node_cap)
}

/// Ports of nodes that stand still, and of numbers that are still free.
pub(super) fn held(config: &Config, facts: &Facts) -> Vec<Finding> {
    // Docker itself holds the ports that it publishes, whole ranges of them.
    if config.process_manager.uses_containers() && config.container_network == ContainerNetwork::Docker {
        return Vec::new();
    }
    let of_a_node = |held: &&HeldPort| {
        facts.nodes.iter().any(|node| {
            node.ports.get(held.kind) == Some(held.port) && matches!(node.status, Status::Stopped | Status::Disabled)
        })
    };
    let of_a_free_number = |held: &&HeldPort| {
        let Some(start) = port_start(config, held.kind) else { return false };
        let start = u32::from(start) * PORTS_PER_START;
        let number = u32::from(held.port).saturating_sub(start);
        (1..=highest_number(config, facts)).contains(&number) && !facts.nodes.iter().any(|node| node.id.0 == number)
    };
    let told = |held: Vec<&HeldPort>| {
        let mut words: Vec<String> = Vec::new();
        for HeldPort { kind, port, holder } in &held {
            words.push(format!("{} {port} by {holder}", kind.protocol()));
        }
        some(&words)
    };
    let fix = |held: &HeldPort| {
        let option = if held.kind.protocol() == Protocol::Udp { "-lunp" } else { "-ltnp" };
        format!("sudo ss {option} 'sport = :{}' shows who holds it: end that, or give it another port", held.port)
    };
    let mut findings = Vec::new();
    let nodes: Vec<&HeldPort> = facts.held_ports.iter().filter(of_a_node).collect();
    if let Some(first) = nodes.first() {
        let what = format!("ports of stopped nodes are held ({}): {}", nodes.len(), told(nodes.clone()));
        findings.push(error("node-port-held", what, "these nodes cannot start", fix(first)));
    }
    let free: Vec<&HeldPort> = facts.held_ports.iter().filter(of_a_free_number).collect();
    if let Some(first) = free.first() {
        let what = format!("ports of numbers up to node_cap are held ({}): {}", free.len(), told(free.clone()));
        findings.push(warning("free-port-held", what, "these numbers are passed over", fix(first)));
    }
    findings
}

/// Ports that the kernel gives to any program that asks for one.
pub(super) fn given_away(config: &Config, facts: &Facts) -> Option<Finding> {
    let (first, last) = facts.kernel.local_ports?;
    let reserved = parse(&facts.kernel.reserved_ports);
    let highest = highest_number(config, facts);
    let of_nodes: BTreeSet<u16> = [config.port_start, config.metrics_port_start]
        .into_iter()
        .chain(config.webrtc_port_start)
        .flat_map(|start| (1..=highest).filter_map(move |number| port(start, number)))
        .collect();
    let exposed: BTreeSet<u16> =
        of_nodes.range(first..=last).copied().filter(|port| !reserved.contains(port)).collect();
    let all: BTreeSet<u16> = exposed.iter().chain(&reserved).copied().collect();
    (!exposed.is_empty()).then(|| {
        let what = format!(
            "{} ports of nodes ({}) lie among {first}-{last}, which the kernel gives to any program that asks for one",
            exposed.len(),
            render(&exposed)
        );
        let fix = sysctl(&format!("net.ipv4.ip_local_reserved_ports = {}", render(&all)));
        warning("ports-given-away", what, "now and then a node cannot start since its port is in use", fix)
    })
}

fn port(start: u16, number: u32) -> Option<u16> {
    u16::try_from(u32::from(start) * PORTS_PER_START + number).ok()
}

/// `55001-55200,60000`
fn parse(list: &str) -> BTreeSet<u16> {
    let ends = list.trim().split(',').filter_map(|part| {
        let (first, last) = part.split_once('-').unwrap_or((part, part));
        Some((first.trim().parse::<u16>().ok()?, last.trim().parse::<u16>().ok()?))
    });
    ends.flat_map(|(first, last)| first..=last).collect()
}

fn render(ports: &BTreeSet<u16>) -> String {
    let ports: Vec<u16> = ports.iter().copied().collect();
    let runs = ports.chunk_by(|one, next| one + 1 == *next).map(|run| match run {
        [first, .., last] => format!("{first}-{last}"),
        [only] => only.to_string(),
        [] => String::new(),
    });
    runs.collect::<Vec<_>>().join(",")
}
