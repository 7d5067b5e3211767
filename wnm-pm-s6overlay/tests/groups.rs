//! Groups are brought up, repaired, and taken down, on the real engine.

mod common;

use bollard::models::RestartPolicyNameEnum;
use bollard::query_parameters::{InspectContainerOptions, KillContainerOptions};
use common::{Machine, all_good, only, open};
use wnm_pm::container_host::{ContainerHost, GroupState};
use wnm_pm::node::PortKind;
use wnm_pm_s6overlay::ContainerNetwork;
use wnm_testing::Need::S6Image;
use wnm_testing::docker_label;

async fn groups_open_and_close_and_stay_as_they_are_when_opened_again() {
    let machine = Machine::new(ContainerNetwork::Host).await;
    let manager = machine.manager();
    let specs = [machine.group(1), machine.group(2)];
    let opened = all_good(manager.open(&specs).await);
    assert_eq!(opened.iter().map(|group| &group.spec).collect::<Vec<_>>(), specs.iter().collect::<Vec<_>>());
    assert!(opened.iter().all(|group| group.state == GroupState::Running), "{opened:?}");
    assert_eq!(manager.groups().await.expect("the engine answers"), opened);

    let again = open(&manager, &specs[0]).await;
    assert_eq!(again, opened[0], "a group that is up is left as it is");

    all_good(manager.close(&opened).await);
    assert_eq!(manager.groups().await.expect("the engine answers"), []);
    // What is gone is closed.
    all_good(manager.close(&opened).await);
    assert!(machine.settings.node_storage.is_dir());
    assert!(!machine.settings.node_storage.join(".s6").exists(), "nothing is left of groups without nodes");
}

async fn a_killed_a_stopped_and_a_paused_container_are_brought_back_as_they_were() {
    let machine = Machine::new(ContainerNetwork::Host).await;
    let (manager, docker) = (machine.manager(), &machine.docker);
    let spec = machine.group(1);
    let first = open(&manager, &spec).await;

    docker.kill_container(&first.container_id, None::<KillContainerOptions>).await.expect("killed");
    assert_eq!(open(&manager, &spec).await, first);
    docker.stop_container(&first.container_id, None).await.expect("stopped");
    assert_eq!(manager.groups().await.expect("the engine answers")[0].state, GroupState::Stopped);
    assert_eq!(open(&manager, &spec).await, first);
    docker.pause_container(&first.container_id).await.expect("paused");
    assert_eq!(manager.groups().await.expect("the engine answers")[0].state, GroupState::Paused);
    assert_eq!(open(&manager, &spec).await, first);
}

async fn a_container_removed_by_hand_or_made_for_other_ranges_is_made_again() {
    let machine = Machine::new(ContainerNetwork::Host).await;
    let manager = machine.manager();
    let mut spec = machine.group(1);
    let first = open(&manager, &spec).await;
    let force = bollard::query_parameters::RemoveContainerOptionsBuilder::new().force(true).build();
    machine.docker.remove_container(&first.container_id, Some(force)).await.expect("removed");
    let second = open(&manager, &spec).await;
    assert_ne!(second.container_id, first.container_id);

    spec.ports.get_mut(&PortKind::Node).expect("it has node ports").last += 5;
    let third = open(&manager, &spec).await;
    assert_ne!(third.container_id, second.container_id);
    assert_eq!(third.spec, spec);
    assert_eq!(manager.groups().await.expect("the engine answers"), [third]);
}

/// The labels are those that the first version of wnm set: a newer one must not end the containers of a running fleet.
async fn a_container_of_the_first_version_is_left_as_it_is() {
    let machine = Machine::new(ContainerNetwork::Host).await;
    let (manager, docker, settings) = (machine.manager(), &machine.docker, &machine.settings);
    let spec = machine.group(1);
    let first = open(&manager, &spec).await;
    let made = docker.inspect_container(&first.container_id, None::<InspectContainerOptions>).await.expect("it exists");
    let force = bollard::query_parameters::RemoveContainerOptionsBuilder::new().force(true).build();
    docker.remove_container(&first.container_id, Some(force)).await.expect("removed");

    let (nodes, metrics) = (machine.ports.port_start * 1000, machine.ports.metrics_port_start * 1000);
    let labels = [
        ("wnm.bootstrap_cache_dir", settings.bootstrap_cache_dir.display().to_string()),
        ("wnm.group", "1".to_owned()),
        ("wnm.image", common::image()),
        ("wnm.log_dir", settings.log_dir.display().to_string()),
        ("wnm.machine", machine.id().to_string()),
        ("wnm.metrics_ports", format!("{}-{}", metrics + 1, metrics + 30)),
        ("wnm.name", "a1".to_owned()),
        ("wnm.network", "host".to_owned()),
        ("wnm.node_ports", format!("{}-{}", nodes + 1, nodes + 30)),
        ("wnm.node_storage", settings.node_storage.display().to_string()),
        ("wnm.owner", common::owner_of(&settings.node_storage)),
        ("wnm.role", "group".to_owned()),
    ];
    let config = made.config.expect("it has one");
    let body = bollard::models::ContainerCreateBody {
        image: Some(common::image()),
        cmd: config.cmd,
        env: config.env,
        labels: Some(labels.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()),
        host_config: made.host_config,
        ..Default::default()
    };
    let options = bollard::query_parameters::CreateContainerOptionsBuilder::new().name(&first.container_name).build();
    let old = docker.create_container(Some(options), body).await.expect("made").id;
    docker.start_container(&old, None).await.expect("it starts");

    let opened = open(&manager, &spec).await;
    assert_eq!((opened.container_id, opened.spec), (old.clone(), spec), "it is recognised and not made again");
    let groups = manager.groups().await.expect("the engine answers");
    assert_eq!((&groups[0].container_id, groups[0].state), (&old, GroupState::Running));
}

