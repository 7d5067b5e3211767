//! Starting: antctl's `start --interval`, which takes three seconds a node, one after another.

use std::fs;
use std::path::Path;

use wnm_pm::node::NodeRef;
use wnm_pm::path_policy::check_program;
use wnm_pm::port_use;
use wnm_pm::process_manager::{ManagerError, Outcome, Started};

use crate::call::{again, named, to_all};
use crate::observation::{Observation, exists, last_failure};
use crate::parse::Entry;
use crate::{Antctl, parse};

/// What antctl may take for one node: 3 s until it looks, 5 s in which a dying node's RPC port is tried, and the node
/// program's own start twice.
const SECONDS_PER_NODE: u64 = 12;

/// How many nodes antctl starts in one call. It starts them one after another anyway; a node that makes it hang costs
/// the time limit of the whole call.
const NODES_PER_CALL: usize = 10;

impl Antctl {
    pub(crate) async fn start_locked(&self, nodes: &[NodeRef]) -> Vec<Outcome<Started>> {
        let observation = match self.look(nodes).await {
            Ok(observation) => observation,
            Err(error) => return to_all(nodes.len(), &error),
        };
        let mut ready: Vec<Outcome<Option<Started>>> = Vec::with_capacity(nodes.len());
        for node in nodes {
            ready.push(self.ready(&observation, node).await);
        }
        let wanted = nodes.iter().zip(&ready).filter(|(_, ready)| matches!(ready, Ok(None)));
        let services: Vec<String> = wanted.map(|(node, _)| node.service.clone()).collect();
        let complaint = self.start_services(&services, &observation).await;
        let after = match services.is_empty() {
            true => Ok(observation),
            false => self.look(nodes).await,
        };
        let mut outcomes = Vec::with_capacity(nodes.len());
        for (node, ready) in nodes.iter().zip(ready) {
            outcomes.push(match (ready, &after) {
                (Err(error), _) => Err(error),
                (Ok(Some(started)), _) => Ok(started),
                (Ok(None), Err(error)) => Err(again(error)),
                (Ok(None), Ok(after)) => self.started(after, node, &complaint).await,
            });
        }
        outcomes
    }

    /// Whether a node runs already (some), can be started (none), or cannot. What it lacks is put back, but for its
    /// directory: without that it would begin anew as another node.
    async fn ready(&self, observation: &Observation, node: &NodeRef) -> Outcome<Option<Started>> {
        let entry = observation.entry(node).ok_or_else(|| unknown(node))?;
        if let Some(process) = observation.life(entry) {
            return Ok(Some(Started { process }));
        }
        if !exists(&entry.data_dir_path) {
            let directory = entry.data_dir_path.display();
            return Err(ManagerError::Failed(format!(
                "{} cannot be started: its directory {directory} is gone\nhint: `wnm remove` clears what is left of it",
                node.service
            )));
        }
        if let Some(missing) = self.missing(entry) {
            check_program(&node.spec.program).map_err(|error| lost(&missing, &node.spec.program, &error))?;
            self.repair(entry, &node.spec).await?;
        }
        port_use::check_free(node.spec.ports, node.spec.flavour)?;
        Ok(None)
    }

    /// Has antctl start services; answers its last complaint.
    async fn start_services(&self, services: &[String], before: &Observation) -> String {
        // A unit that failed five times in ten seconds is not started again until it is forgiven.
        self.systemd.tell(&["reset-failed"], services).await;
        let comes_back = |service: &&String| {
            before.registry.present().any(|entry| entry.service_name == **service && entry.auto_restart)
        };
        let enabled: Vec<String> = services.iter().filter(comes_back).cloned().collect();
        self.systemd.tell(&["enable"], &enabled).await;

        let mut left = services;
        let mut complaint = String::new();
        while !left.is_empty() {
            let (call, _) = left.split_at(left.len().min(NODES_PER_CALL));
            // The interval also keeps antctl from waiting up to five minutes for the node's first peers.
            let arguments = named(&["start", "--interval", "1"], call);
            let seconds = 20 + before.registry.nodes.len() as u64 / 2 + SECONDS_PER_NODE * call.len() as u64;
            let tried = match self.caller.quiet(arguments, seconds).await {
                Ok(output) => {
                    complaint = parse::complaint(&output);
                    call.len()
                }
                // One node's RPC server takes the call and never answers: antctl goes on without an end. The nodes
                // before it were started, and so was it; the others were not tried.
                Err(error) => {
                    complaint = error.to_string();
                    self.tried(call).await.max(1)
                }
            };
            left = &left[tried..];
        }
        complaint
    }

    /// How many of these, which antctl starts in this order, it came to.
    async fn tried(&self, services: &[String]) -> usize {
        let units = self.systemd.show(services).await.unwrap_or_default();
        let lives = |service: &String| units.get(service).is_some_and(|unit| unit.main_pid > 0);
        services.iter().rposition(lives).map_or(0, |last| last + 1)
    }

    /// What became of a node that was to start: antctl's own exit code says little about it.
    async fn started(&self, after: &Observation, node: &NodeRef, complaint: &str) -> Outcome<Started> {
        let entry = after.entry(node).ok_or_else(|| unknown(node))?;
        if let Some(process) = after.life(entry) {
            return Ok(Started { process });
        }
        let end = after.units.get(&entry.service_name).and_then(crate::systemd::Unit::end);
        let Some(how) = end else {
            return Err(ManagerError::Failed(format!("antctl did not start {}: {complaint}", node.service)));
        };
        let said = self.last_words(entry).await.unwrap_or_default();
        Err(ManagerError::ExitedAtOnce {
            name: entry.service_name.clone(),
            how,
            said,
            log_dir: entry.log_dir_path.clone(),
        })
    }

    /// The last thing that a node said.
    async fn last_words(&self, entry: &Entry) -> Option<String> {
        let mut said = last_failure(&entry.log_dir_path);
        if said.is_none() {
            said = self.systemd.last_line(&entry.service_name).await;
        }
        let log = || fs::read_to_string(entry.log_dir_path.join("antnode.log")).ok();
        let said = said.or_else(|| log()?.lines().last().map(str::to_owned))?;
        Some(advised(said, entry.no_upnp))
    }
}

/// A node's last words, with what to do about them where they do not say it.
fn advised(said: String, no_upnp: bool) -> String {
    match said.contains("UPnP") && !no_upnp {
        true => format!("{said} (set no_upnp and forward the port by hand)"),
        false => said,
    }
}

/// What a node lacks cannot be put back without the program that it was copied from.
fn lost(missing: &str, program: &Path, error: &ManagerError) -> ManagerError {
    let text = error.to_string();
    let reason = text.split("\nhint: ").next().unwrap_or_default();
    ManagerError::Failed(format!(
        "{missing} is missing and cannot be put back: {reason}\nhint: put a node program at {}, or `wnm remove` the node",
        program.display()
    ))
}

/// antctl has no such node, or has another one of that name.
pub(crate) fn unknown(node: &NodeRef) -> ManagerError {
    let directory = node.spec.root_dir.display();
    ManagerError::Failed(format!(
        "antctl knows no {} in {directory}\nhint: it was removed, reset or lost outside of wnm; `wnm remove` clears what is left of it",
        node.service
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_node_that_found_no_router_gets_advice() {
        let said = "UPnP gateway not found. Enable UPnP on your router to allow incoming connections or manually port forward.";
        assert!(advised(said.to_owned(), false).ends_with("forward. (set no_upnp and forward the port by hand)"));
        assert_eq!(advised("Ctrl-C received!".to_owned(), false), "Ctrl-C received!");
    }
}
