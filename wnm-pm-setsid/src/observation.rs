//! An observation of the machine shows which processes are nodes', once for a whole batch.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use wnm_pm::flavour::CommandLine;
use wnm_pm::hint::Hint;
use wnm_pm::last_words::last_words;
use wnm_pm::node::{NodeRef, NodeSpec, ProcessId};
use wnm_pm::path_policy;
use wnm_pm::process_manager::{ManagerError, Outcome, ProcessState};

use crate::note::Note;
use crate::output;
use crate::processes::{self, Process};

/// The living processes whose program is a node's own copy, and those of which nobody can tell.
pub(crate) struct Observation {
    /// Why nothing was seen, where that is so.
    blind: Option<ManagerError>,
    known: HashMap<PathBuf, Vec<Process>>,
    unreadable: Vec<(ProcessId, CommandLine)>,
    /// Whether the kernel hides other users' processes.
    hidden: bool,
}

impl Observation {
    /// Looks for the processes of these nodes.
    pub(crate) fn of(nodes: &[NodeRef]) -> Self {
        let programs: HashSet<PathBuf> = nodes.iter().filter_map(|node| own_program(&node.spec)).collect();
        let mut found: HashMap<_, Vec<_>> = HashMap::new();
        let seen = match programs.is_empty() {
            true => Ok(Vec::new()),
            false => processes::running(|program| programs.contains(program)),
        };
        let (seen, blind) = seen.map_or_else(|error| (Vec::new(), Some(error)), |seen| (seen, None));
        for process in seen {
            found.entry(process.program.clone()).or_default().push(process);
        }
        let places = nodes.iter().map(|node| &node.spec.root_dir);
        let places: HashSet<PathBuf> =
            places.flat_map(|path| [path.clone()].into_iter().chain(path_policy::own_path(path).ok())).collect();
        let names_one = |line: &CommandLine| {
            let told = line.path("--root-dir");
            told.is_some_and(|told| {
                places.contains(&told) || path_policy::own_path(&told).is_ok_and(|told| places.contains(&told))
            })
        };
        Self { blind, known: found, unreadable: processes::unreadable(names_one), hidden: processes::are_hidden() }
    }

    /// Refuses a node of which nobody can tell from here whether it runs: what cannot be read is not gone.
    pub(crate) fn check(&self, spec: &NodeSpec) -> Outcome<()> {
        if let Some(error) = &self.blind {
            return Err(error.clone());
        }
        let unreadable = self.unreadable.iter().find(|(_, line)| line.names_directory(&spec.root_dir));
        let why = match unreadable {
            Some((process, _)) => {
                format!("process {} names its directory, and this user may not look into it", process.pid)
            }
            None if self.hidden && Note::is_anothers(spec) => {
                "another user started it, and the kernel hides that user's processes".to_owned()
            }
            None => return Ok(()),
        };
        let what = format!("cannot tell whether {} is running: {why}", spec.name);
        Err(ManagerError::advised(what, Hint::text("run wnm as root, or as the user who started it")))
    }

    /// Every process of a node, the oldest first: its program is the node's own copy (also one that was replaced meanwhile)
    /// *and* its command line holds the node's directory. Neither a pid in a file nor a part of a command line makes a
    /// process a node's.
    pub(crate) fn processes(&self, spec: &NodeSpec) -> Vec<ProcessId> {
        let candidates = own_program(spec).and_then(|program| self.known.get(&program)).into_iter().flatten();
        let own = candidates.filter(|process| process.line.names_directory(&spec.root_dir));
        own.map(|process| process.id).collect()
    }

    /// The process of a node: the oldest, should there be several.
    pub(crate) fn process(&self, spec: &NodeSpec) -> Option<ProcessId> {
        self.processes(spec).first().copied()
    }

    /// The state of a node's process.
    ///
    /// # Errors
    /// Where it cannot be told.
    pub(crate) fn state(&self, spec: &NodeSpec) -> Outcome<ProcessState> {
        if let process @ Some(_) = self.process(spec) {
            return Ok(ProcessState::Running { process });
        }
        self.check(spec)?;
        if !is_there(&spec.root_dir)? {
            return Ok(ProcessState::Absent);
        }
        if !is_there(&spec.binary)? {
            let missing = format!("its program {}", spec.binary.display());
            return Ok(ProcessState::Incomplete { missing });
        }
        Self::stopped(spec)
    }

    fn stopped(spec: &NodeSpec) -> Outcome<ProcessState> {
        // wnm takes its note of the process away when it ends a node: one that is there means that something else did.
        let reason = Note::of(spec).map(|note| {
            let said = last_words(&output::end(spec, note.output_start));
            let said = if said.is_empty() { said } else { format!("; it said: {said}") };
            format!("its process {} was not ended by wnm{said}", note.process.pid)
        });
        Ok(ProcessState::Stopped { reason })
    }
}

/// Whether there is something; what cannot be looked at is not gone.
fn is_there(path: &Path) -> Outcome<bool> {
    path.try_exists().map_err(|source| ManagerError::io("look at", path, source))
}

fn own_program(spec: &NodeSpec) -> Option<PathBuf> {
    path_policy::own_path(&spec.binary).ok()
}
