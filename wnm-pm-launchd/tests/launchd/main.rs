//! The launchd manager against a stand-in for launchctl that keeps real processes alive, and its property lists against
//! Python's plistlib and libplist. Neither replaces a Mac.
//!
//! Needs Python 3.

mod plists;
mod world;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use wnm_pm::hint::{Hint, Hinted};
use wnm_pm::node::{Flavour, NodeId, NodeRef, NodeSpec, PortKind};
use wnm_pm::process_manager::{ManagerError, Mode, ProcessManager, ProcessState};
use wnm_pm_launchd::Launchd;
use wnm_testing::Need::Program;
use wnm_testing::{ContractWorld, as_nobody, contract, eventually, only, test_node_that};

use world::World;

async fn contract_with_the_stand_in() {
    let world = World::new();
    contract(&world.manager(), &world).await;
}

async fn a_restart_of_the_machine_brings_back_what_ran_and_only_that() {
    let world = World::new();
    let manager = world.manager();
    let (runs, rests) = (world.running(&manager, 1).await, world.running(&manager, 2).await);
    world.stop(&manager, &rests).await;
    let plists = world.domain().plists;
    assert!(world.launchctl(&["stand-in-restart", "gui/501", plists.to_str().expect("text")]).await.success());
    let is_back = async || matches!(world.state(&manager, &runs).await, ProcessState::Running { .. });
    eventually("it comes back", is_back).await;
    assert_eq!(world.state(&manager, &rests).await, ProcessState::Stopped { reason: None });
    world.start(&manager, &rests).await.expect("its owner starts it again");
    for (_, outcome) in manager.remove(&[runs, rests]).await {
        outcome.expect("both go");
    }
    assert_eq!(fs::read_to_string(world.directory.path().join("state/disabled")).expect("it is there"), "[]");
}

async fn a_label_that_launchd_still_refuses_is_tried_again() {
    let world = World::with_race("2");
    let manager = world.manager();
    let node = world.running(&manager, 1).await;
    world.stop(&manager, &node).await;
    let plist = world.plist(&node.service);
    let refused = world.launchctl(&["bootstrap", "gui/501", plist.to_str().expect("text")]).await;
    assert_eq!(refused.code, Some(119), "it is disabled first");
    world.start(&manager, &node).await.expect("the race is waited out");
    world.remove(&manager, node).await;
}

async fn a_node_that_ends_at_once_is_not_started_for_ever() {
    let world = World::new();
    let manager = world.manager();
    let mut spec = world.spec(1);
    spec.program = test_node_that("exit:7:0", "0.4.19");
    let node = world.created(&manager, &spec).await;
    let error = world.start(&manager, &node).await.expect_err("it does not live").text();
    assert!(error.contains("exited right after its start (exit code 7): "), "{error}");
    assert_eq!(world.state(&manager, &node).await, ProcessState::Stopped { reason: None });
    let unknown = world.launchctl(&["print", &format!("gui/501/{}", node.service)]).await;
    assert_eq!(unknown.code, Some(113), "launchd does not know it any more");
    world.remove(&manager, node).await;
}

async fn nodes_of_the_python_wnm_are_found() {
    let world = World::new();
    let manager = world.manager();
    let node = world.running(&manager, 7).await;
    assert_eq!(node.service, "com.autonomi.antnode-7");
    let folder = world.domain().plists;
    fs::write(folder.join("com.example.other.plist"), "not a node's").expect("it can be written");
    fs::write(folder.join("com.autonomi.antnode-9.plist"), "<plist><dict>").expect("it can be written");
    let found = manager.survey().await.expect("the property lists can be read");
    let [seventh, ninth] = &found[..] else { panic!("two are nodes': {found:#?}") };
    assert_eq!(seventh.id, Some(node.spec.id));
    assert_eq!(seventh.root_dir.as_ref(), Some(&node.spec.root_dir));
    assert_eq!(seventh.log_dir.as_ref(), Some(&node.spec.log_dir));
    assert_eq!(seventh.binary.as_ref(), Some(&node.spec.binary));
    assert_eq!(seventh.wallet.as_ref(), Some(&node.spec.wallet));
    assert_eq!(seventh.network.as_deref(), Some("evm-arbitrum-one"));
    assert!(matches!(seventh.state, ProcessState::Running { .. }));
    assert_eq!((ninth.root_dir.as_ref(), ninth.state.clone()), (None, ProcessState::Absent));

    fs::remove_file(folder.join("com.autonomi.antnode-9.plist")).expect("it is there");
    assert_eq!(manager.examine().await, []);
    fs::write(folder.join("com.autonomi.antnode-9.plist"), "<plist><dict>").expect("it can be written");
    let codes: Vec<_> = manager.examine().await.into_iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["plist-damaged"]);
    world.remove(&manager, node).await;
}

