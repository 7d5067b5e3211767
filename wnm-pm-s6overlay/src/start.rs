//! Starting and stopping write down what shall be, on the volume, and then tell the containers.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use wnm_pm::container_host::GroupState;
use wnm_pm::last_words::last_words;
use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::port_use;
use wnm_pm::process_manager::{ManagerError, Outcome, Started};

use crate::batch::{Heard, step};
use crate::containers::Container;
use crate::engine::EngineError;
use crate::groups::repeat;
use crate::processes::Processes;
use crate::script::{Call, NodeReport, NodeState};
use crate::{ContainerNetwork, S6Overlay, files, output, paths};

/// How long the start of nodes may take, and how much longer for each: hundreds start at once, on a busy machine.
const START_WAIT: Duration = Duration::from_secs(30);
const START_WAIT_EACH: Duration = Duration::from_millis(300);
/// A node that lived this long has started.
const START_SETTLE: Duration = Duration::from_secs(1);
/// A node that was asked to end and has not after this long is made to.
pub const STOP_GRACE: Duration = Duration::from_secs(30);

impl S6Overlay {
    /// Starts nodes; those that run already are left as they are.
    pub(crate) async fn start_nodes(&self, nodes: &[NodeRef]) -> Vec<Outcome<Started>> {
        let containers = match self.engine.containers(&self.machine).await {
            Ok(containers) => containers,
            Err(error) => return repeat(&error.into(), nodes.len()),
        };
        let ready = nodes.iter().map(|node| self.refuse_without_home(&containers, &node.spec, "started")).collect();
        let ready = self.refuse_busy_ports(&containers, nodes, ready).await;
        let settings = self.settings.clone();
        let ready = step(specs(nodes), ready, move |spec| files::enable(&settings, spec)).await;
        let count = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
        let call = Call::Start { wait: START_WAIT + START_WAIT_EACH * count, settle: START_SETTLE };
        let heard = self.ask(&containers, nodes, ready, call).await;
        let processes = Processes::of(&heard);
        nodes.iter().zip(heard).map(|(node, heard)| self.judge_start(&node.spec, heard?, &processes)).collect()
    }

    /// Stops nodes (`Call::Stop`), or also takes them out of their containers' care (`Call::Unload`). They are marked down
    /// first, so that they stay so whatever becomes of their container. In a container that does not run nothing runs.
    pub(crate) async fn end_nodes(&self, nodes: &[NodeRef], call: Call) -> Vec<Outcome<()>> {
        let containers = match call {
            Call::Unload { .. } => self.end_unsteerable(nodes).await,
            _ => self.engine.containers(&self.machine).await,
        };
        let containers = match containers {
            Ok(containers) => containers,
            Err(error) => return repeat(&error.into(), nodes.len()),
        };
        let ready = nodes.iter().map(|node| match self.home_of(&containers, &node.spec)?.0 {
            GroupState::Stopped | GroupState::Gone => Ok(()),
            _ => self.refuse_without_home(&containers, &node.spec, "stopped"),
        });
        let ready = ready.collect();
        let settings = self.settings.clone();
        let ready = step(specs(nodes), ready, move |spec| files::disable(&settings, spec)).await;
        let heard = self.ask(&containers, nodes, ready, call).await;
        nodes.iter().zip(heard).map(|(node, heard)| judge_end(&node.spec, heard?)).collect()
    }

    /// Ends the containers of these nodes that are frozen, or that the engine starts again and again: no node can be taken
    /// out of them, and so they would be in the way of their nodes' removal for ever. Answers all containers as they are
    /// then.
    async fn end_unsteerable(&self, nodes: &[NodeRef]) -> Result<Vec<Container>, EngineError> {
        let _turn = self.turn.lock().await;
        let containers = self.engine.containers(&self.machine).await?;
        let groups: BTreeSet<u32> = nodes.iter().filter_map(|node| node.spec.group).collect();
        let names: BTreeSet<String> =
            groups.into_iter().map(|group| self.machine.container_name(&paths::group_name(group))).collect();
        let is_unsteerable = |found: &&Container| {
            names.contains(&found.name) && matches!(found.state, GroupState::Paused | GroupState::Restarting)
        };
        let ended = join_all(containers.iter().filter(is_unsteerable).map(|found| self.engine.end(found))).await;
        if ended.is_empty() {
            return Ok(containers);
        }
        for error in ended.into_iter().filter_map(Result::err) {
            tracing::warn!(%error, "its nodes cannot be removed");
        }
        self.engine.containers(&self.machine).await
    }

