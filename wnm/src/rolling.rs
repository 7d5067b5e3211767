//! Restarts and upgrades of many nodes in batches: the next one begins when the last one is healthy. Between batches the machine
//! is free for others, so that cycles go on.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use serde::Serialize;
use tokio::time::Instant;
use wnm_core::clock::{Clock, SystemClock};
use wnm_core::decide::{Request, Selection, is_well};
use wnm_core::lock::LockError;
use wnm_core::machine::Trigger;
use wnm_core::node::{NodeId, Verb};
use wnm_core::plan::Action;
use wnm_core::progress::{Ongoing, Progress, Work};
use wnm_core::rolling::{Pace, Rolling};
use wnm_core::settings::Config;

use crate::{Error, Machine, Options};

/// A cycle in progress is waited for.
const PATIENCE: Duration = Duration::from_mins(2);

/// A node whose process is gone for so long does not come back by itself.
const GONE: Duration = Duration::from_secs(10);

/// However short the delays are, a node gets this long to be healthy.
const SHORTEST: Duration = Duration::from_secs(30);

/// What became of a rolling step.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rolled {
    /// Nodes that an earlier, interrupted step had done.
    pub done_before: usize,
    /// Nodes that it was done to and that were healthy afterwards.
    pub done: Vec<NodeId>,
    /// Nodes that failed, and why.
    pub failed: Vec<(NodeId, String)>,
    /// Nodes that were not touched.
    pub left: Vec<NodeId>,
    /// Whether somebody asked to stop.
    pub interrupted: bool,
}

/// What there is to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RollPlan {
    /// The nodes, in order.
    pub nodes: Vec<NodeId>,
    /// How many an earlier, interrupted step had done.
    pub done_before: usize,
    /// Nodes in a batch.
    pub batch: usize,
}

/// A batch that has ended, for whoever listens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BatchEnd {
    /// Its nodes.
    pub nodes: Vec<NodeId>,
    /// Which of how many batches it is.
    pub place: (usize, usize),
    /// How long it took until all were healthy or failed.
    pub took: Duration,
}

/// What a rolling step would do now.
///
/// # Errors
/// When the machine cannot be observed, or the request is refused.
pub async fn roll_plan(
    options: &Options,
    verb: Verb,
    selection: &Selection,
    pace: &Pace,
    progress: &dyn Progress,
) -> Result<RollPlan, Error> {
    let machine = Machine::open_read_only(options, progress)?;
    let observation = machine.observe(progress).await?;
    let plan = machine.plan(&observation, &request(verb, selection.clone()))?;
    let done = known(&machine, verb, selection)?.map(|rolling| rolling.done).unwrap_or_default();
    let all: Vec<NodeId> = plan.actions.iter().filter_map(Action::step).map(|(_, id)| id).collect();
    let nodes: Vec<NodeId> = all.iter().copied().filter(|id| !done.contains(id)).collect();
    let batch = pace.batch_of(nodes.len());
    Ok(RollPlan { done_before: all.len() - nodes.len(), nodes, batch })
}

/// Restarts or upgrades nodes in batches, until all are done or too many have failed. Asked for again after an interruption,
/// it goes on with what was left.
///
/// # Errors
/// When the machine cannot be opened or observed, or the request is refused. What fails on single nodes is in the answer.
pub async fn roll(
    options: &Options,
    verb: Verb,
    selection: &Selection,
    pace: &Pace,
    progress: &dyn Progress,
    ended: &(dyn Fn(&BatchEnd) + Sync),
) -> Result<Rolled, Error> {
    let RollPlan { nodes, done_before, batch } = roll_plan(options, verb, selection, pace, progress).await?;
    let mut rolled = Rolled { done_before, done: Vec::new(), failed: Vec::new(), left: nodes, interrupted: false };
    let batches = rolled.left.len().div_ceil(batch);
    let mut place = 0;
    while !rolled.left.is_empty() && rolled.failed.len() < pace.max_failures as usize {
        if place > 0 {
            wait(Duration::from_secs(pace.pause_seconds), progress).await;
        }
        if progress.interrupted() {
            rolled.interrupted = true;
            return Ok(rolled);
        }
        let began = Instant::now();
        let ids: Vec<NodeId> = rolled.left.drain(..batch.min(rolled.left.len())).collect();
        place += 1;
        let failed = step(options, verb, selection, &ids, progress).await?;
        let acted: Vec<NodeId> = ids.iter().copied().filter(|id| !failed.contains_key(id)).collect();
        let unwell = until_healthy(options, verb, &acted, progress).await?;
        rolled.done.extend(acted.iter().copied().filter(|id| !unwell.contains_key(id)));
        rolled.failed.extend(failed.into_iter().chain(unwell));
        ended(&BatchEnd { nodes: ids, place: (place, batches), took: began.elapsed() });
    }
    if rolled.left.is_empty() {
        open(options, progress).await?.record_rolling(None)?;
    }
    Ok(rolled)
}

