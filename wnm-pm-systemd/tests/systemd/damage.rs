//! What happens to nodes from outside: kills, restarts of the machine, and changes to systemd's files.

use std::fs;
use std::path::Path;

use wnm_pm::hint::{Hint, Hinted};
use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::{ManagerError, Mode, ProcessManager, ProcessState};
use wnm_pm_systemd::Systemd;
use wnm_testing::Need::SystemdImage;
use wnm_testing::{ContractWorld, on_machine, on_machine_that_restarts, only};

use crate::world::World;

fn runs(state: &ProcessState) -> bool {
    matches!(state, ProcessState::Running { .. })
}

fn is_stopped(state: &ProcessState) -> bool {
    matches!(state, ProcessState::Stopped { .. })
}

async fn start(manager: &Systemd, node: &NodeRef) -> Result<(), ManagerError> {
    only(manager.start(std::slice::from_ref(node)).await).map(drop)
}

async fn stop(manager: &Systemd, node: &NodeRef) {
    only(manager.stop(std::slice::from_ref(node)).await).expect("it stops");
}

fn after_a_restart_of_the_machine_nodes_are_as_they_were() {
    let test = "damage::after_a_restart_of_the_machine_nodes_are_as_they_were";
    on_machine_that_restarts("root", test, before_restart(Mode::Sudo), after_restart(Mode::Sudo));
}

fn after_a_restart_of_the_machine_a_users_nodes_are_as_they_were() {
    let test = "damage::after_a_restart_of_the_machine_a_users_nodes_are_as_they_were";
    on_machine_that_restarts("resident", test, before_restart(Mode::User), after_restart(Mode::User));
}

fn before_restart(mode: Mode) -> impl AsyncFnOnce() {
    async move || {
        let world = World::new(mode);
        let manager = world.manager();
        let nodes = world.running(&manager, &[1, 2, 3]).await;
        stop(&manager, &nodes[1]).await;
    }
}

fn after_restart(mode: Mode) -> impl AsyncFnOnce() {
    async move || {
        let world = World::new(mode);
        let manager = world.manager();
        let nodes: Vec<NodeRef> = [1, 2, 3].map(|number| world.reference(number)).into();
        world.until(&manager, &nodes[0], runs).await;
        world.until(&manager, &nodes[2], runs).await;
        assert!(is_stopped(&world.state(&manager, &nodes[1]).await), "what was stopped stays stopped");
    }
}

fn a_node_that_ends_comes_back_however_it_ended() {
    on_machine("root", "damage::a_node_that_ends_comes_back_however_it_ended", async || {
        let world = World::new(Mode::Sudo);
        let manager = world.manager();
        let nodes = world.running(&manager, &[1, 2]).await;
        world.kill(&nodes[0].spec).await;
        // As a v2 node does when it has replaced its own program.
        world.write(&nodes[1].spec.root_dir.join("misbehave"), b"slow_term:0s").await;
        world.systemctl(&["restart", &nodes[1].service]);
        world.until(&manager, &nodes[1], runs).await;
        let ended = world.state(&manager, &nodes[1]).await;
        world.systemctl(&["kill", &nodes[1].service]);
        for (node, before) in [(&nodes[0], ProcessState::Running { process: nodes[0].process }), (&nodes[1], ended)] {
            world.until(&manager, node, |state| runs(state) && *state != before).await;
        }
    });
}

fn a_deleted_unit_file_is_written_again() {
    on_machine("root", "damage::a_deleted_unit_file_is_written_again", async || {
        let world = World::new(Mode::Sudo);
        let manager = world.manager();
        let node = &world.running(&manager, &[1]).await[0];
        fs::remove_file(world.unit(node)).expect("it was there");
        world.systemctl(&["daemon-reload"]);
        assert!(runs(&world.state(&manager, node).await), "the process does not mind");
        let found = manager.survey().await.expect("the machine can be surveyed");
        assert!(found.iter().any(|found| found.service == node.service && runs(&found.state)), "{found:?}");

        stop(&manager, node).await;
        let state = world.state(&manager, node).await;
        assert_eq!(state, ProcessState::Incomplete { missing: "its unit file".to_owned() });
        start(&manager, node).await.expect("the unit is written again");
        assert!(runs(&world.state(&manager, node).await));
        fs::remove_file(world.unit(node)).expect("it was there");
        only(manager.remove(std::slice::from_ref(node)).await).expect("it is removed all the same");
        assert_eq!(world.state(&manager, node).await, ProcessState::Absent);
    });
}

