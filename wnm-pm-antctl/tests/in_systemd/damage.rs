//! What others damage behind antctl's back, and what wnm makes of it.

use std::fs;

use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::{Binary, Mode, ProcessManager, ProcessState, Teardown};
use wnm_testing::Need::{SystemdImage, Tool};
use wnm_testing::{ContractWorld, on_machine};

use crate::world::World;

fn notes(teardown: Teardown) -> Vec<String> {
    match teardown {
        Teardown::AllAtOnce { notes } => notes,
        Teardown::OneByOne => panic!("antctl resets all at once"),
    }
}

fn a_missing_unit_file_is_put_back() {
    on_machine("root", "damage::a_missing_unit_file_is_put_back", async || {
        let world = World::new();
        let manager = world.manager(Mode::Sudo);
        let specs: Vec<_> = (1..=3).map(|number| world.spec(number)).collect();
        let nodes = world.create(&manager, &specs).await;
        for node in &nodes {
            fs::remove_file(world.unit(&node.service)).expect("antctl wrote it");
        }
        assert!(matches!(world.state(&manager, &nodes[0]).await, ProcessState::Incomplete { .. }));
        let codes: Vec<_> = manager.examine().await.into_iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["node-incomplete"; 3]);
        manager.start(&nodes[..1]).await.remove(0).expect("starting mends it");
        let unit = fs::read_to_string(world.unit("antnode1")).expect("it is back");
        assert!(unit.contains("Environment=\"WNM_TEST_NODE=record\""), "{unit}");
        assert!(manager.remove(&nodes[1..2]).await[0].is_ok(), "it is removed nevertheless");

        // What antctl itself makes of it:
        assert!(!world.antctl(&["-v", "reset", "--force"]).status.success(), "antctl alone is stuck");
        let notes = notes(manager.teardown().await.expect("it is mended first"));
        assert_eq!(notes, ["put back the missing unit file of antnode3"]);
        assert!(!nodes[2].spec.root_dir.exists());
    });
}

fn a_deleted_program_or_directory_is_put_back() {
    on_machine("root", "damage::a_deleted_program_or_directory_is_put_back", async || {
        let world = World::new();
        let manager = world.manager(Mode::Sudo);
        let node = world.create(&manager, &[world.spec(1)]).await.remove(0);
        fs::remove_file(&node.spec.binary).expect("antctl copied it");
        assert!(matches!(world.state(&manager, &node).await, ProcessState::Incomplete { .. }));
        let mut without = node.clone();
        without.spec.program = "/nonexistent/antnode".into();
        let error = manager.start(&[without]).await.remove(0).expect_err("there is nothing to put back").to_string();
        assert!(
            error.contains("is missing and cannot be put back") && error.contains("/nonexistent/antnode"),
            "{error}"
        );
        manager.start(std::slice::from_ref(&node)).await.remove(0).expect("it is put back and starts");
        assert!(manager.stop(std::slice::from_ref(&node)).await[0].is_ok());

        fs::remove_dir_all(&node.spec.root_dir).expect("it is there");
        assert_eq!(world.state(&manager, &node).await, ProcessState::Absent);
        assert!(manager.start(std::slice::from_ref(&node)).await[0].is_err(), "it would be another node");
        assert_eq!(world.create(&manager, &[world.spec(1)]).await, std::slice::from_ref(&node));
        manager.start(std::slice::from_ref(&node)).await.remove(0).expect("antctl's user owns the new directory");
        assert!(manager.remove(std::slice::from_ref(&node)).await[0].is_ok());
    });
}

