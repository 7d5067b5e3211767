//! Hundreds of nodes per container, measured: see `s6.sh`, which runs it.

#![expect(clippy::print_stdout, clippy::disallowed_methods, reason = "a measurement takes the time and is printed")]

#[path = "../tests/common/mod.rs"]
mod common;

use std::time::{Duration, Instant};

use bollard::models::{ContainerCreateBody, HostConfig, Mount, MountType, PortBinding};
use bollard::query_parameters::{CreateContainerOptionsBuilder, RestartContainerOptions, StatsOptionsBuilder};
use common::{Machine, all_good, image, references};
use futures_util::StreamExt;
use wnm_pm::container_host::{ContainerHost, Group, GroupSpec, Range};
use wnm_pm::node::{NodeId, NodeRef, NodeSpec, PortKind, Ports};
use wnm_pm::path_policy::STORAGE_MARKER;
use wnm_pm::process_manager::{ProcessManager, ProcessState};
use wnm_pm_s6overlay::layout::STORAGE;
use wnm_pm_s6overlay::{ContainerNetwork, S6Overlay};

/// Containers that are enough to tell what one costs.
const SINGLE_CONTAINERS: u16 = 50;
/// Groups that are enough to tell how Docker's own publishing grows: five take minutes, and more minutes to go.
const DOCKER_GROUPS: usize = 2;

/// A thousand nodes need more numbers than the blocks of ports that tests share have.
const NODE_THOUSAND: u16 = 31;
const METRICS_THOUSAND: u16 = 8;

/// What is measured.
#[derive(Clone, Copy)]
struct Size {
    nodes: u16,
    groups: u16,
}

impl Size {
    fn of_environment() -> Self {
        let number =
            |name: &str, otherwise| std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(otherwise);
        Self { nodes: number("WNM_BENCH_NODES", 200), groups: number("WNM_BENCH_GROUPS", 5) }
    }
}

fn main() {
    let size = Size::of_environment();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        println!(
            "\n{} test nodes in {} groups of {}, published ranges",
            size.nodes * size.groups,
            size.groups,
            size.nodes
        );
        published(size).await;
        println!("\nthe same ports published by Docker itself, without nodes");
        by_docker(size).await;
        println!("\none container per node, two published ports each, {SINGLE_CONTAINERS} of them");
        one_each(size).await;
    });
}

/// Does something and says how long it took.
async fn timed<T>(what: &str, deed: impl Future<Output = T>) -> T {
    let begun = Instant::now();
    let done = deed.await;
    println!("| {what} | {:.2} s |", begun.elapsed().as_secs_f64());
    done
}

async fn machine(network: ContainerNetwork, size: Size) -> Machine {
    let mut machine = Machine::new(network).await;
    machine.settings.max_node_per_container = size.nodes.into();
    machine.ports.port_start = NODE_THOUSAND;
    machine.ports.metrics_port_start = METRICS_THOUSAND;
    machine
}

fn groups(machine: &Machine, size: Size) -> Vec<GroupSpec> {
    let range = |thousand: u16, group: u16| Range {
        first: thousand * 1000 + group * size.nodes + 1,
        last: thousand * 1000 + (group + 1) * size.nodes,
    };
    let spec = |group: u16| GroupSpec {
        group: u32::from(group) + 1,
        name: format!("a{}", group + 1),
        image: image(),
        ports: [
            (PortKind::Node, range(machine.ports.port_start, group)),
            (PortKind::Metrics, range(machine.ports.metrics_port_start, group)),
        ]
        .into(),
    };
    (0..size.groups).map(spec).collect()
}