fn a_deleted_program_is_put_back_by_a_start() {
    on_machine("root", "damage::a_deleted_program_is_put_back_by_a_start", async || {
        let world = World::new(Mode::Sudo);
        let manager = world.manager();
        let node = &world.running(&manager, &[1]).await[0];
        stop(&manager, node).await;
        fs::remove_file(&node.spec.binary).expect("it was there");
        let mut without = node.clone();
        without.spec.program = "/nonexistent/antnode".into();
        let state = world.state(&manager, node).await;
        assert_eq!(state, ProcessState::Incomplete { missing: "its program".to_owned() });
        let error = start(&manager, &without).await.expect_err("there is nothing to copy").text();
        assert!(error.ends_with("and it cannot be copied again from /nonexistent/antnode"), "{error}");
        start(&manager, node).await.expect("it is copied again");
        assert!(runs(&world.state(&manager, node).await));
    });
}

fn a_program_that_was_cut_short_is_copied_again_by_a_start() {
    on_machine("root", "damage::a_program_that_was_cut_short_is_copied_again_by_a_start", async || {
        let world = World::new(Mode::Sudo);
        let manager = world.manager();
        let node = &world.running(&manager, &[1]).await[0];
        stop(&manager, node).await;
        let whole = fs::read(&node.spec.binary).expect("it can be read");
        fs::write(&node.spec.binary, &whole[..100_000]).expect("it is written");
        start(&manager, node).await.expect("it is copied again");
        assert!(runs(&world.state(&manager, node).await));
        assert!(fs::read(&node.spec.binary).expect("it can be read") == whole);
    });
}

fn a_program_that_was_altered_is_copied_again_by_a_start() {
    on_machine("root", "damage::a_program_that_was_altered_is_copied_again_by_a_start", async || {
        let world = World::new(Mode::Sudo);
        let manager = world.manager();
        let node = &world.running(&manager, &[1]).await[0];
        stop(&manager, node).await;
        let whole = fs::read(&node.spec.binary).expect("it can be read");
        let altered = [&whole[..whole.len() - 8], &b"altered!"[..]].concat();
        fs::write(&node.spec.binary, altered).expect("it is written");
        start(&manager, node).await.expect("it is copied again");
        assert!(runs(&world.state(&manager, node).await));
        assert!(fs::read(&node.spec.binary).expect("it can be read") == whole);

        stop(&manager, node).await;
        fs::write(&node.spec.binary, &whole).expect("it is written");
        let written = |path: &Path| fs::metadata(path).and_then(|found| found.modified()).expect("it is there");
        let before = written(&node.spec.binary);
        start(&manager, node).await.expect("it is whole");
        assert_eq!(written(&node.spec.binary), before, "one that is what it was is left as it is");

        stop(&manager, node).await;
        fs::write(&node.spec.binary, &whole[..whole.len() - 8]).expect("it is written");
        let mut without = node.clone();
        without.spec.program = "/nonexistent/antnode".into();
        let error = start(&manager, &without).await.expect_err("there is nothing to copy").text();
        assert!(error.contains("it is damaged") && error.ends_with("from /nonexistent/antnode"), "{error}");
    });
}

fn a_log_directory_that_was_wiped_is_made_again_by_a_start() {
    on_machine("root", "damage::a_log_directory_that_was_wiped_is_made_again_by_a_start", async || {
        let world = World::new(Mode::Sudo);
        let manager = world.manager();
        let node = &world.running(&manager, &[1]).await[0];
        stop(&manager, node).await;
        for directory in [&node.spec.log_dir, &node.spec.bootstrap_cache_dir] {
            fs::remove_dir_all(directory).expect("it was there");
        }
        // As systemd starts it with the machine, before wnm's first cycle.
        world.systemctl(&["start", &node.service]);
        let status = world.systemctl(&["show", "--value", "--property=ExecMainStatus", &node.service]);
        assert_ne!(status, "226", "its sandbox is set up");
        stop(&manager, node).await;
        start(&manager, node).await.expect("they are made again");
        assert!(runs(&world.state(&manager, node).await) && node.spec.log_dir.is_dir());
    });
}

