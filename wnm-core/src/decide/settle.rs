//! Settling puts the record right by what was just seen, before anything is decided: interrupted results, delays that have
//! passed, processes that died, directories that are gone.

use super::due;
use crate::event::Event;
use crate::node::{Node, Status, UnixSeconds, Verb};
use crate::settings::Config;
use crate::snapshot::{Answer, DirectoryState, NodeSnapshot, Seen, Snapshot};
use wnm_pm::process_manager::ProcessState;

/// The longest time for which a node that could not be started is left alone.
pub(super) const LONGEST_BACK_OFF_SECONDS: UnixSeconds = 3600;
const FIRST_BACK_OFF_SECONDS: UnixSeconds = 60;

/// When to try again after this many failures in a row: a minute, then twice as long each time, an hour at most.
#[must_use]
pub fn back_off(now: UnixSeconds, failures: u32) -> UnixSeconds {
    let doublings = failures.saturating_sub(1).min(10);
    now + (FIRST_BACK_OFF_SECONDS << doublings).min(LONGEST_BACK_OFF_SECONDS)
}

/// A snapshot that agrees with itself, and what had to be put right for that.
#[derive(Debug, Clone, PartialEq)]
pub struct Settled {
    /// The snapshot, its nodes put right.
    pub snapshot: Snapshot,
    /// One event for each node that was put right.
    pub events: Vec<Event>,
}

/// Puts the record right by what was seen. Nodes that nobody looked at stay as they are.
#[must_use]
pub fn settle(config: &Config, mut snapshot: Snapshot) -> Settled {
    let now = snapshot.now;
    let rebooted = snapshot.boot_time > snapshot.last_surveyed_boot;
    let mut events = Vec::new();
    for each in &mut snapshot.nodes {
        let Some(change) = change(config, now, rebooted, each) else { continue };
        let from = each.node.status;
        change.apply(&mut each.node, now);
        let (node, why) = (Box::new(each.node.clone()), change.why);
        events.push(Event::Settled { from, node, why });
    }
    Settled { snapshot, events }
}

/// What a node becomes, and why.
struct Change {
    status: Status,
    why: String,
    pause: Pause,
}

/// How long a stopped node is left alone.
enum Pause {
    /// Not at all.
    No,
    /// So many seconds.
    Seconds(u64),
    /// It failed: longer each time in a row.
    BackOff,
}

impl Change {
    fn to(status: Status, why: impl Into<String>) -> Option<Self> {
        Some(Self { status, why: why.into(), pause: Pause::No })
    }

    fn stopped_for(seconds: u64, why: impl Into<String>) -> Option<Self> {
        Some(Self { status: Status::Stopped, why: why.into(), pause: Pause::Seconds(seconds) })
    }

    fn failed(why: impl Into<String>) -> Option<Self> {
        Some(Self { status: Status::Stopped, why: why.into(), pause: Pause::BackOff })
    }

    fn apply(&self, node: &mut Node, now: UnixSeconds) {
        node.status = self.status;
        node.since = now;
        node.intention = None;
        node.trouble = Some(self.why.clone());
        node.retry_at = None;
        match self.pause {
            Pause::No => {}
            Pause::Seconds(seconds) => node.retry_at = UnixSeconds::try_from(seconds).ok().map(|seconds| now + seconds),
            Pause::BackOff => {
                node.failures = node.failures.saturating_add(1);
                node.retry_at = Some(back_off(now, node.failures));
            }
        }
        if self.status == Status::Running {
            node.failures = 0;
            node.trouble = None;
            node.held = false;
        }
    }
}

fn change(config: &Config, now: UnixSeconds, rebooted: bool, each: &NodeSnapshot) -> Option<Change> {
    let node = &each.node;
    let seen = each.seen.as_ref()?;
    if seen.directory == DirectoryState::Unknown {
        return None;
    }
    let process = match &seen.process {
        Ok(process) => process,
        // Managers do not look past what is not the node's own directory, however often they are asked.
        Err(_) if seen.directory == DirectoryState::NotADirectory => return out_of_reach(node),
        Err(_) => return None,
    };
    if let Some(verb) = node.intention {
        return interrupted(verb, process);
    }
    if matches!(node.status, Status::Disabled | Status::Removing | Status::Migrating | Status::Dead) {
        return None;
    }
    match seen.directory {
        DirectoryState::Missing => {
            return Change::to(Status::Dead, format!("its directory {} is gone", node.spec.root_dir.display()));
        }
        DirectoryState::NotADirectory if matches!(process, ProcessState::Running { .. }) => return None,
        DirectoryState::NotADirectory => return not_a_directory(node),
        DirectoryState::Present | DirectoryState::Unknown => {}
    }
    match node.status {
        Status::Running => running(config, node, seen, process),
        Status::Stopped => match (process, health(node, seen)) {
            (ProcessState::Running { .. }, Health::Good) => Change::to(Status::Running, "it runs and answers"),
            _ => None,
        },
        _ if rebooted => due_node(node, seen, process).map(|change| Change { pause: Pause::No, ..change }),
        _ if due::is_due(config, now, node) => due_node(node, seen, process),
        _ => None,
    }
}

