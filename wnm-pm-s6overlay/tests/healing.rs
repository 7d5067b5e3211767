//! Healing: whatever becomes of containers, engine, image, network, volume or s6, no node is lost.

#![expect(clippy::disallowed_methods, reason = "a test looks at the machine by itself, and takes the time")]

mod common;

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use bollard::query_parameters::{
    KillContainerOptions, RemoveContainerOptionsBuilder, RemoveImageOptions, RestartContainerOptions,
    TagImageOptionsBuilder,
};
use common::events::during;
use common::{Machine, PUBLISHED, hints, only, open, run};
use wnm_pm::container_host::{ContainerHost, Group, GroupState};
use wnm_pm::hint::{Hint, Hinted, Task};
use wnm_pm::node::{NodeId, NodeRef};
use wnm_pm::process_manager::{Binary, ManagerError, ProcessManager, ProcessState};
use wnm_pm::upgrade::upgrade;
use wnm_pm_s6overlay::{ContainerNetwork, S6Overlay};
use wnm_testing::Need::{Mount, Program, Root, S6Image};
use wnm_testing::test_node;

/// A group of five nodes: 1 to 4 run, 5 is stopped.
struct Fixture {
    machine: Machine,
    manager: S6Overlay,
    group: Group,
    nodes: Vec<NodeRef>,
    keys: Vec<Vec<u8>>,
}

impl Fixture {
    async fn new(network: ContainerNetwork) -> Self {
        Self::on(Machine::new(network).await).await
    }

    async fn on(machine: Machine) -> Self {
        let manager = machine.manager();
        let group = open(&manager, &machine.group(1)).await;
        let nodes = run(&manager, &[1, 2, 3, 4, 5].map(|number| machine.spec(number))).await;
        only(manager.stop(&nodes[4..]).await).expect("it stops");
        let keys = keys(&nodes);
        Self { machine, manager, group, nodes, keys }
    }

    async fn open(&mut self) {
        self.group = open(&self.manager, &self.machine.group(1)).await;
    }

    async fn state(&self, number: usize) -> ProcessState {
        let inspected = only(self.manager.inspect(&self.nodes[number - 1..number]).await);
        inspected.unwrap_or_else(|error| panic!("node {number} is inspected: {error}"))
    }

    /// Whether 1 to 4 run and 5 does not, with the identities that they had.
    async fn is_well(&self) -> bool {
        let states = self.manager.inspect(&self.nodes).await;
        let run = states.iter().map(|(_, state)| matches!(state, Ok(ProcessState::Running { .. })));
        run.collect::<Vec<_>>() == [true, true, true, true, false]
    }

