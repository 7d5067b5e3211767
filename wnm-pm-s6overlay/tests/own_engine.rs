//! What may become of an engine, its rules and its machine's firewall, on an engine of the test's own.

#![expect(clippy::disallowed_methods, reason = "a test does to the machine what its owner might")]

mod common;

use std::process::Command;

use common::engine::OwnEngine;
use common::peer::{answer_udp, udp_in_container};
use common::{Machine, open};
use wnm_pm::container_host::{ContainerHost, GroupState};
use wnm_pm::process_manager::{Finding, ProcessManager, Severity};
use wnm_pm_s6overlay::{ContainerNetwork, RulesBy, S6Overlay};
use wnm_testing::Need::{self, Program, Root, S6Image};

/// Only root can have an engine of its own.
const OWN_ENGINE: &[Need] =
    &[S6Image, Root, Program("dockerd"), Program("ip"), Program("nft"), Program("iptables"), Program("setpriv")];

/// A machine on an engine, with group a1 that answers on the port of number 2.
async fn machine_on(engine: &OwnEngine, network: ContainerNetwork) -> (Machine, S6Overlay) {
    let machine = Machine::on(Some(engine.address()), network).await;
    let manager = machine.manager();
    open(&manager, &machine.group(1)).await;
    answer_udp(machine.container_pid(1).await, machine.node_port(2));
    (machine, manager)
}

/// Peers see nodes at the machine's own address, and reach them there.
async fn is_reachable(machine: &Machine, engine: &OwnEngine) -> bool {
    let peer = &engine.peer;
    let socket = udp_in_container(machine.container_pid(1).await);
    peer.is_asked_by(&socket) == Some(peer.machine.into())
        && peer.ask((peer.machine, machine.node_port(2))) == Some(peer.own.into())
}

fn shell(line: &str) {
    let output = Command::new("sh").args(["-ec", line]).output().expect("sh runs");
    assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
}

async fn findings(manager: &S6Overlay, code: &str) -> Vec<Finding> {
    manager.examine().await.into_iter().filter(|finding| finding.code == code).collect()
}

fn an_engine_that_sets_no_rules_cuts_no_node_off() {
    let engine = OwnEngine::new(&["--iptables=false"]);
    engine.run(async || {
        let (machine, manager) = machine_on(&engine, ContainerNetwork::Published).await;
        assert!(is_reachable(&machine, &engine).await);
        assert_eq!(manager.groups().await.expect("the engine answers")[0].state, GroupState::Running);
        let found = findings(&manager, "engine-sets-no-rules").await;
        assert_eq!(found.iter().map(|finding| finding.severity).collect::<Vec<_>>(), [Severity::Warning]);
    });
}

fn rules_of_the_engine_that_were_flushed_are_made_up_for_or_set_again() {
    let engine = OwnEngine::new(&[]);
    engine.run(async || {
        let (machine, manager) = machine_on(&engine, ContainerNetwork::Published).await;
        let bridge = machine.id().network_name();
        for damage in [
            "iptables -t nat -F",
            "iptables -F",
            "iptables -F FORWARD",
            "iptables -D FORWARD -j DOCKER-USER",
            &format!("iptables -D FORWARD -i {bridge} ! -o {bridge} -j ACCEPT"),
            &format!("iptables -D FORWARD -o {bridge} -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT"),
            "iptables -F; iptables -t nat -F; iptables -t nat -X; iptables -P FORWARD DROP",
            "sysctl --quiet --write net.ipv4.ip_forward=0",
            "nft flush ruleset",
        ] {
            shell(damage);
            let state = manager.groups().await.expect("the engine answers")[0].state;
            if state == GroupState::Damaged {
                open(&manager, &machine.group(1)).await;
                assert_eq!(
                    manager.groups().await.expect("the engine answers")[0].state,
                    GroupState::Running,
                    "{damage}"
                );
            }
            assert!(is_reachable(&machine, &engine).await, "{damage}; it was {state:?}");
        }
        let group = manager.groups().await.expect("the engine answers").remove(0);
        common::only(manager.close(&[group]).await).expect("it closes");
        let left = Command::new("iptables").args(["-S"]).output().expect("iptables runs").stdout;
        assert!(!String::from_utf8_lossy(&left).contains(&bridge), "nothing is left: {left:?}");
    });
}