/// Something stands where the node's directory was: nothing there is touched, and somebody has to look.
fn not_a_directory(node: &Node) -> Option<Change> {
    let why = format!("{} is no directory (a symbolic link or a file stands there)", node.spec.root_dir.display());
    let stopped = node.status == Status::Stopped && node.trouble.as_deref() == Some(why.as_str());
    if stopped && node.intention.is_none() { None } else { Change::failed(why) }
}

/// The same where nobody can tell whether its process lives: for wnm it is not to be had, and so it counts as stopped.
fn out_of_reach(node: &Node) -> Option<Change> {
    match (node.intention, node.status) {
        (Some(Verb::Disable), _) => None,
        (Some(verb @ Verb::Remove), _) => interrupted(verb, &ProcessState::Absent),
        (_, Status::Disabled | Status::Removing | Status::Migrating | Status::Dead) => None,
        _ => not_a_directory(node),
    }
}

/// A deed was begun and its outcome never recorded: the node becomes what it is.
fn interrupted(verb: Verb, process: &ProcessState) -> Option<Change> {
    let lives = matches!(process, ProcessState::Running { .. } | ProcessState::Waiting { .. });
    let complete = lives || matches!(process, ProcessState::Stopped { .. });
    let why = |what: &str| format!("{verb} was interrupted: {what}");
    match verb {
        Verb::Remove => Change::to(Status::Removing, why("it goes on")),
        // The intention stays, and is carried out again.
        Verb::Disable if lives => None,
        Verb::Disable => Change::to(Status::Disabled, why("the node does not run")),
        Verb::Enable => Change::to(Status::Stopped, why("the node is in wnm's hands")),
        Verb::Add if !complete => Change::to(Status::Dead, why("the node is not complete")),
        Verb::Stop if lives => Change::to(Status::Running, why("the node still runs")),
        Verb::Upgrade if lives => Change::to(Status::Upgrading, why("the node runs")),
        Verb::Add | Verb::Start | Verb::Restart if lives => Change::to(Status::Restarting, why("the node runs")),
        Verb::Add | Verb::Start | Verb::Restart | Verb::Upgrade | Verb::Stop => {
            Change::to(Status::Stopped, why("the node does not run"))
        }
    }
}

/// A node that lives without answering, or that its manager keeps restarting, is left alone for a while: it may come
/// back by itself, and under high load it should not be restarted on top.
fn running(config: &Config, node: &Node, seen: &Seen, process: &ProcessState) -> Option<Change> {
    match process {
        ProcessState::Running { .. } => match health(node, seen) {
            Health::Bad(why) => Change::stopped_for(config.delay_restart, why),
            Health::Good | Health::Unknown => None,
        },
        ProcessState::Waiting { reason } => Change::stopped_for(config.delay_restart, reason.clone()),
        other => Change::to(Status::Stopped, death(other)),
    }
}

/// A node that was told to start, or was upgraded, becomes what it is.
fn due_node(node: &Node, seen: &Seen, process: &ProcessState) -> Option<Change> {
    match process {
        ProcessState::Running { .. } => match health(node, seen) {
            Health::Good => Change::to(Status::Running, "it runs and answers"),
            Health::Bad(why) => Change::failed(why),
            // The next cycle asks it.
            Health::Unknown => None,
        },
        ProcessState::Waiting { reason } => Change::failed(reason.clone()),
        other => Change::failed(death(other)),
    }
}

fn death(process: &ProcessState) -> String {
    match process {
        ProcessState::Stopped { reason: Some(reason) } => format!("its process is gone: {reason}"),
        ProcessState::Incomplete { missing } => format!("it is not complete: {missing} is missing"),
        _ => "its process is gone".to_owned(),
    }
}

/// Whether a living node counts as running.
enum Health {
    Good,
    Bad(String),
    /// It was not asked.
    Unknown,
}

fn health(node: &Node, seen: &Seen) -> Health {
    let Some(port) = node.spec.ports.metrics().filter(|_| node.spec.flavour.has_metrics()) else { return Health::Good };
    let what = match &seen.answer {
        Answer::NotAsked => return Health::Unknown,
        Answer::Node { peer_id, .. } => match (peer_id, &node.peer_id) {
            (Some(told), Some(own)) if told != own => format!("answers for another node, {told}"),
            _ => return Health::Good,
        },
        Answer::Foreign { said } => format!("is answered by another program ({said})"),
        Answer::Refused => "is not open".to_owned(),
        Answer::TimedOut => "does not answer in time".to_owned(),
        Answer::Broken { reason } => format!("answers with something broken ({reason})"),
    };
    Health::Bad(format!("its process lives, but its metrics port {port} {what}"))
}