    async fn recovers(&self, from: &str) {
        let deadline = Instant::now() + Duration::from_secs(30);
        while !self.is_well().await {
            let states = self.manager.inspect(&self.nodes).await;
            assert!(Instant::now() < deadline, "all is well again after: {from}; {states:#?}");
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
        assert_eq!(keys(&self.nodes), self.keys, "the nodes are the same after: {from}");
        let owner = std::fs::metadata(&self.machine.settings.node_storage).expect("it is there").uid();
        for node in &self.nodes {
            let key = std::fs::metadata(node.spec.root_dir.join("secret-key")).expect("it has a key");
            assert_eq!(key.uid(), owner, "what nodes write belongs to the operator");
        }
    }
}

fn keys(nodes: &[NodeRef]) -> Vec<Vec<u8>> {
    let key = |node: &NodeRef| std::fs::read(node.spec.root_dir.join("secret-key")).expect("it has a key");
    nodes.iter().map(key).collect()
}

async fn a_container_that_was_killed_restarted_or_removed_gets_its_nodes_back() {
    let mut fixture = Fixture::new(ContainerNetwork::Published).await;
    let docker = fixture.machine.docker.clone();

    docker
        .restart_container(&fixture.group.container_name, None::<RestartContainerOptions>)
        .await
        .expect("it restarts");
    fixture.recovers("a restart by the engine, with nobody there").await;

    docker.kill_container(&fixture.group.container_name, None::<KillContainerOptions>).await.expect("it is killed");
    fixture.open().await;
    fixture.recovers("a killed container").await;

    let first = fixture.group.container_id.clone();
    let force = RemoveContainerOptionsBuilder::new().force(true).build();
    docker.remove_container(&first, Some(force)).await.expect("it is removed");
    assert_eq!(fixture.manager.groups().await.expect("the engine answers"), []);
    let ProcessState::Stopped { reason: Some(reason) } = fixture.state(1).await else { panic!("nothing runs") };
    assert!(reason.contains(&fixture.group.container_name) && reason.contains("does not exist"), "{reason}");
    fixture.open().await;
    assert_ne!(fixture.group.container_id, first);
    fixture.recovers("a container removed by hand").await;
}

async fn a_paused_container_is_one_finding_and_its_nodes_say_so() {
    let mut fixture = Fixture::new(ContainerNetwork::Published).await;
    fixture.machine.docker.pause_container(&fixture.group.container_name).await.expect("it is paused");
    assert_eq!(fixture.manager.groups().await.expect("the engine answers")[0].state, GroupState::Paused);
    let ProcessState::Stopped { reason: Some(reason) } = fixture.state(1).await else { panic!("it does not run") };
    assert!(reason.contains("Paused"), "{reason}");
    let findings = fixture.manager.examine().await;
    let about: Vec<_> = findings.iter().filter(|finding| finding.code == "group-down").collect();
    assert_eq!(about.len(), 1, "one finding, not one per node: {findings:#?}");

    let error = only(fixture.manager.start(&fixture.nodes[..1]).await).expect_err("nothing can be started in it");
    assert!(error.to_string().contains("Paused"), "{error}");
    fixture.open().await;
    fixture.recovers("a paused container").await;
}

async fn another_image_takes_the_nodes_over_and_an_ordered_end_stays_ended() {
    let mut fixture = Fixture::new(ContainerNetwork::Published).await;
    let tag = TagImageOptionsBuilder::new().repo("wnm-test-other").tag(fixture.machine.id().as_str()).build();
    fixture.machine.docker.tag_image(&common::image(), Some(tag)).await.expect("it is tagged");
    let other = format!("wnm-test-other:{}", fixture.machine.id());
    let mut spec = fixture.machine.group(1);
    spec.image.clone_from(&other);
    let (group, events) = during(&fixture.machine, open(&fixture.manager, &spec)).await;
    let removed = fixture.machine.docker.remove_image(&other, None::<RemoveImageOptions>, None).await;
    assert_eq!(group.spec.image, other);
    assert_ne!(group.container_id, fixture.group.container_id);
    let ends: Vec<&String> =
        events.iter().filter(|event| event.starts_with("die") || event.starts_with("kill")).collect();
    assert_eq!(ends, ["die a1 129"], "the main program got SIGHUP and nobody was killed: {events:#?}");
    fixture.recovers("another image").await;

    fixture.group = group;
    only(fixture.manager.close(&[fixture.group.clone()]).await).expect("it closes");
    assert_eq!(fixture.manager.groups().await.expect("the engine answers"), []);
    fixture.open().await;
    fixture.recovers("an ordered end").await;
    removed.expect("the tag is removed");
}

async fn nodes_that_need_longer_than_s6_would_wait_end_in_order() {
    let machine = Machine::new(ContainerNetwork::Host).await;
    let manager = machine.manager();
    let group = open(&manager, &machine.group(1)).await;
    let mut specs = [1, 2, 3].map(|number| machine.spec(number));
    for spec in &mut specs {
        spec.environment = vec![("WNM_TEST_NODE".to_owned(), "record,slow_term:5s".to_owned())];
    }
    run(&manager, &specs).await;
    let begun = Instant::now();
    let (closed, events) = during(&machine, manager.close(&[group])).await;
    only(closed).expect("it closes");
    assert!(begun.elapsed() >= Duration::from_secs(5), "they were waited for: {:?}", begun.elapsed());
    assert!(begun.elapsed() < Duration::from_secs(25), "all at once: {:?}", begun.elapsed());
    assert!(!events.iter().any(|event| event.starts_with("kill")), "{events:#?}");
}

async fn an_engine_that_is_gone_is_named_and_nothing_is_changed() {
    let fixture = Fixture::new(ContainerNetwork::Published).await;
    let mut settings = fixture.machine.settings.clone();
    settings.engine_address = Some(format!("unix://{}/docker.sock", settings.log_dir.display()));
    let cut_off = S6Overlay::connect(settings).expect("a manager can be made without its engine");
    let gone = |error: &ManagerError| {
        matches!(error, ManagerError::Unavailable { .. }) && hints(error).contains("systemctl start docker")
    };

    assert!(gone(&only(cut_off.open(&[fixture.machine.group(1)]).await).expect_err("nobody is there")));
    assert!(gone(&cut_off.groups().await.expect_err("nobody is there")));
    assert!(gone(&only(cut_off.close(std::slice::from_ref(&fixture.group)).await).expect_err("nobody is there")));
    assert!(gone(&only(cut_off.start(&fixture.nodes[..1]).await).expect_err("nobody is there")));
    assert!(gone(&only(cut_off.stop(&fixture.nodes[..1]).await).expect_err("nobody is there")));
    assert!(gone(&only(cut_off.inspect(&fixture.nodes[..1]).await).expect_err("nobody is there")));
    assert!(gone(&only(cut_off.remove(&fixture.nodes[..1]).await).expect_err("nobody is there")));
    let newer = Binary { path: test_node("0.4.18"), version: semver::Version::new(0, 4, 18) };
    assert!(gone(&only(cut_off.replace_program(&fixture.nodes[..1], &newer).await).expect_err("nobody is there")));
    assert!(gone(&only(upgrade(&cut_off, &fixture.nodes[..1], &newer).await).expect_err("nobody is there")));
    assert!(gone(&cut_off.survey().await.expect_err("nobody is there")));
    assert!(gone(&cut_off.teardown().await.expect_err("nobody is there")));
    let codes: Vec<String> = cut_off.examine().await.into_iter().map(|finding| finding.code).collect();
    assert!(codes.contains(&"engine-unreachable".to_owned()), "{codes:?}");
    fixture.recovers("a manager that was cut off").await;
    assert_eq!(fixture.manager.groups().await.expect("the engine answers"), std::slice::from_ref(&fixture.group));
    fixture
        .machine
        .docker
        .restart_container(&fixture.group.container_name, None::<RestartContainerOptions>)
        .await
        .expect("it restarts");
    fixture.recovers("a restart after it: no mark was left behind").await;
}

async fn a_missing_image_is_named_with_how_to_build_it() {
    let machine = Machine::new(ContainerNetwork::Host).await;
    let mut spec = machine.group(1);
    spec.image = "wnm.invalid/nobody/has-this:7".to_owned();
    let error = only(machine.manager().open(std::slice::from_ref(&spec)).await).expect_err("nobody has it");
    assert!(error.to_string().contains(&spec.image) && !error.to_string().contains('\n'), "{error}");
    let build = Hint::run(Task::BuildImage { image: spec.image }).to("build it, or set docker_image to another");
    assert_eq!(error.hints(), [build]);
}

async fn a_port_that_is_in_use_is_named_before_the_container_is_made() {
    let machine = Machine::new(ContainerNetwork::Published).await;
    let manager = machine.manager();
    let port = machine.node_port(17);
    let held = std::net::UdpSocket::bind(("127.0.0.1", port)).expect("the port is free");
    let error = only(manager.open(&[machine.group(1)]).await).expect_err("the port is taken");
    assert!(matches!(error, ManagerError::PortInUse { port: found, .. } if found == port), "{error}");
    assert_eq!(manager.groups().await.expect("the engine answers"), []);
    drop(held);
    open(&manager, &machine.group(1)).await;
}

async fn a_network_that_was_removed_or_left_is_made_again_with_its_containers() {
    let mut fixture = Fixture::new(ContainerNetwork::Published).await;
    let (docker, network) = (fixture.machine.docker.clone(), fixture.machine.id().network_name());
    docker.stop_container(&fixture.group.container_name, None).await.expect("it stops");
    docker.remove_network(&network).await.expect("nobody is on it");
    fixture.open().await;
    fixture.recovers("a removed network").await;
    assert_eq!(fixture.manager.groups().await.expect("the engine answers")[0].state, GroupState::Running);

    let leave = bollard::models::NetworkDisconnectRequest {
        container: fixture.group.container_name.clone(),
        force: Some(true),
    };
    docker.disconnect_network(&network, leave).await.expect("it is taken off");
    assert_eq!(fixture.manager.groups().await.expect("the engine answers")[0].state, GroupState::Damaged);
    fixture.open().await;
    fixture.recovers("a container taken off its network").await;
}

async fn deleted_service_directories_and_a_killed_supervisor_are_repaired() {
    let fixture = Fixture::new(ContainerNetwork::Published).await;
    let exec = async |line: &str| fixture.machine.exec(1, &["sh", "-c", line]).await;

    exec("rm -rf /run/service/antnode0001").await;
    only(fixture.manager.start(&fixture.nodes[..1]).await).expect("it starts");
    fixture.recovers("a service directory deleted in the container").await;

    std::fs::remove_dir_all(fixture.machine.settings.node_storage.join(".s6/a1/antnode0002")).expect("it is there");
    assert!(matches!(fixture.state(2).await, ProcessState::Running { .. }), "what lives counts");
    only(fixture.manager.start(&fixture.nodes[1..2]).await).expect("it starts");
    fixture.recovers("a definition deleted from the volume").await;

    exec("pkill -KILL -x s6-supervise").await;
    fixture.recovers("killed supervisors").await;
    exec("kill -KILL $(cat /var/antctl/services/antnode0003/antnode.pid)").await;
    fixture.recovers("a killed node").await;
}

/// A bind mount that goes away with the test.
struct Disk<'a>(&'a Path);

