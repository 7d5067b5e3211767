//! What is damaged behind antctl's back, and what wnm makes of it.

use std::fs;

use wnm_pm::process_manager::{Mode, ProcessManager, ProcessState, Teardown};
use wnm_testing::Need::{SystemdImage, Tool};
use wnm_testing::{ContractWorld, on_machine, only, told};

use crate::world::{World, text};

pub fn notes(teardown: Teardown) -> Vec<String> {
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
        only(manager.start(&nodes[..1]).await).expect("starting repairs it");
        let unit = fs::read_to_string(world.unit("antnode1")).expect("it is back");
        assert!(unit.contains("Environment=\"WNM_TEST_NODE=record\""), "{unit}");
        assert!(only(manager.remove(&nodes[1..2]).await).is_ok(), "it is removed nevertheless");

        // What antctl itself makes of it:
        assert!(!world.antctl(&["-v", "reset", "--force"]).await.success(), "antctl alone is stuck");
        let notes = notes(manager.teardown().await.expect("it is repaired first"));
        assert_eq!(notes, ["restored the missing unit file of antnode3"]);
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
        let error = only(manager.start(&[without]).await).expect_err("there is nothing to put back");
        assert!(text(&error).contains("is missing and cannot be restored"), "{error}");
        assert!(told(&error).contains("put a node program at /nonexistent/antnode"), "{error:?}");
        only(manager.start(std::slice::from_ref(&node)).await).expect("it is put back and starts");
        assert!(only(manager.stop(std::slice::from_ref(&node)).await).is_ok());

        fs::remove_dir_all(&node.spec.root_dir).expect("it is there");
        assert_eq!(world.state(&manager, &node).await, ProcessState::Absent);
        let error = only(manager.start(std::slice::from_ref(&node)).await).expect_err("it would be another node");
        assert!(text(&error).ends_with("is gone") && told(&error).contains("antnode0001"), "{error:?}");
        assert_eq!(world.create(&manager, &[world.spec(1)]).await, std::slice::from_ref(&node));
        only(manager.start(std::slice::from_ref(&node)).await).expect("antctl's user owns the new directory");
        assert!(only(manager.remove(std::slice::from_ref(&node)).await).is_ok());
    });
}

fn an_altered_program_is_put_back() {
    on_machine("root", "damage::an_altered_program_is_put_back", async || {
        let world = World::new();
        let manager = world.manager(Mode::Sudo);
        let nodes = world.create(&manager, &[world.spec(1)]).await;
        let node = &nodes[0];
        only(manager.start(&nodes).await).expect("it starts");
        only(manager.stop(&nodes).await).expect("it stops");
        let whole = fs::read(&node.spec.binary).expect("antctl copied it");
        let altered = [&whole[..whole.len() - 8], &b"altered!"[..]].concat();
        fs::write(&node.spec.binary, &altered).expect("it is written");
        let mut without = node.clone();
        without.spec.program = "/nonexistent/antnode".into();
        let error = only(manager.start(&[without]).await).expect_err("there is nothing to put back");
        assert!(text(&error).contains("is damaged and cannot be restored"), "{error}");
        only(manager.start(&nodes).await).expect("it is put back and starts");
        assert!(fs::read(&node.spec.binary).expect("it is there") == whole);

        only(manager.replace_program(&nodes, &world.newer()).await).expect("it is replaced");
        let newer = fs::read(&node.spec.binary).expect("it is there");
        only(manager.start(&nodes).await).expect("what wnm put there is what belongs there");
        assert!(fs::read(&node.spec.binary).expect("it is there") == newer);
        only(manager.restore_program(&nodes).await).expect("it is put back");
        only(manager.start(&nodes).await).expect("it starts");
        assert!(fs::read(&node.spec.binary).expect("it is there") == whole);
        only(manager.remove(&nodes).await).expect("its notes go with it");
        assert!(!node.spec.root_dir.exists());
    });
}