fn every_chain_that_drops_what_nodes_and_peers_send_is_named() {
    let engine = OwnEngine::new(&[]);
    engine.run(async || {
        let (machine, manager) = machine_on(&engine, ContainerNetwork::Published).await;
        let mut on_host = machine.settings.clone();
        on_host.container_network = ContainerNetwork::Host;
        let on_host = S6Overlay::connect(on_host).expect("the settings are good");
        let (bridge, port) = (machine.id().network_name(), machine.node_port(2));
        let chain = |hook: &str, policy: &str, rule: &str| {
            format!("nft 'table inet own {{ chain those {{ type filter hook {hook} priority 5; policy {policy}; {rule}\n}}\n}}'")
        };
        for (damage, manager) in [
            (chain("forward", "drop", ""), &manager),
            (chain("forward", "drop", "ct state established,related accept; iifname uplink tcp dport 22 accept"), &manager),
            (chain("forward", "accept", &format!("oifname {bridge} ct state new drop")), &manager),
            (chain("forward", "accept", &format!("iifname {bridge} reject")), &manager),
            (chain("forward", "accept", &format!("udp dport {port} drop")), &manager),
            (chain("prerouting", "drop", "ct state established,related accept; iif lo accept"), &manager),
            (chain("postrouting", "accept", &format!("oifname {bridge} udp dport {port} drop")), &manager),
            (chain("input", "drop", "ct state established,related accept; iif lo accept; tcp dport 22 accept"), &on_host),
            (chain("prerouting", "accept", "meta l4proto udp ct state new drop"), &on_host),
            (chain("output", "drop", "tcp dport 443 accept"), &on_host),
        ] {
            assert_eq!(findings(manager, "firewall-drops").await, []);
            shell(&damage);
            if !std::ptr::eq(manager, &raw const on_host) {
                assert!(!is_reachable(&machine, &engine).await, "{damage}");
            }
            let found = findings(manager, "firewall-drops").await;
            shell("nft delete table inet own");
            assert_eq!(found.len(), 1, "{damage}: {found:?}");
            assert_eq!(found[0].severity, Severity::Error);
            assert!(found[0].what.contains("chain those of the table inet own"), "{}", found[0].what);
        }
        shell("nft 'table netdev own { chain those { type filter hook ingress device uplink priority 5; policy drop; }; }'");
        let found = findings(&manager, "firewall-drops").await;
        shell("nft delete table netdev own");
        assert!(found.len() == 1 && found[0].what.contains("chain those of the table netdev own"), "{found:?}");
        shell(&chain("forward", "drop", ""));
        let fix = findings(&manager, "firewall-drops").await.remove(0).fix;
        shell(fix.split("; and the same").next().expect("there are commands"));
        assert_eq!(findings(&manager, "firewall-drops").await, []);
        assert!(is_reachable(&machine, &engine).await, "the fix fixes it: {fix}");
    });
}

fn an_engine_that_gives_containers_users_of_their_own_runs_nodes_as_their_owner() {
    let engine = OwnEngine::new(&["--userns-remap=nobody:nogroup"]);
    engine.run(async || {
        for rules_by in [RulesBy::WhoeverCan, RulesBy::Helper] {
            let mut machine = Machine::on(Some(engine.address()), ContainerNetwork::Published).await;
            machine.settings.rules_by = rules_by;
            let manager = machine.manager();
            open(&manager, &machine.group(1)).await;
            let nodes = common::run(&manager, &[machine.spec(1)]).await;
            answer_udp(machine.container_pid(1).await, machine.node_port(2));
            assert!(is_reachable(&machine, &engine).await);
            let key = nodes[0].spec.root_dir.join("secret-key");
            wnm_testing::eventually("the node has a key", async || key.exists()).await;
            assert_eq!(common::owner_of(&key), common::owner_of(&machine.settings.node_storage));
            assert_eq!(manager.groups().await.expect("the engine answers")[0].state, GroupState::Running);
        }
    });
}

fn routes_of_a_vpn_leave_room_for_containers() {
    let engine = OwnEngine::new(&[]);
    engine.run(async || {
        let range = async |routes: &[&str]| {
            routes.iter().for_each(|route| shell(&format!("ip route add {route} via 192.0.2.1")));
            let (machine, manager) = machine_on(&engine, ContainerNetwork::Published).await;
            assert!(is_reachable(&machine, &engine).await, "{routes:?}");
            let group = manager.groups().await.expect("the engine answers").remove(0);
            common::only(manager.close(std::slice::from_ref(&group)).await).expect("it closes");
            group.address.expect("it has one").to_string()
        };
        assert!(range(&["0.0.0.0/1", "128.0.0.0/1"]).await.starts_with("10."));
        assert!(range(&["10.0.0.0/8"]).await.starts_with("172."));
        assert!(range(&["172.16.0.0/12"]).await.starts_with("192.168."));
        assert!(range(&["192.168.0.0/16"]).await.starts_with("10."), "a network of its own wins over a route for all");
    });
}

wnm_testing::trials! {
    OWN_ENGINE =>
        routes_of_a_vpn_leave_room_for_containers,
        an_engine_that_gives_containers_users_of_their_own_runs_nodes_as_their_owner,
        every_chain_that_drops_what_nodes_and_peers_send_is_named,
        an_engine_that_sets_no_rules_cuts_no_node_off,
        rules_of_the_engine_that_were_flushed_are_made_up_for_or_set_again;
}

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([trials()])
}