    /// Refuses a node whose container cannot be told anything, before anything is written down.
    fn refuse_without_home(&self, containers: &[Container], spec: &NodeSpec, what: &str) -> Outcome<()> {
        match self.home_of(containers, spec)? {
            (GroupState::Running | GroupState::Damaged, _) => Ok(()),
            (_, why) => Err(ManagerError::Failed(format!(
                "{} cannot be {what}: {why}\nhint: the next cycle puts its container right",
                spec.name
            ))),
        }
    }

    fn judge_start(&self, spec: &NodeSpec, heard: Heard, processes: &Processes) -> Outcome<Started> {
        let report = match heard {
            Heard::Node(report) => report,
            Heard::Nothing { why, .. } => {
                return Err(ManagerError::Failed(format!("{} cannot be started: {why}", spec.name)));
            }
        };
        if report.state == NodeState::Up {
            return Ok(Started { process: processes.find(&report) });
        }
        // A start forgets the crashes before it, but not how the last process ended.
        let Some(ended) = report.ended.filter(|_| report.crashes > 0) else {
            return Err(ManagerError::Failed(format!(
                "{} was told to start and does not run: {}",
                spec.name,
                state_text(&report)
            )));
        };
        let definition = files::definition(&self.settings, spec)?;
        Err(ManagerError::ExitedAtOnce {
            name: spec.name.clone(),
            how: ended.to_string(),
            said: last_words(&output::tail(&definition)),
            log_dir: definition.said.parent().unwrap_or(&definition.dir).to_owned(),
        })
    }

    /// Refuses nodes whose ports somebody else holds on this machine. With Docker's own publishing the engine holds them
    /// all, and has looked by itself.
    async fn refuse_busy_ports(
        &self,
        containers: &[Container],
        nodes: &[NodeRef],
        ready: Vec<Outcome<()>>,
    ) -> Vec<Outcome<()>> {
        if self.settings.container_network == ContainerNetwork::Docker {
            return ready;
        }
        let free = step(specs(nodes), ready, |spec| port_use::check_free(spec.ports, spec.flavour)).await;
        let is_busy = |free: &Outcome<()>| matches!(free, Err(ManagerError::PortInUse { .. }));
        if self.settings.container_network == ContainerNetwork::Published || !free.iter().any(is_busy) {
            return free;
        }
        // On the machine's own network a node that runs already holds its ports itself.
        let asked =
            free.iter().map(|free| if is_busy(free) { Ok(()) } else { Err(ManagerError::Failed(String::new())) });
        let heard = self.ask(containers, nodes, asked.collect(), Call::Status).await;
        let runs = heard.iter().map(|heard| matches!(heard, Ok(Heard::Node(NodeReport { state: NodeState::Up, .. }))));
        free.into_iter().zip(runs).map(|(free, runs)| if runs { Ok(()) } else { free }).collect()
    }
}

fn judge_end(spec: &NodeSpec, heard: Heard) -> Outcome<()> {
    match heard {
        Heard::Node(report) if report.state == NodeState::Up => {
            Err(ManagerError::Failed(format!("{} does not end, even killed", spec.name)))
        }
        Heard::Node(_) | Heard::Nothing { .. } => Ok(()),
    }
}

/// The state of a node that does not run, in words.
#[must_use]
pub fn state_text(report: &NodeReport) -> String {
    let how = report.ended.map(|ended| format!(" ({ended})")).unwrap_or_default();
    match report.state {
        NodeState::Up => "it runs".to_owned(),
        NodeState::Waiting => match report.crashes {
            0 => "its turn to start has not come".to_owned(),
            crashes => format!("it ended {crashes} times in a row{how} and is started again after a pause"),
        },
        NodeState::Down => format!("it is down{how}"),
        NodeState::Failed => format!("it ended {} times in a row{how} and was given up", report.crashes),
        NodeState::Unloaded => "s6 does not look after it: its service directory is gone".to_owned(),
        NodeState::Undefined => "it has no definition on the volume".to_owned(),
    }
}

/// The specifications of nodes, to be taken elsewhere.
pub fn specs(nodes: &[NodeRef]) -> Vec<NodeSpec> {
    nodes.iter().map(|node| node.spec.clone()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::script::Ended;

    #[test]
    fn states_are_told_in_words() {
        let report = NodeReport {
            state: NodeState::Failed,
            pid: None,
            start_time: None,
            ended: Some(Ended::Code(101)),
            since_seconds: 3,
            crashes: 20,
        };
        insta::assert_snapshot!(state_text(&report), @"it ended 20 times in a row (exit code 101) and was given up");
        let waiting = NodeReport { state: NodeState::Waiting, crashes: 2, ..report };
        insta::assert_snapshot!(state_text(&waiting), @"it ended 2 times in a row (exit code 101) and is started again after a pause");
    }
}
