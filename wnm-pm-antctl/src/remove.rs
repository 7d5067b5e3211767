//! Removing: antctl's `remove` of stopped nodes, and what it does not do: a node without a unit file, a directory that
//! is a link, an entry that antctl lost.

use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::{ManagerError, Outcome};

use crate::call::{again, named, to_all};
use crate::leftovers::Leftover;
use crate::observation::{Observation, exists};
use crate::{Antctl, parse};

impl Antctl {
    pub(crate) async fn remove_locked(&self, nodes: &[NodeRef]) -> Vec<Outcome<()>> {
        let observation = match self.look(nodes).await {
            Ok(observation) => observation,
            Err(error) => return to_all(nodes.len(), &error),
        };
        let nodes: Vec<NodeRef> = nodes.iter().map(|node| self.as_antctl_knows_it(&observation, node)).collect();
        let ready: Vec<Outcome<()>> = nodes.iter().map(|node| self.removable(&observation, node)).collect();
        let wanted = nodes.iter().zip(&ready).filter(|(_, ready)| ready.is_ok());
        let entries: Vec<_> = wanted.filter_map(|(node, _)| observation.entry(node)).collect();
        let mut services: Vec<String> = entries.iter().map(|entry| entry.service_name.clone()).collect();
        // antctl fails at a name that is given twice.
        services.sort();
        services.dedup();
        let complaint = self.remove_services(&services).await;
        let after = match services.is_empty() {
            true => Ok(observation),
            false => self.look(&nodes).await,
        };
        let mut outcomes = Vec::with_capacity(nodes.len());
        for (node, ready) in nodes.iter().zip(ready) {
            outcomes.push(match (ready, &after) {
                (Err(error), _) => Err(error),
                (Ok(()), Err(error)) => Err(again(error)),
                (Ok(()), Ok(after)) => self.removed(after, node, &complaint).await,
            });
        }
        outcomes
    }

    /// Whether antctl may delete the node's directories: it looks at nothing before it does.
    fn removable(&self, observation: &Observation, node: &NodeRef) -> Outcome<()> {
        for directory in [&node.spec.root_dir, &node.spec.log_dir] {
            if directory.is_symlink() {
                let reason = "it is a symbolic link".to_owned();
                return Err(ManagerError::NotOurs { path: directory.clone(), reason });
            }
        }
        if let Some(entry) = observation.entry(node) {
            self.put_unit_back(entry)?;
            if entry.log_dir_path.is_symlink() {
                let reason = "it is a symbolic link".to_owned();
                return Err(ManagerError::NotOurs { path: entry.log_dir_path.clone(), reason });
            }
        }
        Ok(())
    }

    /// Has antctl stop and remove services; answers its last complaint.
    async fn remove_services(&self, services: &[String]) -> String {
        if services.is_empty() {
            return String::new();
        }
        self.stop_services(services).await;
        let seconds = 60 + 10 * services.len() as u64;
        let complaint = match self.caller.quiet(named(&["remove"], services), seconds).await {
            Ok(output) => parse::complaint(&output),
            Err(error) => error.to_string(),
        };
        self.systemd.settle(services).await;
        complaint
    }

    /// What became of a node that was to go; what antctl had forgotten is cleared here.
    async fn removed(&self, after: &Observation, node: &NodeRef, complaint: &str) -> Outcome<()> {
        if after.entry(node).is_some() {
            return Err(ManagerError::Failed(format!("antctl did not remove {}: {complaint}", node.service)));
        }
        let (root_dir, log_dir) = (node.spec.root_dir.clone(), node.spec.log_dir.clone());
        if let Some(other) = after.registry.present().find(|entry| entry.data_dir_path == root_dir) {
            let reason = format!("antctl knows it as {}", other.service_name);
            return Err(ManagerError::NotOurs { path: root_dir, reason });
        }
        if exists(&root_dir) || exists(&log_dir) {
            return self.clear(&Leftover { service: node.service.clone(), root_dir, log_dir }).await;
        }
        Ok(())
    }

    /// A node under the name and in the directories that antctl chose, also where wnm was killed before it wrote them down.
    fn as_antctl_knows_it(&self, observation: &Observation, node: &NodeRef) -> NodeRef {
        let mut node = node.clone();
        if let Some(entry) = self.half_recorded(observation, &node) {
            node.service.clone_from(&entry.service_name);
            node.spec.root_dir.clone_from(&entry.data_dir_path);
            node.spec.log_dir.clone_from(&entry.log_dir_path);
        }
        node
    }
}
