//! Reconciling brings what is stored about each node in line with what was just observed, before anything is decided:
//! interrupted steps, delays that have passed, processes that died, directories that are gone.

use std::collections::BTreeSet;

use super::due;
use super::health::{Health, health, leaves_to_upgrade, proof, replaced_by};
use crate::event::Event;
use crate::node::{End, Evidence, Found, Node, NodeId, Status, Transition, UnixSeconds, Verb};
use crate::settings::Config;
use crate::snapshot::{DirectoryState, NodeSnapshot, Seen, Snapshot};
use wnm_pm::container_host::GroupState;
use wnm_pm::process_manager::ProcessState;

/// A snapshot that agrees with itself, and what was changed for that.
#[derive(Debug, Clone, PartialEq)]
pub struct Reconciled {
    /// The snapshot, its nodes in line with what was observed of them.
    pub snapshot: Snapshot,
    /// One event for each node that was changed.
    pub events: Vec<Event>,
    /// The nodes that were up, or on their way, and are not any more, through no fault of their machine or container.
    pub fallen: Vec<NodeId>,
}

/// Brings each node in line with what was observed of it. Nodes that were not observed stay as they are.
#[must_use]
pub fn reconcile(config: &Config, mut snapshot: Snapshot) -> Reconciled {
    let now = snapshot.now;
    let rebooted = snapshot.boot_time > snapshot.last_surveyed_boot;
    let (mut events, mut fallen) = (Vec::new(), Vec::new());
    let down = groups_that_are_down(&snapshot);
    for each in &mut snapshot.nodes {
        let excused = rebooted || each.node.spec().group.is_some_and(|group| down.contains(&group));
        // A node that was replaced may have proved itself already.
        for _ in 0..2 {
            let Some(change) = change(config, now, Occasion { rebooted, excused }, each) else { break };
            let (from, why, falls) = (each.node.status(), change.why.clone(), change.is_a_fall() && !excused);
            let was_replaced = matches!(change.became, Became::Found(Found::Replaced { .. }));
            let applied = each.node.apply(change.transition(), now);
            // What cannot happen to a node leaves it as it is, and the next cycle observes it again.
            debug_assert!(applied.is_ok(), "{applied:?}");
            if applied.is_ok() {
                fallen.extend(falls.then_some(each.node.id()));
                events.push(Event::Reconciled { from, node: Box::new(each.node.clone()), why });
            }
            if !was_replaced {
                break;
            }
        }
    }
    Reconciled { snapshot, events, fallen }
}

/// What became of a node, and what was seen of it.
struct Change {
    became: Became,
    why: Evidence,
}

/// What became of a node.
enum Became {
    /// What was found.
    Found(Found),
    /// How an interrupted step ended.
    Ended(End),
}

impl Change {
    fn found(found: Found, why: Evidence) -> Option<Self> {
        Some(Self { became: Became::Found(found), why })
    }

    fn is_a_fall(&self) -> bool {
        matches!(self.became, Became::Found(Found::Fell | Found::Failed | Found::Hanging { .. } | Found::Gone))
    }

    fn transition(self) -> Transition {
        match self.became {
            Became::Found(found) => Transition::Observed { found, why: self.why },
            Became::Ended(end) => Transition::Resolved { end, why: self.why },
        }
    }

    /// After a restart of the machine no node is up, nor is one whose container does not run: that is not a failure of any of
    /// them.
    fn excused(self, occasion: Occasion) -> Self {
        let found = if occasion.rebooted { Found::WithMachine } else { Found::Down };
        match self.became {
            Became::Found(Found::Failed | Found::Fell) if occasion.excused => {
                Self { became: Became::Found(found), ..self }
            }
            _ => self,
        }
    }
}

/// What may keep a node down that cannot help it.
#[derive(Clone, Copy)]
struct Occasion {
    /// The machine was restarted since all nodes were looked at.
    rebooted: bool,
    /// That, or its container does not run.
    excused: bool,
}

fn groups_that_are_down(snapshot: &Snapshot) -> BTreeSet<u32> {
    let up = |state: GroupState| matches!(state, GroupState::Running | GroupState::Damaged);
    snapshot.groups.iter().filter(|group| !up(group.state)).map(|group| group.spec.group).collect()
}