fn nodes(machine: &Machine, size: Size) -> Vec<NodeSpec> {
    let template = machine.spec(1);
    let spec = |number: u16| {
        let id = NodeId(number.into());
        let root_dir = machine.settings.node_storage.join(id.name());
        NodeSpec {
            id,
            name: id.name(),
            binary: root_dir.join("antnode"),
            root_dir,
            log_dir: machine.settings.log_dir.join(id.name()),
            ports: Ports::default()
                .with(PortKind::Node, machine.ports.port_start * 1000 + number)
                .with(PortKind::Metrics, machine.ports.metrics_port_start * 1000 + number),
            environment: vec![],
            group: Some(u32::from((number - 1) / size.nodes) + 1),
            ..template.clone()
        }
    };
    (1..=size.nodes * size.groups).map(spec).collect()
}

async fn open(manager: &S6Overlay, specs: &[GroupSpec]) -> Vec<Group> {
    all_good(manager.open(specs).await)
}

async fn published(size: Size) {
    let machine = machine(ContainerNetwork::Published, size).await;
    let (manager, specs, wanted) = (machine.manager(), nodes(&machine, size), groups(&machine, size));
    let opened = timed("groups up, with rules", open(&manager, &wanted)).await;
    timed("the same again, all being well", open(&manager, &wanted)).await;
    let nodes = references(&specs);
    timed("nodes created (each with its own copy of the program)", async {
        all_good(manager.create(&nodes).await);
    })
    .await;
    timed("nodes started", async {
        all_good(manager.start(&nodes).await);
    })
    .await;
    timed("state of all nodes", async {
        assert_eq!(running(&manager, &nodes).await, nodes.len());
    })
    .await;
    timed("state of all groups, network and rules", manager.groups()).await.expect("the engine answers");
    println!("| memory of all containers | {:.0} MB |", memory(&machine, &opened).await / 1e6);

    let (name, members) = (&opened[0].container_name, &nodes[..usize::from(size.nodes)]);
    timed("one group restarted, all its nodes back", async {
        machine.docker.restart_container(name, None::<RestartContainerOptions>).await.expect("it restarts");
        while running(&manager, members).await < members.len() {
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    })
    .await;
    timed("all nodes stopped", async {
        all_good(manager.stop(&nodes).await);
    })
    .await;
    timed("all nodes removed", async {
        all_good(manager.remove(&nodes).await);
    })
    .await;
    timed("groups closed, network and rules gone", async {
        all_good(manager.close(&opened).await);
    })
    .await;
}

async fn running(manager: &S6Overlay, nodes: &[NodeRef]) -> usize {
    let states = manager.inspect(nodes).await;
    states.iter().filter(|(_, state)| matches!(state, Ok(ProcessState::Running { .. }))).count()
}

/// What the containers use, without what the kernel only caches for them.
async fn memory(machine: &Machine, groups: &[Group]) -> f64 {
    let mut sum = 0.0;
    for group in groups {
        let once = StatsOptionsBuilder::new().stream(false).one_shot(true).build();
        let Some(Ok(told)) = machine.docker.stats(&group.container_name, Some(once)).next().await else { continue };
        let memory = told.memory_stats.unwrap_or_default();
        let cached =
            memory.stats.as_ref().and_then(|stats| stats.get("total_inactive_file").or(stats.get("inactive_file")));
        #[expect(clippy::cast_precision_loss, reason = "megabytes are told")]
        let used = memory.usage.unwrap_or(0).saturating_sub(cached.copied().unwrap_or(0)) as f64;
        sum += used;
    }
    sum
}

/// Docker's own publishing of the same ports.
async fn by_docker(size: Size) {
    let machine = machine(ContainerNetwork::Docker, size).await;
    let (manager, wanted) = (machine.manager(), groups(&machine, size));
    let before = memory_of("docker-proxy");
    let mut opened = Vec::new();
    for spec in &wanted[..DOCKER_GROUPS.min(wanted.len())] {
        opened.extend(timed(&format!("group {} up", spec.name), open(&manager, std::slice::from_ref(spec))).await);
    }
    println!("| memory of their proxies | {:.0} MB |", (memory_of("docker-proxy") - before) / 1e6);
    timed(
        "one group restarted",
        machine.docker.restart_container(&opened[0].container_name, None::<RestartContainerOptions>),
    )
    .await
    .expect("it restarts");
    timed("groups closed", async {
        all_good(manager.close(&opened).await);
    })
    .await;
}

/// A container for each node, with the node as its only program.
async fn one_each(size: Size) {
    let machine = machine(ContainerNetwork::Published, size).await;
    let manager = machine.manager();
    let mut specs = nodes(&machine, size);
    specs.truncate(SINGLE_CONTAINERS.into());
    let specs = &specs;
    // No group is opened, which would give the storage its id.
    std::fs::write(machine.settings.node_storage.join(STORAGE_MARKER), "").expect("the storage is marked");
    all_good(manager.create(&references(specs)).await);
    let shims = memory_of("containerd-shim") + memory_of("docker-proxy");
    timed("containers up", async {
        futures_util::stream::iter(specs).for_each_concurrent(8, |spec| run_alone(&machine, spec)).await;
    })
    .await;
    let used = memory_of("containerd-shim") + memory_of("docker-proxy") - shims;
    println!("| memory of shims and proxies, without nodes | {:.0} MB |", used / 1e6);
}

async fn run_alone(machine: &Machine, spec: &NodeSpec) {
    let inside = |path: &std::path::Path| {
        path.display().to_string().replace(&machine.settings.node_storage.display().to_string(), STORAGE)
    };
    let root_dir = inside(&spec.root_dir);
    let mut line: Vec<String> = ["--root-dir", &root_dir, "--log-output-dest", &root_dir].map(str::to_owned).to_vec();
    let (mut exposed, mut bindings) = (vec![], vec![]);
    for (kind, port) in spec.ports.iter() {
        let option = if kind.is_public() { "--port" } else { "--metrics-server-port" };
        line.extend([option.to_owned(), port.to_string()]);
        let name = format!("{port}/{}", kind.protocol().as_str().to_lowercase());
        let host_ip = (!kind.is_public()).then(|| "127.0.0.1".to_owned());
        exposed.push(name.clone());
        bindings.push((name, Some(vec![PortBinding { host_ip, host_port: Some(port.to_string()) }])));
    }
    line.extend(["--rewards-address", &spec.wallet, "evm-arbitrum-one"].map(str::to_owned));
    let body = ContainerCreateBody {
        image: Some(image()),
        entrypoint: Some(vec![inside(&spec.binary)]),
        cmd: Some(line),
        labels: Some([("wnm.machine".to_owned(), machine.id().to_string())].into()),
        exposed_ports: Some(exposed),
        host_config: Some(HostConfig {
            mounts: Some(vec![Mount {
                typ: Some(MountType::BIND),
                source: Some(machine.settings.node_storage.display().to_string()),
                target: Some(STORAGE.to_owned()),
                ..Mount::default()
            }]),
            port_bindings: Some(bindings.into_iter().collect()),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    };
    let name = format!("wnm-{}-{}", machine.id(), spec.name);
    let options = CreateContainerOptionsBuilder::new().name(&name).build();
    machine.docker.create_container(Some(options), body).await.expect("it is made");
    machine.docker.start_container(&name, None).await.expect("it starts");
}

/// The memory of all processes of this name, shared parts shared out among those who share them.
fn memory_of(name: &str) -> f64 {
    let entries = std::fs::read_dir("/proc").into_iter().flatten().flatten();
    let of_name = entries.filter(|entry| {
        std::fs::read_to_string(entry.path().join("comm"))
            .is_ok_and(|comm| comm.starts_with(&name[..name.len().min(15)]))
    });
    let kilobytes = of_name.filter_map(|entry| {
        let text = std::fs::read_to_string(entry.path().join("smaps_rollup")).ok()?;
        let line = text.lines().find_map(|line| line.strip_prefix("Pss:"))?;
        line.split_whitespace().next()?.parse::<f64>().ok()
    });
    kilobytes.sum::<f64>() * 1024.0
}
