//! What the engine is asked for to make a group's container, every limit set on purpose.

use std::collections::HashMap;
use std::path::Path;

use bollard::models::{
    ContainerCreateBody, EndpointIpamConfig, EndpointSettings, HostConfig, HostConfigLogConfig, Mount, MountType,
    NetworkingConfig, PortBinding, PortMap, ResourcesUlimits, RestartPolicy, RestartPolicyNameEnum,
};
use wnm_pm::container_host::GroupSpec;
use wnm_pm::port::Protocol;
use wnm_pm::user::Owner;

use super::addresses::Addresses;
use super::contract::environment as name;
use super::engine::Security;
use super::labels::labels;
use super::layout;
use crate::settings::{ContainerNetwork, MachineId, S6Settings};

/// The container's main program. It does nothing, so that nothing that happens to nodes ends the container.
pub const MAIN_PROGRAM: [&str; 2] = ["sleep", "infinity"];

/// What nodes are given to end after they were asked to, all together; then they are killed.
pub const NODES_GRACE_SECONDS: u64 = 60;
/// What the container is given to end in order; longer than the nodes' grace, since s6 takes them down first.
pub const CONTAINER_GRACE_SECONDS: u64 = 90;
/// Open files of one process: a node holds some hundred, s6-svscan a few for every node. Not more: an engine that is
/// itself confined (rootless, or in a virtual machine) cannot give what it does not have.
pub const OPEN_FILES: i64 = 16_384;
/// Threads and processes of one node with its supervisor.
const THREADS_PER_NODE: i64 = 256;
/// Threads and processes of the container itself, and of what is run in it by the batch.
const THREADS_OF_CONTAINER: i64 = 1_024;
/// The engine's own log of a container: s6's messages, not the nodes'.
const ENGINE_LOG_SIZE: &str = "10m";

/// s6 keeps what it knows of each service in files below `/run`: in memory they cost no disk, and no engine's file system
/// stands in between. A node takes some 40 kB of it.
const RUN: &str = "rw,exec,nosuid,nodev,mode=755,size=128m";

/// What the engine is asked for to make a group's container.
#[must_use]
pub fn container(
    settings: &S6Settings,
    spec: &GroupSpec,
    addresses: Option<Addresses>,
    owner: Owner,
    security: Security,
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
        host_config: Some(host_config(settings, ports, security)),
        networking_config: addresses.map(|addresses| fixed(&settings.machine(), addresses)),
        ..ContainerCreateBody::default()
    }
}

fn host_config(settings: &S6Settings, ports: PortMap, security: Security) -> HostConfig {
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
        security_opt: Some(std::iter::once("no-new-privileges".to_owned()).chain(security.label_option()).collect()),
        userns_mode: security.userns_mode(),
        restart_policy: Some(policy(RestartPolicyNameEnum::UNLESS_STOPPED)),
        log_config: Some(HostConfigLogConfig {
            typ: Some("json-file".to_owned()),
            config: Some(HashMap::from([
                ("max-size".to_owned(), ENGINE_LOG_SIZE.to_owned()),
                ("max-file".to_owned(), "2".to_owned()),
            ])),
        }),
        tmpfs: Some(HashMap::from([("/run".to_owned(), RUN.to_owned())])),
        mounts: Some(layout::mounts(settings).into_iter().map(|(outside, inside)| mount(outside, inside)).collect()),
        network_mode: Some(match network {
            ContainerNetwork::Published => settings.machine().network_name(),
            ContainerNetwork::Host => "host".to_owned(),
            ContainerNetwork::Docker => "bridge".to_owned(),
        }),
        port_bindings: (!ports.is_empty()).then_some(ports),
        // A node's metrics server listens on the container's own 127.0.0.1 alone; a rule made at the container's start
        // leads there what arrives at its address, which takes this capability and this switch. Nodes have neither.
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
    let fixed = [
        (name::GROUP, spec.name.clone()),
        (name::UID, owner.uid.to_string()),
        (name::GID, owner.gid.to_string()),
        (name::GRACE_MILLISECONDS, (NODES_GRACE_SECONDS * 1_000).to_string()),
        // What takes the nodes down in order may take as long as they are given.
        ("S6_KILL_FINISH_MAXTIME", ((NODES_GRACE_SECONDS + 15) * 1_000).to_string()),
        // What is left then, which is nobody's node, s6-overlay gives this long in any case.
        ("S6_KILL_GRACETIME", "300".to_owned()),
        ("S6_CMD_WAIT_FOR_SERVICES_MAXTIME", "0".to_owned()),
    ];
    let handed_over = match settings.container_network {
        ContainerNetwork::Published | ContainerNetwork::Docker => local_ports(spec),
        ContainerNetwork::Host => None,
    };
    let all = fixed.into_iter().chain(handed_over.map(|ports| (name::LOCAL_PORTS, ports)));
    all.map(|(name, value)| format!("{name}={value}")).collect()
}

