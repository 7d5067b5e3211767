//! Published ranges, seen by peers on other machines: reached by UDP with their own address, and by nothing else.

#![expect(clippy::disallowed_methods, reason = "a test looks at the machine by itself, and takes the time")]

mod common;

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use std::process::Command;

use common::events::during;
use common::peer::{Peer, answer_udp, ask, ask_from_here, metrics, udp_in_container};
use common::{Machine, PUBLISHED, all_good, hints, only, open, run, without_acceptance};
use wnm_pm::container_host::{ContainerHost, GroupState, Range};
use wnm_pm::node::{NodeSpec, PortKind};
use wnm_pm::process_manager::ProcessManager;
use wnm_pm_s6overlay::{ContainerNetwork, RulesBy, S6Overlay};
use wnm_testing::Need::{Ipv6, Program, Root, S6Image};

/// A machine with one group that runs node 1 and answers UDP questions on the port of number 2.
async fn machine_with_a_group() -> (Machine, S6Overlay) {
    let machine = Machine::new(ContainerNetwork::Published).await;
    let manager = machine.manager();
    open(&manager, &machine.group(1)).await;
    run(&manager, &[machine.spec(1)]).await;
    answer_udp(machine.container_pid(1).await, machine.node_port(2));
    (machine, manager)
}

/// The container's own IPv6 address: the next after that of its bridge.
fn address6(machine: &Machine) -> IpAddr {
    let listed =
        Command::new("ip").args(["-6", "-brief", "address", "show", "dev", &machine.id().network_name()]).output();
    let listed = String::from_utf8(listed.expect("ip runs").stdout).expect("ip writes text");
    let own = listed.split_whitespace().find(|word| word.starts_with("fd77:"));
    let bridge: Option<Ipv6Addr> = own.and_then(|own| own.split('/').next()?.parse().ok());
    IpAddr::V6(Ipv6Addr::from(u128::from(bridge.expect("the bridge has an IPv6 address")) + 1))
}

async fn peers_reach_node_ports_with_their_own_address_and_nothing_else() {
    let (machine, manager) = machine_with_a_group().await;
    let group = manager.groups().await.expect("the engine answers").remove(0);
    let container = group.address.expect("it has an address of its own");
    let (udp, tcp) = (machine.node_port(2), machine.metrics_port(1));
    let peer = Peer::new();

    assert_eq!(peer.ask((peer.machine, udp)), Some(peer.own.into()), "the peer's own address arrives");
    assert_eq!(peer.ask((container, udp)), None, "a container is reached through its ranges only");
    for to in [IpAddr::V4(peer.machine), container] {
        assert!(!peer.connects((to, tcp)), "metrics are nobody else's business ({to})");
    }
    for to in [container, Ipv4Addr::LOCALHOST.into(), manager.metrics_host(&group)] {
        let said = metrics((to, tcp)).unwrap_or_else(|| panic!("metrics answer at {to}"));
        assert!(said.contains("ant_networking_"), "a node answers at {to}: {said}");
    }
    assert!(metrics((peer.machine, tcp)).is_none(), "not even this machine is asked by another of its addresses");
    assert!(ask_from_here((Ipv4Addr::LOCALHOST, udp)).is_some());
    assert_eq!(ask_from_here((peer.machine, udp)), Some(peer.machine.into()));
}

async fn peers_reach_node_ports_with_their_own_address_and_nothing_else_by_ipv6() {
    let (machine, _manager) = machine_with_a_group().await;
    let container6 = address6(&machine);
    let (udp, tcp) = (machine.node_port(2), machine.metrics_port(1));
    let peer = Peer::new();
    assert_eq!(peer.ask((peer.machine6, udp)), Some(peer.own6.into()));
    assert_eq!(peer.ask((container6, udp)), None);
    for to in [IpAddr::V6(peer.machine6), container6] {
        assert!(!peer.connects((to, tcp)), "metrics are nobody else's business ({to})");
    }
}

async fn nodes_reach_nodes_of_other_groups_and_of_their_own_by_the_machines_address() {
    let (machine, manager) = machine_with_a_group().await;
    open(&manager, &machine.group(2)).await;
    let peer = Peer::new();
    let port = machine.node_port(2);
    for group in [2, 1] {
        let socket = udp_in_container(machine.container_pid(group).await);
        assert!(ask(&socket, (peer.machine, port)).is_some(), "from a{group} to a1");
        assert_eq!(ask(&socket, (peer.own, 9)), None, "the way out is open, and nobody is there");
    }
}