/// Two nodes, one of each flavour, on the network that each of them has another word for.
async fn both_flavours_are_found_with_their_network() {
    let world = World::new();
    let manager = world.manager();
    let network = "evm-arbitrum-sepolia-test".to_owned();
    let v1 = NodeSpec { network: network.clone(), ..world.spec(1) };
    let mut v2 = NodeSpec { flavour: Flavour::V2, network, ..world.spec(2) };
    v2.binary = v2.root_dir.join("ant-node");
    v2.ports = v2.ports.iter().filter(|(kind, _)| *kind == PortKind::Node).collect();
    let nodes = [world.created(&manager, &v1).await, world.created(&manager, &v2).await];
    let found = manager.survey().await.expect("the property lists can be read");
    assert_eq!(found.len(), nodes.len());
    for (found, NodeRef { spec, .. }) in found.iter().zip(&nodes) {
        assert_eq!((found.id, found.flavour), (Some(spec.id), Some(spec.flavour)));
        assert_eq!((found.network.as_ref(), &found.ports), (Some(&spec.network), &spec.ports));
        assert_eq!((found.binary.as_ref(), found.log_dir.as_ref()), (Some(&spec.binary), Some(&spec.log_dir)));
        assert_eq!(found.state, ProcessState::Stopped { reason: None });
    }
}

async fn a_changed_launch_reaches_a_node_by_its_next_start() {
    let world = World::new();
    let manager = world.manager();
    let mut node = world.running(&manager, 1).await;
    let change = |node: &mut NodeRef, value: &str| {
        node.spec.environment.push((format!("CHANGED_{value}"), value.to_owned()));
        node.launch = node.spec.launch();
    };
    let seen = node.spec.root_dir.join("seen.json");
    let arrives = async |value: &str| {
        let text = || fs::read_to_string(&seen).unwrap_or_default();
        eventually("the change arrives", async || text().contains(&format!("CHANGED_{value}"))).await;
    };
    change(&mut node, "stopped");
    world.stop(&manager, &node).await;
    world.start(&manager, &node).await.expect("it starts again");
    arrives("stopped").await;

    // launchd still has a node that crashed, as it was loaded.
    change(&mut node, "crashed");
    world.kill(&node.spec).await;
    let waits = async || matches!(world.state(&manager, &node).await, ProcessState::Waiting { .. });
    eventually("the crash is seen", waits).await;
    world.start(&manager, &node).await.expect("it starts again");
    arrives("crashed").await;
    world.remove(&manager, node).await;
}

async fn what_a_node_lacks_is_put_back_by_a_start() {
    let world = World::new();
    let manager = world.manager();
    let node = world.running(&manager, 1).await;
    let plist = world.domain().plists.join(format!("{}.plist", node.service));
    world.stop(&manager, &node).await;
    fs::remove_file(&plist).expect("it was there");
    fs::remove_file(&node.spec.binary).expect("it was there");
    let mut without = node.clone();
    without.spec.program = "/nonexistent/antnode".into();
    let error = world.start(&manager, &without).await.expect_err("there is nothing to copy").text();
    assert!(error.contains("it cannot be copied again from /nonexistent/antnode"), "{error}");
    world.start(&manager, &node).await.expect("both are put back");
    world.stop(&manager, &node).await;
    fs::write(&plist, "half of").expect("it can be damaged");
    world.start(&manager, &node).await.expect("it is written anew");
    world.stop(&manager, &node).await;
    fs::remove_dir_all(&node.spec.root_dir).expect("it was there");
    let error = world.start(&manager, &node).await.expect_err("it would be another node").text();
    assert!(error.contains("its directory") && error.contains("is gone"), "{error}");
    world.remove(&manager, node).await;
}

async fn what_does_not_lie_where_nodes_are_kept_is_left_alone() {
    let world = World::new();
    let manager = world.manager();
    let storage = world.spec(1).root_dir.with_file_name("");
    let outside = [
        (storage.clone(), "it does not lie in the node storage"),
        (storage.join("../elsewhere"), "it holds `..`"),
        ("/nonexistent/antnode0001".into(), "it does not lie in the node storage"),
    ];
    for (root_dir, reason) in outside {
        let mut spec = world.spec(1);
        spec.binary = root_dir.join("antnode");
        spec.root_dir = root_dir;
        let error = only(manager.create(&[NodeRef::new(spec)]).await).expect_err("it is not ours").text();
        assert!(error.contains(&format!("is left alone: {reason}")), "{error}");
    }
    assert!(!world.domain().plists.exists(), "nothing was made");
}

