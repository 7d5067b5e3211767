//! Adopting: what is taken into the database may be deleted as a node's own one day, so it must be one.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use wnm_core::node::{NodeId, NodeSpec, PortKind, Status};

use crate::Scene;

/// Why a node that lives in this directory is not taken over; none when it is.
async fn obstacle(scene: &Scene, spec: &NodeSpec) -> Option<String> {
    scene.live(spec).await;
    let observation = scene.observe().await;
    let untracked = scene.machine.untracked(&observation).await.expect("the manager tells");
    let found = untracked.into_iter().find(|each| each.found.root_dir.as_deref() == Some(spec.root_dir.as_path()));
    let reason = found.expect("it was found").row.err()?;
    Some(reason.replace(&scene.base().display().to_string(), "/base"))
}

async fn refusal(scene: &Scene, root_dir: &Path) -> String {
    obstacle(scene, &scene.spec(1, root_dir)).await.expect("it is refused")
}

#[tokio::test]
async fn an_unrecorded_node_is_found_and_taken_over() {
    let mut scene = Scene::new();
    scene.recorded(1, None).await;
    let root_dir = scene.storage().join("elsewhere/some node");
    scene.node_directory(&root_dir);
    let spec = NodeSpec { name: "their-name".to_owned(), ..scene.spec(3, &root_dir) };
    scene.live(&spec).await;
    let observation = scene.observe().await;
    let untracked = scene.machine.untracked(&observation).await.expect("the manager tells");
    assert_eq!(untracked.len(), 1, "the recorded one is none of them");
    scene.machine.adopt(&observation, &untracked).expect("it is recorded");

    let node = scene.machine.store().load().expect("it is read").nodes.remove(1);
    assert_eq!((node.id(), node.name(), node.service()), (NodeId(3), "antnode0003", "their-name"));
    assert_eq!((&node.spec().root_dir, &node.spec().ports, node.status()), (&root_dir, &spec.ports, Status::Stopped));
    let again = scene.machine.untracked(&scene.observe().await).await.expect("the manager tells");
    assert_eq!(again, [], "it is recorded now");
}

#[tokio::test]
async fn f05_import_keeps_the_home_directory() {
    let scene = Scene::new();
    let home = std::env::home_dir().expect("everybody has one");
    for directory in home.ancestors() {
        let reason = refusal(&scene, directory).await;
        assert!(reason.contains("is not a directory of its own"), "{reason}");
    }
}

#[tokio::test]
async fn f05_a_home_behind_a_link_is_kept_too() {
    // The home directory is asked of the environment, which a test may not change for others.
    const VARIABLE: &str = "WNM_TEST_HOME_BEHIND_A_LINK";
    if std::env::var_os(VARIABLE).is_some() {
        let scene = Scene::new();
        let real = std::env::home_dir().and_then(|home| home.canonicalize().ok()).expect("it is there");
        fs::write(real.join("secret-key"), [7; 32]).expect("it is ours");
        let reason = refusal(&scene, &real).await;
        assert!(reason.contains("is not a directory of its own"), "{reason}");
        return;
    }
    let directory = tempfile::tempdir().expect("a temporary directory");
    fs::create_dir(directory.path().join("real")).expect("it is ours");
    symlink(directory.path().join("real"), directory.path().join("home")).expect("it is ours");
    let output = std::process::Command::new(std::env::current_exe().expect("a test knows its own program"))
        .args(["--exact", "adopt::f05_a_home_behind_a_link_is_kept_too"])
        .env(VARIABLE, "1")
        .env("HOME", directory.path().join("home"))
        .output()
        .expect("it runs");
    let text = String::from_utf8_lossy(&output.stdout);
    assert!(output.status.success() && text.contains("1 passed"), "{text}");
}

