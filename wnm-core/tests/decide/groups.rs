//! Container groups stand as they should, in the image that the settings name.

use wnm_core::decide::{Reconciled, Request, Selection, decide, decide_request, reconcile};
use wnm_core::node::PortKind;
use wnm_core::node::Status::{Removing, Restarting, Running, Starting, Stopped, Upgrading};
use wnm_core::plan::{Plan, Rule};
use wnm_core::settings::Config;
use wnm_core::snapshot::Snapshot;
use wnm_pm::container_host::{ContainerHost, Group, GroupSpec, GroupState, Range};
use wnm_pm::process_manager::{ManagerKind, NumberingKind, ProcessManager};
use wnm_testing::{MemoryManager, MemoryWorld, alter};

use crate::failings::cycle;
use crate::fleet::{NOW, config, fleet, gone};

/// Settings with groups of one node each.
fn small_groups() -> Config {
    Config { node_cap: 3, max_node_per_container: 1, min_container_count: 1, ..config() }
}

/// Group `number`, made from `image`.
pub fn group(number: u16, image: &str, state: GroupState) -> Group {
    let port = |start: u16| Range { first: start + number, last: start + number };
    Group {
        spec: GroupSpec {
            group: number.into(),
            name: format!("a{number}"),
            image: image.to_owned(),
            ports: [(PortKind::Node, port(55_000)), (PortKind::Metrics, port(13_000))].into(),
        },
        container_id: "an id".to_owned(),
        container_name: format!("wnm-a{number}"),
        address: None,
        state,
    }
}

/// Three running nodes in these groups, one in each.
fn in_groups(groups: Vec<Group>) -> Snapshot {
    let mut snapshot = fleet(&[Running, Running, Running]);
    for each in &mut snapshot.nodes {
        alter(&mut each.node, |node| node.spec.group = Some(node.spec.id.0));
    }
    Snapshot { numbering: NumberingKind::Blocks, groups, ..snapshot }
}

/// The groups that a plan opens, with their images.
fn opened(plan: &Plan) -> Vec<(u32, &str)> {
    plan.groups.iter().map(|group| (group.group, group.image.as_str())).collect()
}

const STATES: [GroupState; 3] = [GroupState::Running; 3];

fn standing(image: &str, states: [GroupState; 3]) -> Vec<Group> {
    (1..).zip(states).map(|(number, state)| group(number, image, state)).collect()
}

#[test]
fn groups_are_mended_right_after_a_restart_of_the_machine() {
    let config = small_groups();
    let mut snapshot =
        in_groups(standing(&config.docker_image, [GroupState::Damaged, GroupState::Running, GroupState::Stopped]));
    snapshot.boot_time = NOW - 10;
    assert_eq!(cycle(&config, &snapshot), ["resurvey"]);
    let plan = decide(&config, &snapshot);
    assert_eq!(plan.groups.iter().map(|group| group.group).collect::<Vec<_>>(), [1, 3]);
    assert!(plan.changes_anything());
}

#[test]
fn another_image_reaches_one_running_group_at_a_time() {
    let config = Config { docker_image: "nodes:2".to_owned(), ..small_groups() };
    let mut snapshot = in_groups(standing("nodes:1", STATES));
    for number in 1..=3 {
        assert_eq!(cycle(&config, &snapshot), ["survey"]);
        let plan = decide(&config, &snapshot);
        assert_eq!(opened(&plan), [(number, "nodes:2")]);
        let reason = plan.reasons.iter().find(|reason| reason.rule() == Rule::DockerImage).expect("it says why");
        let expected = format!("container group a{number} uses nodes:1: recreating it (docker_image = nodes:2)");
        assert_eq!(reason.to_string(), expected);
        let spec = plan.groups[0].clone();
        let place = spec.group as usize - 1;
        snapshot.groups[place].spec = spec;
    }
    assert_eq!(opened(&decide(&config, &snapshot)), []);
}

#[test]
fn a_group_that_has_to_be_mended_comes_before_another_image() {
    let config = Config { docker_image: "nodes:2".to_owned(), ..small_groups() };
    let snapshot = in_groups(standing("nodes:1", [GroupState::Running, GroupState::Damaged, GroupState::Running]));
    let plan = decide(&config, &snapshot);
    assert_eq!(opened(&plan), [(2, "nodes:2")], "its nodes go down and the others stay");
}

