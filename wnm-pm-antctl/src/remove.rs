//! Removing: antctl's `remove` of stopped nodes, and what it does not do: a node without a unit file, a directory that
//! is a link, an entry that antctl lost.

use std::collections::BTreeSet;

use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::hint::chain;
use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::{ManagerError, Outcome};

use crate::call::named;
use crate::leftovers::{Leftover, refuse_link};
use crate::observation::{Observation, exists};
use crate::{Antctl, parse};

impl Antctl {
    pub(crate) async fn remove_nodes(&self, nodes: &[NodeRef], observation: Observation) -> Outcomes<()> {
        let nodes: Vec<NodeRef> = nodes.iter().map(|node| self.as_antctl_knows_it(&observation, node)).collect();
        let batch = Batch::of(&nodes).check(|node, ()| self.removable(&observation, node));
        let entries = batch.good().filter_map(|(node, ())| observation.entry(node));
        // antctl fails at a name that is given twice.
        let services: BTreeSet<String> = entries.map(|entry| entry.service_name.clone()).collect();
        let services: Vec<String> = services.into_iter().collect();
        let complaint = self.remove_services(&services).await;
        let (batch, after) = batch.all(self.observe_after(observation, &nodes, &services).await);
        let Some(after) = after else { return batch.outcomes() };
        batch.one_by_one(|node, ()| self.removed(&after, node, &complaint)).await.outcomes()
    }

    /// Whether antctl may delete the node's directories: it looks at nothing before it does.
    fn removable(&self, observation: &Observation, node: &NodeRef) -> Outcome<()> {
        refuse_link(&node.spec.root_dir)?;
        refuse_link(&node.spec.log_dir)?;
        if let Some(entry) = observation.entry(node) {
            refuse_link(&entry.log_dir_path)?;
            self.put_unit_back(entry)?;
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
            Err(error) => chain(&error),
        };
        self.systemd.reload(services).await;
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
            self.clear(&Leftover { service: node.service.clone(), root_dir, log_dir }).await?;
        }
        self.forget(node)
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
