//! Stopping: antctl's `stop`, and systemd's own for what antctl takes for stopped already.

use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::{ManagerError, Outcome};

use crate::call::{again, named, to_all};
use crate::observation::Observation;
use crate::systemd::Unit;
use crate::{Antctl, parse};

/// systemd gives a node 90 s to end before it kills it.
const GRACE_SECONDS: u64 = 100;

impl Antctl {
    pub(crate) async fn stop_locked(&self, nodes: &[NodeRef]) -> Vec<Outcome<()>> {
        let observation = match self.look(nodes).await {
            Ok(observation) => observation,
            Err(error) => return to_all(nodes.len(), &error),
        };
        let alive = nodes
            .iter()
            .filter(|node| observation.entry(node).is_some_and(|entry| !rests(&observation, &entry.service_name)));
        let services: Vec<String> = alive.map(|node| node.service.clone()).collect();
        let known = nodes.iter().filter_map(|node| observation.entry(node)).filter(|entry| entry.auto_restart);
        let enabled: Vec<String> = known.map(|entry| entry.service_name.clone()).collect();
        // A stopped node stays stopped when the machine restarts; starting enables it again.
        self.systemd.tell(&["disable"], &enabled).await;
        let lost = self.stop_lost(&observation, nodes).await;
        let complaint = self.stop_services(&services).await;
        let after = match services.is_empty() && lost.is_empty() {
            true => Ok(observation),
            false => self.look(nodes).await,
        };
        let stopped = nodes.iter().map(|node| match &after {
            Err(error) => Err(again(error)),
            Ok(after) => {
                let lives = match after.entry(node) {
                    Some(entry) => after.life(entry).is_some(),
                    None => lost.contains(&node.service) && after.is_up(&node.service),
                };
                match lives {
                    false => Ok(()),
                    true => Err(ManagerError::Failed(format!("{} still runs: {complaint}", node.service))),
                }
            }
        });
        stopped.collect()
    }

    /// Stops nodes that antctl lost while systemd runs them: antctl cannot. Answers their services.
    async fn stop_lost(&self, observation: &Observation, nodes: &[NodeRef]) -> Vec<String> {
        let lost = nodes.iter().filter(|node| {
            observation.entry(node).is_none()
                && observation.is_up(&node.service)
                && self.unit_runs(&node.service, &node.spec.root_dir)
        });
        let lost: Vec<String> = lost.map(|node| node.service.clone()).collect();
        self.systemd.tell(&["stop"], &lost).await;
        self.systemd.tell(&["disable"], &lost).await;
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
            Err(error) => error.to_string(),
        };
        // antctl leaves alone what it does not see alive: a node between two starts, or all behind one that hangs.
        let units = self.systemd.show(services).await.unwrap_or_default();
        let up = |service: &&String| units.get(*service).is_some_and(Unit::is_up);
        let left: Vec<String> = services.iter().filter(up).cloned().collect();
        self.systemd.tell(&["stop"], &left).await;
        complaint
    }
}

/// Whether nothing of a service lives and nothing will by itself.
fn rests(observation: &Observation, service: &str) -> bool {
    let lives =
        observation.registry.present().any(|entry| entry.service_name == service && observation.life(entry).is_some());
    !observation.is_up(service) && !lives
}
