//! Nodes are controlled and asked in batches: side by side over the groups, and in each group by one program that is run
//! in its container.

use std::collections::BTreeMap;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::time::Instant;
use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::container_host::GroupState;
use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::process_manager::{ManagerError, Outcome};

use super::script::{self, Call, NodeReport};
use super::{Nodes, keeper, paths, turn};
use crate::container::containers::{Container, of_group};
use crate::host::caller::{self, is_gone};
use crate::settings::group_name;

/// What a call may take beyond what it waits for by itself: hundreds of nodes on a busy machine.
const SLACK: Duration = Duration::from_secs(60);

/// How long is waited for what a wnm that is gone left in a container.
const LEFT_BEHIND: Duration = Duration::from_secs(15);

/// What a node's container reports about it.
#[derive(Debug, Clone)]
pub enum Report {
    /// How the node is.
    Node(NodeReport),
    /// Nothing: no program can be run in the container, and why.
    Unreachable {
        /// The container's state.
        state: GroupState,
        /// The state in words, with the container's name.
        why: String,
    },
}

/// What a group's container reports about its nodes.
pub enum GroupReport {
    /// How each is, by its name.
    Nodes(BTreeMap<String, NodeReport>),
    /// Nothing: no program can be run in the container, and why.
    Unreachable {
        /// The container's state.
        state: GroupState,
        /// The state in words, with the container's name.
        why: String,
    },
}

impl GroupReport {
    /// What it says about one node.
    ///
    /// # Errors
    /// When the node is missing in it.
    pub fn of(&self, name: &str) -> Outcome<Report> {
        match self {
            Self::Nodes(reports) => reports
                .get(name)
                .copied()
                .map(Report::Node)
                .ok_or_else(|| ManagerError::Failed(format!("the container of {name} does not report it"))),
            Self::Unreachable { state, why } => Ok(Report::Unreachable { state: *state, why: why.clone() }),
        }
    }
}

impl Nodes<'_> {
    /// Carries out a call for the nodes of a batch that nothing went wrong with, by one program per group. What each node's
    /// container reports about it then.
    pub(super) async fn ask<'a, T>(
        &self,
        containers: &[Container],
        batch: Batch<'a, T>,
        call: Call,
    ) -> Batch<'a, Report> {
        let mut groups: BTreeMap<u32, Vec<&NodeRef>> = BTreeMap::new();
        for (node, _) in batch.good() {
            if let Some(group) = node.spec.group {
                groups.entry(group).or_default().push(node);
            }
        }
        let asked = groups.into_iter().map(async |(group, nodes)| {
            let names: Vec<&str> = nodes.iter().map(|node| node.spec.name.as_str()).collect();
            let said = self.ask_group(containers, group, call, &names).await;
            let about = |node: &NodeRef| said.as_ref().map_err(Clone::clone)?.of(&node.spec.name);
            nodes.iter().map(|node| (node.id(), about(node))).collect::<Vec<_>>()
        });
        let reports: Outcomes<Report> = join_all(asked).await.into_iter().flatten().collect();
        batch.check(|node, _| paths::group(&node.spec).map(drop)).answered(reports)
    }

    /// Carries out a call for these nodes of a group. What the group's container reports then.
    ///
    /// # Errors
    /// When the container runs and the program in it fails.
    pub(super) async fn ask_group(
        &self,
        containers: &[Container],
        group: u32,
        call: Call,
        names: &[&str],
    ) -> Result<GroupReport, ManagerError> {
        let (state, why) = self.home(containers, group);
        if !matches!(state, GroupState::Running | GroupState::Damaged) {
            return Ok(GroupReport::Unreachable { state, why });
        }
        let name = group_name(group);
        if call == Call::Status
            && let Some(answer) = keeper::nodes(&self.0.settings.node_storage, &name).await
            && let Ok(mut reports) = script::parse(&answer)
        {
            for &node in names {
                reports.entry(node.to_owned()).or_insert(NodeReport::UNDEFINED);
            }
            return Ok(GroupReport::Nodes(reports));
        }
        if call != Call::Status {
            turn::take(&self.0.settings.node_storage)?;
        }
        let container = of_group(containers, group).map_or_else(String::new, |container| container.name.clone());
        let called = script::invocation(call, &caller::this(), &name, names)?;
        let within = patience(call) + SLACK;
        let run = async || self.0.engine.exec_attended(&container, &called.argv, &called.input, within).await;
        let mut output = run().await?;
        // What a wnm that is gone left in the container ends by itself: only then there is something to be seen.
        let began = Instant::now();
        while script::at_work(&output.stdout).is_some_and(is_gone) && began.elapsed() < LEFT_BEHIND {
            output = run().await?;
        }
        let complaint = output.stderr.trim();
        let reports = script::parse(&output.stdout).map_err(|error| {
            let how = output.code.map_or("it was killed".to_owned(), |code| format!("exit code {code}"));
            ManagerError::Failed(format!("{error}; in {container} ({how}): {complaint:?}"))
        })?;
        if !complaint.is_empty() {
            tracing::warn!(container, "{complaint}");
        }
        Ok(GroupReport::Nodes(reports))
    }

    /// The state of the container that a node lives in, and that state in words.
    ///
    /// # Errors
    /// When the node belongs to no group.
    pub(super) fn home_of(&self, containers: &[Container], spec: &NodeSpec) -> Outcome<(GroupState, String)> {
        Ok(self.home(containers, paths::group(spec)?))
    }

    fn home(&self, containers: &[Container], group: u32) -> (GroupState, String) {
        match of_group(containers, group) {
            Some(found) => (found.state, format!("its container {} does not run ({})", found.name, found.said)),
            None => {
                let name = self.0.machine.container_name(&group_name(group));
                (GroupState::Gone, format!("its container {name} does not exist"))
            }
        }
    }
}

/// What a call waits for by itself.
fn patience(call: Call) -> Duration {
    match call {
        Call::Start { wait, settle } => wait + settle,
        Call::Stop { grace } | Call::Unload { grace } => grace,
        Call::Status | Call::Load { .. } => Duration::ZERO,
    }
}
