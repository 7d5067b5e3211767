//! A request is what the owner asks for by hand; it becomes a plan like any other, or is refused with the figures.
//!
//! A request overrides the limits on what may be in progress, and CPU, memory and load. It does not override `node_cap`,
//! nor what is true: what does not exist cannot be stopped.

use std::cmp::Ordering;
use std::error::Error;
use std::path::PathBuf;

use semver::Version;
use serde::{Deserialize, Serialize};
use wnm_allocator::LayoutError;

use super::select::{Selected, Selection, WordFault};
use super::{Draft, count, groups, growth, order, placement, touched};
use crate::node::{Flavour, Status, Verb};
use crate::plan::{Action, Cause, Plan};
use crate::settings::Config;
use crate::snapshot::{NodeSnapshot, Snapshot};
use wnm_pm::process_manager::Binary;

/// What the owner asks for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Request {
    /// Add so many nodes.
    Add(u32),
    /// Start stopped nodes, oldest first.
    Start(Selection),
    /// Stop running nodes, youngest first; they stay stopped until their owner starts them.
    Stop(Selection),
    /// Stop and start running nodes, oldest first.
    Restart(Selection),
    /// Upgrade outdated nodes, oldest first.
    Upgrade(Selection),
    /// Remove nodes with their files, at once: stopped ones first, youngest first.
    Remove(Selection),
    /// Stop nodes and leave them unmanaged, running ones first, youngest first.
    Disable(Selection),
    /// Manage nodes again, oldest first.
    Enable(Selection),
    /// Look at all nodes.
    Survey,
    /// Take everything down.
    Teardown,
}

/// Why a request is not turned into a plan. Nothing was changed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Refusal {
    /// Names that no node has.
    UnknownNames(Vec<String>),
    /// More nodes than the cap allows.
    OverCap {
        /// How many were asked for.
        asked: u32,
        /// How many there would be.
        would_be: usize,
        /// The cap.
        cap: u32,
    },
    /// Ranges, patterns and groups in which no node is.
    NoMatch(Vec<String>),
    /// A word that cannot be read.
    BadWord {
        /// The word.
        word: String,
        /// Why not.
        fault: WordFault,
    },
    /// A node is in a state in which this makes no sense.
    WrongStatus {
        /// Which node.
        name: String,
        /// Its status.
        status: Status,
        /// What was asked.
        verb: Verb,
    },
    /// Nodes are recorded, and what they need is not removed below them.
    NodesLeft(usize),
    /// An upgrade would start a node that its owner stopped.
    StoppedByOwner {
        /// Which node.
        name: String,
    },
    /// Everything was taken down.
    TornDown,
    /// No node program to add or upgrade with.
    NoProgram {
        /// Where it should be.
        path: PathBuf,
    },
    /// The node program is another program than the nodes, and a machine has nodes of one flavour.
    MixedFlavours {
        /// The flavour of the nodes.
        own: Flavour,
        /// Where the program lies.
        path: PathBuf,
        /// The program's flavour.
        flavour: Flavour,
    },
    /// The node program is another program than the node.
    OtherFlavour {
        /// Which node.
        name: String,
        /// Its flavour.
        own: Flavour,
        /// Where the program lies.
        path: PathBuf,
        /// The program's flavour.
        flavour: Flavour,
    },
    /// The node program is older than the node.
    OlderProgram {
        /// Which node.
        name: String,
        /// Its version.
        own: Box<Version>,
        /// Where the program lies.
        path: PathBuf,
        /// The program's version.
        available: Box<Version>,
    },
    /// The numbers and ports do not fit.
    Ports {
        /// How many were asked for.
        asked: u32,
        /// How many would fit.
        there: usize,
    },
    /// The numbering cannot go on.
    Layout(LayoutError),
}

impl Error for Refusal {}

impl From<LayoutError> for Refusal {
    fn from(error: LayoutError) -> Self {
        Self::Layout(error)
    }
}

/// Turns a request into a plan. The snapshot must have been reconciled.
///
/// # Errors
/// When the request cannot be carried out wholly: then nothing of it is planned.
pub fn decide_request(config: &Config, snapshot: &Snapshot, request: &Request) -> Result<Plan, Refusal> {
    let mut draft = Draft::new(config, snapshot);
    draft.plan.by_request = true;
    let actions = match request {
        Request::Add(count) => add(&mut draft, *count)?,
        Request::Start(selection) => chosen(&mut draft, Verb::Start, selection)?,
        Request::Stop(selection) => chosen(&mut draft, Verb::Stop, selection)?,
        Request::Restart(selection) => chosen(&mut draft, Verb::Restart, selection)?,
        Request::Upgrade(selection) => chosen(&mut draft, Verb::Upgrade, selection)?,
        Request::Remove(selection) => chosen(&mut draft, Verb::Remove, selection)?,
        Request::Disable(selection) => chosen(&mut draft, Verb::Disable, selection)?,
        Request::Enable(selection) => chosen(&mut draft, Verb::Enable, selection)?,
        Request::Survey => vec![Action::Survey],
        Request::Teardown => vec![Action::Teardown {
            numbers: snapshot.nodes.iter().map(|each| each.node.id()).collect(),
            groups: snapshot.groups.iter().map(|group| group.spec.group).collect(),
        }],
    };
    if let Some(pause) = &snapshot.pause {
        draft.because(Cause::Paused { pause: pause.clone() }, &[]);
    }
    Ok(draft.finish(actions))
}