fn a_damaged_registry_is_reported_and_put_aside_by_a_teardown() {
    on_machine("resident", "damage::a_damaged_registry_is_reported_and_put_aside_by_a_teardown", async || {
        let world = World::new();
        let manager = world.manager(Mode::User);
        let nodes = world.create(&manager, &[world.spec(1), world.spec(2)]).await;
        only(manager.start(&nodes[..1]).await).expect("it starts");
        let json = fs::read_to_string(world.registry()).expect("antctl wrote it");
        fs::write(world.registry(), &json[..json.len() / 2]).expect("it can be damaged");

        for (_, outcome) in manager.inspect(&nodes).await {
            let error = outcome.expect_err("antctl cannot read it");
            let expected = "antctl+user cannot be used here: antctl does not report its nodes: ";
            assert!(text(&error).starts_with(expected), "{error}");
            assert!(told(&error).contains("restore it from a backup"), "{error:?}");
        }
        assert!(only(manager.create(&world.planned([3])).await).is_err(), "nothing is added on top");
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

fn a_node_that_antctl_lost_is_reported_and_cleared() {
    on_machine("resident", "damage::a_node_that_antctl_lost_is_reported_and_cleared", async || {
        let world = World::new();
        let manager = world.manager(Mode::User);
        let first = world.create(&manager, &[world.spec(1)]).await.remove(0);
        let registry = || fs::read(world.registry()).expect("antctl wrote it");
        let before = registry();
        let second = world.create(&manager, &[world.spec(2)]).await.remove(0);
        only(manager.start(std::slice::from_ref(&second)).await).expect("it starts");
        // As another antctl does that read before and writes after.
        let backup = registry();
        fs::write(world.registry(), &before).expect("it can be overwritten");
        fs::remove_file(world.copy()).expect("wnm keeps one");

        let state = world.state(&manager, &second).await;
        assert!(matches!(state, ProcessState::Running { process: Some(_) }), "its unit says more: {state:?}");
        only(manager.start(std::slice::from_ref(&second)).await).expect("it runs already");
        let codes: Vec<_> = manager.examine().await.into_iter().map(|finding| finding.code).collect();
        assert_eq!(codes, ["forgotten-nodes"]);
        let error = only(manager.replace_program(std::slice::from_ref(&second), &world.newer()).await);
        let error = error.expect_err("antctl cannot replace the program of a node that it lost");
        assert!(text(&error).contains("antctl has no antnode2 in"), "{error}");
        assert!(told(&error).contains("the node's key is still in"), "{error:?}");
        assert!(world.listens(&second.spec).await, "it runs on");

        fs::write(world.registry(), backup).expect("it can be restored");
        assert!(matches!(world.state(&manager, &second).await, ProcessState::Running { .. }), "it is known again");
        fs::write(world.registry(), &before).expect("it can be overwritten");
        fs::remove_file(world.copy()).expect("wnm keeps one");

        assert!(only(manager.stop(std::slice::from_ref(&second)).await).is_ok());
        assert!(!world.listens(&second.spec).await, "it is stopped, though antctl knows nothing of it");
        fs::write(second.spec.root_dir.join("secret-key"), "its own").expect("it has one");
        let error = only(manager.create(&world.planned([3])).await).expect_err("antctl would reuse antnode2");
        assert!(text(&error).contains("with the key of another node"), "{error}");
        assert!(only(manager.remove(std::slice::from_ref(&second)).await).is_ok());
        assert!(!second.spec.root_dir.exists() && !world.unit("antnode2").exists());
        assert!(!world.listens(&second.spec).await, "its process went with it");
        assert!(matches!(world.state(&manager, &first).await, ProcessState::Stopped { .. }), "the other is unharmed");
    });
}

fn what_antctl_lost_is_put_back_with_its_node() {
    on_machine("root", "damage::what_antctl_lost_is_put_back_with_its_node", async || {
        let world = World::new();
        let manager = world.manager(Mode::Sudo);
        let nodes = world.create(&manager, &[1, 2, 3, 4].map(|number| world.spec(number))).await;
        only(manager.remove(&nodes[1..2]).await).expect("it is removed");
        let left = [nodes[0].clone(), nodes[2].clone(), nodes[3].clone()];
        assert!(manager.start(&left[..2]).await.all_good());
        let keys =
            || left[..2].iter().map(|node| fs::read(node.spec.root_dir.join("secret-key")).ok()).collect::<Vec<_>>();
        let (before, runs) = (keys(), world.state(&manager, &left[0]).await);

        fs::remove_file(world.registry()).expect("antctl wrote it");
        only(manager.start(&left[2..]).await).expect("a stopped one starts");
        fs::remove_file(world.registry()).expect("antctl wrote it");
        assert_eq!(world.state(&manager, &left[0]).await, runs, "a look is enough");
        assert!(manager.start(&left).await.all_good(), "all are known again");
        assert_eq!(world.state(&manager, &left[0]).await, runs, "nothing was stopped");
        let status = world.antctl(&["status", "--json"]).await.stdout;
        assert_eq!(status.matches("\"service_name\": \"antnode").count(), 4, "{status}");

        let text = fs::read_to_string(world.registry()).expect("it is there");
        let mut registry: serde_json::Value = serde_json::from_str(&text).expect("it is JSON");
        registry["nodes"].as_array_mut().expect("a list").remove(2);
        fs::write(world.registry(), registry.to_string()).expect("one entry is cut out");
        let added = world.create(&manager, &[world.spec(5)]).await.remove(0);
        assert_eq!(added.service, "antnode5", "no name is given twice");
        only(manager.replace_program(&left[1..2], &world.newer()).await).expect("antctl can replace its program");
        only(manager.start(&left[1..2]).await).expect("it starts");
        assert_eq!(keys(), before, "they are who they were");
        assert_eq!(manager.examine().await, []);
        manager.teardown().await.expect("antctl resets");
        assert!(!world.copy().exists() && left.iter().all(|node| !node.spec.root_dir.exists()));
    });
}

fn what_was_added_and_not_written_down_is_removed() {
    on_machine("resident", "damage::what_was_added_and_not_written_down_is_removed", async || {
        let world = World::new();
        let manager = world.manager(Mode::User);
        let added = world.create(&manager, &[world.spec(1)]).await.remove(0);
        // wnm was killed before it could record what antctl chose.
        let row = world.planned([1]).remove(0);
        let state = world.state(&manager, &row).await;
        assert!(matches!(&state, ProcessState::Incomplete { missing } if missing.contains("antnode1")), "{state:?}");
        let mut stranger = row.clone();
        stranger.spec.ports = world.spec(2).ports;
        assert!(only(manager.remove(&[stranger]).await).is_ok());
        assert!(added.spec.root_dir.exists(), "it belongs to another node");
        assert!(only(manager.remove(&[row]).await).is_ok());
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
        only(manager.start(std::slice::from_ref(&node)).await).expect("its program is whole");

        let next = left.with_file_name("antnode2");
        fs::create_dir(&next).expect("it is made");
        fs::write(next.join("secret-key"), "of another").expect("it is written");
        assert!(only(manager.create(&world.planned([2])).await).is_err(), "somebody's key is not touched");
        assert!(next.join("secret-key").exists());
    });
}

fn a_repair_that_was_cut_short_is_finished_by_the_next_start() {
    on_machine("resident", "damage::a_repair_that_was_cut_short_is_finished_by_the_next_start", async || {
        let world = World::new();
        let manager = world.manager(Mode::User);
        let node = world.create(&manager, &[world.spec(1)]).await.remove(0);
        // What is there before antctl has written the node's own unit file.
        let stand_in = "[Unit]\nDescription=antnode1\n[Service]\nExecStart=/bin/false\n";
        fs::write(world.unit("antnode1"), stand_in).expect("it can be written");
        let unit = world.unit("antnode1").display().to_string();
        assert_eq!(world.state(&manager, &node).await, ProcessState::Incomplete { missing: unit });
        only(manager.start(std::slice::from_ref(&node)).await).expect("it is repaired and starts");
    });
}

fn f15_a_name_that_antctl_gave_to_another_node_is_not_touched() {
    on_machine("resident", "damage::f15_a_name_that_antctl_gave_to_another_node_is_not_touched", async || {
        let world = World::new();
        let manager = world.manager(Mode::User);
        let recorded = world.create(&manager, &[world.spec(1)]).await.remove(0);
        assert!(world.antctl(&["-v", "reset", "--force"]).await.success());
        let mut stranger = world.spec(2);
        stranger.root_dir = stranger.root_dir.with_file_name("elsewhere").join("antnode0002");
        let stranger = world.create(&manager, &[stranger]).await.remove(0);
        assert_eq!(stranger.service, recorded.service, "antctl starts at one again");
        only(manager.start(std::slice::from_ref(&stranger)).await).expect("it starts");

        assert_eq!(world.state(&manager, &recorded).await, ProcessState::Absent);
        assert!(only(manager.start(std::slice::from_ref(&recorded)).await).is_err());
        assert!(only(manager.stop(std::slice::from_ref(&recorded)).await).is_ok(), "it does not run");
        assert!(only(manager.remove(std::slice::from_ref(&recorded)).await).is_ok(), "it is gone");
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
        let error = manager.teardown().await.expect_err("a link is not a node");
        assert!(text(&error).contains("is left alone: it is a symbolic link"), "{error}");
        assert!(aside.join("antnode").exists());
    });
}

wnm_testing::trials! {
    &[SystemdImage, Tool("antctl"), Tool("antnode")] =>
        a_missing_unit_file_is_put_back,
        a_deleted_program_or_directory_is_put_back,
        an_altered_program_is_put_back,
        a_damaged_registry_is_reported_and_put_aside_by_a_teardown,
        a_node_that_antctl_lost_is_reported_and_cleared,
        what_antctl_lost_is_put_back_with_its_node,
        what_was_added_and_not_written_down_is_removed,
        what_an_add_that_was_cut_short_left_does_not_block_the_next,
        a_repair_that_was_cut_short_is_finished_by_the_next_start,
        f15_a_name_that_antctl_gave_to_another_node_is_not_touched,
        a_directory_that_became_a_link_stops_a_teardown;
}
