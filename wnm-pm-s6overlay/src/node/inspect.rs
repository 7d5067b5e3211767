//! Inspecting finds out what becomes of nodes: of their files on this machine, of their processes in the containers.

use std::sync::Arc;

use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::container_host::GroupState;
use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::process_manager::{ManagerError, Outcome, ProcessState};

use super::ask::Report;
use super::processes::Processes;
use super::script::{Call, NodeReport, NodeState};
use super::start::state_text;
use super::{Nodes, all_failed, files, paths};
use crate::settings::S6Settings;

impl Nodes<'_> {
    /// What becomes of these nodes' processes.
    pub async fn inspect(&self, nodes: &[NodeRef]) -> Outcomes<ProcessState> {
        let containers = match self.0.engine.containers(&self.0.machine).await {
            Ok(containers) => containers,
            Err(error) => return all_failed(nodes, error),
        };
        let settings = Arc::clone(&self.0.settings);
        let files = Batch::of(nodes).in_background(move |node, ()| missing(&settings, &node.spec)).await;
        let asked = self.ask(&containers, files.clone(), Call::Status).await;
        let processes = Processes::of(asked.good().map(|(node, report)| (node.process, report)));
        let mut reports = asked.outcomes();
        let judge = |node: &NodeRef, missing| {
            let unanswered = || Err(ManagerError::unanswered(&node.spec.name));
            let report = reports.take(node.id()).unwrap_or_else(unanswered)?;
            Ok(state(&node.spec.name, missing, report, &processes))
        };
        files.then(judge).outcomes()
    }
}

/// Which of a node's files are not in place.
#[derive(Debug, Clone)]
pub enum Missing {
    /// All are.
    Nothing,
    /// This one, in words.
    Something(String),
    /// Neither its directory nor its definition is there.
    Everything,
}

fn missing(settings: &S6Settings, spec: &NodeSpec) -> Outcome<Missing> {
    paths::check(settings, spec)?;
    let definition = files::definition(settings, spec)?;
    Ok(if !spec.root_dir.exists() && !definition.dir.exists() {
        Missing::Everything
    } else if !spec.binary.exists() {
        Missing::Something(format!("its program {}", spec.binary.display()))
    } else if !definition.run.exists() {
        Missing::Something(format!("its definition {}", definition.run.display()))
    } else {
        Missing::Nothing
    })
}

/// A process that lives counts, whatever has become of its files.
pub fn state(name: &str, missing: Missing, report: Report, processes: &Processes) -> ProcessState {
    if let Report::Node(report) = &report
        && report.state == NodeState::Up
    {
        return ProcessState::Running { process: processes.find(name, report) };
    }
    match (missing, report) {
        (Missing::Everything, _) => ProcessState::Absent,
        (Missing::Something(missing), _) => ProcessState::Incomplete { missing },
        (Missing::Nothing, Report::Unreachable { state: GroupState::Restarting, why }) => {
            ProcessState::Waiting { reason: why }
        }
        (Missing::Nothing, Report::Unreachable { why, .. }) => ProcessState::Stopped { reason: Some(why) },
        (Missing::Nothing, Report::Node(report)) => not_living(&report),
    }
}

fn not_living(report: &NodeReport) -> ProcessState {
    let reason = state_text(report);
    match report.state {
        NodeState::Waiting => ProcessState::Waiting { reason },
        NodeState::Down if report.ended.is_none() => ProcessState::Stopped { reason: None },
        _ => ProcessState::Stopped { reason: Some(reason) },
    }
}
