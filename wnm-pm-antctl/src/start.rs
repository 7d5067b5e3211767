//! Starting: antctl's `start --interval`, which takes three seconds a node, one after another.

use std::path::Path;

use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::hint::{Hint, chain};
use wnm_pm::last_words::{last_words, tail};
use wnm_pm::node::NodeRef;
use wnm_pm::node_files::exists;
use wnm_pm::path_policy::check_program;
use wnm_pm::port_use;
use wnm_pm::process_manager::{ManagerError, Outcome, Started};

use crate::call::named;
use crate::observation::{Observation, last_failure};
use crate::parse::Entry;
use crate::systemd::Unit;
use crate::{Antctl, parse};

/// What antctl may take for one node: 3 s until it looks, 5 s in which a dying node's RPC port is tried, and the node
/// program's own start twice.
const SECONDS_PER_NODE: u64 = 12;

/// How many nodes antctl starts in one call. It starts them one after another anyway; a node that makes it hang costs
/// the time limit of the whole call.
const NODES_PER_CALL: usize = 10;

/// What to do about a node that ends because no router opens its port.
pub(crate) const WITHOUT_ROUTER: &str =
    "switch on UPnP in the router; or forward the port by hand, set no_upnp to true and start the node again";

impl Antctl {
    pub(crate) async fn start_nodes(&self, nodes: &[NodeRef], observation: Observation) -> Outcomes<Started> {
        let batch = Batch::of(nodes).one_by_one(|node, ()| self.ready(&observation, node)).await;
        let stopped = batch.good().filter(|(_, started)| started.is_none());
        let services: Vec<String> = stopped.map(|(node, _)| node.service.clone()).collect();
        let complaint = self.start_services(&services, &observation).await;
        let after = self.observe_after(observation, nodes, &services).await;
        let (after, complaint) = (&after, &complaint);
        let started = batch.one_by_one(|node, started| async move {
            match (started, after) {
                (Some(started), _) => Ok(started),
                (None, Ok(after)) => self.started(after, node, complaint).await,
                (None, Err(error)) => Err(error.clone()),
            }
        });
        started.await.outcomes()
    }

    /// Whether a node runs already (some), can be started (none), or cannot. What it lacks is put back, but for its
    /// directory: without that it would begin anew as another node.
    async fn ready(&self, observation: &Observation, node: &NodeRef) -> Outcome<Option<Started>> {
        if let Some(started) = self.lost_and_running(observation, node) {
            return Ok(Some(started));
        }
        let entry = observation.entry(node).ok_or_else(|| self.unknown(node))?;
        if let Some(started) = observation.running(entry) {
            return Ok(Some(started));
        }
        if !exists(&entry.data_dir_path) {
            let (name, directory) = (&node.spec.name, entry.data_dir_path.display());
            let what = format!("{name} cannot be started: its directory {directory} is gone");
            return Err(ManagerError::advised(what, clear(node)));
        }
        self.refuse_mask(&entry.service_name)?;
        if let Some(broken) = self.broken(entry, node) {
            check_program(&node.spec.program).map_err(|error| lost(&broken, &node.spec.program, &error))?;
            self.repair(entry, node).await?;
        }
        self.renew(entry, node).await?;
        port_use::check_free(&entry.ports())?;
        Ok(None)
    }

    /// Has antctl start services; answers its last complaint.
    async fn start_services(&self, services: &[String], before: &Observation) -> String {
        // A unit that failed five times in ten seconds is not started again until it is forgiven.
        self.systemd.attempt(&["reset-failed"], services).await;
        let comes_back = |service: &&String| {
            before.registry.present().any(|entry| entry.service_name == **service && entry.auto_restart)
        };
        let enabled: Vec<String> = services.iter().filter(comes_back).cloned().collect();
        self.systemd.attempt(&["enable"], &enabled).await;

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
                    complaint = chain(&error);
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
        let entry = after.entry(node).ok_or_else(|| self.unknown(node))?;
        if let Some(started) = after.running(entry) {
            return Ok(started);
        }
        let Some(how) = after.units.get(&entry.service_name).and_then(Unit::end) else {
            return Err(ManagerError::Failed(format!("antctl did not start {}: {complaint}", node.service)));
        };
        let said = self.last_words(entry).await;
        let advice = found_no_router(&said, entry).then(|| Hint::text(WITHOUT_ROUTER));
        let (name, log_dir) = (entry.service_name.clone(), entry.log_dir_path.clone());
        let error = ManagerError::ExitedAtOnce { name, how, said, log_dir };
        Err(match advice {
            Some(hint) => ManagerError::advised(error.text(), hint),
            None => error,
        })
    }

    /// The last thing that a node said; empty when it said nothing.
    async fn last_words(&self, entry: &Entry) -> String {
        if let Some(said) = last_failure(&entry.log_dir_path) {
            return said;
        }
        if let Some(said) = self.systemd.last_words(&entry.service_name).await {
            return said;
        }
        last_words(&tail(&entry.log_dir_path.join("antnode.log"), 0))
    }

    /// antctl does not have such a node, or has another one of that name.
    pub(crate) fn unknown(&self, node: &NodeRef) -> ManagerError {
        let (service, directory) = (&node.service, node.spec.root_dir.display());
        let what = format!("antctl has no {service} in {directory}: it was removed, reset or lost without wnm");
        let registry = self.places().registry();
        let hint = match exists(&node.spec.root_dir) {
            true => Hint::text(format!(
                "restore {} from a backup that holds {service}: the node's key is still in {directory}",
                registry.display()
            )),
            false => clear(node),
        };
        ManagerError::advised(what, hint)
    }
}

/// What to do about a node of which nothing is left that could be lost.
fn clear(node: &NodeRef) -> Hint {
    Hint::node("remove", &node.spec.name).to("clear what is left of it")
}

/// Whether a node ended because it asked a router for its port, and none answered.
pub(crate) fn found_no_router(said: &str, entry: &Entry) -> bool {
    said.contains("UPnP") && !entry.no_upnp
}

/// What a node lacks cannot be put back without the program that it was copied from.
fn lost(broken: &str, program: &Path, error: &ManagerError) -> ManagerError {
    let what = format!("{broken} and cannot be restored: {}", error.text());
    ManagerError::advised(what, Hint::text(format!("put a node program at {}", program.display())))
}
