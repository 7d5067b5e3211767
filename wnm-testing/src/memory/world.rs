//! A memory world is the machine of a memory manager: its nodes, files, ports and programs, and what goes wrong with them.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use semver::Version;

use wnm_pm::container_host::{Group, GroupState};
use wnm_pm::node::{NodeId, NodeRef, NodeSpec, ProcessId};
use wnm_pm::port_use::Protocol;
use wnm_pm::process_manager::{ManagerError, Outcome, ProcessState};

use super::habit::Habit;

/// What a process manager can be asked to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[expect(missing_docs, reason = "they are the methods of ProcessManager")]
pub enum Operation {
    TakeOver,
    Create,
    Start,
    Stop,
    ReplaceProgram,
    RestoreProgram,
    ForgetPrevious,
    Remove,
    Inspect,
    Survey,
    Teardown,
}

/// One call with its batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What was asked.
    pub operation: Operation,
    /// Of which nodes, in the order of the call.
    pub nodes: Vec<NodeId>,
}

/// A machine in memory. Clones are the same machine.
#[derive(Debug, Clone, Default)]
pub struct MemoryWorld(Arc<Mutex<State>>);

/// When a program ends by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Death {
    Never,
    AtOnce,
}

#[derive(Debug)]
pub(super) enum Entry {
    File(Vec<u8>),
    Link,
}

#[derive(Debug)]
pub(super) struct MemoryNode {
    pub(super) spec: NodeSpec,
    /// Where its copy of the program comes from, and which version that is.
    pub(super) program: (PathBuf, Option<Version>),
    /// The program that was kept when another took its place.
    pub(super) previous: Option<(PathBuf, Option<Version>)>,
    pub(super) process: Option<ProcessId>,
}

#[derive(Debug, Default)]
pub(super) struct State {
    /// By root directory: numbers may be used again.
    pub(super) nodes: BTreeMap<PathBuf, MemoryNode>,
    pub(super) files: BTreeMap<PathBuf, Entry>,
    pub(super) groups: BTreeMap<u32, Group>,
    pub(super) calls: Vec<Call>,
    pub(super) busy: BTreeSet<(Protocol, u16)>,
    failures: BTreeMap<(Operation, NodeId), String>,
    /// Programs that are no good; all others live until they are ended.
    bad_programs: BTreeMap<PathBuf, Option<Death>>,
    /// By version, and of all nodes or of these.
    pub(super) habits: BTreeMap<Version, (Habit, Option<BTreeSet<NodeId>>)>,
    processes: u32,
}

impl MemoryWorld {
    /// An empty machine.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Lets an operation on a node fail for this reason, until [`Self::repair`].
    pub fn fail(&self, operation: Operation, node: NodeId, reason: &str) {
        self.lock().failures.insert((operation, node), reason.to_owned());
    }

    /// Lets an operation on a node succeed again.
    pub fn repair(&self, operation: Operation, node: NodeId) {
        self.lock().failures.remove(&(operation, node));
    }

    /// Nodes with this program end right after their start.
    pub fn break_program(&self, program: &Path) {
        self.lock().bad_programs.insert(program.to_owned(), Some(Death::AtOnce));
    }

    /// This program is not there.
    pub fn lose_program(&self, program: &Path) {
        self.lock().bad_programs.insert(program.to_owned(), None);
    }

    /// The versions of which the nodes keep their previous programs.
    #[must_use]
    pub fn kept(&self) -> BTreeMap<NodeId, Option<Version>> {
        let state = self.lock();
        let kept = state.nodes.values().filter_map(|node| Some((node.spec.id, node.previous.clone()?.1)));
        kept.collect()
    }

    /// Every call so far, with its batch.
    #[must_use]
    pub fn calls(&self) -> Vec<Call> {
        self.lock().calls.clone()
    }

    /// The numbers of the nodes whose process lives.
    #[must_use]
    pub fn running(&self) -> Vec<NodeId> {
        let state = self.lock();
        let living = state.nodes.values().filter(|node| node.process.is_some());
        living.map(|node| node.spec.id).collect()
    }

    /// The nodes whose process lives, and the version of each.
    #[must_use]
    pub fn living(&self) -> BTreeMap<NodeId, Option<Version>> {
        let state = self.lock();
        let living = state.nodes.values().filter(|node| node.process.is_some());
        living.map(|node| (node.spec.id, node.program.1.clone())).collect()
    }

    /// Whether a node's directory is there.
    #[must_use]
    pub fn has_directory(&self, root_dir: &Path) -> bool {
        self.lock().nodes.contains_key(root_dir)
    }

    /// The numbers of the nodes that exist, running or not.
    #[must_use]
    pub fn existing(&self) -> Vec<NodeId> {
        self.lock().nodes.values().map(|node| node.spec.id).collect()
    }

