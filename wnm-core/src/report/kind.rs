//! Kinds of steps: what a summary says in one line, however many nodes it is about.

use std::collections::BTreeMap;

use semver::Version;

use super::count::counted;
use super::names::{all_names, names};
use crate::node::{NodeId, Verb};
use crate::plan::Action;

/// What the steps of one line have in common.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind<'a> {
    /// Remove, files and all.
    Remove,
    /// Stop; the files go once `delay_remove` has passed.
    RemoveLater,
    /// Add nodes of this version.
    Add(Option<&'a Version>),
    /// Upgrade to this version.
    Upgrade(&'a Version),
    /// Stop until the owner starts it.
    StopByOwner,
    /// Anything else that the verb alone says.
    Plain(Verb),
}

/// Whether a line says what is to be done, or what was done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Tense {
    ToDo,
    Done,
}

impl<'a> Kind<'a> {
    /// The kind of an action on one node; none for what is done to all.
    pub(super) fn of(action: &'a Action) -> Option<(Self, NodeId)> {
        let (verb, id) = action.step()?;
        let kind = match action {
            Action::Remove { now: true, .. } => Self::Remove,
            Action::Remove { now: false, .. } => Self::RemoveLater,
            Action::Add { node } => Self::Add(node.version.as_ref()),
            Action::Upgrade { to, .. } => Self::Upgrade(&to.version),
            Action::Stop { by_owner: true, .. } => Self::StopByOwner,
            _ => Self::Plain(verb),
        };
        Some((kind, id))
    }

    /// Whether it takes nodes away.
    pub(super) fn removes(self) -> bool {
        self.rank() < 2
    }

    /// What takes nodes away comes before everything else, and what cannot be taken back first.
    pub(super) fn rank(self) -> u8 {
        match self {
            Self::Remove | Self::Plain(Verb::Remove) => 0,
            Self::RemoveLater => 1,
            _ => 2,
        }
    }

    /// The line about these nodes: `add 3 nodes (0.4.17): antnode0001–0003`.
    pub(super) fn line(self, tense: Tense, nodes: &[NodeId]) -> String {
        let named = if self.removes() { all_names(nodes) } else { names(nodes) };
        self.line_with(tense, nodes, &named)
    }

    /// The same with names that were made elsewhere.
    pub(super) fn line_with(self, tense: Tense, nodes: &[NodeId], named: &str) -> String {
        let (verb, end) = (self.verb(tense), self.end(tense, nodes.len() == 1));
        match nodes {
            [_] => format!("{verb} {named}{end}"),
            _ => format!("{verb} {}{end}: {named}", counted(nodes.len(), "node")),
        }
    }

    fn verb(self, tense: Tense) -> &'static str {
        let verb = match self {
            Self::Remove => Verb::Remove,
            Self::RemoveLater | Self::StopByOwner => Verb::Stop,
            Self::Add(_) => Verb::Add,
            Self::Upgrade(_) => Verb::Upgrade,
            Self::Plain(verb) => verb,
        };
        if tense == Tense::ToDo { verb.as_str() } else { past(verb) }
    }

    fn end(self, tense: Tense, one: bool) -> String {
        let (them, their, they_are) = if one { ("it", "its", "it is") } else { ("them", "their", "they are") };
        match (self, tense) {
            (Self::Remove, _) => format!(" and {their} files"),
            (Self::RemoveLater, Tense::ToDo) => format!(" and remove {them} after delay_remove"),
            (Self::RemoveLater, Tense::Done) => ", to be removed after delay_remove".to_owned(),
            (Self::Add(Some(version)), _) => format!(" ({version})"),
            (Self::Upgrade(version), _) => format!(" to {version}"),
            (Self::StopByOwner, _) => format!(" until {they_are} started by hand"),
            (Self::Add(None) | Self::Plain(_), _) => String::new(),
        }
    }
}

fn past(verb: Verb) -> &'static str {
    match verb {
        Verb::Add => "added",
        Verb::Start => "started",
        Verb::Stop => "stopped",
        Verb::Restart => "restarted",
        Verb::Upgrade => "upgraded",
        Verb::Revert => "reverted",
        Verb::Remove => "removed",
        Verb::Disable => "disabled",
        Verb::Enable => "enabled",
    }
}

/// The nodes of each kind: what is removed first, else in the order in which they come.
pub(super) fn by_kind<'a>(steps: impl IntoIterator<Item = (Kind<'a>, NodeId)>) -> Vec<(Kind<'a>, Vec<NodeId>)> {
    let mut kinds: Vec<(Kind<'a>, Vec<NodeId>)> = Vec::new();
    for (kind, id) in steps {
        match kinds.iter_mut().find(|(known, _)| *known == kind) {
            Some((_, nodes)) => nodes.push(id),
            None => kinds.push((kind, vec![id])),
        }
    }
    kinds.sort_by_key(|(kind, _)| kind.rank());
    kinds
}

/// Each step for itself: what is removed first, else in the order in which they come.
pub(super) fn each<'a>(steps: impl IntoIterator<Item = (Kind<'a>, NodeId)>) -> Vec<(Kind<'a>, Vec<NodeId>)> {
    let mut steps: Vec<_> = steps.into_iter().map(|(kind, id)| (kind, vec![id])).collect();
    steps.sort_by_key(|(kind, _)| kind.rank());
    steps
}

/// The kinds of a plan's actions by node.
pub(super) fn kinds_of(actions: &[Action]) -> BTreeMap<NodeId, Kind<'_>> {
    actions.iter().filter_map(Kind::of).map(|(kind, id)| (id, kind)).collect()
}
