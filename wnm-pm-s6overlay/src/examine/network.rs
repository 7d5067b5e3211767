//! What the way from the world to the containers needs, for each kind of network.

use bollard::models::SystemInfo;
use wnm_pm::container_host::{ContainerNetwork, Range};
use wnm_pm::process_manager::{Finding, ManagerError, Severity};

use super::firewall::{Way, outside};
use super::in_words;
use super::ruleset::Ruleset;
use crate::container::containers::Container;
use crate::container::engine::Place;
use crate::container::labels;
use crate::container::network::{RuleBackend, find_program, has_ipv6, ipv6_is_usable, is_absent};
use crate::host::Host;
use crate::settings::MachineId;

/// Where Docker's own settings are.
const ENGINE_SETTINGS: &str = "/etc/docker/daemon.json";

/// What is found for the network that is chosen.
pub async fn findings(host: &Host, info: &SystemInfo, containers: &[Container]) -> Vec<Finding> {
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
    if network == ContainerNetwork::Docker {
        findings.push(publishing_cost(host.settings.max_node_per_container));
    }
    findings.extend(rules_findings(host, containers).await);
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

async fn rules_findings(host: &Host, containers: &[Container]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let is_published = host.settings.container_network == ContainerNetwork::Published;
    if is_published && has_ipv6() && !ipv6_is_usable() {
        findings.push(Finding::warning("ipv6-left-out",
            "this machine learns its IPv6 default route from a router, and would lose it by forwarding",
            "containers get no IPv6",
            "sysctl --write net.ipv6.conf.DEVICE.accept_ra=2 for that device; it counts when the network is made, with the first group",
        ));
    }
    // A helper needs the image; that it is missing is a finding of its own.
    if let Ok(Some(_)) = host.engine.image(&host.settings.docker_image).await {
        match probe(host, containers).await {
            Ok(found) => findings.extend(found),
            // Nobody but us needs rules on another network.
            Err(_) if !is_published => {}
            Err(error) => findings.push(Finding::error("rules-refused",
                error.text(),
                "no container is opened",
                "run wnm as root, let the engine give NET_ADMIN on the host network, or set container_network to docker or host",
            )),
        }
    }
    findings
}

/// What whoever sets the rules lacks, and what others' rules forbid.
async fn probe(host: &Host, containers: &[Container]) -> Result<Vec<Finding>, ManagerError> {
    let backend = RuleBackend::find(&host.engine, &host.settings, &[&host.settings.docker_image]).await?;
    let found = probe_with(host, containers, &backend).await;
    backend.release().await;
    let mut findings = found?;
    let is_published = host.settings.container_network == ContainerNetwork::Published;
    if is_published && rustix::process::geteuid().is_root() && host.engine.is_local() && find_program("nft").is_none() {
        findings.push(Finding::warning(
            "nft-missing",
            "nft is not installed on this machine",
            "every check of the rules starts a helper container, which takes a second",
            "apt install nftables",
        ));
    }
    Ok(findings)
}

async fn probe_with(
    host: &Host,
    containers: &[Container],
    backend: &RuleBackend<'_>,
) -> Result<Vec<Finding>, ManagerError> {
    let network = host.settings.container_network;
    let rules = Ruleset::read(&backend.run("nft", &["-j", "list", "ruleset"], "").await?.stdout);
    let groups = containers.iter().filter_map(|container| labels::group_spec(&container.labels));
    let ports = groups.flat_map(|(spec, _)| spec.ports.into_iter()).filter(|(kind, _)| kind.is_public());
    let ports: Vec<Range> = ports.map(|(_, range)| range).collect();
    let way = Way {
        machine: &host.machine,
        network,
        ports: &ports,
        outside: outside(&std::fs::read_to_string("/proc/thread-self/net/route").unwrap_or_default()),
        is_built: network != ContainerNetwork::Published || !containers.is_empty(),
    };
    let mut findings = way.findings(&rules, false);
    if network == ContainerNetwork::Published {
        let is_known = !findings.is_empty();
        findings.extend(
            lacking(backend, &host.machine)
                .await?
                .into_iter()
                .filter(|found| !(is_known && found.code == "forward-drop")),
        );
    }
    if network != ContainerNetwork::Host {
        findings.extend(engine_rules_finding(network, &rules, backend).await?);
        // What drops both is said once; what a firewall of ip6tables does is said by its own name.
        let known: Vec<String> = findings.iter().map(|found| found.what.clone()).collect();
        if ipv6_is_usable() {
            let over_ipv6 = way.findings(&rules, true).into_iter();
            findings.extend(
                over_ipv6.filter(|found| !known.contains(&found.what) && !found.what.contains("table ip6 filter")),
            );
        }
    }
    Ok(findings)
}

/// An engine that sets no rules of its own, or whose rules somebody flushed.
async fn engine_rules_finding(
    network: ContainerNetwork,
    rules: &Ruleset,
    backend: &RuleBackend<'_>,
) -> Result<Option<Finding>, ManagerError> {
    let listed = backend.run("iptables", &["-w", "-t", "nat", "-S"], "").await?;
    let has = |text: &str| listed.stdout.lines().any(|line| line.starts_with(text));
    // Newer engines can keep their rules in tables of nftables.
    if !listed.success() || rules.has("table", "docker-bridges") || (has("-N DOCKER") && has("-A POSTROUTING ")) {
        return Ok(None);
    }
    let (what, fix) = if has("-N DOCKER") {
        ("somebody flushed the engine's own rules (iptables, table nat)", "sudo systemctl restart docker")
    } else {
        (
            "the engine sets no rules of its own, or somebody flushed them",
            "no \"iptables\": false in /etc/docker/daemon.json, then `sudo systemctl restart docker`",
        )
    };
    Ok(Some(if network == ContainerNetwork::Published {
        let consequence = "wnm's own rules stand in for them, and nothing does so for other containers of this machine";
        Finding::warning("engine-sets-no-rules", what, consequence, fix)
    } else {
        let consequence = "peers do not reach nodes, or nodes do not see who their peers are";
        Finding::error("engine-sets-no-rules", what, consequence, fix)
    }))
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
