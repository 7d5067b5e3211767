//! Groups are made to stand, mended, and taken down, on the real engine.

mod common;

use bollard::models::RestartPolicyNameEnum;
use bollard::query_parameters::{InspectContainerOptions, KillContainerOptions};
use common::{Machine, open};
use wnm_pm::container_host::{ContainerHost, Group, GroupState};
use wnm_pm_s6overlay::ContainerNetwork;
use wnm_testing::Need::S6Image;

async fn groups_open_and_close_and_stay_as_they_are_when_opened_again() {
    let machine = Machine::new(ContainerNetwork::Host).await;
    let manager = machine.manager();
    let specs = [machine.group(1), machine.group(2)];
    let opened: Vec<Group> = manager.open(&specs).await.into_iter().map(|group| group.expect("it opens")).collect();
    assert_eq!(opened.iter().map(|group| &group.spec).collect::<Vec<_>>(), specs.iter().collect::<Vec<_>>());
    assert!(opened.iter().all(|group| group.state == GroupState::Running), "{opened:?}");
    assert_eq!(manager.groups().await.expect("the engine answers"), opened);

    let again = open(&manager, &specs[0]).await;
    assert_eq!(again, opened[0], "a group that stands is left as it is");

    for outcome in manager.close(&opened).await {
        outcome.expect("it closes");
    }
    assert_eq!(manager.groups().await.expect("the engine answers"), []);
    for outcome in manager.close(&opened).await {
        outcome.expect("what is gone is closed");
    }
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

    spec.node_ports.last += 5;
    let third = open(&manager, &spec).await;
    assert_ne!(third.container_id, second.container_id);
    assert_eq!(third.spec, spec);
    assert_eq!(manager.groups().await.expect("the engine answers"), [third]);
}

async fn a_container_of_our_name_that_is_not_ours_is_left_alone() {
    let machine = Machine::new(ContainerNetwork::Host).await;
    let spec = machine.group(1);
    let name = machine.id().container_name("a1");
    let options = bollard::query_parameters::CreateContainerOptionsBuilder::new().name(&name).build();
    let body = bollard::models::ContainerCreateBody { image: Some(common::image()), ..Default::default() };
    let foreign = machine.docker.create_container(Some(options), body).await.expect("made");

    let refused = machine.manager().open(&[spec]).await.remove(0);
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
    let (host, config) = (made.host_config.expect("it is told"), made.config.expect("it is told"));

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
        a_container_of_our_name_that_is_not_ours_is_left_alone,
        every_limit_of_a_container_is_set_on_purpose;
}

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([trials()])
}
