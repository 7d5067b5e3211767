//! Nodes in container groups on the real Docker engine, under the whole program.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::process::Command;

use serde_json::{Value, json};
use wnm_core::node::Status::Running;
use wnm_pm_s6overlay::MachineId;
use wnm_testing::Need::S6Image;
use wnm_testing::{Colony, NotedMachine, s6_image};

use crate::WNM;
use crate::fleet::lose_record;

/// What docker answers; nothing when it refuses.
pub fn docker(words: &[&str]) -> Option<String> {
    let output = Command::new("docker").args(words).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A machine whose nodes live in containers. Whatever a test does to it, its containers, network and rules go with it.
pub struct Groups {
    pub colony: Colony,
    _noted: NotedMachine,
}

/// The container of this group of a machine.
pub fn of_group(colony: &Colony, group: &str) -> String {
    let answer = colony.done(&["groups", "--json"]).json();
    let rows = answer.as_array().expect("an array");
    let row = rows.iter().find(|row| row["group"] == group).expect("the group is there");
    row["container"].as_str().expect("it has a name").to_owned()
}

impl Groups {
    /// Not initialised.
    pub fn bare() -> Self {
        let colony = Colony::in_containers(WNM);
        let noted = NotedMachine::new(MachineId::of(&colony.path().join("nodes")).as_str());
        Self { colony, _noted: noted }
    }

    pub fn new(settings: &[&str]) -> Self {
        let groups = Self::bare();
        let image = format!("--docker_image={}", s6_image());
        groups
            .colony
            .init(&[], &[&["--max_node_per_container=3", "--min_container_count=2", &image], settings].concat());
        groups
    }

    /// Three groups of twenty nodes each.
    pub fn of_twenty(nodes: usize) -> Self {
        let groups = Self::bare();
        let (image, cap) = (format!("--docker_image={}", s6_image()), format!("--node_cap={nodes}"));
        let all_at_once = ["operations", "starts", "upgrades"].map(|what| format!("--max_concurrent_{what}={nodes}"));
        let sizes = ["--max_node_per_container=20", "--min_container_count=3", &image, &cap];
        groups.colony.init(&[], &[&sizes[..], &all_at_once.each_ref().map(String::as_str)].concat());
        groups
    }

    /// The filter that finds this machine's containers.
    pub fn label(&self) -> String {
        format!("label=wnm.machine={}", MachineId::of(&self.colony.path().join("nodes")))
    }

    /// How many nodes live in its containers, as these see it.
    pub fn living(&self) -> usize {
        let listed = docker(&["ps", "--quiet", "--filter", &self.label()]).expect("the engine answers");
        let program = "^/var/antctl/services/antnode[0-9]+/antnode ";
        let count = |id: &str| {
            let counted = docker(&["exec", id, "sh", "-c", "pgrep -cf \"$1\" || true", "sh", program]);
            counted.and_then(|text| text.trim().parse::<usize>().ok()).unwrap_or(0)
        };
        listed.lines().map(count).sum()
    }

    fn rows(&self) -> Vec<Value> {
        let answer = self.colony.done(&["groups", "--json"]).json();
        answer.as_array().expect("an array").clone()
    }

    /// The container of a group.
    pub fn container(&self, group: usize) -> String {
        of_group(&self.colony, &format!("a{}", group + 1))
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        let _ = self.colony.wnm(&["teardown", "--confirm"]);
    }
}

fn groups_come_up_balanced_grow_heal_and_go() {
    let groups = Groups::new(&["--node_cap=7"]);
    let colony = &groups.colony;
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

fn ports_that_docker_publishes_open_no_further_group() {
    let groups = Groups::new(&["--node_cap=6", "--container_network=docker"]);
    let colony = &groups.colony;
    colony.done(&["run", "--node_cap=2"]);
    colony.cycle_until_running(6);
    assert_eq!(groups.rows().iter().map(|row| row["up"].clone()).collect::<Vec<_>>(), [3, 3]);
}

fn nodes_in_containers_are_taken_over_after_a_lost_record() {
    let groups = Groups::new(&["--node_cap=4"]);
    let colony = &groups.colony;
    colony.cycle_until_running(4);
    let nodes = |colony: &Colony| -> Vec<_> {
        let nodes = colony.stored().nodes.into_iter();
        nodes.map(|node| (node.id().0, node.spec().group, node.peer_id().map(str::to_owned))).collect()
    };
    let before = nodes(colony);
    lose_record(colony);
    let image = format!("--docker_image={}", s6_image());
    colony.init(&[], &["--import", "--max_node_per_container=3", "--min_container_count=2", "--node_cap=4", &image]);
    colony.cycle_until_running(4);
    assert_eq!(nodes(colony), before);
    colony.done(&["stop", "1"]);
    colony.done(&["teardown", "--confirm"]);
    assert_eq!(colony.statuses(), []);
}

fn an_engine_that_cannot_be_reached_changes_nothing() {
    let groups = Groups::new(&["--node_cap=2"]);
    let colony = &groups.colony;
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

fn a_storage_whose_groups_are_another_databases_is_refused_before_anything_is_made() {
    let groups = Groups::new(&["--node_cap=2"]);
    let first = &groups.colony;
    first.cycle_until_running(2);
    let containers = || {
        ["a1", "a2"]
            .map(|group| docker(&["inspect", "--format", "{{.Id}} {{.State.StartedAt}}", &of_group(first, group)]))
    };
    let before = (containers(), first.statuses());
    let second = first.path().join("second.db");
    let storage = first.path().join("nodes");
    let files = || {
        let mut names: Vec<_> =
            fs::read_dir(&storage).expect("it is read").flatten().map(|entry| entry.file_name()).collect();
        names.sort();
        names
    };
    let files_before = files();
    for more in [None, Some("--import")] {
        let mut command = Command::new(WNM);
        let settings = ["init", "--process_manager=s6overlay+user", "--rewards_address=faucet"];
        command.args(settings).arg("--database").arg(&second).arg("--node_storage").arg(&storage).args(more);
        command.arg("--log_dir").arg(first.path().join("logs")).env("HOME", first.path());
        let output = command.output().expect("wnm can be run");
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(4), "{said}");
        assert!(said.contains(&format!("belongs to another database, {}", first.database().display())), "{said}");
    }
    assert!(!second.exists() && files() == files_before, "{:?}", files());
    first.done(&["run"]);
    assert_eq!((containers(), first.statuses()), before);
    assert!(before.0.iter().all(Option::is_some), "{before:?}");
}

fn an_engine_that_is_away_is_one_message_while_there_are_no_nodes() {
    let colony = Colony::in_containers(WNM);
    colony.init(&[], &["--node_cap=400", "--max_concurrent_operations=400", "--max_concurrent_starts=400"]);
    for (engine, named) in [
        ("unix:///nowhere/docker.sock", "unix:///nowhere/docker.sock (DOCKER_HOST)"),
        ("tcp://127.0.0.1:9", "tcp://127.0.0.1:9 (DOCKER_HOST)"),
        ("unix:///run/user/54321/docker.sock", "the engine of the user 54321"),
    ] {
        for words in [&["run"][..], &["add", "--count=3"], &["run", "--quiet"]] {
            let output = colony.command(words).env("DOCKER_HOST", engine).output().expect("wnm can be run");
            let said = String::from_utf8_lossy(&output.stderr);
            assert_eq!(output.status.code(), Some(8), "{words:?}: {output:?}");
            assert_eq!(said.matches("cannot be reached").count(), 1, "{words:?}: {said}");
            assert!(said.contains(named), "{words:?}: {said}");
        }
    }
    assert_eq!(colony.statuses(), []);
}

fn the_dockerfile_is_printed_by_a_command_and_by_a_flag() {
    let print = |word| Command::new(WNM).arg(word).env_clear().output().expect("wnm can be run");
    let (command, flag) = (print("dockerfile"), print("--dockerfile"));
    assert!(command.status.success());
    assert!(String::from_utf8_lossy(&command.stdout).contains("\nCMD [\"sleep\", \"infinity\"]"));
    assert_eq!(command.stdout, flag.stdout);
}

wnm_testing::trials! {
    &[S6Image] =>
        groups_come_up_balanced_grow_heal_and_go,
        ports_that_docker_publishes_open_no_further_group,
        nodes_in_containers_are_taken_over_after_a_lost_record,
        a_storage_whose_groups_are_another_databases_is_refused_before_anything_is_made,
        an_engine_that_cannot_be_reached_changes_nothing;
    &[] =>
        an_engine_that_is_away_is_one_message_while_there_are_no_nodes,
        the_dockerfile_is_printed_by_a_command_and_by_a_flag;
}
