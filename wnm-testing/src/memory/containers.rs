//! The containers of a world in memory.

use async_trait::async_trait;

use super::MemoryWorld;
use wnm_pm::batch::Outcomes;
use wnm_pm::container_host::{ContainerHost, Group, GroupSpec, GroupState, Usage};
use wnm_pm::process_manager::ManagerError;

/// The containers of a world in memory: opening one makes it run, closing it ends its nodes.
#[derive(Debug)]
pub struct MemoryContainers {
    pub(super) world: MemoryWorld,
}

#[async_trait]
impl ContainerHost for MemoryContainers {
    async fn open(&self, groups: &[GroupSpec]) -> Outcomes<Group, u32> {
        let mut state = self.world.lock();
        let opened = groups.iter().map(|spec| {
            let group = Group {
                spec: spec.clone(),
                container_id: format!("memory-{}", spec.group),
                container_name: format!("wnm-{}", spec.name),
                address: None,
                state: GroupState::Running,
            };
            state.groups.insert(spec.group, group.clone());
            (spec.group, Ok(group))
        });
        opened.collect()
    }

    async fn groups(&self) -> Result<Vec<Group>, ManagerError> {
        Ok(self.world.lock().groups.values().cloned().collect())
    }

    async fn close(&self, groups: &[Group]) -> Outcomes<(), u32> {
        let mut state = self.world.lock();
        let closed = groups.iter().map(|group| {
            state.groups.remove(&group.spec.group);
            let inside = state.nodes.values_mut().filter(|node| node.spec.group == Some(group.spec.group));
            inside.for_each(|node| node.process = None);
            (group.spec.group, Ok(()))
        });
        closed.collect()
    }

    async fn usage(&self, groups: &[Group]) -> Outcomes<Usage, u32> {
        groups.iter().map(|group| (group.spec.group, Ok(Usage::default()))).collect()
    }

    fn metrics_host(&self, _: &Group) -> std::net::IpAddr {
        std::net::Ipv4Addr::LOCALHOST.into()
    }
}
