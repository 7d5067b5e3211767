//! Stopping: antctl's `stop`, and systemd's own for what antctl takes for stopped already.

use wnm_core::node::NodeRef;
use wnm_core::process_manager::{ManagerError, Outcome};

use crate::call::{again, named, to_all};
use crate::sight::Sight;
use crate::{Antctl, parse};

/// systemd gives a node 90 s to end before it kills it.
const GRACE_SECONDS: u64 = 100;

impl Antctl {
    pub(crate) async fn stop_locked(&self, nodes: &[NodeRef]) -> Vec<Outcome<()>> {
        let sight = match self.look(nodes).await {
            Ok(sight) => sight,
            Err(error) => return to_all(nodes.len(), &error),
        };
        let alive =
            nodes.iter().filter(|node| sight.entry(node).is_some_and(|entry| !rests(&sight, &entry.service_name)));
        let services: Vec<String> = alive.map(|node| node.service.clone()).collect();
        let known = nodes.iter().filter_map(|node| sight.entry(node)).filter(|entry| entry.auto_restart);
        let enabled: Vec<String> = known.map(|entry| entry.service_name.clone()).collect();
        // A stopped node stays stopped when the machine restarts; starting enables it again.
        self.systemd.tell(&["disable"], &enabled).await;
        let complaint = self.stop_services(&services).await;
        let after = match services.is_empty() {
            true => Ok(sight),
            false => self.look(nodes).await,
        };
        let stopped = nodes.iter().map(|node| match &after {
            Err(error) => Err(again(error)),
            Ok(after) => match after.entry(node).and_then(|entry| after.life(entry)) {
                None => Ok(()),
                Some(_) => Err(ManagerError::Failed(format!("{} still runs: {complaint}", node.service))),
            },
        });
        stopped.collect()
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
        let up = |service: &&String| {
            units
                .get(*service)
                .is_some_and(|unit| matches!(unit.active.as_str(), "active" | "activating" | "deactivating"))
        };
        let left: Vec<String> = services.iter().filter(up).cloned().collect();
        self.systemd.tell(&["stop"], &left).await;
        complaint
    }
}

/// Whether nothing of a service lives and nothing will by itself.
fn rests(sight: &Sight, service: &str) -> bool {
    let up = sight
        .units
        .get(service)
        .is_some_and(|unit| matches!(unit.active.as_str(), "active" | "activating" | "deactivating"));
    let lives = sight.registry.present().any(|entry| entry.service_name == service && sight.life(entry).is_some());
    !up && !lives
}
