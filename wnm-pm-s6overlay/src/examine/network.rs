//! What the way from the world to the containers needs, for each kind of network.

use bollard::models::SystemInfo;
use wnm_pm::process_manager::{Finding, ManagerError, Severity};

use super::finding;
use crate::engine::Place;
use crate::network::{RuleBackend, find_program, has_ipv6, ipv6_is_usable, is_absent};
use crate::{ContainerNetwork, MachineId, S6Overlay};

/// Where Docker's own settings lie.
const ENGINE_SETTINGS: &str = "/etc/docker/daemon.json";

/// What is found for the network that is chosen.
pub async fn findings(manager: &S6Overlay, info: &SystemInfo) -> Vec<Finding> {
    let network = manager.settings.container_network;
    let mut findings = Vec::new();
    if network != ContainerNetwork::Host && info.ipv4_forwarding == Some(false) {
        findings.push(finding(
            "forwarding-off",
            Severity::Error,
            "this machine does not forward packets (net.ipv4.ip_forward = 0)",
            "no peer reaches a node in a container",
            "sysctl --write net.ipv4.ip_forward=1, and the same line in /etc/sysctl.d/wnm.conf",
        ));
    }
    if let Some((reason, fix)) = Place::of(info).objection(network) {
        findings.push(finding("engine-elsewhere", Severity::Error, reason, "no container is opened", fix));
        return findings;
    }
    match network {
        ContainerNetwork::Host => {}
        ContainerNetwork::Docker => findings.push(publishing_cost(manager.settings.max_node_per_container)),
        ContainerNetwork::Published => findings.extend(rules_findings(manager).await),
    }
    findings
}

fn publishing_cost(nodes: u32) -> Finding {
    let settings = std::fs::read_to_string(ENGINE_SETTINGS).unwrap_or_default();
    let settings: serde_json::Value = serde_json::from_str(&settings).unwrap_or_default();
    let ports = nodes * 2;
    let (proxies, fix) = match settings["userland-proxy"].as_bool() {
        Some(false) => (String::new(), "set container_network to published"),
        _ => (
            format!(" and {ports} proxy processes"),
            "set container_network to published; or \"userland-proxy\": false in /etc/docker/daemon.json",
        ),
    };
    finding(
        "docker-publishes",
        Severity::Warning,
        &format!("container_network is docker: every container costs {} rules{proxies}", ports * 3),
        "containers take from seconds to minutes to start, more with every container that is there already",
        fix,
    )
}

async fn rules_findings(manager: &S6Overlay) -> Vec<Finding> {
    let mut findings = Vec::new();
    if has_ipv6() && !ipv6_is_usable() {
        findings.push(finding(
            "ipv6-left-out",
            Severity::Warning,
            "this machine learns its way into the IPv6 world from a router, and would forget it by forwarding",
            "containers get no IPv6",
            "sysctl --write net.ipv6.conf.DEVICE.accept_ra=2 for that device, then make the network again: `wnm teardown`, or before there are groups",
        ));
    }
    // A helper needs the image; that it is missing is a finding of its own.
    if let Ok(Some(_)) = manager.engine.image(&manager.settings.docker_image).await {
        match probe(manager).await {
            Ok(found) => findings.extend(found),
            Err(error) => findings.push(finding(
                "rules-refused",
                Severity::Error,
                error.to_string().lines().next().unwrap_or_default(),
                "no container is opened",
                "run wnm as root, let the engine give NET_ADMIN on the host network, or set container_network to docker or host",
            )),
        }
    }
    findings
}

/// What whoever sets the rules lacks.
async fn probe(manager: &S6Overlay) -> Result<Vec<Finding>, ManagerError> {
    let hands = RuleBackend::find(&manager.engine, &manager.settings, &[&manager.settings.docker_image]).await?;
    let lacks = lacking(&hands, &manager.machine).await;
    hands.release(&manager.engine).await;
    let mut findings = lacks?;
    if rustix::process::geteuid().is_root() && manager.engine.is_local() && find_program("nft").is_none() {
        findings.push(finding(
            "nft-missing",
            Severity::Warning,
            "nft is not installed on this machine",
            "every look at the rules starts a helper container, which takes a second",
            "apt install nftables",
        ));
    }
    Ok(findings)
}

