//! Groups are brought up: made where they are missing, and otherwise repaired by the least that helps.

use std::collections::BTreeMap;

use futures_util::future::join_all;
use wnm_pm::batch::Outcomes;
use wnm_pm::container_host::{ContainerNetwork, Group, GroupSpec, GroupState};
use wnm_pm::hint::Hint;
use wnm_pm::node_files::Made;
use wnm_pm::process_manager::{ManagerError, Outcome};
use wnm_pm::user::Owner;

use super::state::existing;
use super::{Groups, ports};
use crate::container::addresses::Addresses;
use crate::container::containers::Container;
use crate::container::error::EngineError;
use crate::container::network::{Network, RuleBackend};
use crate::container::{labels, spec};
use crate::host::Host;
use crate::settings::MANAGER;
use crate::storage;

/// What all groups of one `open` have in common.
struct Site {
    owner: Owner,
    /// The storage's id, which every container has to see.
    storage_id: String,
    containers: Vec<Container>,
    network: Option<Network>,
}

impl Groups<'_> {
    /// Brings groups up, one after the other in what they share and side by side in what they do not.
    pub async fn open(&self, groups: &[GroupSpec]) -> Outcomes<Group, u32> {
        if groups.is_empty() {
            return Outcomes::none();
        }
        let _turn = self.0.turn.lock().await;
        let opened = self.open_in_turn(groups).await;
        opened.unwrap_or_else(|error| Outcomes::all_failed(groups.iter().map(|spec| spec.group), &error))
    }

    async fn open_in_turn(&self, groups: &[GroupSpec]) -> Result<Outcomes<Group, u32>, ManagerError> {
        let site = self.site().await?;
        let Some(network) = &site.network else { return Ok(self.bring_up_all(&site, groups).await) };
        let images = self.images(&site.containers, groups.iter());
        let backend = RuleBackend::find_or_fetch(&self.0.engine, &self.0.settings, &images).await?;
        let opened = self.open_published(groups, &site, network, &backend).await;
        backend.release().await;
        opened
    }

    /// Rules first, as far as there are groups already: when they cannot be set, no container is made or changed.
    async fn open_published(
        &self,
        groups: &[GroupSpec],
        site: &Site,
        network: &Network,
        backend: &RuleBackend<'_>,
    ) -> Result<Outcomes<Group, u32>, ManagerError> {
        let published = self.published();
        published.repair(network, &existing(&site.containers), backend).await?;
        let opened = self.bring_up_all(site, groups).await;
        let containers = self.0.engine.containers(&self.0.machine).await?;
        published.repair(network, &existing(&containers), backend).await?;
        Ok(opened)
    }

    async fn bring_up_all(&self, site: &Site, groups: &[GroupSpec]) -> Outcomes<Group, u32> {
        let opened = groups.iter().map(async |spec| (spec.group, self.bring_up(site, spec).await));
        join_all(opened).await.into_iter().collect()
    }

    async fn bring_up(&self, site: &Site, spec: &GroupSpec) -> Outcome<Group> {
        let addresses = site.network.as_ref().map(|network| network.addresses(spec.group)).transpose()?;
        let wanted = labels::labels(&self.0.settings, spec, addresses, site.owner);
        let name = self.0.machine.container_name(&spec.name);
        let definitions = storage::definitions(&self.0.settings.node_storage).join(&spec.name);
        storage::refuse_links(&[&definitions])?;
        let mut made = Made::default();
        made.directory(&definitions, Some(site.owner))?;
        made.keep();
        match site.containers.iter().find(|container| container.name == name) {
            None => {
                ports::check(spec).await?;
                self.0.engine.ensure_image(&spec.image).await?;
                self.make(site, spec, addresses).await?;
            }
            Some(container) => {
                let changed = self.differences(container, &wanted, site.network.as_ref());
                if changed.is_empty() {
                    self.run(container).await?;
                } else {
                    tracing::info!(container = name, ?changed, "is made again");
                    // Before the nodes lose what they have: without it they would have nothing to come back in.
                    self.0.engine.ensure_image(&spec.image).await?;
                    self.0.engine.end(container).await?;
                    self.0.engine.remove(&name, false).await?;
                    self.make(site, spec, addresses).await?;
                }
            }
        }
        self.await_storage(&name, &site.storage_id).await?;
        let containers = self.0.engine.containers(&self.0.machine).await?;
        existing(&containers)
            .into_iter()
            .find(|group| group.container_name == name)
            .ok_or_else(|| ManagerError::Failed(format!("the container {name} disappeared right after it was up")))
    }

    async fn make(&self, site: &Site, spec: &GroupSpec, addresses: Option<Addresses>) -> Result<(), ManagerError> {
        let name = self.0.machine.container_name(&spec.name);
        let body = spec::container(&self.0.settings, spec, addresses, site.owner);
        match self.0.engine.create(&name, body).await {
            Err(error) if error.is_conflict() => {
                let what = format!(
                    "the container name {name} is taken by a container that is not labelled as this machine's, so it is left alone"
                );
                Err(ManagerError::advised(what, Hint::text("rename or remove that container")))
            }
            Err(error) => Err(error.into()),
            Ok(_) => Ok(self.0.engine.start(&name).await?),
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
        let attached = container.networks.get(&self.0.machine.network_name());
        // A network that was removed and made again has the same name and another id.
        let detached = network.is_some_and(|network| attached != Some(&network.id));
        wanted.iter().filter_map(label).chain(detached.then(|| "network".to_owned())).collect()
    }

    /// Has a container run that is as it should be.
    async fn run(&self, container: &Container) -> Result<(), EngineError> {
        match container.state {
            GroupState::Running | GroupState::Damaged => Ok(()),
            GroupState::Paused => self.0.engine.unpause(&container.name).await,
            // The engine is about to start it; doing so for it changes nothing but the wait.
            GroupState::Stopped | GroupState::Restarting | GroupState::Gone => {
                self.0.engine.start(&container.name).await
            }
        }
    }

    async fn site(&self) -> Result<Site, ManagerError> {
        let Host { settings, machine, engine, .. } = self.0;
        if let Some((reason, hint)) = engine.place().await?.objection(settings.container_network) {
            return Err(ManagerError::unavailable(MANAGER, reason, hint));
        }
        let containers = engine.containers(machine).await?;
        let owner = storage::prepare(settings, !containers.is_empty())?;
        let storage_id = storage::ensure_id(&settings.node_storage, owner)?;
        let network = match settings.container_network {
            ContainerNetwork::Published => Some(self.published().ensure_network().await?),
            ContainerNetwork::Host | ContainerNetwork::Docker => None,
        };
        Ok(Site { owner, storage_id, containers, network })
    }
}
