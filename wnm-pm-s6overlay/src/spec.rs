//! The specification of a group's container: what the engine is asked for, every limit set on purpose, and the labels
//! that say what is ours and for which machine.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, HostConfigLogConfig, Mount, MountType,
    NetworkingConfig, PortBinding, PortMap, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use wnm_pm::container_host::{GroupSpec, Range};

use crate::render::STORAGE;
use crate::script::environment as told;
use crate::settings::{ContainerNetwork, MachineId, S6Settings};
use crate::storage::Owner;

/// Where `log_dir` appears inside containers.
pub const LOGS_INSIDE: &str = "/var/log/antnode";
/// Where `bootstrap_cache_dir` appears inside containers.
pub const BOOTSTRAP_INSIDE: &str = "/var/antctl/bootstrap_cache";

/// The container's main program. It does nothing, so that nothing which becomes of nodes ends the container.
pub const MAIN_PROGRAM: [&str; 2] = ["sleep", "infinity"];

/// What nodes are given to end after they were asked to, all together; then they are killed.
pub const NODES_GRACE_SECONDS: u64 = 60;
/// What the container is given to end in order; longer than the nodes' grace, since s6 takes them down first.
pub const CONTAINER_GRACE_SECONDS: u64 = 90;
/// Open files of one process: a node holds some hundred, s6-svscan a few for every node. Not more: an engine that is
/// itself confined (rootless, or in a virtual machine) cannot give what it does not have.
pub const OPEN_FILES: i64 = 16_384;
/// Threads and processes of one node with its supervisor and logger.
const THREADS_PER_NODE: i64 = 256;
/// Threads and processes of the container itself, and of what is run in it by the batch.
const THREADS_OF_CONTAINER: i64 = 1_024;
/// The engine's own log of a container: s6's messages, not the nodes'.
const ENGINE_LOG_SIZE: &str = "10m";

/// The label that says for which machine something is.
pub const LABEL_MACHINE: &str = "wnm.machine";
/// The label that says what something is: `group` or `helper`.
pub const LABEL_ROLE: &str = "wnm.role";

/// The fixed addresses of a container on our own network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Addresses {
    /// For IPv4.
    pub v4: std::net::Ipv4Addr,
    /// For IPv6, where the machine has it.
    pub v6: Option<std::net::Ipv6Addr>,
}

/// The labels of a group's container. They hold all that it was made from: when they differ from what it would be made
/// from now, it is made again.
#[must_use]
pub fn labels(
    settings: &S6Settings,
    spec: &GroupSpec,
    addresses: Option<Addresses>,
    owner: Owner,
) -> BTreeMap<String, String> {
    let mut labels = BTreeMap::from([
        (LABEL_MACHINE.to_owned(), settings.machine().to_string()),
        (LABEL_ROLE.to_owned(), "group".to_owned()),
        ("wnm.node_storage".to_owned(), display(&settings.node_storage)),
        ("wnm.log_dir".to_owned(), display(&settings.log_dir)),
        ("wnm.bootstrap_cache_dir".to_owned(), display(&settings.bootstrap_cache_dir)),
        ("wnm.group".to_owned(), spec.group.to_string()),
        ("wnm.name".to_owned(), spec.name.clone()),
        ("wnm.image".to_owned(), spec.image.clone()),
        ("wnm.node_ports".to_owned(), range_text(spec.node_ports)),
        ("wnm.metrics_ports".to_owned(), range_text(spec.metrics_ports)),
        ("wnm.network".to_owned(), settings.container_network.to_string()),
        ("wnm.owner".to_owned(), format!("{}:{}", owner.uid, owner.gid)),
    ]);
    if let Some(addresses) = addresses {
        labels.insert("wnm.address".to_owned(), addresses.v4.to_string());
        if let Some(v6) = addresses.v6 {
            labels.insert("wnm.address6".to_owned(), v6.to_string());
        }
    }
    labels
}

/// What a label set says about the group whose container it is on; none when it is not the label set of a group.
#[must_use]
pub fn group_spec(labels: &HashMap<String, String>) -> Option<(GroupSpec, Option<IpAddr>)> {
    let text = |name: &str| labels.get(name).cloned();
    let spec = GroupSpec {
        group: text("wnm.group")?.parse().ok()?,
        name: text("wnm.name")?,
        image: text("wnm.image")?,
        node_ports: parse_range(&text("wnm.node_ports")?)?,
        metrics_ports: parse_range(&text("wnm.metrics_ports")?)?,
    };
    Some((spec, text("wnm.address").and_then(|address| address.parse().ok())))
}

/// What the engine is asked for to make a group's container.
#[must_use]
pub fn container(
    settings: &S6Settings,
    spec: &GroupSpec,
    addresses: Option<Addresses>,
    owner: Owner,
) -> ContainerCreateBody {
    let ports = match settings.container_network {
        ContainerNetwork::Docker => published_by_docker(spec),
        ContainerNetwork::Published | ContainerNetwork::Host => PortMap::new(),
    };
    ContainerCreateBody {
        hostname: Some(settings.machine().container_name(&spec.name)),
        image: Some(spec.image.clone()),
        cmd: Some(MAIN_PROGRAM.map(str::to_owned).to_vec()),
        env: Some(environment(settings, spec, owner)),
        labels: Some(labels(settings, spec, addresses, owner).into_iter().collect()),
        exposed_ports: (!ports.is_empty()).then(|| ports.keys().cloned().collect()),
        stop_timeout: Some(CONTAINER_GRACE_SECONDS.cast_signed()),
        host_config: Some(host_config(settings, ports)),
        networking_config: addresses.map(|addresses| fixed(&settings.machine(), addresses)),
        ..ContainerCreateBody::default()
    }
}