impl<'a> Disk<'a> {
    /// One for this storage, mounted, and the directory that is mounted.
    fn at(storage: &'a Path) -> (Self, PathBuf) {
        let real = storage.with_file_name("disk");
        std::fs::create_dir(&real).expect("it is made");
        std::os::unix::fs::chown(&real, Some(12_345), Some(12_345)).expect("root gives files away");
        let disk = Self(storage);
        disk.mount(&real);
        (disk, real)
    }

    fn mount(&self, from: &Path) {
        let done = Command::new("mount").arg("--bind").arg(from).arg(self.0).status().expect("mount runs");
        assert!(done.success());
    }

    fn unmount(&self) {
        assert!(Command::new("umount").arg("--lazy").arg(self.0).status().expect("umount runs").success());
    }
}

impl Drop for Disk<'_> {
    fn drop(&mut self) {
        while Command::new("umount").arg("--lazy").arg(self.0).output().is_ok_and(|done| done.status.success()) {}
    }
}

async fn a_disk_that_is_not_mounted_starts_nothing_and_its_nodes_are_back_with_it() {
    let machine = Machine::new(ContainerNetwork::Published).await;
    let storage = machine.settings.node_storage.clone();
    let (disk, real) = Disk::at(&storage);
    let mut fixture = Fixture::on(machine).await;

    disk.unmount();
    let error = only(fixture.manager.open(&[fixture.machine.group(1)]).await).expect_err("the disk is away");
    assert!(hints(&error).contains("mount its disk"), "{error:?}");
    fixture
        .machine
        .docker
        .restart_container(&fixture.group.container_name, None::<RestartContainerOptions>)
        .await
        .expect("it restarts");
    disk.mount(&real);
    assert_eq!(fixture.manager.groups().await.expect("the engine answers")[0].state, GroupState::Damaged);
    fixture.open().await;
    fixture.recovers("a disk that was away when its container started").await;
}