async fn lacking(hands: &RuleBackend<'_>, machine: &MachineId) -> Result<Vec<Finding>, ManagerError> {
    let mut findings = Vec::new();
    for (program, severity, consequence) in [
        ("nft", Severity::Error, "no container is opened"),
        ("iptables", Severity::Error, "no container is opened"),
        ("ip", Severity::Warning, "nodes of one container do not reach each other by the machine's address"),
        (
            "conntrack",
            Severity::Warning,
            "peers that kept sending while the machine restarted are heard only after a pause of half a minute",
        ),
    ] {
        // 127: it is not there.
        if is_absent(&hands.run(program, &["--version"], "").await?) {
            let (what, fix) = match hands.are_own() {
                true => {
                    (format!("{program} is not installed on this machine"), format!("apt install {}", package(program)))
                }
                false => {
                    (format!("{program} is not in the image"), "build the image again: `wnm dockerfile`".to_owned())
                }
            };
            findings.push(finding(&format!("no-{program}"), severity, &what, consequence, &fix));
        }
    }
    let forward = hands.run("iptables", &["-w", "-S", "FORWARD"], "").await?.stdout;
    if forward.contains("-P FORWARD DROP") && !forward.contains("DOCKER-USER") {
        findings.push(finding(
            "forward-drop",
            Severity::Error,
            "a firewall of this machine forwards nothing, and Docker's chain DOCKER-USER is not before it",
            "no peer reaches a node in a container",
            "restart Docker after the firewall, or have the firewall forward to the bridge",
        ));
    }
    if ipv6_is_usable() {
        let forward = hands.run("ip6tables", &["-w", "-S", "FORWARD"], "").await?.stdout;
        findings.extend(ipv6_forward_finding(&forward, machine));
    }
    Ok(findings)
}

/// Engines keep no chain for IPv6 unless they are told to, so that nothing of ours comes before a firewall's policy.
/// `forward` is what `ip6tables -S FORWARD` lists.
fn ipv6_forward_finding(forward: &str, machine: &MachineId) -> Option<Finding> {
    let bridge = machine.network_name();
    let accepts = |rule: &str| forward.lines().any(|line| line.starts_with("-A FORWARD ") && line.contains(rule));
    let is_accepted = accepts(&format!("-i {bridge} ")) && accepts(&format!("-o {bridge} "));
    if !forward.contains("-P FORWARD DROP") || forward.contains("DOCKER-USER") || is_accepted {
        return None;
    }
    Some(finding(
        "ipv6-forward-drop",
        Severity::Warning,
        "a firewall of this machine forwards no IPv6, and Docker's chain DOCKER-USER is not before it",
        "no peer reaches a node in a container over IPv6, and nodes reach no peer that has nothing else",
        &format!(
            "ip6tables -I FORWARD -i {bridge} -j ACCEPT; ip6tables -I FORWARD -o {bridge} -m conntrack --ctstate DNAT,ESTABLISHED,RELATED -j ACCEPT; and the same where the firewall keeps its rules (ufw: /etc/ufw/before6.rules)"
        ),
    ))
}

fn package(program: &str) -> &str {
    match program {
        "nft" => "nftables",
        "ip" => "iproute2",
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn a_firewall_that_forwards_no_ipv6_is_found_until_it_lets_the_bridge_through() {
        let machine = MachineId::of(Path::new("/var/antctl/services"));
        let found = |listing: &str| ipv6_forward_finding(listing, &machine);
        let ufw = "-P FORWARD DROP\n-A FORWARD -j ufw6-before-forward\n";
        insta::assert_snapshot!(found(ufw).unwrap().fix, @"ip6tables -I FORWARD -i wnm-d7990fc5 -j ACCEPT; ip6tables -I FORWARD -o wnm-d7990fc5 -m conntrack --ctstate DNAT,ESTABLISHED,RELATED -j ACCEPT; and the same where the firewall keeps its rules (ufw: /etc/ufw/before6.rules)");
        assert_eq!(found("-P FORWARD ACCEPT\n"), None);
        assert_eq!(found("-P FORWARD DROP\n-A FORWARD -j DOCKER-USER\n"), None);
        let mended = "-P FORWARD DROP\n-A FORWARD -o wnm-d7990fc5 -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT\n-A FORWARD -i wnm-d7990fc5 -j ACCEPT\n";
        assert_eq!(found(mended), None);
        assert_eq!(found(""), None, "ip6tables is not there");
    }
}
