//! What a container does when it boots.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{MetadataExt, chown};

use wnm_pm_s6overlay::layout::STORAGE;
use wnm_pm_s6overlay::script::{Call, NodeState};
use wnm_testing::Need::{Root, S6Image};
use wnm_testing::test_node;

use crate::container::{Container, docker, until};

const TWENTY: std::ops::RangeInclusive<u32> = 1..=20;

/// Twenty nodes, of which every third is marked down.
fn twenty(container: &Container) -> BTreeMap<String, NodeState> {
    TWENTY
        .map(|number| {
            container.define_idle(number);
            container.mark(number, number % 3 == 0);
            let state = if number % 3 == 0 { NodeState::Down } else { NodeState::Up };
            (format!("antnode{number:04}"), state)
        })
        .collect()
}

fn a_boot_brings_back_what_was_not_marked_down() {
    let container = Container::prepared(&[]);
    let expected = twenty(&container);
    container.run();
    until("the marked stay down and all others come up", || {
        container.inspect("{{.State.Running}}") == "true" && container.states() == expected
    });
}

fn states_survive_a_restart_and_a_new_container() {
    let container = Container::running(&[]);
    let expected = twenty(&container);
    let (down, up): (Vec<u32>, Vec<u32>) = TWENTY.partition(|number| number % 3 == 0);
    container.start(&TWENTY.collect::<Vec<_>>());
    container.stop(&down);
    assert_eq!(container.states(), expected);

    docker(&["restart", "--time", "60", &container.name]);
    until("a restart changes nothing", || container.states() == expected);

    // What is decided while the container is away holds when it is back.
    docker(&["stop", "--time", "60", &container.name]);
    container.mark(up[0], true);
    container.mark(down[0], false);
    fs::remove_dir_all(container.definition(up[1]).dir).unwrap();
    docker(&["start", &container.name]);
    let mut expected = expected;
    expected.insert(format!("antnode{:04}", up[0]), NodeState::Down);
    expected.insert(format!("antnode{:04}", down[0]), NodeState::Up);
    expected.remove(&format!("antnode{:04}", up[1]));
    until("the container does what was decided meanwhile", || container.states() == expected);

    container.remove();
    container.run();
    container.await_boot();
    until("a new container does the same", || container.states() == expected);
}

fn nodes_run_as_the_owner_of_the_volume_and_keep_their_identity() {
    let container = Container::prepared(&[]);
    fs::copy(test_node("0.4.17"), container.storage().join("antnode")).unwrap();
    let program = format!("{STORAGE}/antnode");
    let root_dir = format!("{STORAGE}/antnode0001");
    let wallet = format!("0x{}", "a".repeat(40));
    let line = [&program, "--root-dir", &root_dir, "--port", "55001", "--rewards-address", &wallet, "evm-arbitrum-one"];
    container.define(1, &line, &[]);
    container.run();
    let key = container.node_dir(1).join("secret-key");
    until("the node has its key", || key.exists());
    let data = fs::metadata(&key).unwrap();
    assert_eq!((data.uid(), data.gid()), container.owner(), "what nodes write belongs to the operator");
    assert_eq!(data.mode() & 0o777, 0o600);

    let pid = container.status(1).pid.unwrap();
    let ids = container.shell(&format!("grep -E '^(Uid|Gid|Groups):' /proc/{pid}/status | tr '\\t' ' '"));
    let (uid, gid) = container.owner();
    assert_eq!(ids.lines().next().unwrap(), format!("Uid: {uid} {uid} {uid} {uid}"));
    assert_eq!(ids.lines().nth(1).unwrap(), format!("Gid: {gid} {gid} {gid} {gid}"));
    assert_eq!(container.shell("ps -o user= -C antnode"), "ant");
    assert_eq!(container.shell("id -nG ant; stat -c %U /home/ant"), "ant\nant");

    let secret = fs::read(&key).unwrap();
    container.remove();
    container.run();
    until("the node is back", || {
        container.inspect("{{.State.Running}}") == "true" && container.states().values().eq(&[NodeState::Up])
    });
    assert_eq!(fs::read(&key).unwrap(), secret, "a new container has the same node");
}

/// A container with these options ends at once, and says this.
fn assert_refused(options: &[&str], said: &str) {
    let container = Container::prepared(options);
    container.define_idle(1);
    container.run();
    assert_eq!(container.await_end(), 1, "the boot fails");
    let log = container.log();
    assert!(log.contains(said) && log.contains("\nhint: "), "{log}");
    assert!(log.contains("no node is started"), "{log}");
    assert!(!container.definition(1).said.exists(), "no node was started");
}

fn a_boot_refuses_ids_of_root_and_of_others() {
    assert_refused(&["--env", "WNM_UID=0"], "nodes never run as root");
    assert_refused(&["--env", "WNM_GID=0"], "nodes never run as root");
    assert_refused(&["--env", "WNM_UID=1"], "user id 1 belongs to daemon in this image");
    assert_refused(&["--env", "WNM_GID=42"], "group id 42 belongs to shadow in this image");
    assert_refused(&["--env", "WNM_UID=$(id)"], "WNM_UID is not a user id: $(id)");
    assert_refused(&["--env", "WNM_UID=007"], "WNM_UID is not a user id: 007");
    assert_refused(&["--env", "WNM_GID=/"], "WNM_GID is not a group id: /");
}

fn a_boot_refuses_a_volume_that_ant_cannot_write_to() {
    assert_refused(&["--env", "WNM_UID=4321", "--env", "WNM_GID=4321"], "user 4321 may not write");
}

fn a_boot_refuses_a_volume_of_root() {
    let container = Container::prepared(&[]);
    chown(container.storage(), Some(0), Some(0)).expect("root takes files");
    container.run();
    assert_eq!(container.await_end(), 1);
    assert!(container.log().contains("nodes never run as root (user 0, group 0;"), "{}", container.log());
}

fn a_container_without_a_group_has_no_nodes() {
    let container = Container::prepared(&["--env", "WNM_GROUP="]);
    container.define_idle(1);
    container.run();
    container.await_boot();
    assert!(container.log().contains("WNM_GROUP is not set"), "{}", container.log());
    assert_eq!(container.shell("ls /run/service"), "");
}

fn a_call_waits_for_the_boot() {
    let container = Container::prepared(&[]);
    let expected = twenty(&container);
    container.run();
    for _ in 0..3 {
        let reports = container.call(Call::Status, &[]);
        assert_eq!(reports.len(), 20);
        for (name, report) in reports {
            let states = [expected[&name], NodeState::Waiting];
            assert!(states.contains(&report.state), "{name} is loaded: {report:?}");
        }
        docker(&["restart", "--time", "60", &container.name]);
    }
}

wnm_testing::trials! {
    &[S6Image] =>
        a_boot_brings_back_what_was_not_marked_down,
        states_survive_a_restart_and_a_new_container,
        nodes_run_as_the_owner_of_the_volume_and_keep_their_identity,
        a_boot_refuses_ids_of_root_and_of_others,
        a_boot_refuses_a_volume_that_ant_cannot_write_to,
        a_container_without_a_group_has_no_nodes,
        a_call_waits_for_the_boot;
    &[S6Image, Root] => a_boot_refuses_a_volume_of_root;
}
