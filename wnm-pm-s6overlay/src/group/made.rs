//! A group's container is what it would be made of now, or it is altered: by the engine's own word, not by labels alone.

use std::collections::BTreeSet;

use bollard::models::{ContainerCreateBody, ContainerInspectResponse};
use futures_util::future::try_join_all;
use wnm_pm::container_host::{GroupSpec, GroupState};
use wnm_pm::process_manager::{ManagerError, Outcome};
use wnm_pm::user::Owner;

use super::Groups;
use crate::container::actual::{Difference, differences};
use crate::container::containers::Container;
use crate::container::engine::Security;
use crate::container::network::Network;
use crate::container::{labels, spec};
use crate::owner;

/// What all containers are made for alike.
pub struct Ground<'n> {
    /// Whom nodes run as.
    pub owner: Owner,
    /// The network of their own, where they have one.
    pub network: Option<&'n Network>,
    /// What the engine does to containers.
    pub security: Security,
}

impl Groups<'_> {
    /// What a group's container would be made of now.
    ///
    /// # Errors
    /// When the network has no address for the group.
    pub(super) fn wanted(&self, ground: &Ground<'_>, spec: &GroupSpec) -> Outcome<ContainerCreateBody> {
        let addresses = ground.network.map(|network| network.addresses(spec.group)).transpose()?;
        Ok(spec::container(&self.0.settings, spec, addresses, ground.owner, ground.security))
    }

    /// In what a container differs from that.
    pub(super) fn differences(
        &self,
        ground: &Ground<'_>,
        spec: &GroupSpec,
        wanted: &ContainerCreateBody,
        is: &ContainerInspectResponse,
    ) -> Vec<Difference> {
        let network = ground.network.map(|network| network.id.as_str());
        differences(is, &self.0.machine.container_name(&spec.name), wanted, network)
    }

    /// The groups that run in a container that is not what it would be made of now.
    ///
    /// # Errors
    /// When the engine cannot be asked.
    pub(super) async fn altered(
        &self,
        containers: &[Container],
        network: Option<&Network>,
    ) -> Result<BTreeSet<u32>, ManagerError> {
        // Of a storage that is away nothing can be said here: whether containers see it is looked at by itself.
        let Ok(owner) = owner::of_storage(&self.0.settings.node_storage) else { return Ok(BTreeSet::new()) };
        let ground = Ground { owner, network, security: self.0.engine.security().await? };
        let running = containers.iter().filter(|container| container.state == GroupState::Running);
        let each = running.filter_map(|container| Some((container, labels::group_spec(&container.labels)?.0)));
        let judged = each.map(async |(container, spec)| {
            let Some(is) = self.0.engine.inspect(&container.id).await? else { return Ok(None) };
            let wanted = self.wanted(&ground, &spec)?;
            let found = self.differences(&ground, &spec, &wanted, &is);
            if !found.is_empty() {
                let what: Vec<&str> = found.iter().map(|difference| difference.what).collect();
                tracing::info!(container = container.name, ?what, "is not as it was made");
            }
            Ok::<_, ManagerError>((!found.is_empty()).then_some(spec.group))
        });
        Ok(try_join_all(judged).await?.into_iter().flatten().collect())
    }
}
