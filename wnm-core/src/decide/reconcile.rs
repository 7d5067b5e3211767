//! Reconciling brings what is stored about each node in line with what was just observed, before anything is decided:
//! interrupted steps, delays that have passed, processes that died, directories that are gone.

use super::due;
use crate::event::Event;
use crate::node::{End, Found, Node, Status, Transition, UnixSeconds, Verb};
use crate::settings::Config;
use crate::snapshot::{Answer, DirectoryState, NodeSnapshot, Seen, Snapshot};
use wnm_pm::process_manager::ProcessState;

/// A snapshot that agrees with itself, and what was changed for that.
#[derive(Debug, Clone, PartialEq)]
pub struct Reconciled {
    /// The snapshot, its nodes in line with what was observed of them.
    pub snapshot: Snapshot,
    /// One event for each node that was changed.
    pub events: Vec<Event>,
}

/// Brings each node in line with what was observed of it. Nodes that were not observed stay as they are.
#[must_use]
pub fn reconcile(config: &Config, mut snapshot: Snapshot) -> Reconciled {
    let now = snapshot.now;
    let rebooted = snapshot.boot_time > snapshot.last_surveyed_boot;
    let mut events = Vec::new();
    for each in &mut snapshot.nodes {
        let Some(change) = change(config, now, rebooted, each) else { continue };
        let (from, why) = (each.node.status(), change.why.clone());
        let applied = each.node.apply(change.transition(), now);
        // What cannot happen to a node leaves it as it is, and the next cycle observes it again.
        debug_assert!(applied.is_ok(), "{applied:?}");
        if applied.is_ok() {
            events.push(Event::Reconciled { from, node: Box::new(each.node.clone()), why });
        }
    }
    Reconciled { snapshot, events }
}

/// What became of a node, and what was seen of it.
struct Change {
    became: Became,
    why: String,
}

/// What became of a node.
enum Became {
    /// What was found.
    Found(Found),
    /// How an interrupted step ended.
    Ended(End),
}

impl Change {
    fn found(found: Found, why: impl Into<String>) -> Option<Self> {
        Some(Self { became: Became::Found(found), why: why.into() })
    }

    fn transition(self) -> Transition {
        match self.became {
            Became::Found(found) => Transition::Observed { found, why: self.why },
            Became::Ended(end) => Transition::Resolved { end, why: self.why },
        }
    }

