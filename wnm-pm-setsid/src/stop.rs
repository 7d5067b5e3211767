//! Stopping ends nodes' processes: all are asked at once, and those that do not listen are made to.

use std::future::ready;
use std::time::Duration;

use rustix::io::Errno;
use rustix::process::Signal;
use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::node::{NodeRef, ProcessId};
use wnm_pm::patience::poll;
use wnm_pm::process::identity;
use wnm_pm::process_manager::{ManagerError, Outcome};

use crate::Setsid;
use crate::note::Note;
use crate::observation::Observation;

/// How often processes that were told to end are asked about.
const PAUSE: Duration = Duration::from_millis(10);

/// How long the kernel may take to end a process that was killed.
const KILLING: Duration = Duration::from_secs(5);

/// A node may start its successor while it is being ended (v2 does so in the middle of an upgrade of its own).
const ROUNDS: usize = 3;

/// Ends the nodes' processes. Nodes that do not run are stopped already.
pub(crate) async fn stop(manager: &Setsid, nodes: &[NodeRef]) -> Outcomes<()> {
    let mut batch = manager.ours(nodes);
    for _ in 0..ROUNDS {
        let observation = Observation::of(nodes);
        let living = batch.then(|node, ()| match observation.processes(&node.spec) {
            none if none.is_empty() => observation.check(&node.spec).map(|()| none),
            living => Ok(living),
        });
        let is_done = all_gone(&living);
        batch = end(living, manager.grace).await;
        if is_done {
            break;
        }
    }
    batch.good().for_each(|(node, ())| Note::forget(&node.spec));
    batch.outcomes()
}

async fn end<'a>(mut living: Batch<'a, Vec<ProcessId>>, grace: Duration) -> Batch<'a> {
    for (signal, limit) in [(Signal::TERM, grace), (Signal::KILL, KILLING)] {
        living.update(|node, processes| send_all(node, processes, signal));
        let gone = || {
            living.update(|_, processes| {
                processes.retain(|process| is_alive(*process));
                Ok(())
            });
            ready(all_gone(&living).then_some(()))
        };
        poll(limit, PAUSE, gone).await;
    }
    living.then(|node, processes| match processes.first() {
        None => Ok(()),
        Some(ProcessId { pid, .. }) => {
            Err(ManagerError::Failed(format!("process {pid} of {} did not exit after SIGKILL", node.spec.name)))
        }
    })
}

fn all_gone(living: &Batch<'_, Vec<ProcessId>>) -> bool {
    living.good().all(|(_, processes)| processes.is_empty())
}

fn send_all(node: &NodeRef, processes: &[ProcessId], signal: Signal) -> Outcome<()> {
    processes.iter().try_for_each(|process| {
        let failed = |error| format!("cannot end process {} of {}: {error}", process.pid, node.spec.name);
        send(*process, signal).map_err(|error| ManagerError::Failed(failed(error)))
    })
}

fn is_alive(process: ProcessId) -> bool {
    identity(process.pid) == Some(process)
}

/// Sends a signal to this very process: should its pid belong to another one by now, nothing is sent.
#[cfg(target_os = "linux")]
fn send(process: ProcessId, signal: Signal) -> Result<(), Errno> {
    use rustix::process::{Pid, PidfdFlags, pidfd_open, pidfd_send_signal};
    let Some(pid) = i32::try_from(process.pid).ok().and_then(Pid::from_raw) else {
        return Ok(());
    };
    // What is open stays the same process, so its identity holds from here on.
    let sent = pidfd_open(pid, PidfdFlags::empty())
        .and_then(|open| if is_alive(process) { pidfd_send_signal(open, signal) } else { Ok(()) });
    if sent == Err(Errno::SRCH) { Ok(()) } else { sent }
}

#[cfg(not(target_os = "linux"))]
fn send(_: ProcessId, _: Signal) -> Result<(), Errno> {
    Err(Errno::NOSYS)
}
