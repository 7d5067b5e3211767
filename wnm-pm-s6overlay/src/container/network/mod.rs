//! A published network is one of our own, with a fixed address for each container, and rules that lead the ports of
//! each group to it.

mod acceptance;
pub mod backend;
mod hairpin;
mod ipv6;
mod rules;
mod stale;
mod subnet;

use std::collections::HashMap;
use std::net::{Ipv4Addr, Ipv6Addr};

use bollard::models::{Ipam, IpamConfig, NetworkCreateRequest, NetworkInspect};
use bollard::query_parameters::InspectNetworkOptions;
use wnm_pm::container_host::{ContainerNetwork, Group, Ranges};
use wnm_pm::hint::Hint;
use wnm_pm::process_manager::ManagerError;

pub use backend::{RuleBackend, find_program, is_absent};
pub use ipv6::{has_ipv6, ipv6_is_usable};
use rules::{Rules, Subnet, Target};

use super::addresses::Addresses;
use super::engine::Engine;
use super::error::Doing;
use super::labels;
use crate::settings::{MachineId, group_name};

/// From this version on the engine itself blocks direct access to containers, and has to be configured to allow ours.
const GUARDING_ENGINE_MAJOR: u32 = 28;

/// The network of this machine's containers, as the engine knows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    /// The engine's id of it.
    pub id: String,
    subnet: Subnet<Ipv4Addr>,
    subnet6: Option<Subnet<Ipv6Addr>>,
}

impl Network {
    /// The fixed addresses of a group.
    ///
    /// # Errors
    /// When there are more groups than addresses.
    pub fn addresses(&self, group: u32) -> Result<Addresses, ManagerError> {
        subnet::addresses(group, self.subnet, self.subnet6).ok_or_else(|| {
            let (name, highest) = (group_name(group), group_name(subnet::highest_group(self.subnet)));
            let what = format!("container group {name} cannot be used: the network has addresses for a1 to {highest}");
            ManagerError::advised(what, Hint::change("node_cap").to("have nodes in fewer groups"))
        })
    }

    fn read(inspected: NetworkInspect) -> Option<Self> {
        let configs = inspected.ipam?.config?;
        let subnets: Vec<&str> = configs.iter().filter_map(|config| config.subnet.as_deref()).collect();
        Some(Self {
            id: inspected.id?,
            subnet: subnets.iter().find_map(|text| subnet::parse(text))?,
            subnet6: subnets.iter().find_map(|text| subnet::parse(text)),
        })
    }
}

/// The network and the rules of one machine.
pub struct Published<'a> {
    /// The engine.
    pub engine: &'a Engine,
    /// The machine.
    pub machine: &'a MachineId,
}