async fn a_container_of_our_name_that_is_not_ours_is_left_alone() {
    let machine = Machine::new(ContainerNetwork::Host).await;
    let spec = machine.group(1);
    let name = machine.id().container_name("a1");
    let options = bollard::query_parameters::CreateContainerOptionsBuilder::new().name(&name).build();
    let label = docker_label();
    let (label, value) = label.split_once('=').expect("a name and a value");
    let body = bollard::models::ContainerCreateBody {
        image: Some(common::image()),
        labels: Some([(label.to_owned(), value.to_owned())].into()),
        ..Default::default()
    };
    let foreign = machine.docker.create_container(Some(options), body).await.expect("made");

    let refused = only(machine.manager().open(&[spec]).await);
    let force = bollard::query_parameters::RemoveContainerOptionsBuilder::new().force(true).build();
    let still_there = machine.docker.inspect_container(&foreign.id, None::<InspectContainerOptions>).await;
    machine.docker.remove_container(&foreign.id, Some(force)).await.expect("removed");
    assert!(still_there.is_ok(), "it is not touched");
    let error = refused.expect_err("it is not ours").to_string();
    assert!(error.contains(&name) && error.contains("left alone"), "{error}");
}

async fn every_limit_of_a_container_is_set_on_purpose() {
    let machine = Machine::new(ContainerNetwork::Host).await;
    let group = open(&machine.manager(), &machine.group(1)).await;
    let made = machine.docker.inspect_container(&group.container_id, None::<InspectContainerOptions>).await;
    let made = made.expect("it exists");
    let (host, config) = (made.host_config.expect("it has one"), made.config.expect("it has one"));

    let ulimits = host.ulimits.expect("there are some");
    let open_files = ulimits.iter().map(|limit| (limit.name.as_deref(), limit.soft, limit.hard)).collect::<Vec<_>>();
    assert_eq!(open_files, [(Some("nofile"), Some(16_384), Some(16_384))]);
    assert_eq!(machine.exec(1, &["sh", "-c", "ulimit -n"]).await.trim(), "16384", "the kernel agrees");
    assert_eq!(host.pids_limit, Some(1_024 + 256 * i64::from(common::GROUP_SIZE)));
    assert_eq!(config.stop_timeout, Some(90));
    assert_eq!(host.init, Some(false));
    assert_eq!(host.restart_policy.and_then(|policy| policy.name), Some(RestartPolicyNameEnum::UNLESS_STOPPED));
    assert_eq!(host.security_opt.expect("there are some"), ["no-new-privileges"]);
    assert_eq!(host.cap_add.unwrap_or_default(), Vec::<String>::new(), "on the machine's own network none is needed");
    let log = host.log_config.expect("there is one");
    assert_eq!(log.typ.as_deref(), Some("json-file"));
    let log = log.config.expect("it has a ceiling");
    assert_eq!((log["max-size"].as_str(), log["max-file"].as_str()), ("10m", "2"));
}

wnm_testing::trials! {
    &[S6Image] =>
        groups_open_and_close_and_stay_as_they_are_when_opened_again,
        a_killed_a_stopped_and_a_paused_container_are_brought_back_as_they_were,
        a_container_removed_by_hand_or_made_for_other_ranges_is_made_again,
        a_container_of_the_first_version_is_left_as_it_is,
        a_container_of_our_name_that_is_not_ours_is_left_alone,
        every_limit_of_a_container_is_set_on_purpose;
}

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([trials()])
}
