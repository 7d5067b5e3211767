//! The logs of many nodes, read together.

use std::io::ErrorKind;
use std::path::Path;
use std::sync::Arc;

use super::file::FileLog;
use super::journal::Journal;
use super::{JournalOf, LogPlace};
use crate::bounded::Fault;
use crate::command::{CommandError, CommandRunner};
use crate::hint::chain;
use crate::privilege::refusal;

/// A line that a node wrote.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogLine<'a> {
    /// Which node: its place in the list that the reader was given.
    pub node: usize,
    /// The file that it stands in; none where it is in a journal.
    pub file: Option<&'a Path>,
    /// The unit whose journal it stands in; none where it is in a file.
    pub unit: Option<&'a str>,
    /// The line, without its end and without what would move a cursor; a longer one than 64 KiB is cut.
    pub text: &'a str,
}

/// What is in the way of reading a log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogFault {
    /// What, as a sentence without a full stop.
    pub text: String,
    /// Whether it is that this user may not read it.
    pub is_denied: bool,
}

impl From<Fault> for LogFault {
    fn from(fault: Fault) -> Self {
        let is_denied = matches!(&fault, Fault::Io { source, .. } if source.kind() == ErrorKind::PermissionDenied);
        Self { text: chain(&fault), is_denied }
    }
}

impl From<CommandError> for LogFault {
    fn from(error: CommandError) -> Self {
        Self { is_denied: refusal(&error).is_some(), text: chain(&error) }
    }
}

/// What a reader does with a line; it answers whether it wants more.
pub type Heard<'a> = dyn FnMut(LogLine<'_>) -> bool + Send + 'a;

/// Reads the logs of nodes.
pub struct LogReader {
    runner: Arc<dyn CommandRunner>,
    files: Vec<OfFile>,
    journals: Vec<Journal>,
    /// The units of all journals, and whose each is.
    units: Vec<(String, usize)>,
    /// Nodes of which something was found.
    found: Vec<bool>,
    /// What is in the way, as far as it was told.
    told: Vec<LogFault>,
}

struct OfFile {
    node: usize,
    log: FileLog,
}

impl LogReader {
    /// Reads these places of each node. Journals are read by this runner.
    #[must_use]
    pub fn new(nodes: &[Vec<LogPlace>], runner: Arc<dyn CommandRunner>) -> Self {
        let places =
            || nodes.iter().enumerate().flat_map(|(node, places)| places.iter().map(move |place| (node, place)));
        let files = places().filter_map(|(node, place)| Some(OfFile { node, log: FileLog::new(place)? })).collect();
        let in_journals = places().filter_map(|(node, place)| match place {
            LogPlace::Journal { unit, of } => Some((*of, unit.clone(), node)),
            _ => None,
        });
        let mut journals: Vec<(JournalOf, Vec<String>)> = Vec::new();
        let mut units = Vec::new();
        for (of, unit, node) in in_journals {
            match journals.iter_mut().find(|(known, _)| *known == of) {
                Some((_, units)) => units.push(unit.clone()),
                None => journals.push((of, vec![unit.clone()])),
            }
            units.push((unit, node));
        }
        Self {
            runner,
            journals: journals.into_iter().map(|(of, units)| Journal::new(of, units)).collect(),
            units,
            files,
            found: vec![false; nodes.len()],
            told: Vec::new(),
        }
    }

    /// Whether anything was found of a node.
    #[must_use]
    pub fn has_found(&self, node: usize) -> bool {
        self.found.get(node).copied().unwrap_or(false)
    }

    /// Reads so many last lines of each place, of journals first: what a node keeps by itself comes last. Answers with what is
    /// in the way, a sentence each. `follows`: whether a line that has not ended yet will be waited for.
    pub async fn last(&mut self, lines: usize, follows: bool, heard: &mut Heard<'_>) -> Vec<LogFault> {
        let mut faults = Vec::new();
        for journal in &mut self.journals {
            let mut of_journal = in_journal(&self.units, heard);
            match journal.last(lines, &*self.runner, &mut of_journal).await {
                Ok(units) => {
                    let nodes = self.units.iter().filter(|(unit, _)| units.contains(unit)).map(|(_, node)| *node);
                    nodes.for_each(|node| self.found[node] = true);
                }
                Err(error) => faults.push(error.into()),
            }
        }
        for OfFile { node, log } in &mut self.files {
            let mut of_file = in_file(*node, heard);
            match log.last(lines, &mut of_file) {
                Ok(found) => self.found[*node] |= found,
                Err(fault) => faults.push(fault.into()),
            }
            if !follows && !log.end(&mut of_file) {
                break;
            }
        }
        self.new_faults(faults)
    }

    /// Reads what was written since. Answers whether more is wanted, and what is in the way now and was not before.
    pub async fn more(&mut self, heard: &mut Heard<'_>) -> (bool, Vec<LogFault>) {
        let mut faults = Vec::new();
        let mut goes_on = true;
        for journal in &mut self.journals {
            match journal.more(&*self.runner, &mut in_journal(&self.units, heard)).await {
                Ok(more) => goes_on &= more,
                Err(error) => faults.push(error.into()),
            }
        }
        for OfFile { node, log } in &mut self.files {
            if !goes_on {
                break;
            }
            match log.more(&mut in_file(*node, heard)) {
                Ok(more) => goes_on = more,
                Err(fault) => faults.push(fault.into()),
            }
        }
        (goes_on, self.new_faults(faults))
    }

    fn new_faults(&mut self, faults: Vec<LogFault>) -> Vec<LogFault> {
        let new: Vec<LogFault> = faults.iter().filter(|fault| !self.told.contains(fault)).cloned().collect();
        self.told = faults;
        new
    }
}

fn in_file<'h>(node: usize, heard: &'h mut Heard<'_>) -> impl FnMut(&Path, &str) -> bool + Send + 'h {
    move |file, text| heard(LogLine { node, file: Some(file), unit: None, text })
}

fn in_journal<'h>(
    units: &'h [(String, usize)],
    heard: &'h mut Heard<'_>,
) -> impl FnMut(&str, &str) -> bool + Send + 'h {
    move |unit, text| {
        let node = units.iter().find(|(known, _)| known == unit).map_or(0, |(_, node)| *node);
        heard(LogLine { node, file: None, unit: Some(unit), text })
    }
}