impl Published<'_> {
    /// The network; none when it does not exist.
    ///
    /// # Errors
    /// When the engine cannot be asked, or a network of that name is not ours.
    pub async fn network(&self) -> Result<Option<Network>, ManagerError> {
        let name = self.machine.network_name();
        let inspected = self.engine.docker().await?.inspect_network(&name, None::<InspectNetworkOptions>).await;
        let inspected = match inspected.doing(|| format!("inspect the network {name}")) {
            Err(error) if error.is_missing() => return Ok(None),
            answer => answer?,
        };
        let ours = inspected.labels.as_ref().and_then(|labels| labels.get(labels::MACHINE));
        if ours.map(String::as_str) != Some(self.machine.as_str()) {
            let what = format!("the network {name} is not labelled as this machine's, so it is left alone");
            return Err(ManagerError::advised(what, Hint::text("remove that network")));
        }
        Ok(Network::read(inspected))
    }

    /// The network, made when it does not exist.
    ///
    /// # Errors
    /// When it cannot be made.
    pub async fn ensure_network(&self) -> Result<Network, ManagerError> {
        if let Some(network) = self.network().await? {
            return Ok(network);
        }
        let name = self.machine.network_name();
        let docker = self.engine.docker().await?;
        let request = self.request(&name).await?;
        docker.create_network(request).await.doing(|| format!("make the network {name}"))?;
        self.network()
            .await?
            .ok_or_else(|| ManagerError::Failed(format!("the network {name} disappeared right after it was made")))
    }

    async fn request(&self, name: &str) -> Result<NetworkCreateRequest, ManagerError> {
        let mut taken = subnet::routes(&std::fs::read_to_string("/proc/thread-self/net/route").unwrap_or_default());
        taken.extend(self.subnets_of_engine().await?);
        let v4 = subnet::choose(self.machine, &taken).ok_or_else(|| {
            let what = "routes of this machine use all private addresses (10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16), so containers can have none of their own";
            ManagerError::advised(what, Hint::set("container_network", ContainerNetwork::Host).to("do without them"))
        })?;
        let v6 = ipv6_is_usable().then(|| subnet::private6(self.machine));
        let pool = |subnet: String| IpamConfig { subnet: Some(subnet), ..IpamConfig::default() };
        let pools = std::iter::once(pool(v4.to_string())).chain(v6.map(|v6| pool(v6.to_string())));
        let mut options = HashMap::from([("com.docker.network.bridge.name".to_owned(), name.to_owned())]);
        if self.engine.major_version().await? >= GUARDING_ENGINE_MAJOR {
            for family in ["ipv4", "ipv6"] {
                options
                    .insert(format!("com.docker.network.bridge.gateway_mode_{family}"), "nat-unprotected".to_owned());
            }
        }
        Ok(NetworkCreateRequest {
            name: name.to_owned(),
            driver: Some("bridge".to_owned()),
            enable_ipv6: Some(v6.is_some()),
            ipam: Some(Ipam { config: Some(pools.collect()), ..Ipam::default() }),
            options: Some(options),
            labels: Some(HashMap::from([(labels::MACHINE.to_owned(), self.machine.to_string())])),
            ..NetworkCreateRequest::default()
        })
    }

    async fn subnets_of_engine(&self) -> Result<Vec<Subnet<Ipv4Addr>>, ManagerError> {
        let listed = self.engine.docker().await?.list_networks(None).await;
        let networks = listed.doing(|| "list the networks".to_owned())?;
        let configs = networks.into_iter().filter_map(|network| network.ipam?.config).flatten();
        Ok(configs.filter_map(|config| subnet::parse(&config.subnet?)).collect())
    }

    /// Whether the rules for these groups are in place. Reads only.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub async fn is_in_place(
        &self,
        network: &Network,
        groups: &[Group],
        backend: &RuleBackend<'_>,
    ) -> Result<bool, ManagerError> {
        let targets = self.targets(network, groups)?;
        Ok(self.has_table(network, &targets, backend).await?
            && backend.are_on(&self.switches()).await?
            && hairpin::missing(self.machine, backend).await?.is_empty()
            && acceptance::missing(self.machine, network.subnet6.is_some(), backend).await?.is_empty())
    }

    /// Puts the rules for these groups in place; what is in place already is not touched.
    ///
    /// # Errors
    /// When they cannot be set.
    pub async fn repair(
        &self,
        network: &Network,
        groups: &[Group],
        backend: &RuleBackend<'_>,
    ) -> Result<(), ManagerError> {
        let targets = self.targets(network, groups)?;
        let mut changed = false;
        if !backend.are_on(&self.switches()).await? {
            for switch in self.switches() {
                backend.switch_on(&switch).await?;
            }
            changed = true;
        }
        for missing in acceptance::missing(self.machine, network.subnet6.is_some(), backend).await? {
            acceptance::set(&missing, backend).await?;
            changed = true;
        }
        for port in hairpin::missing(self.machine, backend).await? {
            hairpin::set(&port, backend).await?;
        }
        if !self.has_table(network, &targets, backend).await? {
            backend.succeed("nft", &["-f", "-"], &self.rules(network, &targets).render()).await?;
            changed = true;
        }
        if changed {
            let ranges: Vec<&Ranges> = targets.iter().map(|target| &target.ports).collect();
            stale::forget(&ranges, backend).await?;
        }
        Ok(())
    }

    /// Removes rules and network. What is gone already is not an error.
    ///
    /// # Errors
    /// When something of it stays.
    pub async fn remove(&self, backend: &RuleBackend<'_>) -> Result<(), ManagerError> {
        acceptance::remove(self.machine, backend).await?;
        let table = self.machine.table_name();
        // Declaring it first makes deleting it legal when there is none.
        backend.succeed("nft", &["-f", "-"], &format!("table inet {table} {{}}\ndelete table inet {table}\n")).await?;
        let name = self.machine.network_name();
        if self.network().await?.is_some() {
            let removed = self.engine.docker().await?.remove_network(&name).await;
            removed.doing(|| format!("remove the network {name}"))?;
        }
        Ok(())
    }

    /// The rules for these groups, as they are to be.
    ///
    /// # Errors
    /// When there are more groups than addresses.
    pub fn wanted(&self, network: &Network, groups: &[Group]) -> Result<String, ManagerError> {
        Ok(self.rules(network, &self.targets(network, groups)?).render())
    }

    fn rules<'r>(&'r self, network: &Network, targets: &'r [Target]) -> Rules<'r> {
        Rules { machine: self.machine, subnet: network.subnet, subnet6: network.subnet6, targets }
    }

    fn targets(&self, network: &Network, groups: &[Group]) -> Result<Vec<Target>, ManagerError> {
        // Some may still be on another network.
        let mut groups: Vec<&Group> = groups.iter().filter(|group| group.address.is_some()).collect();
        groups.sort_by_key(|group| group.spec.group);
        let target = |group: &&Group| {
            Ok(Target {
                name: group.spec.name.clone(),
                ports: group.spec.ports.clone(),
                addresses: network.addresses(group.spec.group)?,
            })
        };
        groups.iter().map(target).collect()
    }

    async fn has_table(
        &self,
        network: &Network,
        targets: &[Target],
        backend: &RuleBackend<'_>,
    ) -> Result<bool, ManagerError> {
        let table = self.machine.table_name();
        let listed = backend.run("nft", &["-j", "list", "table", "inet", &table], "").await?;
        Ok(listed.success() && self.rules(network, targets).are_listed_in(&listed.stdout))
    }

    /// The network switches: the machine forwards, which an engine sees to when it starts and never again; and it reaches
    /// containers from 127.0.0.1. In this order: the first resets what is beneath it.
    fn switches(&self) -> [String; 2] {
        ["ipv4/ip_forward".to_owned(), format!("ipv4/conf/{}/route_localnet", self.machine.network_name())]
    }
}
