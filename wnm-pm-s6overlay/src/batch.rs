//! A batch is what is done to many nodes in one call: side by side over the groups, and in each group by one program
//! that is run in its container.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use wnm_pm::container_host::GroupState;
use wnm_pm::node::{NodeRef, NodeSpec};
use wnm_pm::process_manager::{ManagerError, Outcome};

use crate::containers::Container;
use crate::groups::again;
use crate::script::{self, Call, NodeReport};
use crate::{S6Overlay, paths};

/// What a call may take beyond what it waits for by itself: hundreds of nodes on a busy machine.
const SLACK: Duration = Duration::from_secs(60);

/// What a group's container said about a node.
#[derive(Debug)]
pub enum Heard {
    /// How the node is.
    Node(NodeReport),
    /// Nothing: no program can be run in the container, and why.
    Nothing {
        /// The container's state.
        state: GroupState,
        /// The state in words, with the container's name.
        why: String,
    },
}

/// What was heard in one group, or why nothing could be.
type Answer = Result<Told, ManagerError>;

/// What was heard in one group.
enum Told {
    Nodes(BTreeMap<String, NodeReport>),
    Nothing { state: GroupState, why: String },
}

impl S6Overlay {
    /// Carries out a call for those of these nodes that are ready for it, one program per group, and answers for each
    /// node in the order of the call.
    pub(crate) async fn ask(
        &self,
        containers: &[Container],
        nodes: &[NodeRef],
        ready: Vec<Outcome<()>>,
        call: Call,
    ) -> Vec<Outcome<Heard>> {
        let mut names: BTreeMap<u32, Vec<&str>> = BTreeMap::new();
        for (node, ready) in nodes.iter().zip(&ready) {
            if let (Some(group), Ok(())) = (node.spec.group, ready) {
                names.entry(group).or_default().push(&node.spec.name);
            }
        }
        let asking = names
            .into_iter()
            .map(async |(group, names)| (group, self.ask_group(containers, group, call, &names).await));
        let told: BTreeMap<u32, Answer> = join_all(asking).await.into_iter().collect();
        let heard = nodes.iter().zip(ready).map(|(node, ready)| ready.and_then(|()| heard_of(&told, &node.spec)));
        heard.collect()
    }

    /// The state of the container that a node lives in, and that state in words.
    ///
    /// # Errors
    /// When the node belongs to no group.
    pub(crate) fn home_of(&self, containers: &[Container], spec: &NodeSpec) -> Outcome<(GroupState, String)> {
        Ok(self.home(containers, paths::group(spec)?))
    }

    fn home(&self, containers: &[Container], group: u32) -> (GroupState, String) {
        let name = self.machine.container_name(&paths::group_name(group));
        match containers.iter().find(|found| found.name == name) {
            Some(found) => (found.state, format!("its container {name} does not run ({})", found.said)),
            None => (GroupState::Gone, format!("its container {name} does not exist")),
        }
    }

    async fn ask_group(&self, containers: &[Container], group: u32, call: Call, names: &[&str]) -> Answer {
        let name = paths::group_name(group);
        let container = self.machine.container_name(&name);
        let (state, why) = self.home(containers, group);
        if !matches!(state, GroupState::Running | GroupState::Damaged) {
            return Ok(Told::Nothing { state, why });
        }
        let argv = script::command(call, &name, names)?;
        let output = self.engine.exec(&container, &argv, &[], patience(call) + SLACK).await?;
        let complaint = output.stderr.trim();
        let reports = script::parse(&output.stdout).map_err(|error| {
            let how = output.code.map_or("it was killed".to_owned(), |code| format!("it ended with code {code}"));
            ManagerError::Failed(format!("{error}; {how} and complained: {complaint:?}"))
        })?;
        if !complaint.is_empty() {
            tracing::warn!(container, "{complaint}");
        }
        Ok(Told::Nodes(reports))
    }
}

fn heard_of(told: &BTreeMap<u32, Answer>, spec: &NodeSpec) -> Outcome<Heard> {
    let unsaid = || ManagerError::Failed(format!("its container said nothing about {}", spec.name));
    match told.get(&paths::group(spec)?).ok_or_else(unsaid)? {
        Ok(Told::Nodes(reports)) => reports.get(&spec.name).copied().map(Heard::Node).ok_or_else(unsaid),
        Ok(Told::Nothing { state, why }) => Ok(Heard::Nothing { state: *state, why: why.clone() }),
        Err(error) => Err(again(error)),
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

/// Does the next step, which takes its time on a disk, to each node that is ready for it, some at a time, while others
/// get on. Answers for each node, in the order of the call; who was not ready keeps the reason.
pub async fn step<T: Send + 'static>(
    specs: Vec<NodeSpec>,
    ready: Vec<Outcome<()>>,
    deed: impl Fn(&NodeSpec) -> Outcome<T> + Send + Sync + 'static,
) -> Vec<Outcome<T>> {
    let on = specs.into_iter().zip(&ready).filter(|(_, ready)| ready.is_ok()).map(|(spec, _)| spec).collect();
    let mut done = in_background(on, deed).await.into_iter();
    let next =
        ready.into_iter().map(|ready| ready.and_then(|()| done.next().expect("each node that is ready was done")));
    next.collect()
}

/// Does what takes its time on a disk to each of many, some at a time, while others get on. Answers in their order.
pub async fn in_background<N, T>(
    each: Vec<N>,
    deed: impl Fn(&N) -> Outcome<T> + Send + Sync + 'static,
) -> Vec<Outcome<T>>
where
    N: Send + Sync + 'static,
    T: Send + 'static,
{
    let task = tokio::task::spawn_blocking(move || side_by_side(&each, deed));
    task.await.unwrap_or_else(|panic| std::panic::resume_unwind(panic.into_panic()))
}

fn side_by_side<N: Sync, T: Send>(each: &[N], deed: impl Fn(&N) -> Outcome<T> + Sync) -> Vec<Outcome<T>> {
    let threads = std::thread::available_parallelism().map_or(1, usize::from).min(each.len());
    let next = AtomicUsize::new(0);
    let done = Mutex::new(Vec::with_capacity(each.len()));
    std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                loop {
                    let index = next.fetch_add(1, Ordering::Relaxed);
                    let Some(item) = each.get(index) else { break };
                    let outcome = deed(item);
                    done.lock().expect("no deed panics while it holds the lock").push((index, outcome));
                }
            });
        }
    });
    let mut done = done.into_inner().expect("no deed panics while it holds the lock");
    done.sort_unstable_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, outcome)| outcome).collect()
}
