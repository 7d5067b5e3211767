//! Progress is reported while wnm works: what it waits for, how many steps a plan has, and what became of each. Whoever
//! listens may also ask to stop.

use crate::execute::step_result::StepResult;
use crate::node::{NodeId, Verb};

/// A moment in the carrying out of a plan.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// The intention is about to be recorded.
    BeforeIntention,
    /// The intention is recorded, nothing is done yet.
    Intended,
    /// The process manager has created the node; that is not recorded yet.
    Created,
    /// The process manager has done the deed; that is not recorded yet.
    Done,
    /// The outcome is recorded.
    Recorded,
}

/// Work that takes a while and is not a step of a plan. Several may be going on at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Work {
    /// Opening and reading the database.
    ReadDatabase,
    /// Recording what was observed and decided.
    WriteDatabase,
    /// Measuring load, memory, disk and network.
    MeasureMachine,
    /// Asking the node program for its version.
    ReadProgramVersion,
    /// Asking the process manager which of so many nodes run.
    CheckNodes(usize),
    /// Asking the container engine about so many groups.
    AskGroups(usize),
    /// Asking so many nodes over HTTP how they are.
    AskNodes(usize),
    /// Measuring what so many container groups use.
    MeasureGroups(usize),
    /// Looking for nodes that are not in the database.
    FindUntracked,
    /// Looking for everything that would keep nodes from working.
    Examine,
    /// Bringing so many container groups up.
    OpenGroups(usize),
    /// Taking so many container groups down.
    CloseGroups(usize),
    /// Asking the process manager to take everything down in one call, where it can.
    TearDown,
    /// Moving so many nodes to another flavour.
    MoveNodes(usize),
    /// Moving so many nodes to another disk.
    MoveToDisk(usize),
    /// Reading a backup and checking all of it.
    ReadBackup,
    /// Writing a backup.
    WriteBackup,
    /// Putting keys and database in their places.
    RestoreBackup,
    /// Waiting for so many nodes to be healthy.
    AwaitHealth(usize),
    /// Waiting between two steps, `action_delay`.
    Pause,
}

/// Who listens.
pub trait Progress: Send + Sync {
    /// A step of a batch on these nodes is at this moment, whatever becomes of it.
    fn at(&self, verb: Verb, nodes: &[NodeId], moment: Moment);

    /// This work begins.
    fn begins(&self, _work: Work) {}

    /// So many of the nodes or groups that this work is about are finished.
    fn advances(&self, _work: Work, _finished: usize) {}

    /// This work has ended, successfully or not.
    fn ends(&self, _work: Work) {}

    /// A plan of so many steps is about to be carried out.
    fn planned(&self, _steps: usize) {}

    /// Steps have ended, each with its outcome, which is recorded.
    fn ended(&self, _results: &[StepResult]) {}

    /// Whether to stop before the next node: what is in hand is finished and recorded first.
    fn interrupted(&self) -> bool {
        false
    }
}

/// Nobody listens.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Progress for Silent {
    fn at(&self, _: Verb, _: &[NodeId], _: Moment) {}
}

/// Work that is going on, until this is dropped.
pub struct Ongoing<'a> {
    progress: &'a dyn Progress,
    work: Work,
}

impl<'a> Ongoing<'a> {
    /// Reports that `work` begins. It ends with what this gives back, so that no error is taken for work that goes on.
    #[must_use]
    pub fn begin(progress: &'a dyn Progress, work: Work) -> Self {
        progress.begins(work);
        Self { progress, work }
    }

    /// Reports that so many of the nodes or groups are finished.
    pub fn advance(&self, finished: usize) {
        self.progress.advances(self.work, finished);
    }
}

/// Reports `work` for as long as `doing` takes.
pub async fn during<T>(progress: &dyn Progress, work: Work, doing: impl Future<Output = T>) -> T {
    let _ongoing = Ongoing::begin(progress, work);
    doing.await
}

impl Drop for Ongoing<'_> {
    fn drop(&mut self) {
        self.progress.ends(self.work);
    }
}
