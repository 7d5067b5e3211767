//! Starting takes a node from its files to a process that lives: all nodes of a batch at once.

use std::os::unix::process::ExitStatusExt;
use std::process::ExitStatus;
use std::time::{Duration, Instant};

use tokio::process::Child;
use wnm_pm::node::{NodeRef, NodeSpec, ProcessId};
use wnm_pm::process_manager::{ManagerError, Outcome, Started};
use wnm_pm::{port_use, process};

use crate::files::{self, Note, io};
use crate::look::Look;
use crate::{Patience, Setsid, output, spawn};

/// How often young processes are looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// A process that has not lived long enough yet to count as started.
struct Young<'a> {
    spec: &'a NodeSpec,
    child: Child,
    process: ProcessId,
    /// Where its output begins in the file.
    output_start: u64,
}

/// What became of the start of a node so far.
enum Begun<'a> {
    Young(Box<Young<'a>>),
    Settled(Outcome<Started>),
}

/// Starts the nodes that do not run, and waits until each has lived a moment or has ended.
pub(crate) async fn start(manager: &Setsid, nodes: &[NodeRef]) -> Vec<Outcome<Started>> {
    let look = Look::at(nodes.iter().map(|node| &node.spec));
    let mut all: Vec<_> = nodes.iter().map(|node| begin(manager, &look, &node.spec)).collect();
    settle(manager.patience, &mut all).await;
    // The children are let go here: the runtime takes note of their end, so that none stays behind as a zombie.
    let outcomes = all.into_iter().map(|begun| match begun {
        Begun::Young(young) => Ok(Started { process: Some(young.process) }),
        Begun::Settled(outcome) => outcome,
    });
    outcomes.collect()
}

fn begin<'a>(manager: &Setsid, look: &Look, spec: &'a NodeSpec) -> Begun<'a> {
    if let Err(error) = manager.refuse(spec) {
        return Begun::Settled(Err(error));
    }
    if let process @ Some(_) = look.process(spec) {
        return Begun::Settled(Ok(Started { process }));
    }
    match spawn_all(spec) {
        Ok(young) => Begun::Young(Box::new(young)),
        Err(error) => Begun::Settled(Err(error)),
    }
}

fn spawn_all(spec: &NodeSpec) -> Result<Young<'_>, ManagerError> {
    if !spec.root_dir.exists() {
        let gone = std::io::ErrorKind::NotFound.into();
        return Err(io("start a node without its directory", &spec.root_dir, gone));
    }
    // Whatever somebody deleted of the node comes back, as long as its directory is there.
    files::create(spec)?;
    port_use::check_free(spec.ports, spec.flavour)?;
    let (output, output_start) = output::open(spec)?;
    let child = spawn::spawn(spec, &output)?;
    let pid = child.id().expect("a process that nobody waited for has its pid");
    let process = ProcessId { pid, start_time: process::start_time(pid).unwrap_or_default() };
    if let Err(error) = files::note_process(spec, Note { process, output_start }) {
        // The node is found without it.
        tracing::warn!("cannot note the process of {}: {error}", spec.name);
    }
    Ok(Young { spec, child, process, output_start })
}

/// Waits until every young process has died, or has lived long enough to count as started.
async fn settle(patience: Patience, all: &mut [Begun<'_>]) {
    let began = Instant::now();
    loop {
        for begun in all.iter_mut() {
            if let Begun::Young(young) = begun
                && let Ok(Some(status)) = young.child.try_wait()
            {
                *begun = Begun::Settled(Err(exited(young, status)));
            }
        }
        let young = || all.iter().filter_map(|begun| if let Begun::Young(young) = begun { Some(young) } else { None });
        let age = began.elapsed();
        if young().next().is_none() || age >= patience.settle_most {
            return;
        }
        if age >= patience.settle_least {
            let open = port_use::ports_in_use(port_use::Protocol::Udp);
            if young().all(|young| open.contains(&young.spec.ports.node)) {
                return;
            }
        }
        tokio::time::sleep(GLANCE).await;
    }
}

fn exited(young: &Young<'_>, status: ExitStatus) -> ManagerError {
    let how = match (status.code(), status.signal()) {
        (Some(code), _) => format!("exit code {code}"),
        (None, Some(signal)) => format!("signal {signal}"),
        (None, None) => "nobody knows how".to_owned(),
    };
    ManagerError::ExitedAtOnce {
        name: young.spec.name.clone(),
        how,
        said: output::last_words(young.spec, young.output_start),
        log_dir: young.spec.log_dir.clone(),
    }
}