async fn a_peer_that_kept_sending_while_no_rule_was_set_is_reached_again() {
    let (mut machine, _) = machine_with_a_group().await;
    // The image has `conntrack`, which this machine may lack.
    machine.settings.rules_by = RulesBy::Helper;
    let manager = machine.manager();
    let (peer, port) = (Peer::new(), machine.node_port(2));
    flush(&machine);
    let socket = peer.udp();
    assert_eq!(ask(&socket, (peer.machine, port)), None, "no rule, no way");
    open(&manager, &machine.group(1)).await;
    assert!(ask(&socket, (peer.machine, port)).is_some(), "the same socket is heard at once");
}

/// Flushes the rules, as restarting a firewall does.
fn flush(machine: &Machine) {
    nft(&["delete", "table", "inet", &machine.id().table_name()]);
}

fn nft(arguments: &[&str]) {
    let output = Command::new("nft").args(arguments).output().expect("nft runs");
    assert!(output.status.success(), "nft {arguments:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// Damage to what is around a group, by its name.
type Damage = (&'static str, fn(&Machine));

async fn rules_that_were_flushed_or_changed_are_seen_and_set_again() {
    let (machine, manager) = machine_with_a_group().await;
    let (peer, port) = (Peer::new(), machine.node_port(2));
    let damages: [Damage; 5] = [
        ("flushed", flush),
        ("another address", |machine| {
            let table = machine.id().table_name();
            nft(&["flush", "chain", "inet", &table, "from_outside"]);
            let ports = machine.group(1).ports[&PortKind::Node].to_string();
            nft(&[
                "add",
                "rule",
                "inet",
                &table,
                "from_outside",
                "udp",
                "dport",
                &ports,
                "dnat",
                "ip",
                "to",
                "192.0.2.99",
                "comment",
                "\"a1 node ports\"",
            ]);
        }),
        ("a chain emptied", |machine| nft(&["flush", "chain", "inet", &machine.id().table_name(), "direct"])),
        ("not accepted", |machine| {
            let rule = without_acceptance(&machine.id().network_name());
            assert!(Command::new("iptables").args(rule.split(' ')).status().expect("iptables runs").success());
        }),
        ("switched off", |machine| {
            let switch = format!("/proc/sys/net/ipv4/conf/{}/route_localnet", machine.id().network_name());
            std::fs::write(switch, "0").expect("root may switch");
        }),
    ];
    for (what, damage) in damages {
        damage(&machine);
        let seen = manager.groups().await.expect("the engine answers");
        assert_eq!(seen[0].state, GroupState::Damaged, "{what}");
        let repaired = open(&manager, &machine.group(1)).await;
        assert_eq!(repaired.container_id, seen[0].container_id, "{what}: the container is left alone");
        assert_eq!(manager.groups().await.expect("the engine answers")[0].state, GroupState::Running, "{what}");
        assert!(peer.ask((peer.machine, port)).is_some(), "{what}");
        assert!(metrics((Ipv4Addr::LOCALHOST, machine.metrics_port(1))).is_some(), "{what}");
    }
}

async fn rules_with_other_comments_are_left_as_they_are() {
    let (machine, manager) = machine_with_a_group().await;
    let table = machine.id().table_name();
    let listed = Command::new("nft").args(["list", "table", "inet", &table]).output().expect("nft runs").stdout;
    let listed = String::from_utf8(listed).expect("nft writes text");
    // As the first version of wnm wrote them.
    let old = listed.replace("a1 node ports", "a1 nodes").replace("a1 metrics ports", "a1 metrics");
    assert_ne!(old, listed);
    let file = machine.settings.node_storage.with_file_name("rules");
    std::fs::write(&file, format!("delete table inet {table}\n{old}")).expect("it is written");
    nft(&["-f", &file.display().to_string()]);
    assert_eq!(manager.groups().await.expect("the engine answers")[0].state, GroupState::Running);
    open(&manager, &machine.group(1)).await;
    let after = Command::new("nft").args(["list", "table", "inet", &table]).output().expect("nft runs").stdout;
    assert!(String::from_utf8_lossy(&after).contains("\"a1 nodes\""), "nothing had to be set");
}

async fn a_range_of_another_kind_leads_to_its_container_too() {
    let machine = Machine::new(ContainerNetwork::Published).await;
    let manager = machine.manager();
    let mut wanted = machine.group(1);
    let first = machine.ports.rpc_port(1);
    wanted.ports.insert(PortKind::Rpc, Range { first, last: first + 29 });
    let group = open(&manager, &wanted).await;
    assert_eq!(group.spec, wanted);
    // Its metrics server stands in for any server on a port of that kind.
    let ports = machine.ports.ports(1).with(PortKind::Metrics, first);
    run(&manager, &[NodeSpec { ports, ..machine.spec(1) }]).await;
    assert!(metrics((Ipv4Addr::LOCALHOST, first)).is_some(), "the machine reaches it");
    let peer = Peer::new();
    assert!(!peer.connects((peer.machine, first)), "and nobody else does");
    assert_eq!(manager.groups().await.expect("the engine answers")[0].state, GroupState::Running);
    all_good(manager.close(&[group]).await);
}

async fn a_helper_container_sets_checks_and_removes_the_rules() {
    let mut machine = Machine::new(ContainerNetwork::Published).await;
    machine.settings.rules_by = RulesBy::Helper;
    let manager = machine.manager();
    let group = open(&manager, &machine.group(1)).await;
    run(&manager, &[machine.spec(1)]).await;
    answer_udp(machine.container_pid(1).await, machine.node_port(2));
    let peer = Peer::new();
    assert!(peer.ask((peer.machine, machine.node_port(2))).is_some());
    assert!(metrics((Ipv4Addr::LOCALHOST, machine.metrics_port(1))).is_some());
    assert_eq!(manager.groups().await.expect("the engine answers")[0].state, GroupState::Running);
    flush(&machine);
    assert_eq!(manager.groups().await.expect("the engine answers")[0].state, GroupState::Damaged);

    only(manager.close(&[group]).await).expect("it closes");
    let tables = Command::new("nft").args(["list", "tables"]).output().expect("nft runs").stdout;
    assert!(!String::from_utf8_lossy(&tables).contains(&machine.id().table_name()));
    let accepted = Command::new("iptables").args(["-S", "DOCKER-USER"]).output().expect("iptables runs").stdout;
    assert!(!String::from_utf8_lossy(&accepted).contains(&machine.id().network_name()));
    let filters = std::collections::HashMap::from([("label", vec![format!("wnm.machine={}", machine.id())])]);
    let options = bollard::query_parameters::ListContainersOptionsBuilder::new().all(true).filters(&filters).build();
    let left = machine.docker.list_containers(Some(options)).await.expect("the engine answers");
    assert!(left.is_empty(), "no helper is left: {left:?}");
}

async fn a_helper_is_taken_only_when_something_may_have_changed() {
    let mut machine = Machine::new(ContainerNetwork::Published).await;
    machine.settings.rules_by = RulesBy::Helper;
    let manager = machine.manager();
    open(&manager, &machine.group(1)).await;
    run(&manager, &[machine.spec(1)]).await;
    let state = async || manager.groups().await.expect("the engine answers")[0].state;
    assert_eq!(state().await, GroupState::Running);
    let note = machine.settings.node_storage.join(".s6/verified");
    let noted = || std::fs::metadata(&note).and_then(|data| data.modified()).ok();
    let before = noted();
    assert!(before.is_some(), "a helper found all in place");
    assert_eq!(state().await, GroupState::Running);
    assert_eq!(noted(), before, "nothing changed, and so none was taken");
    flush(&machine);
    assert_eq!(state().await, GroupState::Damaged, "a flush is seen at once");
    open(&manager, &machine.group(1)).await;
    std::fs::write(&note, "another boot").expect("it can be written");
    let before = noted();
    assert_eq!(state().await, GroupState::Running);
    assert_ne!(noted(), before, "what may have changed is verified again");
}

async fn a_helper_of_a_wnm_that_is_gone_is_ended_by_the_next_look() {
    let machine = Machine::new(ContainerNetwork::Published).await;
    let manager = machine.manager();
    open(&manager, &machine.group(1)).await;
    let helper = |caller: &str| {
        let labels =
            [format!("wnm.machine={}", machine.id()), "wnm.role=helper".to_owned(), format!("wnm.caller={caller}")];
        let mut command = Command::new("docker");
        command.args(["run", "--detach", "--entrypoint", "sleep"]);
        labels.iter().for_each(|label| _ = command.args(["--label", label]));
        let said = command.args([machine.settings.docker_image.as_str(), "300"]).output().expect("docker runs").stdout;
        String::from_utf8_lossy(&said).trim().to_owned()
    };
    let gone = helper("1:1");
    let own = std::fs::read_to_string("/proc/self/stat").expect("it can be read");
    let born =
        own.rsplit(") ").next().and_then(|rest| rest.split(' ').nth(19)).expect("it has a start time").to_owned();
    let alive = helper(&format!("{}:{born}", std::process::id()));
    manager.groups().await.expect("the engine answers");
    let is_there =
        |id: &str| Command::new("docker").args(["inspect", id]).output().is_ok_and(|said| said.status.success());
    assert!(!is_there(&gone) && is_there(&alive), "only what nobody uses is ended");
}

async fn two_machines_on_one_engine_do_not_meet() {
    let (one, one_manager) = machine_with_a_group().await;
    let (other, other_manager) = machine_with_a_group().await;
    let peer = Peer::new();
    let group = other_manager.groups().await.expect("the engine answers").remove(0);
    only(other_manager.close(&[group]).await).expect("it closes");
    assert!(peer.ask((peer.machine, one.node_port(2))).is_some(), "the one is as it was");
    assert_eq!(peer.ask((peer.machine, other.node_port(2))), None, "the other is gone");
    assert_eq!(one_manager.groups().await.expect("the engine answers")[0].state, GroupState::Running);
}

async fn a_helper_is_made_of_whatever_image_of_ours_is_there() {
    let mut machine = Machine::new(ContainerNetwork::Published).await;
    machine.settings.rules_by = RulesBy::Helper;
    let spec = machine.group(1);
    open(&machine.manager(), &spec).await;
    machine.settings.docker_image = "wnm.invalid/nobody/has-this:7".to_owned();
    let manager = machine.manager();
    assert_eq!(manager.groups().await.expect("the engine answers")[0].state, GroupState::Running);
    flush(&machine);
    let mut other = machine.group(2);
    other.image.clone_from(&machine.settings.docker_image);
    let outcomes = manager.open(&[other, spec]).await;
    let good = outcomes.iter().map(|(group, outcome)| (group, outcome.is_ok()));
    assert_eq!(good.collect::<Vec<_>>(), [(1, true), (2, false)], "{outcomes:?}");
    assert_eq!(manager.groups().await.expect("the engine answers")[0].state, GroupState::Running);
}

async fn rules_go_with_the_last_group_also_when_the_network_went_before() {
    let (machine, manager) = machine_with_a_group().await;
    let group = manager.groups().await.expect("the engine answers").remove(0);
    let force = bollard::query_parameters::RemoveContainerOptionsBuilder::new().force(true).build();
    machine.docker.remove_container(&group.container_name, Some(force)).await.expect("it is removed");
    machine.docker.remove_network(&machine.id().network_name()).await.expect("nobody is on it");

    only(manager.close(&[group]).await).expect("it closes");
    let tables = Command::new("nft").args(["list", "tables"]).output().expect("nft runs").stdout;
    assert!(!String::from_utf8_lossy(&tables).contains(&machine.id().table_name()));
    let accepted = Command::new("iptables").args(["-S", "DOCKER-USER"]).output().expect("iptables runs").stdout;
    assert!(!String::from_utf8_lossy(&accepted).contains(&machine.id().network_name()));
}

async fn a_node_is_removed_also_when_nobody_can_set_rules() {
    let mut machine = Machine::new(ContainerNetwork::Published).await;
    let spec = machine.group(1);
    let group = open(&machine.manager(), &spec).await;
    // Only a helper may, and once the container is gone there is no image left to make it of.
    machine.settings.rules_by = RulesBy::Helper;
    machine.settings.docker_image = "wnm.invalid/nobody/has-this:7".to_owned();
    let manager = machine.manager();
    let (torn, events) = during(&machine, manager.teardown()).await;
    torn.expect("while there are containers nothing has to be cleared");
    assert_eq!(events, Vec::<String>::new(), "and nothing is done");

    let force = bollard::query_parameters::RemoveContainerOptionsBuilder::new().force(true).build();
    machine.docker.remove_container(&group.container_name, Some(force)).await.expect("it is removed");
    let error = manager.teardown().await.expect_err("nobody can remove the rules");
    let table = machine.id().table_name();
    assert!(error.to_string().contains(&table) && error.to_string().contains("is not on this engine"), "{error}");
    assert!(hints(&error).contains(&format!("sudo nft delete table inet {table}")), "{}", hints(&error));
}

wnm_testing::trials! {
    PUBLISHED =>
        a_helper_is_taken_only_when_something_may_have_changed,
        a_helper_of_a_wnm_that_is_gone_is_ended_by_the_next_look,
        peers_reach_node_ports_with_their_own_address_and_nothing_else,
        nodes_reach_nodes_of_other_groups_and_of_their_own_by_the_machines_address,
        a_peer_that_kept_sending_while_no_rule_was_set_is_reached_again,
        rules_that_were_flushed_or_changed_are_seen_and_set_again,
        rules_with_other_comments_are_left_as_they_are,
        a_range_of_another_kind_leads_to_its_container_too,
        a_helper_container_sets_checks_and_removes_the_rules,
        two_machines_on_one_engine_do_not_meet,
        a_helper_is_made_of_whatever_image_of_ours_is_there,
        rules_go_with_the_last_group_also_when_the_network_went_before,
        a_node_is_removed_also_when_nobody_can_set_rules;
    &[S6Image, Root, Program("ip"), Program("nft"), Ipv6] =>
        peers_reach_node_ports_with_their_own_address_and_nothing_else_by_ipv6;
}

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([trials()])
}
