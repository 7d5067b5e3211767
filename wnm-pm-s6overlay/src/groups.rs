//! A group's container stands when it runs, was made from what it would be made from now, and sees the storage that
//! the machine sees. Whatever else is found is mended by the least that helps.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr};

use futures_util::future::join_all;
use wnm_pm::container_host::{Group, GroupSpec, GroupState};
use wnm_pm::process_manager::{ManagerError, Outcome};

use crate::containers::Container;
use crate::engine::EngineError;
use crate::network::{Network, Published, RuleBackend};
use crate::spec::{self, Addresses};
use crate::storage::{self, Owner};
use crate::{ContainerNetwork, MANAGER, S6Overlay, paths, ports};

/// What all groups of one `open` have in common.
struct Ground {
    owner: Owner,
    seal: String,
    containers: Vec<Container>,
    network: Option<Network>,
}

impl S6Overlay {
    /// Makes groups stand, one after the other in what they share and side by side in what they do not.
    pub(crate) async fn open_groups(&self, groups: &[GroupSpec]) -> Vec<Outcome<Group>> {
        if groups.is_empty() {
            return Vec::new();
        }
        let _turn = self.turn.lock().await;
        let ground = match self.ground().await {
            Ok(ground) => ground,
            Err(error) => return repeat(&error, groups.len()),
        };
        let Some(network) = &ground.network else {
            return join_all(groups.iter().map(|spec| self.stand(&ground, spec))).await;
        };
        let images = self.images(&ground.containers, groups.iter());
        let hands = match RuleBackend::find_or_fetch(&self.engine, &self.settings, &images).await {
            Ok(hands) => hands,
            Err(error) => return repeat(&error, groups.len()),
        };
        let outcomes = self.open_published(groups, &ground, network, &hands).await;
        hands.release(&self.engine).await;
        outcomes.unwrap_or_else(|error| repeat(&error, groups.len()))
    }

    /// Rules first, as far as there are groups already: when they cannot be set, no container is made or changed.
    async fn open_published(
        &self,
        groups: &[GroupSpec],
        ground: &Ground,
        network: &Network,
        hands: &RuleBackend<'_>,
    ) -> Result<Vec<Outcome<Group>>, ManagerError> {
        let published = self.published();
        published.repair(network, &existing(&ground.containers), hands).await?;
        let outcomes = join_all(groups.iter().map(|spec| self.stand(ground, spec))).await;
        let containers = self.engine.containers(&self.machine).await?;
        published.repair(network, &existing(&containers), hands).await?;
        Ok(outcomes)
    }

    /// The groups of this machine that exist, from the labels of their containers, by number. Of those that run it is
    /// said whether all around them is right.
    pub(crate) async fn standing_groups(&self) -> Result<Vec<Group>, ManagerError> {
        let containers = self.engine.containers(&self.machine).await?;
        let mut groups = existing(&containers);
        if groups.iter().any(|group| group.state == GroupState::Running)
            && !self.surroundings_are_right(&containers).await?
        {
            damage(&mut groups, |_| true);
        }
        let seal = storage::seal(&self.settings.node_storage);
        let seen = join_all(groups.iter().map(|group| self.sees_storage(group, seal.as_deref()))).await;
        let blind: Vec<u32> =
            groups.iter().zip(seen).filter(|(_, sees)| !sees).map(|(group, _)| group.spec.group).collect();
        damage(&mut groups, |group| blind.contains(&group.spec.group));
        Ok(groups)
    }

    /// Takes groups down in order; with the last one go the network and the rules.
    pub(crate) async fn close_groups(&self, groups: &[Group]) -> Vec<Outcome<()>> {
        let _turn = self.turn.lock().await;
        let containers = match self.engine.containers(&self.machine).await {
            Ok(containers) => containers,
            Err(error) => return repeat(&error.into(), groups.len()),
        };
        let outcomes = join_all(groups.iter().map(|group| self.fall(&containers, group))).await;
        match self.clear_up(groups).await {
            Ok(()) => outcomes,
            Err(error) => outcomes.into_iter().map(|outcome| outcome.and_then(|()| Err(again(&error)))).collect(),
        }
    }

    /// Takes away what is left when there is no group any more. While there are containers nothing has to go, and nodes
    /// can be removed where nobody can set rules.
    pub(crate) async fn clear_away(&self) -> Result<(), ManagerError> {
        let _turn = self.turn.lock().await;
        if self.engine.containers(&self.machine).await?.is_empty() { self.clear_up(&[]).await } else { Ok(()) }
    }

