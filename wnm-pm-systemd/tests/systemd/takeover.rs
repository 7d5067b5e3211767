//! Nodes that the Python wnm left behind are found, taken over, and repaired.

use std::fs;
use std::path::{Path, PathBuf};

use wnm_pm::node::{NodeId, NodeRef};
use wnm_pm::process_manager::{Mode, ProcessManager, ProcessState};
use wnm_testing::Need::SystemdImage;
use wnm_testing::{ContractWorld, metrics_port, node_port, on_machine, only, test_node};

use crate::world::World;

/// A unit as the Python wnm writes it: no quotes, no `[Install]`, nothing else.
fn python_unit(root_dir: &Path, log_dir: &Path, port: u16, metrics: u16) -> String {
    let (root, log) = (root_dir.display(), log_dir.display());
    let user = if rustix::process::geteuid().is_root() { "User=ant\n" } else { "" };
    format!(
        "[Unit]\nDescription=antnode0001\n[Service]\nEnvironment=\"WNM_TEST_NODE=record\"\n{user}\
         ExecStart={root}/antnode --bootstrap-cache-dir {root}/cache --root-dir {root} --port {port} \
         --enable-metrics-server --metrics-server-port {metrics} --log-output-dest {log} --max-log-files 1 \
         --max-archived-log-files 1 --no-upnp --rewards-address 0x03B770D9cD32077cC0bF330c13C114a87643B124 \
         evm-arbitrum-one\nRestart=always\n#RestartSec=300\n"
    )
}

/// A node as the Python wnm leaves it, running. Answers its directories.
async fn left_behind(world: &World) -> (PathBuf, PathBuf) {
    let spec = world.spec(1);
    fs::create_dir_all(&spec.root_dir).expect("it is new");
    fs::create_dir_all(&spec.log_dir).expect("it is new");
    fs::copy(test_node("0.4.17"), &spec.binary).expect("it is copied");
    if rustix::process::geteuid().is_root() {
        let own = ["-R".as_ref(), "ant:ant".as_ref(), spec.root_dir.as_path(), spec.log_dir.as_path()];
        world.root("/usr/sbin/useradd", &["-m".as_ref(), "ant".as_ref()]);
        world.root("chown", &own);
    }
    let text = python_unit(&spec.root_dir, &spec.log_dir, node_port(&spec), metrics_port(&spec));
    let unit = world.unit(&world.reference(1));
    fs::create_dir_all(unit.with_file_name("")).expect("it can be made");
    fs::write(unit, text).expect("it is written");
    world.systemctl(&["daemon-reload"]);
    world.systemctl(&["start", "antnode0001.service"]);
    (spec.root_dir, spec.log_dir)
}

async fn is_taken_over(mode: Mode) {
    let world = World::new(mode);
    let manager = world.manager();
    let (root_dir, log_dir) = left_behind(&world).await;

    let found = manager.survey().await.expect("the machine can be surveyed");
    let [node] = &found[..] else { panic!("one node is found: {found:?}") };
    assert_eq!(node.service, "antnode0001.service");
    assert_eq!(node.id, Some(NodeId(1)));
    assert_eq!(node.root_dir.as_ref(), Some(&root_dir));
    assert_eq!(node.binary, Some(root_dir.join("antnode")));
    assert_eq!(node.log_dir.as_ref(), Some(&log_dir));
    assert_eq!(node.wallet.as_deref(), Some("0x03B770D9cD32077cC0bF330c13C114a87643B124"));
    assert_eq!(node.network.as_deref(), Some("evm-arbitrum-one"));
    assert!(matches!(node.state, ProcessState::Running { process: Some(_) }), "{node:?}");
    let spec = world.spec(1);
    assert_eq!((node.flavour, &node.ports), (Some(spec.flavour), &spec.ports));
    let findings = manager.examine().await;
    assert!(findings.iter().any(|finding| finding.code == "nodes-not-started-at-boot"), "{findings:?}");

    let taken = NodeRef { service: node.service.clone(), ..NodeRef::new(spec) };
    let nodes = std::slice::from_ref(&taken);
    only(manager.stop(nodes).await).expect("it stops");
    only(manager.start(nodes).await).expect("it starts");
    let unit = fs::read_to_string(world.unit(&taken)).expect("it is there");
    assert!(unit.contains("[Install]"), "it is a unit of wnm's own now: {unit}");
    assert_eq!(world.systemctl(&["is-enabled", "antnode0001.service"]), "enabled");
    assert_eq!(manager.examine().await, []);
    only(manager.remove(nodes).await).expect("it is removed");
    assert!(!root_dir.exists() && !log_dir.exists());
    assert!(world.node_storage().is_dir(), "only the node's own directory goes");
}

fn f43_a_node_of_the_machine_is_taken_over_and_comes_back_at_boot() {
    let test = "takeover::f43_a_node_of_the_machine_is_taken_over_and_comes_back_at_boot";
    on_machine("root", test, async || is_taken_over(Mode::Sudo).await);
}

fn f05_a_node_in_a_home_directory_is_taken_over_and_the_home_directory_stays() {
    let test = "takeover::f05_a_node_in_a_home_directory_is_taken_over_and_the_home_directory_stays";
    on_machine("resident", test, async || {
        is_taken_over(Mode::User).await;
        assert!(std::env::home_dir().expect("users have a home").join(".bashrc").exists());
    });
}

fn nodes_of_antctl_are_antctls_and_directories_without_a_unit_are_found() {
    let test = "takeover::nodes_of_antctl_are_antctls_and_directories_without_a_unit_are_found";
    on_machine("resident", test, async || {
        let world = World::new(Mode::User);
        let manager = world.manager();
        let units = world.unit(&world.reference(1)).with_file_name("");
        fs::create_dir_all(&units).expect("it can be made");
        let antctl = "[Service]\nExecStart=/a/antnode --rpc 127.0.0.1:39533 --root-dir /a --port 55001\n";
        fs::write(units.join("antnode1.service"), antctl).expect("it is written");
        fs::write(units.join("antnode1001.service"), antctl).expect("it is written");
        fs::create_dir(world.node_storage().join("antnode0003")).expect("it is new");
        fs::create_dir(world.node_storage().join("else")).expect("it is new");
        world.systemctl(&["daemon-reload"]);
        let found = manager.survey().await.expect("the machine can be surveyed");
        let [left] = &found[..] else { panic!("one directory is left: {found:?}") };
        assert_eq!((left.id, left.root_dir.clone()), (Some(NodeId(3)), Some(world.node_storage().join("antnode0003"))));
        assert_eq!(left.state, ProcessState::Incomplete { missing: "its unit file".to_owned() });
    });
}

wnm_testing::trials! {
    &[SystemdImage] =>
        f43_a_node_of_the_machine_is_taken_over_and_comes_back_at_boot,
        f05_a_node_in_a_home_directory_is_taken_over_and_the_home_directory_stays,
        nodes_of_antctl_are_antctls_and_directories_without_a_unit_are_found;
}
