//! Stopping ends nodes' processes: all are asked at once, and those that do not listen are made to.

use std::time::{Duration, Instant};

use rustix::io::Errno;
use rustix::process::Signal;
use wnm_pm::node::{NodeRef, NodeSpec, ProcessId};
use wnm_pm::process::identity;
use wnm_pm::process_manager::{ManagerError, Outcome};

use crate::look::Look;
use crate::{Setsid, files};

/// How often processes that were told to end are looked at.
const GLANCE: Duration = Duration::from_millis(10);

/// How long the kernel may take to end a process that was killed.
const KILLING: Duration = Duration::from_secs(5);

/// A node may start its successor while it is being ended (v2 does so in the middle of an upgrade of its own).
const ROUNDS: usize = 3;

/// Ends the nodes' processes. Nodes that do not run stand still already.
pub(crate) async fn stop(manager: &Setsid, nodes: &[NodeRef]) -> Vec<Outcome<()>> {
    let mut outcomes: Vec<_> = nodes.iter().map(|node| manager.refuse(&node.spec)).collect();
    for _ in 0..ROUNDS {
        let look = Look::at(nodes.iter().map(|node| &node.spec));
        let ours = nodes.iter().zip(&mut outcomes).filter(|(_, outcome)| outcome.is_ok());
        let mut living: Vec<_> = ours
            .map(|(node, outcome)| Ending { spec: &node.spec, processes: look.processes(&node.spec), outcome })
            .filter(|ending| !ending.processes.is_empty())
            .collect();
        if living.is_empty() {
            break;
        }
        end(&mut living, manager.patience.grace).await;
    }
    for (node, _) in nodes.iter().zip(&outcomes).filter(|(_, outcome)| outcome.is_ok()) {
        files::forget_process(&node.spec);
    }
    outcomes
}

/// A node that is being ended.
struct Ending<'a> {
    spec: &'a NodeSpec,
    processes: Vec<ProcessId>,
    outcome: &'a mut Outcome<()>,
}

async fn end(nodes: &mut [Ending<'_>], grace: Duration) {
    signal_all(nodes, Signal::TERM);
    wait(nodes, grace).await;
    signal_all(nodes, Signal::KILL);
    wait(nodes, KILLING).await;
    for node in nodes {
        if let ([process, ..], Ok(())) = (&node.processes[..], &node.outcome) {
            let text = format!("process {} of {} does not end, even killed", process.pid, node.spec.name);
            *node.outcome = Err(ManagerError::Failed(text));
        }
    }
}

fn signal_all(nodes: &mut [Ending<'_>], signal: Signal) {
    for node in nodes {
        for process in &node.processes {
            if let Err(error) = send(*process, signal) {
                let text = format!("cannot end process {} of {}: {error}", process.pid, node.spec.name);
                *node.outcome = Err(ManagerError::Failed(text));
            }
        }
    }
}

/// Waits until all have ended, and takes out those that have.
async fn wait(nodes: &mut [Ending<'_>], limit: Duration) {
    let deadline = Instant::now() + limit;
    loop {
        let mut all_gone = true;
        for node in nodes.iter_mut().filter(|node| node.outcome.is_ok()) {
            node.processes.retain(|process| is_alive(*process));
            all_gone &= node.processes.is_empty();
        }
        if all_gone || Instant::now() >= deadline {
            return;
        }
        tokio::time::sleep(GLANCE).await;
    }
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