fn a_damaged_registry_is_told_and_put_aside_by_a_teardown() {
    on_machine("resident", "damage::a_damaged_registry_is_told_and_put_aside_by_a_teardown", async || {
        let world = World::new();
        let manager = world.manager(Mode::User);
        let nodes = world.create(&manager, &[world.spec(1), world.spec(2)]).await;
        manager.start(&nodes[..1]).await.remove(0).expect("it starts");
        let text = fs::read_to_string(world.registry()).expect("antctl wrote it");
        fs::write(world.registry(), &text[..text.len() / 2]).expect("it can be damaged");

        let error = manager.inspect(&nodes).await.remove(0).expect_err("antctl cannot read it").to_string();
        assert!(error.contains("antctl does not tell its nodes") && error.contains("hint:"), "{error}");
        assert!(!error.contains('\u{1b}'), "{error}");
        assert!(manager.create(&[world.spec(3)]).await[0].is_err(), "nothing is added on top");
        let codes: Vec<_> = manager.examine().await.into_iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["antctl-registry"]);

        let notes = notes(manager.teardown().await.expect("it is put aside"));
        assert_eq!(notes.len(), 3, "{notes:?}");
        assert!(notes[0].starts_with("antctl's registry was damaged"), "{notes:?}");
        assert!(notes[1].contains("antnode1") && notes[2].contains("antnode2"), "{notes:?}");
        for node in &nodes {
            assert!(!node.spec.root_dir.exists() && !world.listens(&node.spec).await, "{} is gone", node.service);
            assert!(!world.unit(&node.service).exists());
        }
        assert_eq!(world.create(&manager, &[world.spec(3)]).await[0].service, "antnode1");
    });
}

fn a_node_that_antctl_lost_is_told_and_cleared() {
    on_machine("resident", "damage::a_node_that_antctl_lost_is_told_and_cleared", async || {
        let world = World::new();
        let manager = world.manager(Mode::User);
        let first = world.create(&manager, &[world.spec(1)]).await.remove(0);
        let before = fs::read(world.registry()).expect("antctl wrote it");
        let second = world.create(&manager, &[world.spec(2)]).await.remove(0);
        manager.start(std::slice::from_ref(&second)).await.remove(0).expect("it starts");
        // As another antctl does that read before and writes after.
        fs::write(world.registry(), before).expect("it can be overwritten");

        assert!(matches!(world.state(&manager, &second).await, ProcessState::Incomplete { .. }));
        let codes: Vec<_> = manager.examine().await.into_iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["forgotten-nodes"]);
        assert!(manager.stop(std::slice::from_ref(&second)).await[0].is_ok());
        assert!(!world.listens(&second.spec).await, "it is stopped, though antctl knows nothing of it");
        fs::write(second.spec.root_dir.join("secret-key"), "its own").expect("it has one");
        let error = manager.create(&[world.spec(3)]).await.remove(0).expect_err("antctl would reuse antnode2");
        assert!(error.to_string().contains("with the key of another"), "{error}");
        assert!(manager.remove(std::slice::from_ref(&second)).await[0].is_ok());
        assert!(!second.spec.root_dir.exists() && !world.unit("antnode2").exists());
        assert!(!world.listens(&second.spec).await, "its process went with it");
        assert!(matches!(world.state(&manager, &first).await, ProcessState::Stopped { .. }), "the other is unharmed");
    });
}

fn what_was_added_and_not_written_down_is_removed() {
    on_machine("resident", "damage::what_was_added_and_not_written_down_is_removed", async || {
        let world = World::new();
        let manager = world.manager(Mode::User);
        let added = world.create(&manager, &[world.spec(1)]).await.remove(0);
        // wnm was killed before it could record what antctl chose.
        let spec = world.spec(1);
        let row = NodeRef { service: spec.name.clone(), spec, process: None };
        let state = world.state(&manager, &row).await;
        assert!(matches!(&state, ProcessState::Incomplete { missing } if missing.contains("antnode1")), "{state:?}");
        let mut stranger = row.clone();
        stranger.spec.ports.node += 1;
        assert!(manager.remove(&[stranger]).await[0].is_ok());
        assert!(added.spec.root_dir.exists(), "it is another's");
        assert!(manager.remove(&[row]).await[0].is_ok());
        assert!(!added.spec.root_dir.exists() && !world.unit("antnode1").exists());
    });
}

