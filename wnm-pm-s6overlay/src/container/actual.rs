//! What a container actually is, as the engine tells, and in what that differs from what it would be made of now. Labels
//! alone say nothing of what became of it since: it can be renamed, limited, detached, or made by somebody else.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use bollard::models::{
    ContainerCreateBody, ContainerInspectResponse, ContainerUpdateBody, HostConfig, MountPoint, PortMap,
};
use bollard::query_parameters::{InspectContainerOptions, RenameContainerOptionsBuilder};

use super::engine::Engine;
use super::error::{Doing, EngineError};
use super::layout;

/// Something in which a container is not what it would be made of now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Difference {
    /// What it is.
    pub what: &'static str,
    /// Whether the engine changes it while the container runs; otherwise it has to be made again.
    pub can_be_set: bool,
}

impl Engine {
    /// What a container actually is; none when it is gone.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub async fn inspect(&self, id: &str) -> Result<Option<ContainerInspectResponse>, EngineError> {
        let inspected = self.docker().await?.inspect_container(id, None::<InspectContainerOptions>).await;
        match inspected.doing(|| format!("inspect the container {id}")) {
            Err(error) if error.is_missing() => Ok(None),
            answer => answer.map(Some),
        }
    }

    /// Has a container be what is wanted, as far as that can be while it runs: its name, what the engine does when it ends,
    /// and how many processes it may have.
    ///
    /// # Errors
    /// What the engine says: a conflict when the name is taken.
    pub async fn adjust(
        &self,
        is: &ContainerInspectResponse,
        name: &str,
        wanted: &ContainerCreateBody,
    ) -> Result<(), EngineError> {
        let (docker, id) = (self.docker().await?, is.id.as_deref().unwrap_or(name));
        if !is_named(is, name) {
            let options = RenameContainerOptionsBuilder::new().name(name).build();
            docker.rename_container(id, options).await.doing(|| format!("name the container {name} again"))?;
        }
        let wanted = wanted.host_config.as_ref();
        let body = ContainerUpdateBody {
            restart_policy: wanted.and_then(|wanted| wanted.restart_policy.clone()),
            pids_limit: wanted.and_then(|wanted| wanted.pids_limit),
            ..ContainerUpdateBody::default()
        };
        docker.update_container(id, body).await.doing(|| format!("set restart policy and limits of {name}"))
    }
}