fn add(draft: &mut Draft<'_>, count: u32) -> Result<Vec<Action>, Refusal> {
    if draft.snapshot.torn_down {
        return Err(Refusal::TornDown);
    }
    let would_be = draft.snapshot.nodes.len() + count as usize;
    let cap = draft.config.node_cap;
    if would_be > cap as usize {
        return Err(Refusal::OverCap { asked: count, would_be, cap });
    }
    let path = program(draft)?.path.clone();
    if let Some(own) = growth::other_flavour(draft.snapshot) {
        return Err(Refusal::MixedFlavours { own, path, flavour: draft.snapshot.flavour });
    }
    let nodes = placement::specifications(draft, count)?;
    if nodes.len() < count as usize {
        return Err(Refusal::Ports { asked: count, there: nodes.len() });
    }
    groups::open_for(draft, &nodes);
    let actions: Vec<Action> = nodes.into_iter().map(|node| Action::Add { node: Box::new(node) }).collect();
    draft.because_of(Cause::Requested, &touched(&actions));
    Ok(actions)
}

pub(super) fn program<'a>(draft: &Draft<'a>) -> Result<&'a Binary, Refusal> {
    draft.snapshot.available.as_ref().ok_or_else(|| Refusal::NoProgram { path: draft.config.antnode_path.clone() })
}

fn chosen(draft: &mut Draft<'_>, verb: Verb, selection: &Selection) -> Result<Vec<Action>, Refusal> {
    let meant = order::meant(draft, verb, selection)?;
    let most = selection.count.map_or(usize::MAX, |count| count as usize);
    let mut actions = Vec::new();
    let mut nothing_to_do = Vec::new();
    for Selected { each, by_name } in meant {
        if actions.len() == most {
            break;
        }
        match action(draft, verb, each) {
            Ok(Some(action)) => actions.push(action),
            Ok(None) if by_name => nothing_to_do.push(each.node.id()),
            Err(refusal) if by_name => return Err(refusal),
            Ok(None) | Err(_) => {}
        }
    }
    draft.because_of(Cause::NothingToDo { verb }, &nothing_to_do);
    if draft.snapshot.pause.is_none() {
        groups::repair(draft);
    } else {
        groups::repair_for(draft, &touched(&actions));
    }
    draft.because_of(Cause::Requested, &touched(&actions));
    groups::open_missing(draft, &actions);
    if let Some(asked) = selection.count.filter(|_| actions.len() < most) {
        draft.because(Cause::Fewer { verb, asked, there: count(&actions) }, &[]);
    }
    Ok(actions)
}

/// What this request means for this node; none when it is so already.
fn action(draft: &Draft<'_>, verb: Verb, each: &NodeSnapshot) -> Result<Option<Action>, Refusal> {
    let (number, status) = (each.node.id(), each.node.status());
    let wrong = || Refusal::WrongStatus { name: each.node.spec().name.clone(), status, verb };
    Ok(match verb {
        Verb::Remove => Some(Action::Remove { number, now: true }),
        Verb::Enable => (status == Status::Disabled).then_some(Action::Enable { number }),
        Verb::Disable => (status != Status::Disabled).then_some(Action::Disable { number }),
        _ if matches!(status, Status::Disabled | Status::Dead | Status::Migrating) => return Err(wrong()),
        Verb::Stop | Verb::Upgrade if status == Status::Removing => return Err(wrong()),
        Verb::Stop => (status != Status::Stopped || !each.node.life().is_stopped_by_owner() || each.lives())
            .then_some(Action::Stop { number, by_owner: true }),
        Verb::Start => match status {
            Status::Stopped | Status::Removing => Some(growth::start(each)),
            _ => None,
        },
        Verb::Upgrade => upgrade(draft, each)?,
        Verb::Revert => Some(Action::Revert { number }),
        Verb::Add | Verb::Restart => Some(Action::Restart { number }),
    })
}

/// What a node that is asked for by name is upgraded by; none when it has that version already.
fn upgrade(draft: &Draft<'_>, each: &NodeSnapshot) -> Result<Option<Action>, Refusal> {
    let (to, node) = (program(draft)?, &each.node);
    let (name, path, flavour) = (node.spec().name.clone(), to.path.clone(), draft.snapshot.flavour);
    if node.spec().flavour != flavour {
        return Err(Refusal::OtherFlavour { name, own: node.spec().flavour, path, flavour });
    }
    // A node that never reported its version may well be older.
    match node.version().map(|own| (own, own.cmp_precedence(&to.version))) {
        Some((own, Ordering::Greater)) => Err(Refusal::OlderProgram {
            name,
            own: Box::new(own.clone()),
            path,
            available: Box::new(to.version.clone()),
        }),
        Some((_, Ordering::Equal)) => Ok(None),
        _ if node.life().is_stopped_by_owner() && node.status() == Status::Stopped => {
            Err(Refusal::StoppedByOwner { name })
        }
        _ => Ok(Some(Action::Upgrade { number: node.id(), to: to.clone() })),
    }
}
