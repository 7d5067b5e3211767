//! Container groups: each is a container that runs, was made from what it would be made from now, and sees the storage
//! that the machine sees.

mod boot;
mod close;
mod made;
mod open;
mod ports;
mod state;
mod verified;

use futures_util::future::join_all;
use wnm_pm::batch::Outcomes;
use wnm_pm::container_host::{Group, GroupSpec, Usage};
use wnm_pm::process_manager::ManagerError;

use crate::container::containers::Container;
use crate::container::network::Published;
use crate::host::Host;

pub use state::metrics_host;

/// The container groups of a machine.
pub struct Groups<'h>(pub &'h Host);

impl Groups<'_> {
    /// What the containers of groups use now.
    pub async fn usage(&self, groups: &[Group]) -> Outcomes<Usage, u32> {
        let measured = groups.iter().map(async |group| {
            let usage = self.0.engine.usage(&group.container_name).await;
            (group.spec.group, usage.map_err(ManagerError::from))
        });
        join_all(measured).await.into_iter().collect()
    }

    /// Images of ours that a helper can be made of, the configured one first.
    fn images<'s>(&'s self, containers: &'s [Container], groups: impl Iterator<Item = &'s GroupSpec>) -> Vec<&'s str> {
        let made_of = containers.iter().map(|container| container.image_id.as_str());
        let configured = std::iter::once(self.0.settings.docker_image.as_str());
        configured.chain(groups.map(|spec| spec.image.as_str())).chain(made_of).collect()
    }

    fn published(&self) -> Published<'_> {
        Published { engine: &self.0.engine, machine: &self.0.machine }
    }
}
