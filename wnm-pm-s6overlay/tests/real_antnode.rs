//! The real antnode in two groups: the same peers after a restart, an upgrade and another container.

mod common;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use bollard::query_parameters::{RemoveContainerOptionsBuilder, RestartContainerOptions};
use common::{Machine, run};
use wnm_core::observe;
use wnm_core::snapshot::Answer;
use wnm_pm::container_host::{ContainerHost, Group};
use wnm_pm::node::{NodeId, NodeRef, NodeSpec};
use wnm_pm::process_manager::{Binary, ProcessManager};
use wnm_pm_s6overlay::{ContainerNetwork, S6Overlay};
use wnm_testing::Need::{Program, Root, S6Image, Tool};
use wnm_testing::tool;

/// The peer ids of all nodes, once all of them answer.
async fn peers(manager: &S6Overlay, groups: &[Group], nodes: &[NodeRef]) -> BTreeMap<NodeId, String> {
    let host = |node: &NodeRef| {
        let group = groups.iter().find(|group| Some(group.spec.group) == node.spec.group).expect("it has a group");
        SocketAddr::new(manager.metrics_host(group), node.spec.ports.metrics)
    };
    let targets: Vec<_> = nodes.iter().map(|node| (node.spec.id, host(node))).collect();
    let deadline = Instant::now() + Duration::from_mins(4);
    loop {
        let answers = observe::ask(&targets, &observe::Limits::default()).await;
        let told = answers.into_iter().filter_map(|(id, answer)| match answer {
            Answer::Node { peer_id: Some(peer), .. } => Some((id, peer)),
            _ => None,
        });
        let told: BTreeMap<NodeId, String> = told.collect();
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
    let open = async || -> Vec<Group> {
        manager.open(&wanted).await.into_iter().map(|group| group.expect("it opens")).collect()
    };
    let groups = open().await;
    let nodes = run(&manager, &specs).await;
    let first = peers(&manager, &groups, &nodes).await;
    assert_eq!(first.values().collect::<std::collections::BTreeSet<_>>().len(), 20, "each is a peer of its own");

    let name = &groups[0].container_name;
    machine.docker.restart_container(name, None::<RestartContainerOptions>).await.expect("it restarts");
    assert_eq!(peers(&manager, &open().await, &nodes).await, first, "after a restart");

    let newer = Binary { path: program, version: semver::Version::new(0, 4, 17) };
    for outcome in manager.upgrade(&nodes, &newer).await {
        outcome.expect("it is upgraded");
    }
    assert_eq!(peers(&manager, &groups, &nodes).await, first, "after an upgrade");

    let force = RemoveContainerOptionsBuilder::new().force(true).build();
    machine.docker.remove_container(name, Some(force)).await.expect("it is removed");
    assert_eq!(peers(&manager, &open().await, &nodes).await, first, "in another container");

    for outcome in manager.remove(&nodes).await {
        outcome.expect("it is removed");
    }
    for outcome in manager.close(&groups).await {
        outcome.expect("it closes");
    }
}

wnm_testing::trials! {
    &[S6Image, Root, Program("ip"), Program("nft"), Tool("antnode")] =>
        real_nodes_are_the_same_peers_whatever_becomes_of_their_containers;
}

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([trials()])
}