    /// After a restart of the machine no node is up: that is not a failure of any of them.
    fn after_reboot(self) -> Self {
        match self.became {
            Became::Found(Found::Failed) => Self { became: Became::Found(Found::Down), ..self },
            _ => self,
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
    if let Some(verb) = node.life().pending() {
        return interrupted(verb, process);
    }
    if is_left_alone(node.status()) {
        return None;
    }
    match seen.directory {
        DirectoryState::Missing => {
            return Change::found(Found::Gone, format!("its directory {} is gone", node.spec().root_dir.display()));
        }
        DirectoryState::NotADirectory if matches!(process, ProcessState::Running { .. }) => return None,
        DirectoryState::NotADirectory => return not_a_directory(node),
        DirectoryState::Present | DirectoryState::Unknown => {}
    }
    match node.status() {
        Status::Running => running(config, node, seen, process),
        Status::Stopped => match (process, health(node, seen)) {
            (ProcessState::Running { .. }, Health::Good) => Change::found(Found::Running, "it runs and answers"),
            _ => None,
        },
        _ if rebooted => due_node(node, seen, process).map(Change::after_reboot),
        _ if due::is_due(config, now, node) => due_node(node, seen, process),
        _ => None,
    }
}

/// Whether nothing that is seen of a node with this status changes it.
fn is_left_alone(status: Status) -> bool {
    matches!(status, Status::Disabled | Status::Removing | Status::Migrating | Status::Dead)
}

/// Something else is where the node's directory was: nothing there is touched until somebody has checked it.
fn not_a_directory(node: &Node) -> Option<Change> {
    let why = format!("{} is not a directory (it is a symbolic link or a file)", node.spec().root_dir.display());
    let life = node.life();
    let known = life.status() == Status::Stopped && life.pending().is_none() && life.last_error() == Some(why.as_str());
    if known { None } else { Change::found(Found::Failed, why) }
}

/// The same where the manager cannot report whether its process lives: wnm cannot use it, so it counts as stopped.
fn out_of_reach(node: &Node) -> Option<Change> {
    match node.life().pending() {
        Some(Verb::Disable) => None,
        Some(Verb::Remove) => interrupted(Verb::Remove, &ProcessState::Absent),
        _ if is_left_alone(node.status()) => None,
        _ => not_a_directory(node),
    }
}

/// A step was begun and its outcome was never recorded: the node becomes what it is.
fn interrupted(verb: Verb, process: &ProcessState) -> Option<Change> {
    let lives = matches!(process, ProcessState::Running { .. } | ProcessState::Waiting { .. });
    let complete = lives || matches!(process, ProcessState::Stopped { .. });
    let (end, what) = match verb {
        Verb::Remove => (End::Removing, "the removal goes on"),
        // It stays pending, and is carried out again.
        Verb::Disable if lives => return None,
        Verb::Disable => (End::Disabled, "the node does not run"),
        Verb::Enable => (End::Enabled, "the node is managed again"),
        Verb::Add if !complete => (End::Incomplete, "the node is not complete"),
        Verb::Stop if lives => (End::StillRunning, "the node still runs"),
        Verb::Add | Verb::Start | Verb::Restart | Verb::Upgrade if lives => (End::Underway, "the node runs"),
        Verb::Add | Verb::Start | Verb::Restart | Verb::Upgrade | Verb::Stop => (End::Stopped, "the node does not run"),
    };
    Some(Change { became: Became::Ended(end), why: format!("{verb} was interrupted: {what}") })
}

/// A node that lives without answering, or that its manager keeps restarting, is left alone for a while: it may come
/// back by itself, and under high load it should not be restarted on top.
fn running(config: &Config, node: &Node, seen: &Seen, process: &ProcessState) -> Option<Change> {
    let hanging = Found::Hanging { pause_seconds: config.delay_restart };
    match process {
        ProcessState::Running { .. } => match health(node, seen) {
            Health::Bad(why) => Change::found(hanging, why),
            Health::Good | Health::Unknown => None,
        },
        ProcessState::Waiting { reason } => Change::found(hanging, reason.clone()),
        other => Change::found(Found::Down, death(other)),
    }
}

/// A node that was told to start, or was upgraded, becomes what it is.
fn due_node(node: &Node, seen: &Seen, process: &ProcessState) -> Option<Change> {
    match process {
        ProcessState::Running { .. } => match health(node, seen) {
            Health::Good => Change::found(Found::Running, "it runs and answers"),
            Health::Bad(why) => Change::found(Found::Failed, why),
            // The next cycle asks it.
            Health::Unknown => None,
        },
        ProcessState::Waiting { reason } => Change::found(Found::Failed, reason.clone()),
        other => Change::found(Found::Failed, death(other)),
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
    let spec = node.spec();
    let Some(port) = spec.ports.metrics().filter(|_| spec.flavour.has_metrics()) else { return Health::Good };
    let what = match &seen.answer {
        Answer::NotAsked => return Health::Unknown,
        Answer::Node { peer_id, .. } => match (peer_id.as_deref(), node.peer_id()) {
            (Some(reported), Some(own)) if reported != own => format!("answers for another node, {reported}"),
            _ => return Health::Good,
        },
        Answer::Foreign { said } => format!("is answered by another program ({said})"),
        Answer::Refused => "is not open".to_owned(),
        Answer::TimedOut => "does not answer in time".to_owned(),
        Answer::Broken { reason } => format!("answers with something broken ({reason})"),
    };
    Health::Bad(format!("its process lives, but its metrics port {port} {what}"))
}