#[test]
fn groups_that_are_down_anyway_get_the_other_image_and_damaged_ones_one_at_a_time() {
    let config = Config { docker_image: "nodes:2".to_owned(), ..small_groups() };
    let snapshot = in_groups(standing("nodes:1", [GroupState::Damaged, GroupState::Damaged, GroupState::Gone]));
    let plan = decide(&config, &snapshot);
    assert_eq!(opened(&plan), [(1, "nodes:2"), (2, "nodes:1"), (3, "nodes:2")]);
}

#[test]
fn what_the_owner_asks_for_makes_no_running_group_again() {
    let config = Config { docker_image: "nodes:2".to_owned(), ..small_groups() };
    let snapshot = in_groups(standing("nodes:1", [GroupState::Running, GroupState::Damaged, GroupState::Gone]));
    let plan = decide_request(&config, &snapshot, &Request::Stop(Selection::count(1))).expect("it can be stopped");
    assert_eq!(opened(&plan), [(2, "nodes:1"), (3, "nodes:2")]);
    let snapshot = in_groups(standing("nodes:1", STATES));
    let plan = decide_request(&config, &snapshot, &Request::Stop(Selection::count(1))).expect("it can be stopped");
    assert_eq!(opened(&plan), []);
}

#[test]
fn a_group_without_nodes_to_keep_is_left_as_it_is() {
    let config = Config { docker_image: "nodes:2".to_owned(), ..small_groups() };
    let mut snapshot = in_groups(standing("nodes:1", STATES));
    for each in &mut snapshot.nodes {
        alter(&mut each.node, |node| {
            node.status = Removing;
            node.status_since = NOW;
        });
    }
    assert_eq!(opened(&decide(&config, &snapshot)), []);
}

#[tokio::test]
async fn a_container_host_is_told_of_the_other_image() {
    let world = MemoryWorld::new();
    let kind: ManagerKind = "s6overlay+user".parse().expect("there is such a manager");
    let manager = MemoryManager::new(kind, NumberingKind::Blocks, &world);
    let host: &dyn ContainerHost = manager.containers().expect("it has containers");
    let specs: Vec<GroupSpec> = standing("nodes:1", STATES).into_iter().map(|group| group.spec).collect();
    host.open(&specs).await;
    let config = Config { docker_image: "nodes:2".to_owned(), ..small_groups() };
    let mut cycles = 0;
    loop {
        let snapshot = in_groups(host.groups().await.expect("they are listed"));
        let plan = decide(&config, &snapshot);
        if plan.groups.is_empty() {
            break;
        }
        host.open(&plan.groups).await;
        cycles += 1;
    }
    assert_eq!(cycles, 3);
    let groups = host.groups().await.expect("they are listed");
    assert!(groups.iter().all(|group| group.spec.image == "nodes:2"), "{groups:?}");
}

#[test]
fn a_node_whose_container_does_not_run_earns_no_back_off() {
    for (state, failures) in [(GroupState::Stopped, 0), (GroupState::Gone, 0), (GroupState::Running, 1)] {
        for status in [Starting, Restarting, Upgrading] {
            let mut snapshot = in_groups(standing("nodes:1", [state, GroupState::Running, GroupState::Running]));
            alter(&mut snapshot.nodes[0].node, |node| {
                node.status = status;
                node.has_run = status != Starting;
                node.status_since = NOW - 100_000;
            });
            snapshot.nodes[0].seen = Some(gone());
            let Reconciled { snapshot, .. } = reconcile(&small_groups(), snapshot);
            let node = &snapshot.nodes[0].node;
            assert_eq!((node.status(), node.life().failures()), (Stopped, failures), "{status:?} in {state:?}");
        }
    }
}

#[test]
fn a_young_node_whose_container_does_not_run_waits_for_it() {
    for (state, became, failures) in [(GroupState::Stopped, Starting, 0), (GroupState::Running, Stopped, 1)] {
        let mut snapshot = in_groups(standing("nodes:1", [state, GroupState::Running, GroupState::Running]));
        alter(&mut snapshot.nodes[0].node, |node| {
            (node.status, node.has_run, node.status_since) = (Starting, false, NOW)
        });
        snapshot.nodes[0].seen = Some(gone());
        let Reconciled { snapshot, .. } = reconcile(&small_groups(), snapshot);
        let node = &snapshot.nodes[0].node;
        assert_eq!((node.status(), node.life().failures()), (became, failures), "{state:?}");
    }
}
