//! What the doctor is told about this machine, its engine and its containers.

mod common;

use std::os::unix::fs::chown;

use bollard::query_parameters::{CommitContainerOptionsBuilder, RemoveImageOptions};
use common::{Machine, PUBLISHED, open};
use wnm_pm::process_manager::{Finding, ProcessManager, Severity};
use wnm_pm_s6overlay::{ContainerNetwork, S6Overlay};
use wnm_testing::Need::{Root, S6Image};

async fn findings(manager: &S6Overlay, code: &str) -> Vec<Finding> {
    let all = manager.examine().await;
    for finding in &all {
        assert!(!finding.what.is_empty() && !finding.consequence.is_empty() && !finding.fix.is_empty(), "{finding:?}");
    }
    all.into_iter().filter(|finding| finding.code == code).collect()
}

async fn a_machine_on_which_all_is_well_has_no_error() {
    let machine = Machine::new(ContainerNetwork::Published).await;
    let manager = machine.manager();
    open(&manager, &machine.group(1)).await;
    let errors: Vec<Finding> =
        manager.examine().await.into_iter().filter(|finding| finding.severity == Severity::Error).collect();
    assert_eq!(errors, []);
}

async fn a_missing_image_and_a_storage_of_roots_are_found() {
    let mut machine = Machine::new(ContainerNetwork::Host).await;
    machine.settings.docker_image = "wnm.invalid/nobody/has-this:7".to_owned();
    assert_eq!(findings(&machine.manager(), "image-missing").await.len(), 1);
    chown(&machine.settings.node_storage, Some(0), Some(0)).expect("root takes files");
    let found = findings(&machine.manager(), "storage-of-root").await;
    assert_eq!(found[0].severity, Severity::Error);
    assert!(found[0].fix.starts_with("chown "), "{found:?}");
}

async fn an_image_that_is_not_ours_and_containers_of_an_older_build_are_found() {
    let mut machine = Machine::new(ContainerNetwork::Host).await;
    let docker = machine.docker.clone();
    let tag = machine.id().as_str().to_owned();
    let build = async |id: &str, label: &str| {
        let options = CommitContainerOptionsBuilder::new().container(id).repo("wnm-test-build").tag(&tag).build();
        let labels = std::collections::HashMap::from([("wnm.contract".to_owned(), label.to_owned())]);
        let config = bollard::models::ContainerConfig { labels: Some(labels), ..Default::default() };
        docker.commit_container(options, config).await.expect("it is built");
        format!("wnm-test-build:{tag}")
    };
    let base = open(&machine.manager(), &machine.group(2)).await;
    let image = build(&base.container_id, "1").await;
    machine.settings.docker_image.clone_from(&image);
    let manager = machine.manager();
    assert_eq!(findings(&manager, "image-unknown").await, []);
    let group = open(&manager, &machine.group(1)).await;
    assert_eq!(findings(&manager, "image-outdated").await, []);

    let older = docker.inspect_image(&image).await.expect("it is there").id.expect("it has an id");
    build(&base.container_id, "something else").await;
    assert_eq!(findings(&manager, "image-unknown").await.len(), 1);
    let found = findings(&manager, "image-outdated").await;
    drop(machine);
    for left in [image, older] {
        let _ = docker.remove_image(&left, None::<RemoveImageOptions>, None).await;
    }
    assert_eq!(found.len(), 1);
    assert!(found[0].what.contains(&group.container_name), "{found:?}");
}

wnm_testing::trials! {
    PUBLISHED => a_machine_on_which_all_is_well_has_no_error;
    &[S6Image, Root] => a_missing_image_and_a_storage_of_roots_are_found;
    &[S6Image] => an_image_that_is_not_ours_and_containers_of_an_older_build_are_found;
}

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([trials()])
}