async fn a_job_of_the_same_label_that_is_somebody_elses_is_never_taken_for_ours() {
    let world = World::new();
    let manager = world.manager();
    let own = world.running(&manager, 1).await;
    let theirs = world.plist("com.autonomi.antnode-2");
    let job = "<plist version=\"1.0\"><dict><key>Label</key><string>com.autonomi.antnode-2</string><key>RunAtLoad</key><true/><key>ProgramArguments</key>\
               <array><string>/bin/sleep</string><string>600</string></array></dict></plist>";
    fs::write(&theirs, job).expect("it is written");
    world.launchctl(&["bootstrap", "gui/501", &theirs.display().to_string()]).await;

    let taken = manager.taken(std::slice::from_ref(&own)).await.expect("they are listed");
    assert_eq!(taken.iter().map(|taken| taken.number).collect::<Vec<_>>(), [NodeId(2)]);
    let error = only(manager.create(&[NodeRef::new(world.spec(2))]).await).expect_err("it is his").text();
    assert!(error.ends_with("is left alone: it is not the job of a node"), "{error}");
    let node = NodeRef { service: "com.autonomi.antnode-2".to_owned(), ..NodeRef::new(world.spec(2)) };
    for outcome in
        [only(manager.stop(std::slice::from_ref(&node)).await), only(manager.remove(std::slice::from_ref(&node)).await)]
    {
        assert!(outcome.is_err());
    }
    assert_eq!(world.state(&manager, &node).await, ProcessState::Absent, "his process does not count");
    assert_eq!(fs::read_to_string(&theirs).expect("it is there"), job);
    let print = world.launchctl(&["print", "gui/501/com.autonomi.antnode-2"]).await;
    assert!(print.stdout.contains("pid = "), "it runs on: {print:?}");
    world.launchctl(&["bootout", "gui/501/com.autonomi.antnode-2"]).await;
    world.remove(&manager, own).await;
}

async fn the_machines_domain_is_for_root_and_a_users_needs_a_session() {
    let world = World::new();
    let error = as_nobody(|| Launchd::new(Mode::Sudo, Path::new("/nodes"), Arc::new(world.runner.clone())).err());
    let hints = error.expect("it needs root").hints();
    assert_eq!(hints, [Hint::text("run wnm as root, or use launchd+user with a database of its own")]);
    let mut domain = world.domain();
    domain.target = "nobody/501".to_owned();
    let manager = Launchd::in_domain(Mode::User, Path::new("/nodes"), domain, Arc::new(world.runner.clone()));
    let codes: Vec<_> = manager.examine().await.into_iter().map(|finding| finding.code).collect();
    assert_eq!(codes, ["no-gui-session"]);
    let error = manager.survey().await.expect_err("nothing can be known");
    assert!(matches!(error, ManagerError::Unavailable { .. }), "{error:?}");
    assert!(
        error.text().ends_with("launchd has no domain nobody/501: this user is not logged in at the screen"),
        "{error}"
    );
}

async fn a_machine_without_launchctl_is_told_so() {
    let world = World::new();
    let manager =
        Launchd::in_domain(Mode::User, Path::new("/nodes"), world.domain(), Arc::new(wnm_pm::command::SystemRunner));
    let codes: Vec<_> = manager.examine().await.into_iter().map(|finding| finding.code).collect();
    // A Mac has it.
    assert_eq!(codes, if cfg!(target_os = "macos") { vec![] } else { vec!["no-launchd"] });
    if cfg!(not(target_os = "macos")) {
        let node = NodeRef::new(world.spec(1));
        let seen = only(manager.inspect(&[node]).await).expect_err("nothing is known of it");
        assert!(matches!(seen, ManagerError::Unavailable { .. }), "{seen:?}");
        assert!(matches!(manager.survey().await, Err(ManagerError::Unavailable { .. })));
    }
}

async fn the_stand_in_refuses_what_launchd_refuses() {
    let world = World::new();
    let manager = world.manager();
    let node = world.running(&manager, 1).await;
    let plist = world.plist(&node.service);
    let plist = plist.to_str().expect("it is text");
    let damaged = world.directory.path().join("com.autonomi.antnode-2.plist");
    fs::write(&damaged, "<plist><dict>").expect("it can be written");
    let refused = [
        (vec!["bootstrap", "gui/501", plist], 5),
        (vec!["bootstrap", "gui/501", damaged.to_str().expect("it is text")], 5),
        (vec!["bootout", "gui/501/com.autonomi.antnode-3"], 3),
        (vec!["print", "gui/501/com.autonomi.antnode-3"], 113),
        (vec!["print", "gui/502/com.autonomi.antnode-1"], 113),
        (vec!["load", plist], 64),
    ];
    for (words, code) in refused {
        let output = world.launchctl(&words).await;
        assert_eq!((output.code, output.stdout.as_str()), (Some(code), ""), "{words:?}");
        assert_ne!(output.stderr, "", "{words:?}");
    }
    world.remove(&manager, node).await;
}

wnm_testing::trials! {
    &[Program("python3")] =>
        contract_with_the_stand_in,
        a_restart_of_the_machine_brings_back_what_ran_and_only_that,
        a_label_that_launchd_still_refuses_is_tried_again,
        a_node_that_ends_at_once_is_not_started_for_ever,
        nodes_of_the_python_wnm_are_found,
        both_flavours_are_found_with_their_network,
        a_changed_launch_reaches_a_node_by_its_next_start,
        what_a_node_lacks_is_put_back_by_a_start,
        what_does_not_lie_where_nodes_are_kept_is_left_alone,
        a_job_of_the_same_label_that_is_somebody_elses_is_never_taken_for_ours,
        the_machines_domain_is_for_root_and_a_users_needs_a_session,
        the_stand_in_refuses_what_launchd_refuses;
    &[] => a_machine_without_launchctl_is_told_so;
}

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([trials(), plists::trials()])
}