    /// The process of a node ends, as if killed.
    pub fn crash(&self, node: NodeId) {
        let mut state = self.lock();
        let nodes = state.nodes.values_mut().filter(|known| known.spec.id == node);
        nodes.for_each(|known| known.process = None);
    }

    /// The process of a node ends and its process manager starts it again at once.
    pub fn respawn(&self, node: NodeId) {
        let mut state = self.lock();
        state.processes += 1;
        let process = ProcessId { pid: 1000 + state.processes, start_time: u64::from(state.processes) };
        let nodes = state.nodes.values_mut().filter(|known| known.spec.id == node && known.process.is_some());
        nodes.for_each(|known| known.process = Some(process));
    }

    /// The directory of a node is gone, and the process goes on, as after `rm -rf`.
    pub fn lose_directory(&self, node: NodeId) {
        self.lock().nodes.retain(|_, known| known.spec.id != node);
    }

    /// Every process ends, as at a restart of the machine.
    pub fn reboot(&self) {
        let mut state = self.lock();
        state.nodes.values_mut().for_each(|node| node.process = None);
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    pub(super) fn fails(&self, operation: Operation, node: NodeId) -> Outcome<()> {
        match self.failures.get(&(operation, node)) {
            Some(reason) => Err(ManagerError::Failed(reason.clone())),
            None => Ok(()),
        }
    }

    pub(super) fn node(&mut self, spec: &NodeSpec) -> Outcome<&mut MemoryNode> {
        let missing = || ManagerError::Failed(format!("{} does not exist", spec.name));
        self.nodes.get_mut(&spec.root_dir).ok_or_else(missing)
    }

    pub(super) fn program(&self, path: &Path) -> Outcome<Death> {
        match self.bad_programs.get(path) {
            Some(None) => Err(ManagerError::Program { path: path.to_owned(), reason: "it is not there".to_owned() }),
            Some(Some(death)) => Ok(*death),
            None => Ok(Death::Never),
        }
    }

    pub(super) fn copy_program(&mut self, spec: &NodeSpec, from: &Path, version: Option<&Version>) -> Outcome<()> {
        self.program(from)?;
        self.node(spec)?.program = (from.to_owned(), version.cloned());
        Ok(())
    }

    pub(super) fn look(&self, spec: &NodeSpec) -> ProcessState {
        match self.nodes.get(&spec.root_dir) {
            None => ProcessState::Absent,
            Some(MemoryNode { process: None, .. }) => ProcessState::Stopped { reason: None },
            Some(MemoryNode { process, .. }) => ProcessState::Running { process: *process },
        }
    }

    pub(super) fn refuse_link(&self, path: &Path) -> Outcome<()> {
        match self.files.get(path) {
            Some(Entry::Link) => {
                Err(ManagerError::NotOurs { path: path.to_owned(), reason: "it is a symbolic link".to_owned() })
            }
            _ => Ok(()),
        }
    }

    pub(super) fn refuse_busy(&self, protocol: Protocol, port: u16) -> Outcome<()> {
        if self.busy.contains(&(protocol, port)) {
            let holder = "another program".to_owned();
            return Err(ManagerError::PortInUse { protocol, port, holder });
        }
        Ok(())
    }

    pub(super) fn refuse_closed_group(&self, spec: &NodeSpec) -> Outcome<()> {
        let Some(group) = spec.group else {
            return Ok(());
        };
        match self.groups.get(&group).map(|group| group.state) {
            Some(GroupState::Running) => Ok(()),
            _ => Err(ManagerError::Failed(format!("the container of group a{group} does not run"))),
        }
    }

    /// A node's process begins: it takes its ports and writes its files, as a test node does.
    pub(super) fn begin(&mut self, NodeRef { spec, launch, .. }: &NodeRef, version: Option<&Version>) -> ProcessId {
        self.processes += 1;
        let process = ProcessId { pid: 1000 + self.processes, start_time: u64::from(self.processes) };
        if let Some(node) = self.nodes.get_mut(&spec.root_dir) {
            node.process = Some(process);
        }
        let key = spec.root_dir.join("secret-key");
        if !self.files.contains_key(&key) {
            self.write(&key, &[self.processes.to_le_bytes(); 8].concat());
        }
        let program = std::iter::once(spec.binary.to_string_lossy().into_owned());
        let seen = serde_json::json!({
            "version": version,
            "pid": process.pid,
            "arguments": program.chain(launch.arguments.iter().cloned()).collect::<Vec<_>>(),
            "environment": launch.environment.iter().cloned().collect::<BTreeMap<_, _>>(),
        });
        self.write(&spec.root_dir.join("seen.json"), seen.to_string().as_bytes());
        process
    }

    pub(super) fn end(&mut self, spec: &NodeSpec) {
        if let Some(node) = self.nodes.get_mut(&spec.root_dir) {
            node.process = None;
        }
    }

    pub(super) fn write(&mut self, path: &Path, content: &[u8]) {
        self.files.insert(path.to_owned(), Entry::File(content.to_vec()));
    }
}