async fn a_mountpoint_that_is_not_empty_is_not_taken_for_the_disk() {
    let machine = Machine::new(ContainerNetwork::Host).await;
    let storage = machine.settings.node_storage.clone();
    let (disk, real) = Disk::at(&storage);
    let mut fixture = Fixture::on(machine).await;
    let spec = fixture.machine.group(1);

    disk.unmount();
    std::fs::write(storage.join("left-behind"), "").expect("the mountpoint can be written");
    assert_eq!(fixture.manager.groups().await.expect("the engine answers")[0].state, GroupState::Damaged);
    let (refused, events) = during(&fixture.machine, fixture.manager.open(std::slice::from_ref(&spec))).await;
    let error = only(refused).expect_err("the disk is away");
    assert!(hints(&error).contains("mount its disk") && hints(&error).contains(".wnm-storage"), "{error:?}");
    assert!(!events.iter().any(|event| event.starts_with("die")), "the nodes live on: {events:#?}");

    let restarted =
        fixture.machine.docker.restart_container(&fixture.group.container_name, None::<RestartContainerOptions>);
    restarted.await.expect("it restarts");
    assert_eq!(fixture.manager.groups().await.expect("the engine answers")[0].state, GroupState::Damaged);
    only(fixture.manager.open(std::slice::from_ref(&spec)).await).expect_err("the disk is away");
    let created = only(fixture.manager.create(&[NodeRef::new(fixture.machine.spec(6))]).await);
    let error = created.expect_err("no node is made beneath the disk");
    assert!(hints(&error).contains("mount its disk"), "{error:?}");
    let left: Vec<_> = std::fs::read_dir(&storage).expect("it is there").flatten().collect();
    assert_eq!(left.len(), 1, "nothing was written beneath the disk: {left:?}");

    disk.mount(&real);
    fixture.open().await;
    fixture.recovers("a disk that was away").await;
}

async fn a_missing_image_fails_only_the_group_that_is_made_of_it() {
    let mut fixture = Fixture::new(ContainerNetwork::Host).await;
    let docker = fixture.machine.docker.clone();
    docker.kill_container(&fixture.group.container_name, None::<KillContainerOptions>).await.expect("it is killed");
    let mut other = fixture.machine.group(2);
    other.image = "wnm.invalid/nobody/has-this:7".to_owned();
    let outcomes = fixture.manager.open(&[fixture.machine.group(1), other]).await;
    let named = |error: &ManagerError| error.to_string().contains("has-this:7");
    assert!(matches!(outcomes.get(2), Some(Err(error)) if named(error)), "{outcomes:?}");
    assert!(matches!(outcomes.get(1), Some(Ok(_))), "a killed container needs no image: {outcomes:?}");
    fixture.recovers("a missing image of another group").await;

    let mut remade = fixture.machine.group(1);
    remade.image = "wnm.invalid/nobody/has-this:7".to_owned();
    only(fixture.manager.open(&[remade]).await).expect_err("nobody has it");
    assert!(fixture.is_well().await, "a container is not ended before there is what it is made of anew");
    fixture.open().await;
}