/// In what a container differs from what is wanted under this name. `network` is the engine's id of the network that it has
/// to be on, where that is our own.
pub fn differences(
    is: &ContainerInspectResponse,
    name: &str,
    wanted: &ContainerCreateBody,
    network: Option<&str>,
) -> Vec<Difference> {
    let (Some(config), Some(host)) = (&is.config, &is.host_config) else { return vec![] };
    let Some(wanted_host) = &wanted.host_config else { return vec![] };
    let settable = [
        ("name", is_named(is, name)),
        ("restart policy", same(&host.restart_policy, &wanted_host.restart_policy, |policy| policy.name)),
        // An engine that cannot limit them, which the doctor finds, forgets what it was asked for.
        ("limit of processes", host.pids_limit.is_none() || host.pids_limit == wanted_host.pids_limit),
    ];
    let fixed = [
        ("labels", holds(config.labels.as_ref(), wanted.labels.as_ref())),
        ("image", config.image == wanted.image),
        ("command", config.cmd == wanted.cmd),
        ("environment", contains(config.env.as_ref(), wanted.env.as_ref())),
        ("mounts", has_mounts(is.mounts.as_deref().unwrap_or_default(), wanted_host)),
        ("limits of memory and processors", is_unlimited(host)),
        ("limit of open files", open_files(host).is_superset(&open_files(wanted_host))),
        ("network", is_attached(is, wanted, network)),
        ("published ports", ports(host.port_bindings.as_ref()) == ports(wanted_host.port_bindings.as_ref())),
        ("user namespace", wanted_host.userns_mode.is_none() || host.userns_mode == wanted_host.userns_mode),
        ("capabilities", capabilities(host) == capabilities(wanted_host) && host.privileged != Some(true)),
        ("security options", contains(host.security_opt.as_ref(), wanted_host.security_opt.as_ref())),
        ("network switches", holds(host.sysctls.as_ref(), wanted_host.sysctls.as_ref())),
    ];
    let differing = |can_be_set: bool| {
        move |(what, is_same): (&'static str, bool)| (!is_same).then_some(Difference { what, can_be_set })
    };
    settable.into_iter().filter_map(differing(true)).chain(fixed.into_iter().filter_map(differing(false))).collect()
}

fn is_named(is: &ContainerInspectResponse, name: &str) -> bool {
    is.name.as_deref().map(|is| is.trim_start_matches('/')) == Some(name)
}

fn same<T, K: PartialEq>(is: &Option<T>, wanted: &Option<T>, key: impl Fn(&T) -> K) -> bool {
    is.as_ref().map(&key) == wanted.as_ref().map(&key)
}

/// Whether all that is wanted is there; more may be.
fn holds(is: Option<&HashMap<String, String>>, wanted: Option<&HashMap<String, String>>) -> bool {
    wanted.into_iter().flatten().all(|(name, value)| is.and_then(|is| is.get(name)) == Some(value))
}

fn contains(is: Option<&Vec<String>>, wanted: Option<&Vec<String>>) -> bool {
    wanted.into_iter().flatten().all(|one| is.is_some_and(|is| is.contains(one)))
}

/// An engine in a virtual machine names the machine's directories by where it has them.
fn has_mounts(is: &[MountPoint], wanted: &HostConfig) -> bool {
    // A disk that is not used any more could not be unmounted while a container has it.
    let is_wanted =
        |target: &str| wanted.mounts.iter().flatten().any(|wanted| wanted.target.as_deref() == Some(target));
    let mut targets = is.iter().filter_map(|mount| mount.destination.as_deref());
    if targets.any(|target| target.starts_with(layout::DISKS) && !is_wanted(target)) {
        return false;
    }
    wanted.mounts.iter().flatten().all(|wanted| {
        let source = wanted.source.as_deref().unwrap_or_default();
        is.iter().any(|mount| {
            let is_there = mount.destination == wanted.target && mount.rw != Some(false);
            is_there && mount.source.as_deref().is_some_and(|is| is == source || is.ends_with(source))
        })
    })
}

fn is_unlimited(host: &HostConfig) -> bool {
    let numbers = [host.memory, host.nano_cpus, host.cpu_quota, host.cpu_shares];
    let sets = [&host.cpuset_cpus, &host.cpuset_mems];
    numbers.iter().all(|number| number.unwrap_or(0) <= 0)
        && sets.iter().all(|set| set.as_deref().unwrap_or_default().is_empty())
}

/// The limits by their names; an engine may have more of its own for all containers.
fn open_files(host: &HostConfig) -> BTreeSet<(Option<&str>, Option<i64>, Option<i64>)> {
    host.ulimits.iter().flatten().map(|limit| (limit.name.as_deref(), limit.soft, limit.hard)).collect()
}

/// Whether it is on its network and on no other, at its own address.
fn is_attached(is: &ContainerInspectResponse, wanted: &ContainerCreateBody, network: Option<&str>) -> bool {
    let mode = |host: Option<&HostConfig>| host.and_then(|host| host.network_mode.clone()).unwrap_or_default();
    let wanted_mode = mode(wanted.host_config.as_ref());
    let attached = is.network_settings.as_ref().and_then(|settings| settings.networks.as_ref());
    let Some((name, endpoint)) = attached.and_then(|attached| attached.iter().next()) else { return false };
    let is_only = attached.is_some_and(|attached| attached.len() == 1) && *name == wanted_mode;
    let fixed = wanted.networking_config.as_ref().and_then(|config| config.endpoints_config.as_ref()?.get(name));
    let address = |endpoint: &bollard::models::EndpointSettings| {
        endpoint.ipam_config.as_ref().and_then(|config| config.ipv4_address.clone())
    };
    let is_at_home = fixed.is_none_or(|fixed| address(fixed) == address(endpoint));
    let is_same = network.is_none_or(|network| endpoint.network_id.as_deref() == Some(network));
    mode(is.host_config.as_ref()) == wanted_mode && is_only && is_at_home && is_same
}

/// Where each published port leads; an engine writes what is left out in more than one way.
fn ports(bindings: Option<&PortMap>) -> BTreeMap<&str, BTreeSet<(&str, &str)>> {
    let each = bindings.into_iter().flatten().map(|(port, bindings)| {
        let bindings = bindings.iter().flatten().map(|binding| {
            (binding.host_ip.as_deref().unwrap_or_default(), binding.host_port.as_deref().unwrap_or_default())
        });
        (port.as_str(), bindings.collect())
    });
    each.collect()
}

fn capabilities(host: &HostConfig) -> (BTreeSet<&str>, BTreeSet<&str>) {
    (
        host.cap_add.iter().flatten().map(|name| name.trim_start_matches("CAP_")).collect(),
        host.cap_drop.iter().flatten().map(|name| name.trim_start_matches("CAP_")).collect(),
    )
}
