//! What the way from the world to the containers needs, for each kind of network.

use bollard::models::SystemInfo;
use wnm_pm::container_host::ContainerNetwork;
use wnm_pm::process_manager::{Finding, ManagerError, Severity};

use super::in_words;
use crate::container::engine::Place;
use crate::container::network::{RuleBackend, find_program, has_ipv6, ipv6_is_usable, is_absent};
use crate::host::Host;
use crate::settings::MachineId;

/// Where Docker's own settings are.
const ENGINE_SETTINGS: &str = "/etc/docker/daemon.json";

/// What is found for the network that is chosen.
pub async fn findings(host: &Host, info: &SystemInfo) -> Vec<Finding> {
    let network = host.settings.container_network;
    let mut findings = Vec::new();
    if network != ContainerNetwork::Host && info.ipv4_forwarding == Some(false) {
        findings.push(Finding::error(
            "forwarding-off",
            "this machine does not forward packets (net.ipv4.ip_forward = 0)",
            "no peer reaches a node in a container",
            "sysctl --write net.ipv4.ip_forward=1, and the same line in /etc/sysctl.d/wnm.conf",
        ));
    }
    if let Some((reason, hint)) = Place::of(info).objection(network) {
        let fix = in_words(&hint);
        findings.push(Finding::error("engine-elsewhere", reason, "no container is opened", fix));
        return findings;
    }
    match network {
        ContainerNetwork::Host => {}
        ContainerNetwork::Docker => findings.push(publishing_cost(host.settings.max_node_per_container)),
        ContainerNetwork::Published => findings.extend(rules_findings(host).await),
    }
    findings
}

fn publishing_cost(nodes: u32) -> Finding {
    let settings = std::fs::read_to_string(ENGINE_SETTINGS).unwrap_or_default();
    let settings: serde_json::Value = serde_json::from_str(&settings).unwrap_or_default();
    let (proxies, fix) = match settings["userland-proxy"].as_bool() {
        Some(false) => (String::new(), "set container_network to published"),
        _ => (
            format!(" and {nodes} proxy processes"),
            "set container_network to published; or \"userland-proxy\": false in /etc/docker/daemon.json",
        ),
    };
    Finding::warning(
        "docker-publishes",
        format!(
            "container_network is docker: each range of {nodes} ports costs {} rules{proxies}, and a container has one for each kind of port",
            nodes * 3
        ),
        "containers take from seconds to minutes to start, longer with every container that exists already",
        fix,
    )
}

async fn rules_findings(host: &Host) -> Vec<Finding> {
    let mut findings = Vec::new();
    if has_ipv6() && !ipv6_is_usable() {
        findings.push(Finding::warning("ipv6-left-out",
            "this machine learns its IPv6 default route from a router, and would lose it by forwarding",
            "containers get no IPv6",
            "sysctl --write net.ipv6.conf.DEVICE.accept_ra=2 for that device; it counts when the network is made, with the first group",
        ));
    }
    // A helper needs the image; that it is missing is a finding of its own.
    if let Ok(Some(_)) = host.engine.image(&host.settings.docker_image).await {
        match probe(host).await {
            Ok(found) => findings.extend(found),
            Err(error) => findings.push(Finding::error("rules-refused",
                error.text(),
                "no container is opened",
                "run wnm as root, let the engine give NET_ADMIN on the host network, or set container_network to docker or host",
            )),
        }
    }
    findings
}

/// What whoever sets the rules lacks.
async fn probe(host: &Host) -> Result<Vec<Finding>, ManagerError> {
    let backend = RuleBackend::find(&host.engine, &host.settings, &[&host.settings.docker_image]).await?;
    let lacking = lacking(&backend, &host.machine).await;
    backend.release().await;
    let mut findings = lacking?;
    if rustix::process::geteuid().is_root() && host.engine.is_local() && find_program("nft").is_none() {
        findings.push(Finding::warning(
            "nft-missing",
            "nft is not installed on this machine",
            "every check of the rules starts a helper container, which takes a second",
            "apt install nftables",
        ));
    }
    Ok(findings)
}

async fn lacking(backend: &RuleBackend<'_>, machine: &MachineId) -> Result<Vec<Finding>, ManagerError> {
    let mut findings = Vec::new();
    for (program, severity, consequence) in [
        ("nft", Severity::Error, "no container is opened"),
        ("iptables", Severity::Error, "no container is opened"),
        ("ip", Severity::Warning, "nodes of one container do not reach each other by the machine's address"),
        (
            "conntrack",
            Severity::Warning,
            "nodes hear peers that kept sending while the machine restarted only after a pause of half a minute",
        ),
    ] {
        if is_absent(&backend.run(program, &["--version"], "").await?) {
            let (what, fix) = if backend.is_own() {
                (format!("{program} is not installed on this machine"), format!("apt install {}", package(program)))
            } else {
                let fix = "build the image again from the Dockerfile that wnm prints".to_owned();
                (format!("{program} is not in the image"), fix)
            };
            findings.push(Finding { severity, ..Finding::error(&format!("no-{program}"), what, consequence, fix) });
        }
    }
    let forward = backend.run("iptables", &["-w", "-S", "FORWARD"], "").await?.stdout;
    if forward.contains("-P FORWARD DROP") && !forward.contains("DOCKER-USER") {
        findings.push(Finding::error(
            "forward-drop",
            "a firewall of this machine forwards nothing, and Docker's chain DOCKER-USER is not before it",
            "no peer reaches a node in a container",
            "restart Docker after the firewall, or have the firewall forward to the bridge",
        ));
    }
    if ipv6_is_usable() {
        let forward = backend.run("ip6tables", &["-w", "-S", "FORWARD"], "").await?.stdout;
        findings.extend(ipv6_forward_finding(&forward, machine));
    }
    Ok(findings)
}

/// Engines keep no chain for IPv6 unless they are configured to, so that nothing of ours comes before a firewall's policy.
/// `forward` is what `ip6tables -S FORWARD` lists.
fn ipv6_forward_finding(forward: &str, machine: &MachineId) -> Option<Finding> {
    let bridge = machine.network_name();
    let accepts = |rule: &str| forward.lines().any(|line| line.starts_with("-A FORWARD ") && line.contains(rule));
    let is_accepted = accepts(&format!("-i {bridge} ")) && accepts(&format!("-o {bridge} "));
    if !forward.contains("-P FORWARD DROP") || forward.contains("DOCKER-USER") || is_accepted {
        return None;
    }
    Some(Finding::warning(
        "ipv6-forward-drop",
        "a firewall of this machine forwards no IPv6, and Docker's chain DOCKER-USER is not before it",
        "no peer reaches a node in a container over IPv6, and nodes reach no peer that has IPv6 only",
        format!(
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
        let fixed = "-P FORWARD DROP\n-A FORWARD -o wnm-d7990fc5 -m conntrack --ctstate RELATED,ESTABLISHED,DNAT -j ACCEPT\n-A FORWARD -i wnm-d7990fc5 -j ACCEPT\n";
        assert_eq!(found(fixed), None);
        assert_eq!(found(""), None, "there is no ip6tables");
    }
}
