//! Starting and stopping first write down on the volume what is to run, and then have the containers carry it out.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::container_host::{ContainerNetwork, GroupState};
use wnm_pm::hint::{Hint, Task};
use wnm_pm::last_words::last_words;
use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::port_use;
use wnm_pm::process_manager::{ManagerError, Outcome, Started};

use super::ask::Report;
use super::processes::Processes;
use super::script::{Call, NodeReport, NodeState};
use super::{Nodes, all_failed, files, output};
use crate::container::containers::Container;
use crate::container::error::EngineError;
use crate::container::labels;

/// How long the start of nodes may take, and how much longer for each: hundreds start at once, on a busy machine.
const START_WAIT: Duration = Duration::from_secs(30);
const START_WAIT_EACH: Duration = Duration::from_millis(300);
/// A node that lived this long has started.
const START_SETTLE: Duration = Duration::from_secs(1);
/// A node that was asked to end and has not after this long is killed.
pub const STOP_GRACE: Duration = Duration::from_secs(30);
/// Stops nodes and keeps them under supervision.
const STOP: Call = Call::Stop { grace: STOP_GRACE };

impl Nodes<'_> {
    /// Starts nodes with the launches that they have; those that run already are left as they are, and get their launch
    /// with their next start.
    pub async fn start(&self, nodes: &[NodeRef]) -> Outcomes<Started> {
        let containers = match self.0.engine.containers(&self.0.machine).await {
            Ok(containers) => containers,
            Err(error) => return all_failed(nodes, error),
        };
        let batch = Batch::of(nodes).check(|node, ()| self.refuse_without_home(&containers, &node.spec, "started"));
        let batch = self.refuse_busy_ports(&containers, batch).await;
        let settings = Arc::clone(&self.0.settings);
        let batch = batch.in_background(move |node, ()| files::enable(&settings, &node)).await;
        let count = u32::try_from(nodes.len()).unwrap_or(u32::MAX);
        let call = Call::Start { wait: START_WAIT + START_WAIT_EACH * count, settle: START_SETTLE };
        let batch = self.ask(&containers, batch, call).await;
        let processes = Processes::of(batch.good().map(|(node, report)| (node.process, report)));
        batch.then(|node, report| self.judge_start(&node.spec, report, &processes)).outcomes()
    }

    /// Stops nodes.
    pub async fn stop(&self, nodes: &[NodeRef]) -> Outcomes<()> {
        self.end(nodes, STOP).await
    }

    /// Stops nodes (`Call::Stop`), or also takes them out of supervision (`Call::Unload`). They are marked down first, so that
    /// they stay down whatever becomes of their container. In a container that does not run nothing runs.
    pub(super) async fn end(&self, nodes: &[NodeRef], call: Call) -> Outcomes<()> {
        let containers = match call {
            Call::Unload { .. } => self.end_unsteerable(nodes).await,
            _ => self.0.engine.containers(&self.0.machine).await,
        };
        let containers = match containers {
            Ok(containers) => containers,
            Err(error) => return all_failed(nodes, error),
        };
        let batch = Batch::of(nodes).check(|node, ()| match self.home_of(&containers, &node.spec)?.0 {
            GroupState::Stopped | GroupState::Gone => Ok(()),
            _ => self.refuse_without_home(&containers, &node.spec, "stopped"),
        });
        let settings = Arc::clone(&self.0.settings);
        let batch = batch.in_background(move |node, ()| files::disable(&settings, &node.spec)).await;
        self.ask(&containers, batch, call).await.then(|node, report| judge_end(&node.spec, &report)).outcomes()
    }

    /// Ends the containers of these nodes that are paused, or that the engine starts again and again: no node can be taken
    /// out of them, and so they would block the removal of their nodes for ever. Answers all containers as they are then.
    async fn end_unsteerable(&self, nodes: &[NodeRef]) -> Result<Vec<Container>, EngineError> {
        let _turn = self.0.turn.lock().await;
        let (engine, machine) = (&self.0.engine, &self.0.machine);
        let containers = engine.containers(machine).await?;
        let groups: BTreeSet<u32> = nodes.iter().filter_map(|node| node.spec.group).collect();
        let is_unsteerable = |found: &&Container| {
            labels::group(&found.labels).is_some_and(|group| groups.contains(&group))
                && matches!(found.state, GroupState::Paused | GroupState::Restarting)
        };
        let ended = join_all(containers.iter().filter(is_unsteerable).map(|found| engine.end(found))).await;
        if ended.is_empty() {
            return Ok(containers);
        }
        for error in ended.into_iter().filter_map(Result::err) {
            tracing::warn!(%error, "its nodes cannot be removed");
        }
        engine.containers(machine).await
    }

    /// Refuses a node in whose container no program can be run, before anything is written down.
    fn refuse_without_home(&self, containers: &[Container], spec: &NodeSpec, what: &str) -> Outcome<()> {
        match self.home_of(containers, spec)? {
            (GroupState::Running | GroupState::Damaged, _) => Ok(()),
            (_, why) => {
                let hint = Hint::run(Task::Cycle).to("bring its container back");
                Err(ManagerError::advised(format!("{} cannot be {what}: {why}", spec.name), hint))
            }
        }
    }

    fn judge_start(&self, spec: &NodeSpec, report: Report, processes: &Processes) -> Outcome<Started> {
        let report = match report {
            Report::Node(report) => report,
            Report::Unreachable { why, .. } => {
                return Err(ManagerError::Failed(format!("{} cannot be started: {why}", spec.name)));
            }
        };
        if report.state == NodeState::Up {
            return Ok(Started { process: processes.find(&spec.name, &report) });
        }
        // A start forgets the crashes before it, but not how the last process ended.
        let Some(ended) = report.ended.filter(|_| report.crashes > 0) else {
            let text = format!("{} was started and does not run: {}", spec.name, state_text(&report));
            return Err(ManagerError::Failed(text));
        };
        let definition = files::definition(&self.0.settings, spec)?;
        Err(ManagerError::ExitedAtOnce {
            name: spec.name.clone(),
            how: ended.to_string(),
            said: last_words(&output::tail(&definition)),
            log_dir: definition.said.parent().unwrap_or(&definition.dir).to_owned(),
        })
    }

    /// Refuses nodes whose ports another program of this machine holds. With Docker's own publishing the engine holds them
    /// all, and has checked them itself.
    async fn refuse_busy_ports<'a>(&self, containers: &[Container], batch: Batch<'a>) -> Batch<'a> {
        let network = self.0.settings.container_network;
        if network == ContainerNetwork::Docker {
            return batch;
        }
        let tried = batch.good_nodes();
        let free = Batch::of(&tried).in_background(|node, ()| port_use::check_free(&node.spec.ports)).await;
        let held: Vec<NodeRef> = free
            .bad()
            .filter(|(_, error)| matches!(error, ManagerError::PortInUse { .. }))
            .map(|(node, _)| node.clone())
            .collect();
        let mut outcomes = free.outcomes();
        // On the machine's own network a node that runs already holds its ports itself.
        if network == ContainerNetwork::Host && !held.is_empty() {
            let reports = self.ask(containers, Batch::of(&held), Call::Status).await;
            for (node, report) in reports.good() {
                if matches!(report, Report::Node(NodeReport { state: NodeState::Up, .. })) {
                    outcomes.take(node.id());
                }
            }
        }
        batch.join(outcomes)
    }
}

