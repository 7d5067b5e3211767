//! Which nodes are meant: those that words name, or all; of these the ones that fit; and up to so many.

use glob::Pattern;
use semver::Version;
use serde::{Deserialize, Serialize};

use super::Refusal;
use crate::node::{Node, NodeId, Status};
use crate::renewal::outdated;
use crate::settings::Config;
use crate::snapshot::{NodeSnapshot, Snapshot};

/// Which nodes are meant.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Selection {
    /// Names (`antnode0007`), services (`antnode0007.service`), numbers (`7`), ranges (`1-50`), patterns (`antnode00*`) and
    /// container groups (`a1`). None of them means all nodes.
    pub words: Vec<String>,
    /// What they must be besides.
    pub filter: Filter,
    /// Up to so many of them.
    pub count: Option<u32>,
}

/// What nodes must be; what is empty or none does not count.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Filter {
    /// One of these, as `status` shows them: `RUNNING`, `BROKEN`, in any case.
    pub status: Vec<String>,
    /// In one of these container groups, by name.
    pub groups: Vec<String>,
    /// Of one of these versions.
    pub versions: Vec<Version>,
    /// Created longer ago than so many seconds.
    pub older_than_seconds: Option<u64>,
    /// Whether settings have changed that they get with their next start.
    pub outdated: bool,
}

impl Selection {
    /// Those with these names, services or numbers, or whatever else such a word can be.
    #[must_use]
    pub fn names(words: Vec<String>) -> Self {
        Self { words, ..Self::default() }
    }

    /// Up to so many, chosen as a cycle would choose.
    #[must_use]
    pub fn count(count: u32) -> Self {
        Self { count: Some(count), ..Self::default() }
    }

    /// All nodes.
    #[must_use]
    pub fn all() -> Self {
        Self::default()
    }

    /// Whether nothing but a number of nodes was asked for, so that a cycle would choose.
    pub(super) fn is_open(&self) -> bool {
        self.words.is_empty() && self.filter == Filter::default() && self.count.is_some()
    }

    /// The nodes that are meant, each once: in the order of the words, and by number where there are none. `count` is not
    /// counted yet.
    ///
    /// # Errors
    /// With the words that no node fits, or that cannot be read.
    pub fn of<'s>(&self, config: &Config, snapshot: &'s Snapshot) -> Result<Vec<Selected<'s>>, Refusal> {
        let mut selected = match self.words.as_slice() {
            [] => snapshot.nodes.iter().map(|each| Selected { each, by_name: false }).collect(),
            words => named(words, snapshot)?,
        };
        let fits = self.filter.check(config, snapshot)?;
        selected.retain(|selected| fits(selected.each));
        Ok(selected)
    }
}

/// A node that is meant.
#[derive(Debug, Clone, Copy)]
pub struct Selected<'s> {
    /// The node.
    pub each: &'s NodeSnapshot,
    /// Whether it was named by itself: then its owner wants an answer for it.
    pub by_name: bool,
}

/// The nodes that words name, each once.
fn named<'s>(words: &[String], snapshot: &'s Snapshot) -> Result<Vec<Selected<'s>>, Refusal> {
    let mut found: Vec<Selected<'s>> = Vec::new();
    let (mut unknown, mut unmatched) = (Vec::new(), Vec::new());
    for word in words {
        let meaning = Word::read(word, snapshot)?;
        let by_name = matches!(meaning, Word::Name(_));
        let before = found.len();
        let mut is_met = false;
        for each in snapshot.nodes.iter().filter(|each| meaning.is_met(&each.node)) {
            is_met = true;
            if !found[..before].iter().any(|known| known.each.node.id() == each.node.id()) {
                found.push(Selected { each, by_name });
            }
        }
        match is_met {
            true => {}
            false if by_name => unknown.push(word.clone()),
            false => unmatched.push(word.clone()),
        }
    }
    match (unknown.is_empty(), unmatched.is_empty()) {
        (true, true) => Ok(found),
        (false, _) => Err(Refusal::UnknownNames(unknown)),
        (true, false) => Err(Refusal::NoMatch(unmatched)),
    }
}

/// Why a word that should name nodes cannot be read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WordFault {
    /// A range whose end comes before its beginning.
    Backwards,
    /// A pattern that is none.
    Pattern(&'static str),
    /// Not a status.
    Status,
}

