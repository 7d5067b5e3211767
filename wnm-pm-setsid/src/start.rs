//! Starting takes a node from its files to a process that lives: all nodes of a batch at once.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;

use tokio::process::Child;
use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::last_words::last_words;
use wnm_pm::node::{NodeRef, NodeSpec, ProcessId};
use wnm_pm::process_manager::{ManagerError, Outcome, Started};
use wnm_pm::{node_files, port_use, process};

use crate::note::Note;
use crate::observation::Observation;
use crate::{Setsid, output, spawn};

/// How far the start of a node has come.
enum Begun {
    /// It ran before.
    Runs(ProcessId),
    /// It has not lived long enough yet to count as started.
    Young(Box<Young>),
}

struct Young {
    child: Child,
    note: Note,
}

/// Starts the nodes that do not run, and waits until each has lived a moment or has ended.
pub(crate) async fn start(manager: &Setsid, nodes: &[NodeRef]) -> Outcomes<Started> {
    let observation = Observation::of(nodes);
    let mut begun = Batch::of(nodes).check(|node, ()| manager.refuse_launch(node)).then(|node, ()| {
        let running = observation.process(&node.spec).map(Begun::Runs);
        running.map_or_else(|| observation.check(&node.spec).and_then(|()| spawn_whole(node)), Ok)
    });
    let living = || {
        begun.update(|node, begun| begun.check(&node.spec));
        let young = begun.good().filter(|(_, begun)| matches!(begun, Begun::Young(_)));
        young.map(|(node, _)| node.spec.ports.clone()).collect()
    };
    manager.settling.watch(living).await;
    // The children are let go here: the runtime takes note of their end, so that none stays behind as a zombie.
    begun.then(|_, begun| Ok(Started { process: Some(begun.process()) })).outcomes()
}

fn spawn_whole(node: &NodeRef) -> Outcome<Begun> {
    let spec = &node.spec;
    node_files::check_startable(spec)?;
    port_use::check_free(&spec.ports)?;
    // Whatever somebody deleted of the node comes back, as long as its directory is there.
    node_files::make(spec, None)?.keep();
    let (output, output_start) = output::open(spec)?;
    let child = spawn::spawn(&node.launch, &output)?;
    let pid = child.id().ok_or_else(|| ManagerError::unanswered(&spec.name))?;
    let process = ProcessId { pid, start_time: process::start_time(pid).unwrap_or_default() };
    let note = Note { process, output_start };
    if let Err(error) = note.keep(spec) {
        // The node is found without it.
        tracing::warn!("cannot note the process of {}: {}", spec.name, error.text());
    }
    Ok(Begun::Young(Box::new(Young { child, note })))
}

impl Begun {
    fn process(&self) -> ProcessId {
        match self {
            Self::Runs(process) => *process,
            Self::Young(young) => young.note.process,
        }
    }

    /// Refuses one that has ended.
    fn check(&mut self, spec: &NodeSpec) -> Outcome<()> {
        let Self::Young(young) = self else { return Ok(()) };
        match young.child.try_wait() {
            Ok(Some(status)) => Err(exited(spec, status, young.note.output_start)),
            _ => Ok(()),
        }
    }
}

fn exited(spec: &NodeSpec, status: ExitStatus, output_start: u64) -> ManagerError {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "nobody knows how".to_owned(),
    };
    ManagerError::ExitedAtOnce {
        name: spec.name.clone(),
        how,
        said: last_words(&output::end(spec, output_start)),
        log_dir: spec.log_dir.clone(),
    }
}
