//! What is somebody else's: an owner's mask, services and nodes of others, an antctl that is at work or cannot be used.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::sync::Arc;
use std::time::Duration;

use wnm_pm::command::SystemRunner;
use wnm_pm::process_manager::{ManagerError, Mode, ProcessManager, ProcessState, Teardown};
use wnm_pm_antctl::{Antctl, AntctlSettings};
use wnm_testing::Need::{SystemdImage, Tool};
use wnm_testing::{ContractWorld, on_machine, only, told};

use crate::damage::notes;
use crate::world::{World, text};

fn a_mask_is_its_owners_word() {
    on_machine("resident", "owners::a_mask_is_its_owners_word", async || {
        let world = World::new();
        let manager = world.manager(Mode::User);
        let node = &world.create(&manager, &[world.spec(1)]).await[0];
        let (unit, nodes) = (world.unit(&node.service), std::slice::from_ref(node));
        fs::remove_file(&unit).expect("antctl wrote it");
        std::os::unix::fs::symlink("/dev/null", &unit).expect("it is masked");
        assert!(world.systemctl(&["daemon-reload"]).await.success());
        let state = world.state(&manager, node).await;
        assert_eq!(state, ProcessState::Stopped { reason: Some("its unit is masked".to_owned()) });
        for error in [
            only(manager.start(nodes).await).expect_err("it is masked"),
            only(manager.replace_program(nodes, &world.newer()).await).expect_err("it is masked"),
        ] {
            assert!(text(&error).ends_with("antnode1.service is left alone: it is masked"), "{error}");
            assert!(told(&error).contains("systemctl --user unmask antnode1.service"), "{error:?}");
        }
        assert!(unit.is_symlink(), "the mask stays");
    });
}

fn a_reader_does_not_wait_for_whoever_works_with_antctl() {
    on_machine("resident", "owners::a_reader_does_not_wait_for_whoever_works_with_antctl", async || {
        let world = World::new();
        let manager = world.manager(Mode::User);
        let nodes = world.create(&manager, &[world.spec(1), world.spec(2)]).await;
        only(manager.start(&nodes[..1]).await).expect("it starts");
        let lock = fs::File::open(world.registry().with_file_name("wnm-antctl.lock")).expect("it is there");
        lock.lock().expect("nobody else is at work");
        let states = tokio::time::timeout(Duration::from_secs(2), manager.inspect(&nodes)).await;
        let states = states.expect("it answers within two seconds");
        assert!(matches!(states.get(nodes[0].id()), Some(Ok(ProcessState::Running { .. }))), "{states:?}");
        assert!(matches!(states.get(nodes[1].id()), Some(Ok(ProcessState::Stopped { .. }))), "{states:?}");
        lock.unlock().expect("it was ours");
        assert!(matches!(world.state(&manager, &nodes[0]).await, ProcessState::Running { .. }));
    });
}

fn a_teardown_takes_no_node_of_another_database() {
    on_machine("resident", "owners::a_teardown_takes_no_node_of_another_database", async || {
        let world = World::new();
        let manager = world.manager(Mode::User);
        let node = world.create(&manager, &[world.spec(1)]).await.remove(0);
        only(manager.start(std::slice::from_ref(&node)).await).expect("it starts");
        let node_storage = world.node_storage().with_file_name("disk2");
        let settings = AntctlSettings { node_storage, ..world.settings(Mode::User) };
        let second = Antctl::new(settings, Arc::new(SystemRunner)).expect("it may be used");
        assert_eq!(second.teardown().await.expect("its own can go"), Teardown::OneByOne);
        assert!(matches!(world.state(&manager, &node).await, ProcessState::Running { .. }));
        notes(manager.teardown().await.expect("all are its own"));
        assert!(!node.spec.root_dir.exists());
    });
}

fn a_service_of_the_same_name_is_its_owners() {
    on_machine("root", "owners::a_service_of_the_same_name_is_its_owners", async || {
        let world = World::new();
        let manager = world.manager(Mode::Sudo);
        let his = "[Service]\nExecStart=/bin/sleep 1000\n";
        fs::write(world.unit("antnode1"), his).expect("it is written");
        assert!(world.systemctl(&["daemon-reload"]).await.success());
        assert!(world.systemctl(&["start", "antnode1"]).await.success());
        let error = only(manager.create(&world.planned([1])).await).expect_err("antctl would write over it");
        assert!(text(&error).contains("antnode1.service is left alone: it is not antctl's"), "{error}");
        manager.teardown().await.expect("nothing is there");
        assert!(world.systemctl(&["is-active", "antnode1"]).await.success());
        assert_eq!(fs::read_to_string(world.unit("antnode1")).expect("it is there"), his);
    });
}

fn every_cause_has_a_text_of_its_own() {
    on_machine("resident", "owners::every_cause_has_a_text_of_its_own", async || {
        let world = World::new();
        let node = world.create(&world.manager(Mode::User), &[world.spec(1)]).await;
        let texts = async |antctl: &str| {
            let settings = AntctlSettings { antctl_path: antctl.into(), ..world.settings(Mode::User) };
            let manager = Antctl::new(settings, Arc::new(SystemRunner)).expect("it may be used");
            let error = only(manager.inspect(&node).await).expect_err("nothing is known of it");
            assert!(matches!(error, ManagerError::Unavailable { .. }), "{error:?}");
            told(&error)
        };
        let nowhere = texts("/nowhere/antctl").await;
        assert!(nowhere.contains("/nowhere/antctl") && nowhere.contains("set antctl_path"), "{nowhere}");

        let other = world.node_storage().with_file_name("antctl");
        let script = "#!/bin/sh\necho \"error: unrecognized subcommand 'status'\" >&2; exit 2\n";
        fs::write(&other, script).expect("it is written");
        fs::set_permissions(&other, fs::Permissions::from_mode(0o755)).expect("it is ours");
        let unknown = texts(&other.display().to_string()).await;
        assert!(unknown.contains("does not know `antctl status --json`: error: unrecognized subcommand"), "{unknown}");
        assert!(unknown.contains("install antctl 0.14.2"), "{unknown}");

        let tool = world.settings(Mode::User).antctl_path.display().to_string();
        let json = fs::read_to_string(world.registry()).expect("antctl wrote it");
        fs::write(world.registry(), &json[..json.len() / 2]).expect("it can be damaged");
        let damaged = texts(&tool).await;
        assert!(damaged.contains("restore it from a backup"), "{damaged}");

        // Blanks are no nodes.
        fs::write(world.registry(), json.replace('[', "[ ")).expect("it can be written");
        assert_eq!(world.manager(Mode::User).survey().await.expect("it can be read").len(), 1);
    });
}

wnm_testing::trials! {
    &[SystemdImage, Tool("antctl"), Tool("antnode")] =>
        a_mask_is_its_owners_word,
        a_reader_does_not_wait_for_whoever_works_with_antctl,
        a_teardown_takes_no_node_of_another_database,
        a_service_of_the_same_name_is_its_owners,
        every_cause_has_a_text_of_its_own;
}