fn what_an_add_that_was_cut_short_left_does_not_block_the_next() {
    on_machine("resident", "damage::what_an_add_that_was_cut_short_left_does_not_block_the_next", async || {
        let world = World::new();
        let manager = world.manager(Mode::User);
        let program = world.spec(1).program;
        let left = world.spec(1).root_dir.with_file_name("antnode1");
        fs::create_dir_all(&left).expect("it is made");
        fs::write(left.join(program.file_name().expect("it has a name")), "half of it").expect("it is written");
        let node = world.create(&manager, &[world.spec(1)]).await.remove(0);
        assert_eq!(node.spec.root_dir, left);
        manager.start(std::slice::from_ref(&node)).await.remove(0).expect("its program is whole");

        let next = left.with_file_name("antnode2");
        fs::create_dir(&next).expect("it is made");
        fs::write(next.join("secret-key"), "of another").expect("it is written");
        assert!(manager.create(&[world.spec(2)]).await[0].is_err(), "somebody's key is not touched");
        assert!(next.join("secret-key").exists());
    });
}

fn an_upgrade_that_could_not_be_taken_back_stops_no_node() {
    on_machine("resident", "damage::an_upgrade_that_could_not_be_taken_back_stops_no_node", async || {
        let world = World::new();
        let manager = world.manager(Mode::User);
        let node = world.create(&manager, &[world.spec(1)]).await.remove(0);
        manager.start(std::slice::from_ref(&node)).await.remove(0).expect("it starts");
        // Nothing can be kept where a file stands in the way.
        fs::write(world.registry().with_file_name("wnm-previous"), "").expect("it is written");
        let to = Binary { path: node.spec.program.clone(), version: semver::Version::new(0, 4, 18) };
        assert!(manager.upgrade(std::slice::from_ref(&node), &to).await[0].is_err());
        assert!(matches!(world.state(&manager, &node).await, ProcessState::Running { .. }));
    });
}

fn f15_a_name_that_antctl_gave_to_another_node_is_not_touched() {
    on_machine("resident", "damage::f15_a_name_that_antctl_gave_to_another_node_is_not_touched", async || {
        let world = World::new();
        let manager = world.manager(Mode::User);
        let recorded = world.create(&manager, &[world.spec(1)]).await.remove(0);
        assert!(world.antctl(&["-v", "reset", "--force"]).status.success());
        let mut stranger = world.spec(2);
        stranger.root_dir = stranger.root_dir.with_file_name("elsewhere").join("antnode0002");
        let stranger = world.create(&manager, &[stranger]).await.remove(0);
        assert_eq!(stranger.service, recorded.service, "antctl starts at one again");
        manager.start(std::slice::from_ref(&stranger)).await.remove(0).expect("it starts");

        assert_eq!(world.state(&manager, &recorded).await, ProcessState::Absent);
        assert!(manager.start(std::slice::from_ref(&recorded)).await[0].is_err());
        assert!(manager.stop(std::slice::from_ref(&recorded)).await[0].is_ok(), "it does not run");
        assert!(manager.remove(std::slice::from_ref(&recorded)).await[0].is_ok(), "it is gone");
        assert!(
            matches!(world.state(&manager, &stranger).await, ProcessState::Running { .. }),
            "the other is unharmed"
        );
    });
}

fn a_directory_that_became_a_link_stops_a_teardown() {
    on_machine("resident", "damage::a_directory_that_became_a_link_stops_a_teardown", async || {
        let world = World::new();
        let manager = world.manager(Mode::User);
        let node = world.create(&manager, &[world.spec(1)]).await.remove(0);
        let aside = node.spec.root_dir.with_file_name("aside");
        world.rename(&node.spec.root_dir, &aside).await;
        world.link(&aside, &node.spec.root_dir).await;
        let error = manager.teardown().await.expect_err("a link is no node").to_string();
        assert!(error.contains("is left alone: it is a symbolic link"), "{error}");
        assert!(aside.join("antnode").exists());
    });
}

wnm_testing::trials! {
    &[SystemdImage, Tool("antctl"), Tool("antnode")] =>
        a_missing_unit_file_is_put_back,
        a_deleted_program_or_directory_is_put_back,
        a_damaged_registry_is_told_and_put_aside_by_a_teardown,
        a_node_that_antctl_lost_is_told_and_cleared,
        what_was_added_and_not_written_down_is_removed,
        what_an_add_that_was_cut_short_left_does_not_block_the_next,
        an_upgrade_that_could_not_be_taken_back_stops_no_node,
        f15_a_name_that_antctl_gave_to_another_node_is_not_touched,
        a_directory_that_became_a_link_stops_a_teardown;
}