fn request(verb: Verb, selection: Selection) -> Trigger {
    Trigger::Request(if verb == Verb::Upgrade { Request::Upgrade(selection) } else { Request::Restart(selection) })
}

/// The step of the same kind that was interrupted, where there is one.
fn known(machine: &Machine, verb: Verb, selection: &Selection) -> Result<Option<Rolling>, Error> {
    let now = SystemClock.now();
    Ok(machine.rolling()?.filter(|rolling| rolling.continues(verb, selection, now)))
}

/// Does one batch and records that it was done. Answers the nodes that failed, and why.
async fn step(
    options: &Options,
    verb: Verb,
    selection: &Selection,
    ids: &[NodeId],
    progress: &dyn Progress,
) -> Result<BTreeMap<NodeId, String>, Error> {
    let mut machine = open(options, progress).await?;
    let now = SystemClock.now();
    let mut rolling = known(&machine, verb, selection)?.unwrap_or_else(|| Rolling::begun(verb, selection.clone(), now));
    // Nodes that went away meanwhile are nobody's failure.
    let there: BTreeSet<NodeId> = machine.nodes()?.iter().map(wnm_core::node::Node::id).collect();
    let names: Vec<String> = ids.iter().filter(|id| there.contains(id)).map(|id| id.name()).collect();
    let mut failed = BTreeMap::new();
    if !names.is_empty() {
        let report = machine.run(&request(verb, Selection::names(names)), progress).await?;
        for result in report.execution.results {
            failed.extend(result.error.map(|error| (result.number, error)));
        }
    }
    rolling.done.extend(ids.iter().filter(|id| !failed.contains_key(id)));
    rolling.at = now;
    machine.record_rolling(Some(rolling))?;
    Ok(failed)
}

/// Waits until these nodes are healthy. Answers those that are not in time, and why.
async fn until_healthy(
    options: &Options,
    verb: Verb,
    ids: &[NodeId],
    progress: &dyn Progress,
) -> Result<BTreeMap<NodeId, String>, Error> {
    let mut waiting: BTreeSet<NodeId> = ids.iter().copied().collect();
    let (mut unwell, mut gone) = (BTreeMap::new(), BTreeMap::new());
    let (began, mut glance) = (Instant::now(), Duration::from_millis(100));
    while !waiting.is_empty() {
        let _waiting = Ongoing::begin(progress, Work::AwaitHealth(waiting.len()));
        let machine = Machine::open_read_only(options, progress)?;
        let observation = machine.observe(progress).await?;
        let limit = limit(machine.config(), verb);
        drop(machine);
        for each in &observation.snapshot.nodes {
            let id = each.node.id();
            if !waiting.contains(&id) {
                continue;
            }
            let well = is_well(each);
            if each.lives() {
                gone.remove(&id);
            }
            let is_gone = !each.lives() && gone.entry(id).or_insert_with(Instant::now).elapsed() >= GONE;
            if well {
                waiting.remove(&id);
            } else if is_gone || began.elapsed() >= limit {
                let why = each.node.life().last_error().map(str::to_owned);
                unwell.insert(id, why.unwrap_or_else(|| unhealthy(began.elapsed())));
                waiting.remove(&id);
            }
        }
        let there: BTreeSet<NodeId> = observation.snapshot.nodes.iter().map(|each| each.node.id()).collect();
        waiting.retain(|id| there.contains(id));
        if waiting.is_empty() || progress.interrupted() {
            break;
        }
        wait(glance, progress).await;
        glance = (glance * 2).min(Duration::from_secs(2));
    }
    Ok(unwell)
}

fn unhealthy(after: Duration) -> String {
    format!("it is not healthy {} s after its start", after.as_secs())
}

/// How long nodes have to be healthy.
fn limit(config: &Config, verb: Verb) -> Duration {
    let delay = if verb == Verb::Upgrade { config.delay_upgrade } else { config.delay_start };
    Duration::from_secs(delay).max(SHORTEST)
}

/// As long as nobody interrupts.
async fn wait(time: Duration, progress: &dyn Progress) {
    const GLANCE: Duration = Duration::from_millis(50);
    let end = Instant::now() + time;
    while Instant::now() < end && !progress.interrupted() {
        tokio::time::sleep(GLANCE.min(end.saturating_duration_since(Instant::now()))).await;
    }
}

/// Opens the machine, once the cycle in progress has ended.
async fn open(options: &Options, progress: &dyn Progress) -> Result<Machine, Error> {
    let began = Instant::now();
    loop {
        match Machine::open(options, progress) {
            Err(Error::Lock(LockError::Held { .. })) if began.elapsed() < PATIENCE && !progress.interrupted() => {
                tokio::time::sleep(Duration::from_millis(200)).await;
            }
            opened => return opened,
        }
    }
}
