//! Nodes in container groups on the real Docker engine, under the whole program.

use std::process::Command;

use serde_json::{Value, json};
use wnm_core::node::Status::Running;
use wnm_testing::{Colony, skip};

use crate::WNM;
use crate::fleet::lose_record;

/// The image that tests run; `wnm-pm-s6overlay/image/build-test-image.sh` makes it.
pub fn image() -> String {
    std::env::var("WNM_TEST_S6_IMAGE").unwrap_or_else(|_| "wnm-test-s6:1".to_owned())
}

fn docker(words: &[&str]) -> Option<String> {
    let output = Command::new("docker").args(words).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A machine whose nodes live in containers. Whatever a test does to it, its containers, network and rules go with it.
pub struct Groups(pub Colony);

/// Whether nodes can live in containers here; says so where they cannot.
pub fn can_be_had() -> bool {
    let can = docker(&["image", "inspect", &image()]).is_some();
    if !can {
        skip("nodes in containers", &format!("there is no Docker engine, or no image {} on it", image()));
    }
    can
}

/// The container of this group of a machine.
pub fn of_group(colony: &Colony, group: &str) -> String {
    let answer = colony.done(&["groups", "--json"]).json();
    let rows = answer.as_array().expect("an array");
    let row = rows.iter().find(|row| row["group"] == group).expect("the group is there");
    row["container"].as_str().expect("it has a name").to_owned()
}

impl Groups {
    fn new(settings: &[&str]) -> Option<Self> {
        if !can_be_had() {
            return None;
        }
        let groups = Self(Colony::in_containers(WNM));
        let image = format!("--docker_image={}", image());
        groups.0.init(&[], &[&["--max_node_per_container=3", "--min_container_count=2", &image], settings].concat());
        Some(groups)
    }

    fn rows(&self) -> Vec<Value> {
        let answer = self.0.done(&["groups", "--json"]).json();
        answer.as_array().expect("an array").clone()
    }

    /// The container of a group.
    fn container(&self, group: usize) -> String {
        of_group(&self.0, &format!("a{}", group + 1))
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        let _ = self.0.wnm(&["teardown", "--confirm"]);
    }
}

#[test]
fn groups_come_up_balanced_grow_heal_and_go() {
    let Some(groups) = Groups::new(&["--node_cap=7"]) else { return };
    let colony = &groups.0;
    // Six fit into the two groups that stand from the start; the seventh opens one more.
    let first = colony.done(&["run", "--node_cap=4", "--json"]).json();
    let numbers: Vec<&Value> =
        first["results"].as_array().expect("results").iter().map(|result| &result["number"]).collect();
    assert_eq!(numbers, [1, 4, 2, 5], "each add goes to the group with the fewest nodes");
    let up = || -> Vec<Value> { groups.rows().iter().map(|row| row["up"].clone()).collect() };
    assert_eq!(up(), [2, 2], "what lives is up, also before it was asked");
    colony.cycle_until_running(7);
    assert_eq!(up(), [3, 3, 1]);
    let peers = |colony: &Colony| -> Vec<Option<String>> {
        colony.stored().nodes.into_iter().map(|node| node.peer_id().map(str::to_owned)).collect()
    };
    let before = peers(colony);

    docker(&["kill", &groups.container(0)]).expect("it can be killed");
    docker(&["rm", "--force", &groups.container(1)]).expect("it can be removed");
    docker(&["restart", "--time", "3", &groups.container(2)]).expect("it can be restarted");
    colony.done(&["run"]);
    colony.cycle_until_running(7);
    assert_eq!(peers(colony), before, "they are who they were");
    assert!(groups.rows().iter().all(|row| row["state"] == "running"), "{:#?}", groups.rows());

    colony.done(&["stop", "1"]);
    docker(&["restart", "--time", "3", &groups.container(0)]).expect("it can be restarted");
    colony.done(&["run"]);
    colony.cycle_until_running(6);
    assert_eq!(colony.statuses().iter().filter(|(_, status)| *status != Running).count(), 1, "it stays stopped");

    let containers: Vec<String> = (0..3).map(|group| groups.container(group)).collect();
    colony.done(&["teardown", "--confirm"]);
    assert_eq!(colony.statuses(), []);
    for container in containers {
        assert_eq!(docker(&["container", "inspect", &container]), None, "{container} is gone");
    }
}

#[test]
fn ports_that_docker_publishes_open_no_further_group() {
    let Some(groups) = Groups::new(&["--node_cap=6", "--container_network=docker"]) else { return };
    let colony = &groups.0;
    colony.done(&["run", "--node_cap=2"]);
    colony.cycle_until_running(6);
    assert_eq!(groups.rows().iter().map(|row| row["up"].clone()).collect::<Vec<_>>(), [3, 3]);
}

#[test]
fn nodes_in_containers_are_taken_over_after_a_lost_record() {
    let Some(groups) = Groups::new(&["--node_cap=4"]) else { return };
    let colony = &groups.0;
    colony.cycle_until_running(4);
    let nodes = |colony: &Colony| -> Vec<_> {
        let nodes = colony.stored().nodes.into_iter();
        nodes.map(|node| (node.id().0, node.spec().group, node.peer_id().map(str::to_owned))).collect()
    };
    let before = nodes(colony);
    lose_record(colony);
    let image = format!("--docker_image={}", image());
    colony.init(&[], &["--import", "--max_node_per_container=3", "--min_container_count=2", "--node_cap=4", &image]);
    colony.cycle_until_running(4);
    assert_eq!(nodes(colony), before);
    colony.done(&["stop", "1"]);
    colony.done(&["teardown", "--confirm"]);
    assert_eq!(colony.statuses(), []);
}

#[test]
fn an_engine_that_cannot_be_reached_changes_nothing() {
    let Some(groups) = Groups::new(&["--node_cap=2"]) else { return };
    let colony = &groups.0;
    colony.done(&["run"]);
    colony.cycle_until_running(2);
    let before = colony.statuses();
    let mut command = colony.command(&["run", "--json"]);
    let output = command.env("DOCKER_HOST", "tcp://127.0.0.1:9").output().expect("wnm can be run");
    let answer: Value = serde_json::from_slice(&output.stdout).expect("it answers");
    assert_eq!((output.status.code(), &answer["exit_code"]), (Some(8), &json!(8)), "{answer:#}");
    assert!(answer["error"].to_string().contains("cannot be reached"), "{answer:#}");
    assert_eq!(colony.statuses(), before);
    colony.done(&["run"]);
    assert_eq!(colony.statuses(), before);
}

#[test]
fn the_dockerfile_is_printed_by_a_command_and_by_a_flag() {
    let print = |word| Command::new(WNM).arg(word).output().expect("wnm can be run");
    let (command, flag) = (print("dockerfile"), print("--dockerfile"));
    assert!(command.status.success());
    assert!(String::from_utf8_lossy(&command.stdout).contains("\nCMD [\"sleep\", \"infinity\"]"));
    assert_eq!(command.stdout, flag.stdout);
}