fn host_config(settings: &S6Settings, ports: PortMap) -> HostConfig {
    let network = settings.container_network;
    let own_namespace = network != ContainerNetwork::Host;
    HostConfig {
        // s6-overlay is process 1 by itself; an init of Docker's in front of it would break it.
        init: Some(false),
        pids_limit: Some(threads(settings)),
        ulimits: Some(vec![ResourcesUlimits {
            name: Some("nofile".to_owned()),
            soft: Some(OPEN_FILES),
            hard: Some(OPEN_FILES),
        }]),
        security_opt: Some(vec!["no-new-privileges".to_owned()]),
        restart_policy: Some(policy(RestartPolicyNameEnum::UNLESS_STOPPED)),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(HashMap::from([
                ("max-size".to_owned(), ENGINE_LOG_SIZE.to_owned()),
                ("max-file".to_owned(), "2".to_owned()),
            ])),
        }),
        mounts: Some(vec![
            mount(&settings.node_storage, STORAGE),
            mount(&settings.log_dir, LOGS_INSIDE),
            mount(&settings.bootstrap_cache_dir, BOOTSTRAP_INSIDE),
        ]),
        network_mode: Some(match network {
            ContainerNetwork::Published => settings.machine().network_name(),
            ContainerNetwork::Host => "host".to_owned(),
            ContainerNetwork::Docker => "bridge".to_owned(),
        }),
        port_bindings: (!ports.is_empty()).then_some(ports),
        // A node's metrics server listens on the container's own 127.0.0.1 alone; a rule made at the container's start
        // leads there what arrives at its address, which takes this right and this switch. Nodes have no such right.
        cap_add: own_namespace.then(|| vec!["NET_ADMIN".to_owned()]),
        sysctls: own_namespace
            .then(|| HashMap::from([("net.ipv4.conf.all.route_localnet".to_owned(), "1".to_owned())])),
        ..HostConfig::default()
    }
}

/// Processes and threads that a container may have.
#[must_use]
pub fn threads(settings: &S6Settings) -> i64 {
    THREADS_OF_CONTAINER + i64::from(settings.max_node_per_container) * THREADS_PER_NODE
}

/// A restart policy of this name.
#[must_use]
pub fn policy(name: RestartPolicyNameEnum) -> RestartPolicy {
    RestartPolicy { name: Some(name), maximum_retry_count: None }
}

fn environment(settings: &S6Settings, spec: &GroupSpec, owner: Owner) -> Vec<String> {
    let mut told = vec![
        (told::GROUP, spec.name.clone()),
        (told::UID, owner.uid.to_string()),
        (told::GID, owner.gid.to_string()),
        (told::GRACE_MILLISECONDS, (NODES_GRACE_SECONDS * 1_000).to_string()),
        // What takes the nodes down in order may take as long as they are given.
        ("S6_KILL_FINISH_MAXTIME", ((NODES_GRACE_SECONDS + 15) * 1_000).to_string()),
        // What is left then, which is nobody's node, s6-overlay gives this long in any case.
        ("S6_KILL_GRACETIME", "300".to_owned()),
        ("S6_CMD_WAIT_FOR_SERVICES_MAXTIME", "0".to_owned()),
    ];
    if settings.container_network != ContainerNetwork::Host {
        told.push((told::METRICS_PORTS, range_text(spec.metrics_ports)));
    }
    told.into_iter().map(|(name, value)| format!("{name}={value}")).collect()
}

/// Not the short `source:target` form: that takes a colon in a path for its own, and makes what is missing as root.
fn mount(source: &Path, target: &str) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(display(source)),
        target: Some(target.to_owned()),
        ..Mount::default()
    }
}

fn published_by_docker(spec: &GroupSpec) -> PortMap {
    let bind = |port: u16, address: Option<&str>| {
        Some(vec![PortBinding { host_ip: address.map(str::to_owned), host_port: Some(port.to_string()) }])
    };
    let nodes = (spec.node_ports.first..=spec.node_ports.last).map(|port| (format!("{port}/udp"), bind(port, None)));
    let metrics = (spec.metrics_ports.first..=spec.metrics_ports.last)
        .map(|port| (format!("{port}/tcp"), bind(port, Some("127.0.0.1"))));
    nodes.chain(metrics).collect()
}

fn fixed(machine: &MachineId, addresses: Addresses) -> NetworkingConfig {
    let endpoint = EndpointSettings {
        ipam_config: Some(EndpointIpamConfig {
            ipv4_address: Some(addresses.v4.to_string()),
            ipv6_address: addresses.v6.map(|v6| v6.to_string()),
            link_local_ips: None,
        }),
        ..EndpointSettings::default()
    };
    NetworkingConfig { endpoints_config: Some(HashMap::from([(machine.network_name(), endpoint)])) }
}

fn display(path: &Path) -> String {
    path.display().to_string()
}

/// A range as people and nft write it: `55001-55200`.
#[must_use]
pub fn range_text(range: Range) -> String {
    format!("{}-{}", range.first, range.last)
}

fn parse_range(text: &str) -> Option<Range> {
    let (first, last) = text.split_once('-')?;
    Some(Range { first: first.parse().ok()?, last: last.parse().ok()? })
}
