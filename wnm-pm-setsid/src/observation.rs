//! An observation of the machine shows which processes are nodes', once for a whole batch.

use std::collections::{HashMap, HashSet};
use std::path::PathBuf;

use wnm_pm::last_words::complaint;
use wnm_pm::node::{NodeRef, NodeSpec, ProcessId};
use wnm_pm::path_policy;
use wnm_pm::process_manager::ProcessState;

use crate::note::Note;
use crate::output;
use crate::processes::{self, Process};

/// The living processes whose program is a node's own copy.
pub(crate) struct Observation(HashMap<PathBuf, Vec<Process>>);

impl Observation {
    /// Looks for the processes of these nodes.
    pub(crate) fn of(nodes: &[NodeRef]) -> Self {
        let programs: HashSet<PathBuf> = nodes.iter().filter_map(|node| own_program(&node.spec)).collect();
        let mut found: HashMap<_, Vec<_>> = HashMap::new();
        if !programs.is_empty() {
            for process in processes::running(|program| programs.contains(program)) {
                found.entry(process.program.clone()).or_default().push(process);
            }
        }
        Self(found)
    }

    /// Every process of a node, the oldest first: its program is the node's own copy (also one that was replaced meanwhile)
    /// *and* its command line holds the node's directory. Neither a pid in a file nor a part of a command line makes a
    /// process a node's.
    pub(crate) fn processes(&self, spec: &NodeSpec) -> Vec<ProcessId> {
        let candidates = own_program(spec).and_then(|program| self.0.get(&program)).into_iter().flatten();
        let own = candidates.filter(|process| process.line.names_directory(&spec.root_dir));
        own.map(|process| process.id).collect()
    }

    /// The process of a node: the oldest, should there be several.
    pub(crate) fn process(&self, spec: &NodeSpec) -> Option<ProcessId> {
        self.processes(spec).first().copied()
    }

    /// The state of a node's process.
    pub(crate) fn state(&self, spec: &NodeSpec) -> ProcessState {
        if let process @ Some(_) = self.process(spec) {
            return ProcessState::Running { process };
        }
        if !spec.root_dir.exists() {
            return ProcessState::Absent;
        }
        if !spec.binary.exists() {
            return ProcessState::Incomplete { missing: format!("its program {}", spec.binary.display()) };
        }
        // wnm takes its note of the process away when it ends a node: one that is there means that something else did.
        let reason = Note::of(spec).map(|note| {
            let said = complaint(&output::end(spec, note.output_start));
            let said = said.map(|said| format!("; it said: {said}")).unwrap_or_default();
            format!("its process {} was not ended by wnm{said}", note.process.pid)
        });
        ProcessState::Stopped { reason }
    }
}

fn own_program(spec: &NodeSpec) -> Option<PathBuf> {
    path_policy::own_path(&spec.binary).ok()
}