/// What a word means.
enum Word<'w> {
    /// A name, a service or a number.
    Name(&'w str),
    /// From one number to another.
    Range(NodeId, NodeId),
    /// Names that look like this.
    Like(Pattern),
    /// A container group.
    Group(u32),
}

impl<'w> Word<'w> {
    fn read(word: &'w str, snapshot: &Snapshot) -> Result<Self, Refusal> {
        let refused = |fault| Refusal::BadWord { word: word.to_owned(), fault };
        if let Some((first, last)) = range(word) {
            return if first <= last { Ok(Self::Range(first, last)) } else { Err(refused(WordFault::Backwards)) };
        }
        if word.contains(['*', '?', '[']) {
            return Pattern::new(word).map(Self::Like).map_err(|error| refused(WordFault::Pattern(error.msg)));
        }
        let group = snapshot.groups.iter().find(|group| group.spec.name == word);
        Ok(group.map_or(Self::Name(word), |group| Self::Group(group.spec.group)))
    }

    fn is_met(&self, node: &Node) -> bool {
        match self {
            Self::Name(name) => node.is_called(name),
            Self::Range(first, last) => (*first..=*last).contains(&node.id()),
            Self::Like(pattern) => pattern.matches(node.name()) || pattern.matches(node.service()),
            Self::Group(group) => node.spec().group == Some(*group),
        }
    }
}

/// `1-50`, `antnode0001-antnode0050`, and `antnode0001–0050` as reports have it.
fn range(word: &str) -> Option<(NodeId, NodeId)> {
    let (first, last) = word.split_once(['-', '–'])?;
    Some((number(first)?, number(last)?))
}

fn number(text: &str) -> Option<NodeId> {
    NodeId::of_name(text).or_else(|| text.parse().ok().map(NodeId))
}

impl Filter {
    /// Whether a node fits.
    ///
    /// # Errors
    /// With the words that mean nothing here.
    fn check<'f>(
        &'f self,
        config: &'f Config,
        snapshot: &Snapshot,
    ) -> Result<impl Fn(&NodeSnapshot) -> bool + use<'f>, Refusal> {
        let group = |name: &String| {
            let group = snapshot.groups.iter().find(|group| group.spec.name == *name);
            group.map(|group| Some(group.spec.group)).ok_or_else(|| Refusal::NoMatch(vec![name.clone()]))
        };
        let groups = self.groups.iter().map(group).collect::<Result<Vec<Option<u32>>, Refusal>>()?;
        if let Some(word) = self.status.iter().find(|word| !statuses().any(|known| known.eq_ignore_ascii_case(word))) {
            return Err(Refusal::BadWord { word: word.clone(), fault: WordFault::Status });
        }
        let now = snapshot.now;
        Ok(move |each: &NodeSnapshot| {
            let node = &each.node;
            let shown = shown_status(config, each);
            let age = u64::try_from(now.saturating_sub(node.created_at())).unwrap_or(0);
            (self.status.is_empty() || self.status.iter().any(|word| shown.eq_ignore_ascii_case(word)))
                && (groups.is_empty() || groups.contains(&node.spec().group))
                && (self.versions.is_empty() || node.version().is_some_and(|own| self.versions.contains(own)))
                && self.older_than_seconds.is_none_or(|seconds| age > seconds)
                && (!self.outdated || !outdated(config, node).is_empty())
        })
    }
}

/// What `status` shows of a node that fell too often.
pub const BROKEN: &str = "BROKEN";

/// What `status` shows of a node whose process lives and does nothing.
pub const FROZEN: &str = "FROZEN";

/// The status of a node as reports show it.
#[must_use]
pub fn shown_status(config: &Config, each: &NodeSnapshot) -> &'static str {
    match each.node.life() {
        _ if each.is_frozen() => FROZEN,
        life if life.is_broken(config.broken_after) => BROKEN,
        life => life.status().as_str(),
    }
}

/// Everything that reports show as a status.
pub(crate) fn statuses() -> impl Iterator<Item = &'static str> {
    Status::ALL.iter().map(|status| status.as_str()).chain([BROKEN, FROZEN])
}