/// The ports that nodes open on their own 127.0.0.1, as the image reads them; none when there are none.
fn local_ports(spec: &GroupSpec) -> Option<String> {
    let local = spec.ports.iter().filter(|(kind, _)| !kind.is_public());
    let words: Vec<String> = local
        .map(|(kind, range)| match kind.protocol() {
            Protocol::Tcp => range.to_string(),
            Protocol::Udp => format!("{range}/udp"),
        })
        .collect();
    (!words.is_empty()).then(|| words.join(","))
}

/// Not the short `source:target` form: that takes a colon in a path for its own, and makes what is missing as root.
fn mount(source: &Path, target: String) -> Mount {
    Mount {
        typ: Some(MountType::BIND),
        source: Some(source.display().to_string()),
        target: Some(target),
        ..Mount::default()
    }
}

/// Each port for everybody where it is public, and for this machine alone where it is not.
fn published_by_docker(spec: &GroupSpec) -> PortMap {
    let each = spec.ports.iter().flat_map(|(kind, range)| {
        let protocol = kind.protocol().as_str().to_ascii_lowercase();
        let host_ip = (!kind.is_public()).then(|| "127.0.0.1".to_owned());
        (range.first..=range.last).map(move |port| {
            let binding = PortBinding { host_ip: host_ip.clone(), host_port: Some(port.to_string()) };
            (format!("{port}/{protocol}"), Some(vec![binding]))
        })
    });
    each.collect()
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

#[cfg(test)]
mod tests {
    use wnm_pm::container_host::Range;
    use wnm_pm::node::PortKind;

    use super::*;
    use crate::container::layout::tests::settings_in;

    fn spec(kinds: &[PortKind]) -> GroupSpec {
        let range = |place: usize| {
            let first = 10_001 + 1_000 * u16::try_from(place).expect("there are few kinds");
            Range { first, last: first + 1 }
        };
        GroupSpec {
            group: 1,
            name: "a1".to_owned(),
            image: "wnm-node:latest".to_owned(),
            ports: kinds.iter().enumerate().map(|(place, kind)| (*kind, range(place))).collect(),
        }
    }

    fn made(network: ContainerNetwork, kinds: &[PortKind]) -> ContainerCreateBody {
        let settings = S6Settings { container_network: network, ..settings_in(Path::new("/data")) };
        container(&settings, &spec(kinds), None, Owner { uid: 1000, gid: 1000 }, Security::default())
    }

    fn handed_over(network: ContainerNetwork, kinds: &[PortKind]) -> Option<String> {
        let variables = made(network, kinds).env.unwrap_or_default();
        variables.iter().find_map(|variable| variable.strip_prefix("WNM_METRICS_PORTS=").map(str::to_owned))
    }

    #[test]
    fn docker_publishes_public_ports_to_all_and_the_others_to_this_machine() {
        let made = made(ContainerNetwork::Docker, &PortKind::ALL);
        let bindings = made.host_config.and_then(|config| config.port_bindings).expect("ports are published");
        let exposed: std::collections::BTreeSet<String> = made.exposed_ports.into_iter().flatten().collect();
        assert_eq!(exposed, bindings.keys().cloned().collect());
        let lines: std::collections::BTreeSet<String> = bindings
            .into_iter()
            .flat_map(|(port, bindings)| bindings.into_iter().flatten().map(move |binding| (port.clone(), binding)))
            .map(|(port, binding)| {
                let host = binding.host_ip.unwrap_or_else(|| "*".to_owned());
                format!("{host}:{} -> {port}", binding.host_port.unwrap_or_default())
            })
            .collect();
        insta::assert_snapshot!(lines.into_iter().collect::<Vec<_>>().join("\n"), @r"
        *:10001 -> 10001/udp
        *:10002 -> 10002/udp
        *:13001 -> 13001/udp
        *:13002 -> 13002/udp
        127.0.0.1:11001 -> 11001/tcp
        127.0.0.1:11002 -> 11002/tcp
        127.0.0.1:12001 -> 12001/tcp
        127.0.0.1:12002 -> 12002/tcp
        ");
    }

    #[test]
    fn ports_of_this_machine_alone_are_handed_over_where_containers_have_a_network_of_their_own() {
        use ContainerNetwork::{Docker, Host, Published};
        let both = [PortKind::Node, PortKind::Metrics];
        assert_eq!(handed_over(Published, &both).as_deref(), Some("11001-11002"));
        assert_eq!(handed_over(Docker, &PortKind::ALL).as_deref(), Some("11001-11002,12001-12002"));
        assert_eq!(handed_over(Host, &both), None);
        assert_eq!(handed_over(Published, &[PortKind::Node]), None, "there are none");
    }
}