#[tokio::test]
async fn a_directory_that_is_more_or_less_than_a_nodes_is_refused() {
    let mut scene = Scene::new();
    scene.recorded(7, None).await;
    let base = scene.base();
    let storage = scene.storage().to_owned();
    for holder in [&base, &storage, &base.join("program"), &base.join("logs")] {
        scene.node_directory(holder);
    }
    fs::create_dir_all(&scene.machine.config().log_dir).expect("it is ours");
    scene.node_directory(&base.join("real"));
    symlink(base.join("real"), base.join("link")).expect("it is ours");
    fs::create_dir(base.join("photos")).expect("it is ours");
    fs::write(base.join("photos/holiday.jpg"), "precious").expect("it is ours");
    scene.node_directory(&storage.join("antnode0007/inside"));
    scene.node_directory(&base.join("elsewhere/antnode0007"));

    let places = [
        ("above everything", base.clone()),
        ("the storage", storage.clone()),
        ("the program's", base.join("program")),
        ("the logs'", base.join("logs")),
        ("a link", base.join("link")),
        ("no node's", base.join("photos")),
        ("not there", base.join("gone")),
        ("inside another node", storage.join("antnode0007/inside")),
        ("outside the storage", base.join("elsewhere/antnode0007")),
    ];
    let mut lines = Vec::new();
    for (what, root_dir) in places {
        lines.push(format!("{what}: {}", refusal(&scene, &root_dir).await));
    }
    insta::assert_snapshot!(lines.join("\n"), @"
    above everything: /base is not a directory of its own: /base/storage lies in it
    the storage: /base/storage is not a directory of its own: /base/storage lies in it
    the program's: /base/program is not a directory of its own: /base/program/antnode lies in it
    the logs': /base/logs is not a directory of its own: /base/logs lies in it
    a link: /base/link is not a directory (a symbolic link or a file stands there)
    no node's: /base/photos holds neither a node's key nor its program
    not there: its directory /base/gone cannot be read: No such file or directory (os error 2)
    inside another node: /base/storage/antnode0007/inside lies in the directory of antnode0007
    outside the storage: /base/elsewhere/antnode0007 is left alone: it does not lie in the node storage /base/storage
    ");
    assert!(base.join("photos/holiday.jpg").exists());
}

#[tokio::test]
async fn a_storage_behind_a_link_may_be_adopted_from() {
    let mut scene = Scene::new();
    let base = scene.base();
    scene.node_directory(&base.join("disk/some-node"));
    symlink(base.join("disk"), base.join("linked")).expect("it is ours");
    scene.machine.parts_mut().config.node_storage = base.join("linked").into();
    let spec = scene.spec(3, &base.join("linked/some-node"));
    assert_eq!(obstacle(&scene, &spec).await, None, "only the directory itself must not be a link");
}

#[tokio::test]
async fn ports_and_numbers_of_others_are_not_taken() {
    let mut scene = Scene::new();
    scene.recorded(1, None).await;
    let own = scene.ports.ports(3);
    let (node, metrics) = (scene.ports.node_port(1), scene.ports.metrics_port(1));
    let cases = [
        ("the same node port", own.clone().with(PortKind::Node, node)),
        ("the same metrics port", own.clone().with(PortKind::Metrics, metrics)),
        ("no node port", own.clone().without(PortKind::Node)),
        ("no metrics port", own.clone().without(PortKind::Metrics)),
    ];
    let mut lines = Vec::new();
    for (place, (what, ports)) in cases.into_iter().enumerate() {
        let root_dir = scene.base().join(format!("found-{place}"));
        scene.node_directory(&root_dir);
        let spec = NodeSpec { ports, ..scene.spec(3, &root_dir) };
        lines.push(format!("{what}: {:?}", obstacle(&scene, &spec).await));
    }
    let shown = lines.join("\n").replace(&node.to_string(), "NODE").replace(&metrics.to_string(), "METRICS");
    insta::assert_snapshot!(shown, @r#"
    the same node port: Some("antnode0001 has the same port")
    the same metrics port: Some("antnode0001 has the same port")
    no node port: Some("its ports are not known")
    no metrics port: Some("it has no metrics port, which nodes of v1 need")
    "#);
}

#[tokio::test]
async fn of_two_with_the_same_port_one_is_taken_over() {
    let scene = Scene::new();
    for (number, name) in [(3, "one"), (4, "other")] {
        let root_dir = scene.storage().join(name);
        scene.node_directory(&root_dir);
        let spec = scene.spec(number, &root_dir);
        let ports = spec.ports.with(PortKind::Metrics, scene.ports.metrics_port(3));
        scene.live(&NodeSpec { ports, ..spec }).await;
    }
    let observation = scene.observe().await;
    let untracked = scene.machine.untracked(&observation).await.expect("the manager tells");
    let rows: Vec<_> = untracked.into_iter().map(|each| each.row.map(|node| node.id())).collect();
    assert_eq!(rows, [Ok(NodeId(3)), Err("antnode0003 has the same port".to_owned())]);
}

#[tokio::test]
async fn a_node_in_containers_belongs_to_the_group_of_its_number() {
    let scene = Scene::new().in_containers(2).await;
    for (number, group) in [(5, 2), (6, 1)] {
        let root_dir = scene.storage().join(NodeId(number).name());
        scene.node_directory(&root_dir);
        scene.live(&NodeSpec { group: Some(group), ..scene.spec(number, &root_dir) }).await;
    }
    let observation = scene.observe().await;
    let untracked = scene.machine.untracked(&observation).await.expect("the manager tells");
    let groups: Vec<_> = untracked.into_iter().map(|each| each.row.map(|node| node.spec().group)).collect();
    let elsewhere = "it lives in group a1, and number 6 belongs to a2: has max_node_per_container changed?";
    assert_eq!(groups, [Ok(Some(2)), Err(elsewhere.to_owned())]);
}
