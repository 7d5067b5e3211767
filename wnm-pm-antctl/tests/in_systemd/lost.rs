//! What antctl loses of nodes that are there, and what wnm makes of it.

use std::fs;

use wnm_pm::process_manager::{Mode, ProcessManager, ProcessState};
use wnm_testing::Need::{SystemdImage, Tool};
use wnm_testing::{ContractWorld, on_machine, only, told};

use crate::world::{World, text};

fn a_node_that_antctl_lost_is_reported_and_cleared() {
    on_machine("resident", "lost::a_node_that_antctl_lost_is_reported_and_cleared", async || {
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
    on_machine("root", "lost::what_antctl_lost_is_put_back_with_its_node", async || {
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

wnm_testing::trials! {
    &[SystemdImage, Tool("antctl"), Tool("antnode")] =>
        a_node_that_antctl_lost_is_reported_and_cleared,
        what_antctl_lost_is_put_back_with_its_node;
}
