//! The groups that exist, from the labels of their containers, and whether all around them is as it should be.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use std::net::{IpAddr, Ipv4Addr};

use futures_util::future::join_all;
use wnm_pm::container_host::{ContainerNetwork, Group, GroupState};
use wnm_pm::process_manager::ManagerError;

use super::{Groups, verified};
use crate::container::containers::Container;
use crate::container::labels;
use crate::container::network::{Network, RuleBackend, backend};
use crate::storage;

impl Groups<'_> {
    /// The groups of this machine that exist, by number. One that runs counts as damaged when something around it is not as
    /// it should be.
    ///
    /// # Errors
    /// When that cannot be found out.
    pub async fn list(&self) -> Result<Vec<Group>, ManagerError> {
        let containers = self.0.engine.containers(&self.0.machine).await?;
        let mut groups = existing(&containers);
        if groups.iter().any(|group| group.state == GroupState::Running) {
            let network = match self.0.settings.container_network {
                ContainerNetwork::Published => self.published().network().await?,
                ContainerNetwork::Host | ContainerNetwork::Docker => None,
            };
            if !self.is_connected(&containers, network.as_ref()).await? {
                damage(&mut groups, |_| true);
            }
            let altered = self.altered(&containers, network.as_ref()).await?;
            damage(&mut groups, |group| altered.contains(&group.spec.group));
        }
        let id = storage::id(&self.0.settings.node_storage);
        let seen = join_all(groups.iter().map(|group| self.sees_storage(group, id.as_deref()))).await;
        let blind: Vec<u32> =
            groups.iter().zip(seen).filter(|(_, sees)| !sees).map(|(group, _)| group.spec.group).collect();
        damage(&mut groups, |group| blind.contains(&group.spec.group));
        Ok(groups)
    }

    /// Whether network and rules are as they should be.
    async fn is_connected(&self, containers: &[Container], network: Option<&Network>) -> Result<bool, ManagerError> {
        if self.0.settings.container_network != ContainerNetwork::Published {
            return Ok(true);
        }
        let Some(network) = network else {
            return Ok(false);
        };
        let groups = existing(containers);
        if let Err(error) = backend::end_left_helpers(&self.0.engine, &self.0.machine).await {
            tracing::warn!(%error, "helper containers may be left until they end by themselves");
        }
        let storage = &self.0.settings.node_storage;
        let signs = match backend::needs_helper(&self.0.engine, &self.0.settings) {
            true => Some(verified::signs(&self.0.machine, &self.published().wanted(network, &groups)?)),
            false => None,
        };
        if let Some(signs) = &signs
            && verified::holds(storage, signs, &groups).await
        {
            return Ok(true);
        }
        // Whoever may not read the rules may not repair them either: `open` says so.
        let images = self.images(containers, groups.iter().map(|group| &group.spec));
        let Ok(backend) = RuleBackend::find(&self.0.engine, &self.0.settings, &images).await else {
            return Ok(false);
        };
        let in_place = self.published().is_in_place(network, &groups, &backend).await;
        backend.release().await;
        if let (Some(signs), Ok(true)) = (signs, &in_place) {
            verified::note(storage, &signs);
        }
        in_place
    }
}

/// The groups that containers are labelled as, by number; one whose label is on several containers is damaged.
pub fn existing(containers: &[Container]) -> Vec<Group> {
    let mut groups: BTreeMap<u32, Group> = BTreeMap::new();
    for group in containers.iter().filter_map(read) {
        match groups.entry(group.spec.group) {
            Entry::Vacant(place) => drop(place.insert(group)),
            Entry::Occupied(mut twin) => damage(std::slice::from_mut(twin.get_mut()), |_| true),
        }
    }
    groups.into_values().collect()
}

fn read(container: &Container) -> Option<Group> {
    let (spec, address) = labels::group_spec(&container.labels)?;
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

/// Where a group's metrics are read: at its container's own address where it has one, so that no rule is needed.
#[must_use]
pub fn metrics_host(group: &Group) -> IpAddr {
    group.address.unwrap_or(Ipv4Addr::LOCALHOST.into())
}