async fn nodes_of_a_paused_or_restarting_container_are_removed() {
    let mut fixture = Fixture::new(ContainerNetwork::Host).await;
    let docker = fixture.machine.docker.clone();
    docker.pause_container(&fixture.group.container_name).await.expect("it is paused");
    only(fixture.manager.remove(&fixture.nodes[3..4]).await).expect("it is removed from a paused container");
    assert!(!fixture.nodes[3].spec.root_dir.exists());
    fixture.open().await;

    // A container whose volume is not its nodes' owner's ends at every boot.
    let storage = fixture.machine.settings.node_storage.clone();
    std::os::unix::fs::chown(&storage, Some(54_321), Some(54_321)).expect("root gives files away");
    docker
        .restart_container(&fixture.group.container_name, None::<RestartContainerOptions>)
        .await
        .expect("it restarts");
    let deadline = Instant::now() + Duration::from_secs(30);
    while fixture.manager.groups().await.expect("the engine answers")[0].state != GroupState::Restarting {
        assert!(Instant::now() < deadline, "it restarts again and again");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    std::os::unix::fs::chown(&storage, Some(12_345), Some(12_345)).expect("root gives files away");
    only(fixture.manager.remove(&fixture.nodes[2..3]).await).expect("it is removed from a restarting container");
    assert!(!fixture.nodes[2].spec.root_dir.exists());
    assert_eq!(fixture.manager.groups().await.expect("the engine answers")[0].state, GroupState::Stopped);
    fixture.open().await;
    let states = fixture.manager.inspect(&fixture.nodes).await;
    let runs = |number| matches!(states.get(NodeId(number)), Some(Ok(ProcessState::Running { .. })));
    assert!(runs(1) && runs(2), "{states:?}");
    let is_absent = |number| matches!(states.get(NodeId(number)), Some(Ok(ProcessState::Absent)));
    assert!(is_absent(3) && is_absent(4), "{states:?}");
}

async fn nodes_are_given_their_time_also_when_the_main_program_cannot_be_sent_a_signal() {
    let machine = Machine::new(ContainerNetwork::Host).await;
    let manager = machine.manager();
    let group = open(&manager, &machine.group(1)).await;
    let mut spec = machine.spec(1);
    spec.environment = vec![("WNM_TEST_NODE".to_owned(), "record,slow_term:12s".to_owned())];
    run(&manager, &[spec]).await;
    machine.exec(1, &["rm", "/usr/bin/pkill"]).await;
    let (closed, events) = during(&machine, manager.close(&[group])).await;
    only(closed).expect("it closes");
    assert!(events.contains(&"die a1 0".to_owned()), "s6 ended it in order, and nobody killed it: {events:#?}");
}

wnm_testing::trials! {
    PUBLISHED =>
        a_container_that_was_killed_restarted_or_removed_gets_its_nodes_back,
        a_paused_container_is_one_finding_and_its_nodes_say_so,
        another_image_takes_the_nodes_over_and_an_ordered_end_stays_ended,
        an_engine_that_is_gone_is_named_and_nothing_is_changed,
        a_port_that_is_in_use_is_named_before_the_container_is_made,
        a_network_that_was_removed_or_left_is_made_again_with_its_containers,
        deleted_service_directories_and_a_killed_supervisor_are_repaired;
    &[S6Image] =>
        nodes_that_need_longer_than_s6_would_wait_end_in_order,
        a_missing_image_is_named_with_how_to_build_it,
        a_missing_image_fails_only_the_group_that_is_made_of_it,
        nodes_are_given_their_time_also_when_the_main_program_cannot_be_sent_a_signal;
    &[S6Image, Root, Program("ip"), Program("nft"), Mount] =>
        a_disk_that_is_not_mounted_starts_nothing_and_its_nodes_are_back_with_it;
    &[S6Image, Root, Mount] => a_mountpoint_that_is_not_empty_is_not_taken_for_the_disk;
    &[S6Image, Root] => nodes_of_a_paused_or_restarting_container_are_removed;
}

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([trials()])
}
