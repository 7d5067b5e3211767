//! A node's program is replaced or put back whole, or the node runs on as it is.

use std::fs;
use std::os::unix::fs::PermissionsExt;

use wnm_pm::command::Command;
use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::{Binary, Mode, ProcessManager, ProcessState};
use wnm_pm::upgrade::upgrade;
use wnm_pm_antctl::Antctl;
use wnm_testing::Need::{SystemdImage, Tool};
use wnm_testing::{ContractWorld, on_machine, only};

use crate::world::{World, run, text};

fn a_program_that_cannot_be_kept_stops_no_node() {
    on_machine("resident", "programs::a_program_that_cannot_be_kept_stops_no_node", async || {
        let world = World::new();
        let manager = world.manager(Mode::User);
        let node = running(&world, &manager).await;
        // Nothing can be kept where a file is in the way.
        fs::write(world.kept(), "").expect("it is written");
        let replaced = only(manager.replace_program(std::slice::from_ref(&node), &world.newer()).await);
        text(&replaced.expect_err("the previous program could not be put back"));
        runs_on(&world, &manager, &node).await;
        only(manager.forget_previous(std::slice::from_ref(&node)).await).expect("none is kept");
    });
}

fn a_program_that_there_is_no_room_for_stops_no_node() {
    on_machine("root", "programs::a_program_that_there_is_no_room_for_stops_no_node", async || {
        let world = World::new();
        let manager = world.manager(Mode::Sudo);
        let storage = world.settings(Mode::Sudo).node_storage;
        fs::create_dir_all(&storage).expect("it is made");
        let size = fs::metadata(world.spec(1).program).expect("it is there").len() * 3 / 2;
        let options = format!("size={size},mode=755");
        let mounted = run(Command::new("mount").args(["-t", "tmpfs", "-o", &options, "tmpfs"]).arg(&storage)).await;
        assert!(mounted.success(), "a small disk is mounted: {mounted:?}");
        let node = running(&world, &manager).await;

        let replaced = only(manager.replace_program(std::slice::from_ref(&node), &world.newer()).await);
        let error = text(&replaced.expect_err("there is no room"));
        assert!(error.contains("No space left on device"), "{error}");
        runs_on(&world, &manager, &node).await;
        let left = fs::read_dir(&node.spec.root_dir).expect("it is there").flatten().map(|file| file.file_name());
        assert!(left.into_iter().all(|name| name != "antnode.new"), "no part of a program is left");
        assert_eq!(kept(&world), 0);
    });
}

fn a_refused_replacement_leaves_the_program_that_is_kept() {
    on_machine("root", "programs::a_refused_replacement_leaves_the_program_that_is_kept", async || {
        let world = World::new();
        let manager = world.manager(Mode::Sudo);
        let nodes = [running(&world, &manager).await];
        only(manager.replace_program(&nodes, &world.newer()).await).expect("it is replaced");
        assert_eq!(fs::metadata(world.kept()).expect("it is there").permissions().mode() & 0o777, 0o700);
        only(manager.start(&nodes).await).expect("it starts");

        let missing = Binary { path: world.missing_program(), ..world.newer() };
        text(&only(manager.replace_program(&nodes, &missing).await).expect_err("there is no such program"));
        assert!(matches!(world.state(&manager, &nodes[0]).await, ProcessState::Running { .. }));
        only(manager.restore_program(&nodes).await).expect("the first program is kept all the same");
        runs(&world, &manager, &nodes[0], "0.4.17").await;
        let restored = only(manager.restore_program(&nodes).await).expect_err("it is not kept twice");
        assert_eq!(text(&restored), "antnode0001 cannot be given its previous program back: none is kept");
        assert!(world.listens(&nodes[0].spec).await, "nothing was stopped for it");
    });
}

fn no_program_is_kept_of_a_node_that_is_gone() {
    on_machine("resident", "programs::no_program_is_kept_of_a_node_that_is_gone", async || {
        let world = World::new();
        let manager = world.manager(Mode::User);
        let nodes = world.create(&manager, &[world.spec(1), world.spec(2)]).await;
        for (_, outcome) in manager.replace_program(&nodes, &world.newer()).await {
            outcome.expect("it is replaced");
        }
        assert_eq!(kept(&world), 2);
        only(manager.remove(&nodes[..1]).await).expect("it is removed");
        assert_eq!(kept(&world), 1);
        manager.teardown().await.expect("antctl resets");
        assert!(!world.kept().exists());
    });
}

/// How many programs are kept.
fn kept(world: &World) -> usize {
    fs::read_dir(world.kept()).map_or(0, |files| files.count())
}

/// Node 1, with its process.
async fn running(world: &World, manager: &Antctl) -> NodeRef {
    let mut node = world.create(manager, &[world.spec(1)]).await.remove(0);
    node.process = only(manager.start(std::slice::from_ref(&node)).await).expect("it starts").process;
    assert!(node.process.is_some(), "its process is known");
    node
}

/// Asserts that a node was not even started anew.
async fn runs_on(world: &World, manager: &Antctl, node: &NodeRef) {
    assert_eq!(world.state(manager, node).await, ProcessState::Running { process: node.process });
    runs(world, manager, node, "0.4.17").await;
}

/// Asserts that a node runs this version, once it is started.
async fn runs(world: &World, manager: &Antctl, node: &NodeRef, version: &str) {
    only(manager.start(std::slice::from_ref(node)).await).expect("it starts");
    let seen = world.read(&node.spec.root_dir.join("seen.json")).await.expect("test nodes write it");
    let seen: serde_json::Value = serde_json::from_slice(&seen).expect("it is JSON");
    assert_eq!(seen["version"], version);
}

fn what_cannot_be_written_over_stops_no_node() {
    on_machine("root", "programs::what_cannot_be_written_over_stops_no_node", async || {
        let world = World::new();
        let manager = world.manager(Mode::Sudo);
        let nodes = world.create(&manager, &[world.spec(1), world.spec(2)]).await;
        assert!(manager.start(&nodes).await.all_good());
        let before = world.state(&manager, &nodes[1]).await;
        let program = nodes[1].spec.binary.display().to_string();
        for words in [&["--bind", &program, &program][..], &["-o", "remount,ro,bind", &program]] {
            assert!(run(Command::new("mount").args(words)).await.success());
        }
        let mut upgraded = upgrade(&manager, &nodes, &world.newer()).await;
        let error = upgraded.take(nodes[1].id()).expect("it has an outcome").expect_err("it cannot be written");
        assert!(text(&error).contains(&program), "{error}");
        assert_eq!(world.state(&manager, &nodes[1]).await, before, "it runs on as if nothing had been tried");
        assert!(upgraded.len() == 1 && upgraded.all_good(), "{upgraded:?}");
    });
}

wnm_testing::trials! {
    &[SystemdImage, Tool("antctl"), Tool("antnode")] =>
        a_program_that_cannot_be_kept_stops_no_node,
        a_program_that_there_is_no_room_for_stops_no_node,
        a_refused_replacement_leaves_the_program_that_is_kept,
        no_program_is_kept_of_a_node_that_is_gone,
        what_cannot_be_written_over_stops_no_node;
}