    /// Makes the rules agree with the groups that are left, or takes them and the network away.
    async fn clear_up(&self, closed: &[Group]) -> Result<(), ManagerError> {
        let containers = self.engine.containers(&self.machine).await?;
        storage::sweep(&self.settings.node_storage, containers.is_empty());
        let images = self.images(&containers, closed.iter().map(|group| &group.spec));
        let published = self.published();
        let Some(network) = published.network().await? else {
            if containers.is_empty() && self.settings.container_network == ContainerNetwork::Published {
                self.remove_stray_rules(&images).await;
            }
            return Ok(());
        };
        let hands = match RuleBackend::find(&self.engine, &self.settings, &images).await {
            Err(error) if containers.is_empty() => return Err(self.rules_stay(&error)),
            hands => hands?,
        };
        let cleared = if containers.is_empty() {
            published.remove(&hands).await
        } else {
            published.repair(&network, &existing(&containers), &hands).await
        };
        hands.release(&self.engine).await;
        cleared
    }

    /// Takes away rules whose network somebody else removed. Whether there are any only hands can tell, so that where
    /// none can be had nothing is held up.
    async fn remove_stray_rules(&self, images: &[&str]) {
        let removed = match RuleBackend::find(&self.engine, &self.settings, images).await {
            Ok(hands) => {
                let removed = self.published().remove(&hands).await;
                hands.release(&self.engine).await;
                removed
            }
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            tracing::warn!(%error, "rules of groups that are gone may be left");
        }
    }

    /// That network and rules stay since nobody can take the rules away.
    fn rules_stay(&self, error: &ManagerError) -> ManagerError {
        let (network, table) = (self.machine.network_name(), self.machine.table_name());
        let (reason, hint) = match error {
            ManagerError::Unavailable { reason, hint, .. } => (reason.clone(), format!("{hint}; or by hand")),
            other => (other.to_string(), "by hand".to_owned()),
        };
        ManagerError::Unavailable {
            manager: MANAGER.to_owned(),
            reason: format!(
                "no group is left, and the network {network} and the table of rules inet {table} stay: {reason}"
            ),
            hint: format!("{hint}: `sudo nft delete table inet {table}; docker network rm {network}`"),
        }
    }