fn a_masked_unit_is_left_to_whoever_masked_it() {
    on_machine("root", "damage::a_masked_unit_is_left_to_whoever_masked_it", async || {
        let world = World::new(Mode::Sudo);
        let manager = world.manager();
        let node = &world.running(&manager, &[1]).await[0];
        stop(&manager, node).await;
        let unit = world.unit(node);
        fs::remove_file(&unit).expect("it was there");
        std::os::unix::fs::symlink("/dev/null", &unit).expect("it is masked");
        world.systemctl(&["daemon-reload"]);

        let error = start(&manager, node).await.expect_err("it is masked");
        let told = "/etc/systemd/system/antnode0001.service is left alone: it is masked";
        assert_eq!(error.text(), told);
        let unmask = Hint::shell("systemctl unmask antnode0001.service").to("let antnode0001 start");
        assert_eq!(error.hints(), [unmask]);
        let state = world.state(&manager, node).await;
        assert_eq!(state, ProcessState::Stopped { reason: Some("its unit is masked".to_owned()) });
        let findings = manager.examine().await;
        assert!(findings.iter().any(|finding| finding.code == "units-masked"), "{findings:?}");
        only(manager.create(std::slice::from_ref(node)).await).expect_err("nothing is written there");
        only(manager.remove(std::slice::from_ref(node)).await).expect("the node is removed");
        assert!(unit.is_symlink(), "the mask stays");
    });
}

fn a_unit_that_systemd_gave_up_starts_again() {
    on_machine("root", "damage::a_unit_that_systemd_gave_up_starts_again", async || {
        let world = World::new(Mode::Sudo);
        let manager = world.manager();
        let node = &world.running(&manager, &[1]).await[0];
        stop(&manager, node).await;
        let misbehave = node.spec.root_dir.join("misbehave");
        fs::write(&misbehave, "exit:7:0").expect("the container is the test's own");
        let error = start(&manager, node).await.expect_err("it dies at once");
        let ManagerError::ExitedAtOnce { how, said, .. } = error else { panic!("{error:?}") };
        assert_eq!(how, "exit code 7");
        assert_eq!(said, "Node terminated due to: \"told to end with 7\"", "its last words come from the journal");
        assert!(is_stopped(&world.state(&manager, node).await), "it is not tried again and again");

        for _ in 0..12 {
            world.systemctl(&["restart", &node.service]);
        }
        assert_eq!(world.systemctl(&["is-failed", &node.service]), "failed", "it is started no more");
        let state = world.state(&manager, node).await;
        assert!(matches!(state, ProcessState::Stopped { reason: Some(_) }), "{state:?}");
        let findings = manager.examine().await;
        assert!(findings.iter().any(|finding| finding.code == "nodes-failed"), "{findings:?}");
        fs::remove_file(misbehave).expect("it was there");
        start(&manager, node).await.expect("past failures count no longer");
        assert!(runs(&world.state(&manager, node).await));
    });
}

fn a_unit_that_was_changed_by_hand_is_read_anew() {
    on_machine("root", "damage::a_unit_that_was_changed_by_hand_is_read_anew", async || {
        let world = World::new(Mode::Sudo);
        let manager = world.manager();
        let mut node = world.running(&manager, &[1]).await.remove(0);
        stop(&manager, &node).await;
        // A drop-in belongs to whoever wrote it; systemd has not read it yet.
        let drop_in = Path::new("/etc/systemd/system").join(format!("{}.d", node.service));
        fs::create_dir(&drop_in).expect("it is new");
        fs::write(drop_in.join("own.conf"), "[Service]\nEnvironment=OWN=1\n").expect("it is written");
        // The unit itself is wnm's, as long as its mark is in it.
        let unit = fs::read_to_string(world.unit(&node)).expect("it is there");
        let mark = unit.lines().find(|line| line.starts_with("X-Wnm")).expect("it is marked");
        let changed = format!("[Unit]\n{mark}\n[Service]\nExecStart=/bin/false\n");
        fs::write(world.unit(&node), changed).expect("it is written");
        node.launch.environment.push(("NEW".to_owned(), "setting".to_owned()));
        start(&manager, &node).await.expect("the unit is written and read");
        let seen = world.seen(&node).await;
        assert_eq!((&seen["environment"]["OWN"], &seen["environment"]["NEW"]), (&"1".into(), &"setting".into()));
    });
}

wnm_testing::trials! {
    &[SystemdImage] =>
        after_a_restart_of_the_machine_nodes_are_as_they_were,
        after_a_restart_of_the_machine_a_users_nodes_are_as_they_were,
        a_node_that_ends_comes_back_however_it_ended,
        a_deleted_unit_file_is_written_again,
        a_deleted_program_is_put_back_by_a_start,
        a_program_that_was_cut_short_is_copied_again_by_a_start,
        a_program_that_was_altered_is_copied_again_by_a_start,
        a_log_directory_that_was_wiped_is_made_again_by_a_start,
        a_masked_unit_is_left_to_whoever_masked_it,
        a_unit_that_systemd_gave_up_starts_again,
        a_unit_that_was_changed_by_hand_is_read_anew;
}
