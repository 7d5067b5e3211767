//! A program is replaced without stopping a node that cannot be given it, and as often as it takes.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;

use async_trait::async_trait;
use wnm_pm::command::{Command, CommandError, CommandRunner, Output, SystemRunner};
use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::{Binary, Mode, ProcessManager, ProcessState};
use wnm_pm::upgrade::upgrade;
use wnm_pm_systemd::Systemd;
use wnm_testing::Need::SystemdImage;
use wnm_testing::{ContractWorld, eventually, on_machine, only, test_node};

use crate::world::World;

pub fn newer() -> Binary {
    Binary { path: test_node("0.4.18"), version: "0.4.18".parse().expect("it is a version") }
}

async fn assert_version(world: &World, node: &NodeRef, version: &str) {
    eventually("the node says its version", async || world.seen(node).await["version"] == version).await;
}

/// The node runs on as if nothing had been tried.
async fn assert_untouched(world: &World, manager: &Systemd, node: &NodeRef) {
    assert_eq!(world.state(manager, node).await, ProcessState::Running { process: node.process });
    let program = fs::read(&node.spec.binary).expect("it can be read");
    assert!(program == fs::read(test_node("0.4.17")).expect("it can be read"), "it has its old program");
    assert_version(world, node, "0.4.17").await;
}

/// Nothing is left of the upgrade beside the nodes' directories.
async fn assert_tidy(world: &World, nodes: &[NodeRef]) {
    for node in nodes {
        for copy in ["new", "previous"] {
            let beside = node.spec.root_dir.with_file_name(format!(".{}.{copy}", node.spec.name));
            assert!(!world.exists(&beside).await, "{} is left", beside.display());
        }
    }
}

/// Upgrades four nodes, of which the second cannot be given a program.
async fn upgrade_all_but_the_second(world: &World, close: impl AsyncFnOnce(&NodeRef)) {
    let manager = world.manager();
    let nodes = world.running(&manager, &[1, 2, 3, 4]).await;
    close(&nodes[1]).await;
    let mut upgraded = upgrade(&manager, &nodes, &newer()).await;
    let error = upgraded.take(nodes[1].id()).expect("it has an outcome").expect_err("its program cannot be replaced");
    assert!(error.text().contains("/antnode0002/antnode"), "{}", error.text());
    assert_untouched(world, &manager, &nodes[1]).await;
    assert!(upgraded.len() == 3 && upgraded.all_good(), "{upgraded:?}");
    for node in [&nodes[0], &nodes[2], &nodes[3]] {
        assert!(matches!(world.state(&manager, node).await, ProcessState::Running { .. }));
        assert_version(world, node, "0.4.18").await;
    }
    assert_tidy(world, &nodes).await;
}

fn what_cannot_be_put_in_its_place_stops_no_node() {
    on_machine("resident", "replacing::what_cannot_be_put_in_its_place_stops_no_node", async || {
        let close = async |node: &NodeRef| {
            fs::set_permissions(&node.spec.root_dir, Permissions::from_mode(0o500)).expect("it is ours");
        };
        upgrade_all_but_the_second(&World::new(Mode::User), close).await;
    });
}

fn what_root_cannot_put_in_its_place_stops_no_node() {
    on_machine("keeper", "replacing::what_root_cannot_put_in_its_place_stops_no_node", async || {
        let world = World::new(Mode::Sudo);
        let close = async |node: &NodeRef| {
            // Nothing can be renamed to where something is mounted.
            let mounted = world.root("mount", &["--bind".as_ref(), &node.spec.binary, &node.spec.binary]);
            assert!(mounted.status.success(), "{mounted:?}");
        };
        upgrade_all_but_the_second(&world, close).await;
    });
}

async fn replace(manager: &Systemd, node: &NodeRef) {
    only(manager.replace_program(std::slice::from_ref(node), &newer()).await).expect("its program is replaced");
}

