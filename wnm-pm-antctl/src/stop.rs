//! Stopping: antctl's `stop`, and systemd's own for what antctl takes for stopped already.

use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::hint::chain;
use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::ManagerError;

use crate::call::named;
use crate::observation::Observation;
use crate::parse::Entry;
use crate::systemd::Unit;
use crate::{Antctl, parse};

/// systemd gives a node 90 s to end before it kills it.
const GRACE_SECONDS: u64 = 100;

impl Antctl {
    pub(crate) async fn stop_nodes(&self, nodes: &[NodeRef], observation: Observation) -> Outcomes<()> {
        let entries: Vec<&Entry> = nodes.iter().filter_map(|node| observation.entry(node)).collect();
        let services = |wanted: &dyn Fn(&Entry) -> bool| -> Vec<String> {
            entries.iter().filter(|entry| wanted(entry)).map(|entry| entry.service_name.clone()).collect()
        };
        // A stopped node stays stopped when the machine restarts; starting enables it again.
        self.systemd.attempt(&["disable"], &services(&|entry| entry.auto_restart)).await;
        let up = services(&|entry| observation.is_up(&entry.service_name) || observation.running(entry).is_some());
        let lost = self.stop_lost(&observation, nodes).await;
        let complaint = self.stop_services(&up).await;
        let touched = [up, lost.clone()].concat();
        let (batch, after) = Batch::of(nodes).all(self.observe_after(observation, nodes, &touched).await);
        let stopped = batch.check(|node, ()| {
            let runs = after.as_ref().is_some_and(|after| match after.entry(node) {
                Some(entry) => after.running(entry).is_some(),
                None => lost.contains(&node.service) && after.is_up(&node.service),
            });
            match runs {
                false => Ok(()),
                true => Err(ManagerError::Failed(format!("{} still runs: {complaint}", node.service))),
            }
        });
        stopped.outcomes()
    }

    /// Stops nodes that antctl lost while systemd runs them: antctl cannot. Answers their services.
    async fn stop_lost(&self, observation: &Observation, nodes: &[NodeRef]) -> Vec<String> {
        let lost = nodes.iter().filter(|node| {
            observation.entry(node).is_none()
                && observation.is_up(&node.service)
                && self.unit_runs(&node.service, &node.spec.root_dir)
        });
        let lost: Vec<String> = lost.map(|node| node.service.clone()).collect();
        self.systemd.attempt(&["stop"], &lost).await;
        self.systemd.attempt(&["disable"], &lost).await;
        lost
    }

    /// Stops services; answers antctl's last complaint.
    pub(crate) async fn stop_services(&self, services: &[String]) -> String {
        if services.is_empty() {
            return String::new();
        }
        let seconds = GRACE_SECONDS + 5 * services.len() as u64;
        let complaint = match self.caller.quiet(named(&["stop"], services), seconds).await {
            Ok(output) => parse::complaint(&output),
            Err(error) => chain(&error),
        };
        // antctl leaves alone what it does not see alive: a node between two starts, or all behind one that hangs.
        let units = self.systemd.show(services).await.unwrap_or_default();
        let up = |service: &&String| units.get(*service).is_some_and(Unit::is_up);
        let left: Vec<String> = services.iter().filter(up).cloned().collect();
        self.systemd.attempt(&["stop"], &left).await;
        complaint
    }
}
