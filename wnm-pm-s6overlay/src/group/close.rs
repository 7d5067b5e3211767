//! Groups are taken down in order; with the last one the network and the rules go.

use futures_util::future::join_all;
use wnm_pm::batch::Outcomes;
use wnm_pm::container_host::{ContainerNetwork, Group};
use wnm_pm::hint::Hint;
use wnm_pm::process_manager::{ManagerError, Outcome};

use super::Groups;
use super::state::existing;
use crate::container::containers::Container;
use crate::container::labels;
use crate::container::network::RuleBackend;
use crate::settings::MANAGER;
use crate::storage;

impl Groups<'_> {
    /// Takes groups down in order; with the last one the network and the rules go.
    pub async fn close(&self, groups: &[Group]) -> Outcomes<(), u32> {
        let _turn = self.0.turn.lock().await;
        let closed = self.close_in_turn(groups).await;
        closed.unwrap_or_else(|error| Outcomes::all_failed(groups.iter().map(|group| group.spec.group), &error))
    }

    async fn close_in_turn(&self, groups: &[Group]) -> Result<Outcomes<(), u32>, ManagerError> {
        let containers = self.0.engine.containers(&self.0.machine).await?;
        let taken_down = groups.iter().map(async |group| (group.spec.group, self.take_down(&containers, group).await));
        let taken_down: Vec<(u32, Outcome<()>)> = join_all(taken_down).await;
        let cleared = self.clear_up(groups).await;
        Ok(taken_down.into_iter().map(|(group, outcome)| (group, outcome.and_then(|()| cleared.clone()))).collect())
    }

    async fn take_down(&self, containers: &[Container], group: &Group) -> Outcome<()> {
        for container in containers.iter().filter(|found| labels::group(&found.labels) == Some(group.spec.group)) {
            self.0.engine.end(container).await?;
            self.0.engine.remove(&container.name, false).await?;
        }
        Ok(())
    }

    /// Removes what is left when there is no group any more. While there are containers nothing has to go, and nodes can be
    /// removed where nobody can set rules.
    ///
    /// # Errors
    /// When something stays.
    pub async fn clear_away(&self) -> Result<(), ManagerError> {
        let _turn = self.0.turn.lock().await;
        if self.0.engine.containers(&self.0.machine).await?.is_empty() { self.clear_up(&[]).await } else { Ok(()) }
    }

    /// Makes the rules agree with the groups that are left, or removes them and the network.
    async fn clear_up(&self, closed: &[Group]) -> Result<(), ManagerError> {
        let containers = self.0.engine.containers(&self.0.machine).await?;
        storage::sweep(&self.0.settings.node_storage, containers.is_empty());
        let images = self.images(&containers, closed.iter().map(|group| &group.spec));
        let published = self.published();
        let Some(network) = published.network().await? else {
            if containers.is_empty() && self.0.settings.container_network == ContainerNetwork::Published {
                self.remove_stray_rules(&images).await;
            }
            return Ok(());
        };
        let groups = existing(&containers);
        let is_empty = groups.iter().all(|group| group.address.is_none());
        let backend = match RuleBackend::find(&self.0.engine, &self.0.settings, &images).await {
            Err(error) if is_empty => return Err(self.rules_stay(&error)),
            backend => backend?,
        };
        let cleared = if is_empty {
            published.remove(&backend).await
        } else {
            published.repair(&network, &groups, &backend).await
        };
        backend.release().await;
        cleared
    }

    /// Removes network and rules once no group is on them any more, since the settings name another network.
    pub(super) async fn leave_network(&self) {
        let left = async {
            let containers = self.0.engine.containers(&self.0.machine).await?;
            let is_empty = existing(&containers).iter().all(|group| group.address.is_none());
            if is_empty && self.published().network().await?.is_some() { self.clear_up(&[]).await } else { Ok(()) }
        };
        if let Err(error) = left.await {
            tracing::warn!(error = error.text(), "the network that no group is on any more is left");
        }
    }

    /// Removes rules whose network somebody else removed. Only a rule backend can find out whether there are any; without one
    /// nothing is held up.
    async fn remove_stray_rules(&self, images: &[&str]) {
        let removed = match RuleBackend::find(&self.0.engine, &self.0.settings, images).await {
            Ok(backend) => {
                let removed = self.published().remove(&backend).await;
                backend.release().await;
                removed
            }
            Err(error) => Err(error),
        };
        if let Err(error) = removed {
            tracing::warn!(error = error.text(), "rules of groups that are gone may be left");
        }
    }

    /// That network and rules stay since nobody can remove the rules.
    fn rules_stay(&self, error: &ManagerError) -> ManagerError {
        let (network, table) = (self.0.machine.network_name(), self.0.machine.table_name());
        let cause = match error {
            ManagerError::Unavailable { reason, .. } => reason.clone(),
            other => other.text(),
        };
        let reason = format!(
            "no group is left on it, and the network {network} and the table of rules inet {table} cannot be removed: {cause}"
        );
        let by_hand = format!("sudo nft delete table inet {table}; docker network rm {network}");
        ManagerError::unavailable(MANAGER, reason, Hint::shell(by_hand).to("remove them by hand"))
    }
}
