//! The logs of many nodes, read together.

use std::path::Path;
use std::sync::Arc;

use super::LogPlace;
use super::file::FileLog;
use super::journal::Journal;
use crate::command::CommandRunner;
use crate::hint::chain;

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
    told: Vec<String>,
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
        let units = |wanted: bool| {
            places().filter_map(move |(node, place)| match place {
                LogPlace::Journal { unit, of_user } if *of_user == wanted => Some((unit.clone(), node)),
                _ => None,
            })
        };
        let journals = [false, true].into_iter().filter_map(|of_user| {
            let units: Vec<String> = units(of_user).map(|(unit, _)| unit).collect();
            (!units.is_empty()).then(|| Journal::new(of_user, units))
        });
        Self {
            runner,
            journals: journals.collect(),
            units: units(false).chain(units(true)).collect(),
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
    pub async fn last(&mut self, lines: usize, follows: bool, heard: &mut Heard<'_>) -> Vec<String> {
        let mut faults = Vec::new();
        for journal in &mut self.journals {
            let mut of_journal = in_journal(&self.units, heard);
            match journal.last(lines, &*self.runner, &mut of_journal).await {
                Ok(units) => {
                    let nodes = self.units.iter().filter(|(unit, _)| units.contains(unit)).map(|(_, node)| *node);
                    nodes.for_each(|node| self.found[node] = true);
                }
                Err(error) => faults.push(chain(&error)),
            }
        }
        for OfFile { node, log } in &mut self.files {
            let mut of_file = in_file(*node, heard);
            match log.last(lines, &mut of_file) {
                Ok(found) => self.found[*node] |= found,
                Err(fault) => faults.push(chain(&fault)),
            }
            if !follows && !log.end(&mut of_file) {
                break;
            }
        }
        self.new_faults(faults)
    }

    /// Reads what was written since. Answers whether more is wanted, and what is in the way now and was not before.
    pub async fn more(&mut self, heard: &mut Heard<'_>) -> (bool, Vec<String>) {
        let mut faults = Vec::new();
        let mut goes_on = true;
        for journal in &mut self.journals {
            match journal.more(&*self.runner, &mut in_journal(&self.units, heard)).await {
                Ok(more) => goes_on &= more,
                Err(error) => faults.push(chain(&error)),
            }
        }
        for OfFile { node, log } in &mut self.files {
            if !goes_on {
                break;
            }
            match log.more(&mut in_file(*node, heard)) {
                Ok(more) => goes_on = more,
                Err(fault) => faults.push(chain(&fault)),
            }
        }
        (goes_on, self.new_faults(faults))
    }

    fn new_faults(&mut self, faults: Vec<String>) -> Vec<String> {
        let new: Vec<String> = faults.iter().filter(|fault| !self.told.contains(fault)).cloned().collect();
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
