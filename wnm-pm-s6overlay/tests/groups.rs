//! Groups are brought up, repaired, and taken down, on the real engine.

#![expect(clippy::disallowed_methods, reason = "a test looks at the machine by itself, and takes the time")]

mod common;

use std::process::Command;
use std::time::Instant;

use bollard::models::RestartPolicyNameEnum;
use bollard::query_parameters::{InspectContainerOptions, KillContainerOptions};
use common::{Machine, PUBLISHED, all_good, only, open, run};
use wnm_pm::container_host::{ContainerHost, GroupState};
use wnm_pm::node::PortKind;
use wnm_pm::process_manager::{ProcessManager, ProcessState};
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

/// Runs docker, which has to succeed.
fn docker(words: &[&str]) -> String {
    let output = Command::new("docker").args(words).output().expect("docker runs");
    assert!(output.status.success(), "docker {words:?}: {}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8_lossy(&output.stdout).trim().to_owned()
}

async fn what_a_container_is_counts_and_not_only_its_labels() {
    let machine = Machine::new(ContainerNetwork::Host).await;
    let manager = machine.manager();
    let spec = machine.group(1);
    let first = open(&manager, &spec).await;
    let name = first.container_name.as_str();
    let nodes = run(&manager, &[machine.spec(1)]).await;
    let runs = async || matches!(only(manager.inspect(&nodes).await), Ok(ProcessState::Running { .. }));
    let settable: [&[&str]; 3] = [
        &["rename", name, &format!("{name}-by-hand")],
        &["update", "--restart=no", name],
        &["update", "--pids-limit=5000", name],
    ];
    for damage in settable {
        docker(damage);
        let seen = manager.groups().await.expect("the engine answers");
        assert_eq!((seen.len(), seen[0].state), (1, GroupState::Damaged), "{damage:?}");
        assert!(runs().await, "its node is seen all the while: {damage:?}");
        assert_eq!(open(&manager, &spec).await, first, "the container lives on: {damage:?}");
        assert_eq!(manager.groups().await.expect("the engine answers"), std::slice::from_ref(&first), "{damage:?}");
    }
    docker(&["update", "--memory=1g", "--memory-swap=2g", name]);
    assert_eq!(manager.groups().await.expect("the engine answers")[0].state, GroupState::Damaged);
    let second = open(&manager, &spec).await;
    assert_ne!(second.container_id, first.container_id, "nothing takes that limit away again");
    assert_eq!(manager.groups().await.expect("the engine answers"), [second]);
}

async fn a_container_with_our_labels_that_is_something_else_is_made_again_and_a_twin_is_removed() {
    let machine = Machine::new(ContainerNetwork::Host).await;
    let manager = machine.manager();
    let spec = machine.group(1);
    let first = open(&manager, &spec).await;
    let labels = docker(&[
        "inspect",
        "--format",
        "{{range $k, $v := .Config.Labels}}{{$k}}={{$v}}\n{{end}}",
        &first.container_id,
    ]);
    let labels: Vec<&str> =
        labels.lines().filter(|line| line.starts_with("wnm.")).flat_map(|line| ["--label", line]).collect();
    let forged = |name: &str| {
        let image = common::image();
        docker(
            &[&["run", "--detach", "--network=host", "--name", name][..], &labels, &[&image, "sleep", "infinity"]]
                .concat(),
        )
    };
    forged(&format!("{}-twin", first.container_name));
    let seen = manager.groups().await.expect("the engine answers");
    assert_eq!((seen.len(), seen[0].state), (1, GroupState::Damaged));
    assert_eq!(open(&manager, &spec).await, first, "the one that has its name stays");
    assert_eq!(manager.groups().await.expect("the engine answers"), std::slice::from_ref(&first));

    docker(&["rm", "--force", &first.container_id]);
    let forged = forged(&first.container_name);
    assert_eq!(manager.groups().await.expect("the engine answers")[0].state, GroupState::Damaged);
    assert_ne!(open(&manager, &spec).await.container_id, forged);
    assert_eq!(manager.groups().await.expect("the engine answers")[0].state, GroupState::Running);
}

async fn ports_of_another_databases_group_are_refused_with_its_name() {
    let (one, mut other) = (Machine::new(ContainerNetwork::Host).await, Machine::new(ContainerNetwork::Host).await);
    let first = open(&one.manager(), &one.group(1)).await;
    other.settings.max_node_per_container = 10;
    let mut spec = one.group(1);
    spec.ports.values_mut().for_each(|range| (range.first, range.last) = (range.last - 5, range.last + 4));
    let refused = only(other.manager().open(&[spec]).await).expect_err("the ranges meet").to_string();
    let storage = one.settings.node_storage.display().to_string();
    assert!(refused.contains(&first.container_name) && refused.contains(&storage), "{refused}");
    assert_eq!(other.manager().groups().await.expect("the engine answers"), []);
    assert_eq!(one.manager().groups().await.expect("the engine answers"), [first]);
}

async fn what_groups_use_is_measured_within_a_second() {
    let machine = Machine::new(ContainerNetwork::Host).await;
    let manager = machine.manager();
    let groups = all_good(manager.open(&[machine.group(1), machine.group(2), machine.group(3)]).await);
    let busy = machine.exec(1, &["sh", "-c", "(while :; do :; done) >/dev/null 2>&1 & echo $!"]).await;
    let mut shortest = std::time::Duration::MAX;
    for _ in 0..3 {
        let began = Instant::now();
        let used = all_good(manager.usage(&groups).await);
        shortest = shortest.min(began.elapsed());
        assert!(used.iter().all(|usage| usage.memory_bytes > 0), "{used:?}");
        assert!(used[0].cpu_percent > 5.0 && used[0].cpu_percent > used[1].cpu_percent, "{used:?}");
    }
    machine.exec(1, &["kill", busy.trim()]).await;
    assert!(shortest.as_millis() < 1_000, "{shortest:?}");
}

async fn another_container_network_takes_the_nodes_over() {
    let mut machine = Machine::new(ContainerNetwork::Published).await;
    let spec = machine.group(1);
    let mut container = open(&machine.manager(), &spec).await.container_id;
    let nodes = run(&machine.manager(), &[machine.spec(1)]).await;
    let key = || std::fs::read(nodes[0].spec.root_dir.join("secret-key")).expect("it has a key");
    let before = key();
    for network in [ContainerNetwork::Host, ContainerNetwork::Published] {
        machine.settings.container_network = network;
        let manager = machine.manager();
        assert_eq!(manager.groups().await.expect("the engine answers")[0].state, GroupState::Damaged);
        let group = open(&manager, &spec).await;
        assert_ne!(group.container_id, container);
        container.clone_from(&group.container_id);
        assert_eq!(manager.groups().await.expect("the engine answers"), [group]);
        let is_there = docker(&["network", "ls", "--format", "{{.Name}}"]).contains(&machine.id().network_name());
        assert_eq!(is_there, network == ContainerNetwork::Published, "nothing is left of the other network");
        let rules = Command::new("nft").args(["list", "tables"]).output().expect("nft runs").stdout;
        assert_eq!(String::from_utf8_lossy(&rules).contains(&machine.id().table_name()), is_there);
        let deadline = Instant::now() + std::time::Duration::from_secs(20);
        while !matches!(only(manager.inspect(&nodes).await), Ok(ProcessState::Running { .. })) {
            assert!(Instant::now() < deadline, "the node is back");
        }
        assert_eq!(key(), before);
    }
}

async fn a_container_that_lost_its_address_or_got_another_network_is_made_again() {
    let machine = Machine::new(ContainerNetwork::Published).await;
    let (manager, spec, network) = (machine.manager(), machine.group(1), machine.id().network_name());
    let name = open(&manager, &spec).await.container_name;
    for damage in [
        vec![vec!["network", "disconnect", &network, &name], vec!["network", "connect", "--ip", "IP", &network, &name]],
        vec![vec!["network", "disconnect", &network, &name]],
        vec![vec!["network", "connect", "bridge", &name]],
    ] {
        let address = manager.groups().await.expect("the engine answers")[0].address.expect("it has one").to_string();
        let elsewhere = format!("{}.200", address.rsplit_once('.').expect("it has four parts").0);
        for words in &damage {
            docker(&words.iter().map(|&word| if word == "IP" { elsewhere.as_str() } else { word }).collect::<Vec<_>>());
        }
        assert_eq!(manager.groups().await.expect("the engine answers")[0].state, GroupState::Damaged, "{damage:?}");
        open(&manager, &spec).await;
        assert_eq!(manager.groups().await.expect("the engine answers")[0].state, GroupState::Running, "{damage:?}");
    }
}

wnm_testing::trials! {
    PUBLISHED =>
        another_container_network_takes_the_nodes_over,
        a_container_that_lost_its_address_or_got_another_network_is_made_again;
    &[S6Image] =>
        what_a_container_is_counts_and_not_only_its_labels,
        a_container_with_our_labels_that_is_something_else_is_made_again_and_a_twin_is_removed,
        ports_of_another_databases_group_are_refused_with_its_name,
        what_groups_use_is_measured_within_a_second,
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