fn judge_end(spec: &NodeSpec, report: &Report) -> Outcome<()> {
    match report {
        Report::Node(report) if report.state == NodeState::Up => {
            Err(ManagerError::Failed(format!("{} did not exit after SIGKILL", spec.name)))
        }
        Report::Node(_) | Report::Unreachable { .. } => Ok(()),
    }
}

/// The state of a node that does not run, in words.
#[must_use]
pub fn state_text(report: &NodeReport) -> String {
    let how = report.ended.map(|ended| format!(" ({ended})")).unwrap_or_default();
    match report.state {
        NodeState::Up => "it runs".to_owned(),
        NodeState::Waiting => match report.crashes {
            0 => "it is waiting for its turn to start".to_owned(),
            1 => format!("it exited by itself{how} and will be restarted after a pause"),
            crashes => format!("it exited by itself {crashes} times in a row{how} and will be restarted after a pause"),
        },
        NodeState::Down => format!("it is down{how}"),
        NodeState::Failed => format!("it exited by itself {} times in a row{how}, and s6 gave up", report.crashes),
        NodeState::Unloaded => "s6 does not supervise it: its service directory is gone".to_owned(),
        NodeState::Undefined => "it has no definition on the volume".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::script::Ended;

    #[test]
    fn states_are_put_into_words() {
        let report = NodeReport {
            state: NodeState::Failed,
            pid: None,
            start_time: None,
            ended: Some(Ended::Code(101)),
            since_seconds: 3,
            crashes: 20,
        };
        let waiting = |crashes| NodeReport { state: NodeState::Waiting, crashes, ..report };
        let texts = [report, waiting(2), waiting(1), waiting(0)].map(|report| state_text(&report));
        insta::assert_snapshot!(texts.join("\n"), @"
        it exited by itself 20 times in a row (exit code 101), and s6 gave up
        it exited by itself 2 times in a row (exit code 101) and will be restarted after a pause
        it exited by itself (exit code 101) and will be restarted after a pause
        it is waiting for its turn to start
        ");
    }
}