fn change(config: &Config, now: UnixSeconds, occasion: Occasion, each: &NodeSnapshot) -> Option<Change> {
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
        // What lives is never dead: nothing is concluded until the owner has put the directory back or removed the node.
        DirectoryState::Missing if each.lives_without_directory() => return None,
        DirectoryState::Missing => {
            return Change::found(Found::Gone, Evidence::DirectoryGone { directory: node.spec().root_dir.clone() });
        }
        DirectoryState::NotADirectory if matches!(process, ProcessState::Running { .. }) => return None,
        DirectoryState::NotADirectory => return not_a_directory(node),
        DirectoryState::Present | DirectoryState::Unknown => {}
    }
    match node.status() {
        Status::Running => replaced(node, seen, process)
            .or_else(|| running(config, now, node, seen, process).map(|change| change.excused(occasion))),
        Status::Stopped => match (process, health(config, node, seen)) {
            (ProcessState::Running { .. }, Health::Good(why)) => Change::found(Found::Running, why),
            _ => None,
        },
        Status::Upgrading if leaves_to_upgrade(node, seen) => None,
        _ if let (ProcessState::Running { .. }, Some(why)) = (process, proof(node, seen)) => {
            Change::found(Found::Running, why)
        }
        _ if occasion.excused && (occasion.rebooted || due::is_due(config, now, node)) => {
            due_node(config, node, seen, process).map(|change| change.excused(occasion))
        }
        // It comes up with its container.
        _ if occasion.excused => None,
        _ if due::is_due(config, now, node) => due_node(config, node, seen, process),
        // What has ended does not come up by being waited for.
        _ if matches!(process, ProcessState::Stopped { .. } | ProcessState::Absent) => {
            due_node(config, node, seen, process)
        }
        _ => None,
    }
}

/// Whether nothing that is seen of a node with this status changes it.
fn is_left_alone(status: Status) -> bool {
    matches!(status, Status::Disabled | Status::Removing | Status::Migrating | Status::Dead)
}

/// Something else is where the node's directory was: nothing there is touched until somebody has checked it.
fn not_a_directory(node: &Node) -> Option<Change> {
    let why = Evidence::NotADirectory { path: node.spec().root_dir.clone() };
    let life = node.life();
    let is_known = life.last_error() == Some(why.to_string().as_str());
    let is_so = life.status() == Status::Stopped && life.pending().is_none() && is_known;
    if is_so { None } else { Change::found(Found::Failed, why) }
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
    let end = match verb {
        Verb::Remove => End::Removing,
        // It stays pending, and is carried out again.
        Verb::Disable if lives => return None,
        Verb::Disable => End::Disabled,
        Verb::Enable => End::Enabled,
        Verb::Add if !complete => End::Incomplete,
        Verb::Stop if lives => End::StillRunning,
        Verb::Add | Verb::Start | Verb::Restart | Verb::Upgrade | Verb::Revert if lives => End::Underway,
        Verb::Add | Verb::Start | Verb::Restart | Verb::Upgrade | Verb::Revert | Verb::Stop => End::Stopped,
    };
    Some(Change { became: Became::Ended(end), why: Evidence::Interrupted { verb, end } })
}

/// A node that another process runs than before, or that ended to start again as another version.
fn replaced(node: &Node, seen: &Seen, process: &ProcessState) -> Option<Change> {
    replaced_by(node, seen, process).and_then(|(found, why)| Change::found(found, why))
}

/// A node that lives without answering, or that its manager keeps restarting, is left alone for a while: it may come
/// back by itself, and under high load it should not be restarted on top.
fn running(config: &Config, now: UnixSeconds, node: &Node, seen: &Seen, process: &ProcessState) -> Option<Change> {
    let hanging = Found::Hanging { pause_seconds: config.delay_restart };
    match process {
        ProcessState::Running { .. } => match health(config, node, seen) {
            Health::Bad(why) => Change::found(hanging, why),
            Health::Good(why) if has_got_over(now, node) => Change::found(Found::Running, why),
            Health::Good(_) | Health::Unknown => None,
        },
        ProcessState::Waiting { reason } => Change::found(hanging, Evidence::Waiting { reason: reason.clone() }),
        other => Change::found(Found::Fell, death(other)),
    }
}

/// Whether a step that failed on a node that is seen well is history: its owner's stop, which nobody tries again, or what
/// should have been tried again and was not.
fn has_got_over(now: UnixSeconds, node: &Node) -> bool {
    const GRACE_SECONDS: UnixSeconds = 600;
    let life = node.life();
    let was_not_tried = life.retry_at().is_some_and(|at| at.saturating_add(GRACE_SECONDS) <= now);
    life.last_error().is_some() && (life.is_stopped_by_owner() || was_not_tried)
}

/// A node that was told to start, or was upgraded, becomes what it is.
fn due_node(config: &Config, node: &Node, seen: &Seen, process: &ProcessState) -> Option<Change> {
    match process {
        ProcessState::Running { .. } => match health(config, node, seen) {
            Health::Good(why) => Change::found(Found::Running, why),
            Health::Bad(why) => Change::found(Found::Failed, why),
            // The next cycle asks it.
            Health::Unknown => None,
        },
        ProcessState::Waiting { reason } => Change::found(Found::Failed, Evidence::Waiting { reason: reason.clone() }),
        // Nobody knows that it was told to start: what was interrupted may have stopped it.
        other if node.life().was_interrupted() => Change::found(Found::Down, death(other)),
        other => Change::found(Found::Failed, death(other)),
    }
}

fn death(process: &ProcessState) -> Evidence {
    match process {
        ProcessState::Stopped { reason } => Evidence::ProcessGone { reason: reason.clone() },
        ProcessState::Incomplete { missing } => Evidence::Incomplete { missing: missing.clone() },
        _ => Evidence::ProcessGone { reason: None },
    }
}