    /// Images of ours that a helper can be made of, the configured one first.
    fn images<'s>(&'s self, containers: &'s [Container], groups: impl Iterator<Item = &'s GroupSpec>) -> Vec<&'s str> {
        let made_of = containers.iter().map(|container| container.image_id.as_str());
        let configured = std::iter::once(self.settings.docker_image.as_str());
        configured.chain(groups.map(|spec| spec.image.as_str())).chain(made_of).collect()
    }

    fn published(&self) -> Published<'_> {
        Published { engine: &self.engine, machine: &self.machine }
    }

    async fn ground(&self) -> Result<Ground, ManagerError> {
        if let Some((reason, hint)) = self.engine.place().await?.objection(self.settings.container_network) {
            return Err(ManagerError::Unavailable {
                manager: MANAGER.to_owned(),
                reason: reason.to_owned(),
                hint: hint.to_owned(),
            });
        }
        let containers = self.engine.containers(&self.machine).await?;
        let owner = storage::prepare(&self.settings, !containers.is_empty())?;
        let seal = storage::make_seal(&self.settings.node_storage, owner)?;
        let network = match self.settings.container_network {
            ContainerNetwork::Published => Some(self.published().ensure_network().await?),
            ContainerNetwork::Host | ContainerNetwork::Docker => None,
        };
        Ok(Ground { owner, seal, containers, network })
    }

    async fn stand(&self, ground: &Ground, spec: &GroupSpec) -> Outcome<Group> {
        let addresses = ground.network.as_ref().map(|network| network.addresses(spec.group)).transpose()?;
        let wanted = spec::labels(&self.settings, spec, addresses, ground.owner);
        let name = self.machine.container_name(&spec.name);
        let definitions = paths::definitions(&self.settings).join(&spec.name);
        paths::refuse_links(&[&definitions])?;
        ground.owner.make_dir(&definitions)?;
        match ground.containers.iter().find(|container| container.name == name) {
            None => {
                ports::check(spec).await?;
                self.engine.ensure_image(&spec.image).await?;
                self.make(ground, spec, addresses).await?;
            }
            Some(container) => {
                let changed = self.differences(container, &wanted, ground.network.as_ref());
                if changed.is_empty() {
                    self.repair(container).await?;
                } else {
                    tracing::info!(container = name, ?changed, "is made again");
                    // Before the nodes lose what they have: without it they would have nothing to come back in.
                    self.engine.ensure_image(&spec.image).await?;
                    self.engine.end(container).await?;
                    self.engine.remove(&name, false).await?;
                    self.make(ground, spec, addresses).await?;
                }
            }
        }
        self.see_to_storage(&name, &ground.seal).await?;
        self.look(&name).await
    }

    async fn make(&self, ground: &Ground, spec: &GroupSpec, addresses: Option<Addresses>) -> Result<(), ManagerError> {
        let name = self.machine.container_name(&spec.name);
        let body = spec::container(&self.settings, spec, addresses, ground.owner);
        match self.engine.create(&name, body).await {
            Err(error) if error.is_conflict() => Err(ManagerError::Unusable {
                what: format!("the container name {name}"),
                reason: "a container of that name is there and is not labelled as this machine's, so it is left alone\nhint: rename or remove it".to_owned(),
            }),
            Err(error) => Err(error.into()),
            Ok(_) => Ok(self.engine.begin(&name).await?),
        }
    }

    /// In what a container differs from what it would be made from now.
    fn differences(
        &self,
        container: &Container,
        wanted: &BTreeMap<String, String>,
        network: Option<&Network>,
    ) -> Vec<String> {
        let label =
            |(name, value): (&String, &String)| (container.labels.get(name) != Some(value)).then(|| name.clone());
        let attached = container.networks.get(&self.machine.network_name());
        // A network that was removed and made again has the same name and another id.
        let detached = network.is_some_and(|network| attached != Some(&network.id));
        wanted.iter().filter_map(label).chain(detached.then(|| "network".to_owned())).collect()
    }

    /// Gets a container that was made right to run.
    async fn repair(&self, container: &Container) -> Result<(), EngineError> {
        match container.state {
            GroupState::Running | GroupState::Damaged => Ok(()),
            GroupState::Paused => self.engine.unpause(&container.name).await,
            // The engine is about to start it; doing so for it changes nothing but the wait.
            GroupState::Stopped | GroupState::Restarting | GroupState::Gone => self.engine.begin(&container.name).await,
        }
    }

    async fn fall(&self, containers: &[Container], group: &Group) -> Outcome<()> {
        let Some(container) = containers.iter().find(|container| container.name == group.container_name) else {
            return Ok(());
        };
        self.engine.end(container).await?;
        Ok(self.engine.remove(&container.name, false).await?)
    }

    /// Whether network and rules are as they should be.
    async fn surroundings_are_right(&self, containers: &[Container]) -> Result<bool, ManagerError> {
        if self.settings.container_network != ContainerNetwork::Published {
            return Ok(true);
        }
        let published = self.published();
        let Some(network) = published.network().await? else {
            return Ok(false);
        };
        let name = self.machine.network_name();
        if containers.iter().any(|container| container.networks.get(&name) != Some(&network.id)) {
            return Ok(false);
        }
        let groups = existing(containers);
        // Who may not look at the rules may not mend them either: `open` says so.
        let images = self.images(containers, groups.iter().map(|group| &group.spec));
        let Ok(hands) = RuleBackend::find(&self.engine, &self.settings, &images).await else {
            return Ok(false);
        };
        let stands = published.stands(&network, &groups, &hands).await;
        hands.release(&self.engine).await;
        stands
    }

    async fn look(&self, name: &str) -> Outcome<Group> {
        let containers = self.engine.containers(&self.machine).await?;
        existing(&containers)
            .into_iter()
            .find(|group| group.container_name == name)
            .ok_or_else(|| ManagerError::Failed(format!("the container {name} was gone as soon as it stood")))
    }
}

/// The groups that containers tell of by their labels, by number.
fn existing(containers: &[Container]) -> Vec<Group> {
    let mut groups: Vec<Group> = containers.iter().filter_map(read).collect();
    groups.sort_by_key(|group| group.spec.group);
    groups
}

fn read(container: &Container) -> Option<Group> {
    let (spec, address) = spec::group_spec(&container.labels)?;
    Some(Group {
        spec,
        container_id: container.id.clone(),
        container_name: container.name.clone(),
        address,
        state: container.state,
    })
}

fn damage(groups: &mut [Group], is_damaged: impl Fn(&Group) -> bool) {
    for group in groups {
        if group.state == GroupState::Running && is_damaged(group) {
            group.state = GroupState::Damaged;
        }
    }
}

/// Where a group's metrics are read: at its container's own address where it has one, so that no rule has to stand.
pub fn metrics_host(group: &Group) -> IpAddr {
    group.address.unwrap_or(Ipv4Addr::LOCALHOST.into())
}

/// The same failure for everything in a call.
pub fn repeat<T>(error: &ManagerError, count: usize) -> Vec<Outcome<T>> {
    (0..count).map(|_| Err(again(error))).collect()
}

/// A failure that happened once and is told of many: errors hold causes that cannot be copied, so their kind is kept
/// where a caller acts on it, and else their text.
pub fn again(error: &ManagerError) -> ManagerError {
    match error {
        ManagerError::Unavailable { manager, reason, hint } => {
            ManagerError::Unavailable { manager: manager.clone(), reason: reason.clone(), hint: hint.clone() }
        }
        ManagerError::Unusable { what, reason } => {
            ManagerError::Unusable { what: what.clone(), reason: reason.clone() }
        }
        other => ManagerError::Failed(other.to_string()),
    }
}
