//! Groups are brought up: made where they are missing, and otherwise repaired by the least that helps.

use bollard::models::ContainerCreateBody;
use futures_util::future::join_all;
use wnm_pm::batch::Outcomes;
use wnm_pm::container_host::{ContainerNetwork, Group, GroupSpec, GroupState};
use wnm_pm::hint::Hint;
use wnm_pm::node_files::Made;
use wnm_pm::process_manager::{ManagerError, Outcome};
use wnm_pm::user::Owner;

use super::made::Ground;
use super::state::existing;
use super::{Groups, ports};
use crate::container::containers::Container;
use crate::container::engine::{Place, Security};
use crate::container::error::EngineError;
use crate::container::labels;
use crate::container::network::{Network, RuleBackend};
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
    security: Security,
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
        let Some(network) = &site.network else {
            let opened = self.bring_up_all(&site, groups).await;
            self.leave_network().await;
            return Ok(opened);
        };
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
        let wanted = self.wanted(&site.ground(), spec)?;
        let name = self.0.machine.container_name(&spec.name);
        let definitions = storage::definitions(&self.0.settings.node_storage).join(&spec.name);
        storage::refuse_links(&[&definitions])?;
        let mut made = Made::default();
        made.directory(&definitions, Some(site.owner))?;
        made.keep();
        self.have(site, spec, &name, wanted).await?;
        self.await_storage(&name, &site.storage_id).await?;
        let containers = self.0.engine.containers(&self.0.machine).await?;
        existing(&containers)
            .into_iter()
            .find(|group| group.container_name == name)
            .ok_or_else(|| ManagerError::Failed(format!("the container {name} disappeared right after it was up")))
    }

    /// Has a group have one container that runs and is what is wanted, by the least that helps.
    async fn have(&self, site: &Site, spec: &GroupSpec, name: &str, wanted: ContainerCreateBody) -> Outcome<()> {
        let mut labelled = site.containers.iter().filter(|found| labels::group(&found.labels) == Some(spec.group));
        let Some(container) = labelled.next() else {
            ports::check_others(spec, &self.0.engine.containers_of_others(&self.0.machine).await?)?;
            ports::check(spec).await?;
            self.0.engine.ensure_image(&spec.image).await?;
            return self.make(name, wanted).await;
        };
        // Its nodes run in the other one too.
        for twin in labelled {
            tracing::warn!(container = twin.name, "is labelled as the same group and is removed");
            self.end_and_remove(twin).await?;
        }
        let Some(is) = self.0.engine.inspect(&container.id).await? else { return self.make(name, wanted).await };
        let changed = self.differences(&site.ground(), spec, &wanted, &is);
        let what: Vec<&str> = changed.iter().map(|difference| difference.what).collect();
        if changed.iter().any(|difference| !difference.can_be_set) {
            tracing::info!(container = container.name, ?what, "is made again");
            // Before the nodes lose what they have: without it they would have nothing to come back in.
            self.0.engine.ensure_image(&spec.image).await?;
            self.end_and_remove(container).await?;
            return self.make(name, wanted).await;
        }
        if !changed.is_empty() {
            tracing::info!(container = container.name, ?what, "is set again");
            self.0.engine.adjust(&is, name, &wanted).await.map_err(|error| name_is_taken(name, error))?;
        }
        Ok(self.run(&Container { name: name.to_owned(), ..container.clone() }).await?)
    }

    async fn end_and_remove(&self, container: &Container) -> Outcome<()> {
        self.0.engine.end(container).await?;
        Ok(self.0.engine.remove(&container.name, false).await?)
    }

    async fn make(&self, name: &str, wanted: ContainerCreateBody) -> Outcome<()> {
        self.0.engine.create(name, wanted).await.map_err(|error| name_is_taken(name, error))?;
        Ok(self.0.engine.start(name).await?)
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
        let info = engine.info().await?;
        if let Some((reason, hint)) = Place::of(&info).objection(settings.container_network) {
            return Err(ManagerError::unavailable(MANAGER, reason, hint));
        }
        let containers = engine.containers(machine).await?;
        let owner = storage::prepare(settings, !containers.is_empty())?;
        let storage_id = storage::ensure_id(&settings.node_storage, owner)?;
        let network = match settings.container_network {
            ContainerNetwork::Published => Some(self.published().ensure_network().await?),
            ContainerNetwork::Host | ContainerNetwork::Docker => None,
        };
        Ok(Site { owner, storage_id, containers, network, security: Security::of(&info) })
    }
}

impl Site {
    fn ground(&self) -> Ground<'_> {
        Ground { owner: self.owner, network: self.network.as_ref(), security: self.security }
    }
}

/// A container that is not labelled as ours may have our name.
fn name_is_taken(name: &str, error: EngineError) -> ManagerError {
    if !error.is_conflict() {
        return error.into();
    }
    let what = format!(
        "the container name {name} is taken by a container that is not labelled as this machine's, so it is left alone"
    );
    ManagerError::advised(what, Hint::text("rename or remove that container"))
}