fn a_replacement_that_is_repeated_keeps_the_program_that_was_there_before() {
    let test = "replacing::a_replacement_that_is_repeated_keeps_the_program_that_was_there_before";
    on_machine("keeper", test, async || {
        let world = World::new(Mode::Sudo);
        let manager = world.manager();
        let node = world.running(&manager, &[1]).await.remove(0);
        let node_again = std::slice::from_ref(&node);
        replace(&manager, &node).await;
        // As after a run that was killed before it could note down that it had replaced the program.
        replace(&manager, &node).await;
        only(manager.start(node_again).await).expect("it starts");
        assert_version(&world, &node, "0.4.18").await;
        replace(&manager, &node).await;
        assert!(matches!(world.state(&manager, &node).await, ProcessState::Stopped { .. }), "it is stopped once more");
        only(manager.restore_program(node_again).await).expect("the program before it is kept");
        only(manager.start(node_again).await).expect("it starts");
        assert_version(&world, &node, "0.4.17").await;
        assert_tidy(&world, node_again).await;
    });
}

/// Does not stop units.
struct Unstoppable;

#[async_trait]
impl CommandRunner for Unstoppable {
    async fn run(&self, command: &Command) -> Result<Output, CommandError> {
        if command.arguments.iter().any(|word| word == "stop") {
            return Ok(Output { code: Some(1), stderr: "it was told not to".to_owned(), ..Output::default() });
        }
        SystemRunner.run(command).await
    }
}

fn a_node_that_does_not_stop_runs_on_with_its_program() {
    on_machine("resident", "replacing::a_node_that_does_not_stop_runs_on_with_its_program", async || {
        let world = World::new(Mode::User);
        let manager = world.manager_with(Arc::new(Unstoppable));
        let nodes = world.running(&manager, &[1, 2]).await;
        for (_, replaced) in manager.replace_program(&nodes, &newer()).await {
            let error = replaced.expect_err("it runs on").text();
            assert!(error.contains("did not stop") && error.ends_with("it was told not to"), "{error}");
        }
        for node in &nodes {
            assert_untouched(&world, &manager, node).await;
        }
        assert_tidy(&world, &nodes).await;
    });
}

fn what_systemd_cannot_load_again_stops_no_node() {
    on_machine("resident", "replacing::what_systemd_cannot_load_again_stops_no_node", async || {
        let world = World::new(Mode::User);
        let manager = world.manager();
        let nodes = world.running(&manager, &[1, 2]).await;
        let drop_in = world.unit(&nodes[0]).with_file_name("antnode0001.service.d");
        fs::create_dir(&drop_in).expect("it is new");
        fs::write(drop_in.join("own.conf"), "[Service]\nExecStart=antnode\nType=none such\nExecStart=\n")
            .expect("it is written");
        let mut refused = manager.check_restart(&nodes).await;
        let error = refused.take(nodes[0].id()).expect("it has an outcome").expect_err("it cannot be loaded");
        let expected =
            "systemd cannot start antnode0001 again, so it is not stopped: Unit antnode0001.service has a bad";
        assert!(error.text().starts_with(expected), "{}", error.text());
        assert!(refused.all_good(), "{refused:?}");
        let mut upgraded = upgrade(&manager, &nodes, &newer()).await;
        upgraded.take(nodes[0].id()).expect("it has an outcome").expect_err("it cannot be loaded");
        assert!(upgraded.all_good(), "{upgraded:?}");
        assert_untouched(&world, &manager, &nodes[0]).await;
        assert_tidy(&world, &nodes).await;
    });
}

wnm_testing::trials! {
    &[SystemdImage] =>
        what_cannot_be_put_in_its_place_stops_no_node,
        what_root_cannot_put_in_its_place_stops_no_node,
        a_replacement_that_is_repeated_keeps_the_program_that_was_there_before,
        a_node_that_does_not_stop_runs_on_with_its_program,
        what_systemd_cannot_load_again_stops_no_node;
}
