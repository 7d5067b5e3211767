//! The real antnode in two groups: the same peers after a restart, an upgrade and another container.

#![expect(clippy::disallowed_methods, reason = "a test looks at the machine by itself, and takes the time")]

mod common;

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use bollard::query_parameters::{RemoveContainerOptionsBuilder, RestartContainerOptions};
use common::peer::page;
use common::{Machine, all_good, run};
use wnm_pm::container_host::{ContainerHost, Group};
use wnm_pm::node::{NodeId, NodeRef, NodeSpec};
use wnm_pm::process_manager::{Binary, ProcessManager};
use wnm_pm::upgrade::upgrade;
use wnm_pm_s6overlay::{ContainerNetwork, S6Overlay};
use wnm_testing::Need::{Program, Root, S6Image, Tool};
use wnm_testing::{metrics_port, tool};

/// The peer id that a node tells on its metrics page: `peer_id="12D3…"`.
fn peer_id(page: &str) -> Option<String> {
    let (_, rest) = page.split_once("peer_id=\"")?;
    Some(rest.split_once('"')?.0.to_owned()).filter(|id| !id.is_empty())
}

/// The peer ids of all nodes, once all of them answer.
async fn peers(manager: &S6Overlay, groups: &[Group], nodes: &[NodeRef]) -> BTreeMap<NodeId, String> {
    let ask = |node: &NodeRef| {
        let group = groups.iter().find(|group| Some(group.spec.group) == node.spec.group).expect("it has a group");
        let page = page("/metadata", (manager.metrics_host(group), metrics_port(&node.spec)))?;
        Some((node.id(), peer_id(&page)?))
    };
    let deadline = Instant::now() + Duration::from_mins(4);
    loop {
        let told: BTreeMap<NodeId, String> = nodes.iter().filter_map(ask).collect();
        if told.len() == nodes.len() {
            return told;
        }
        assert!(Instant::now() < deadline, "all nodes answer, not {} of {}", told.len(), nodes.len());
        tokio::time::sleep(Duration::from_millis(500)).await;
    }
}

async fn real_nodes_are_the_same_peers_whatever_becomes_of_their_containers() {
    let program = tool("antnode").expect("this test needs it");
    let machine = Machine::new(ContainerNetwork::Published).await;
    let manager = machine.manager();
    let specs: Vec<NodeSpec> = (1..=10)
        .chain(31..=40)
        .map(|number| NodeSpec {
            program: program.clone(),
            environment: vec![],
            // Nobody can be reached from here.
            start_args: vec!["--first".to_owned()],
            ..machine.spec(number)
        })
        .collect();
    let wanted = [machine.group(1), machine.group(2)];
    let open = async || -> Vec<Group> { all_good(manager.open(&wanted).await) };
    let groups = open().await;
    let nodes = run(&manager, &specs).await;
    let first = peers(&manager, &groups, &nodes).await;
    assert_eq!(first.values().collect::<std::collections::BTreeSet<_>>().len(), 20, "each is a peer of its own");

    let name = &groups[0].container_name;
    machine.docker.restart_container(name, None::<RestartContainerOptions>).await.expect("it restarts");
    assert_eq!(peers(&manager, &open().await, &nodes).await, first, "after a restart");

    let newer = Binary { path: program, version: semver::Version::new(0, 4, 17) };
    all_good(upgrade(&manager, &nodes, &newer).await);
    assert_eq!(peers(&manager, &groups, &nodes).await, first, "after an upgrade");

    let force = RemoveContainerOptionsBuilder::new().force(true).build();
    machine.docker.remove_container(name, Some(force)).await.expect("it is removed");
    assert_eq!(peers(&manager, &open().await, &nodes).await, first, "in another container");

    all_good(manager.remove(&nodes).await);
    all_good(manager.close(&groups).await);
}

wnm_testing::trials! {
    &[S6Image, Root, Program("ip"), Program("nft"), Tool("antnode")] =>
        real_nodes_are_the_same_peers_whatever_becomes_of_their_containers;
}

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([trials()])
}
