//! Starting has systemd run nodes now and at every boot, and waits until each has lived a moment or has ended.

use std::time::{Duration, Instant};

use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::hint::Hint;
use wnm_pm::node::{NodeRef, NodeSpec, ProcessId};
use wnm_pm::path_policy::check_program;
use wnm_pm::port::Protocol;
use wnm_pm::port_use;
use wnm_pm::process::identity;
use wnm_pm::process_manager::{ManagerError, Started};

use crate::parse::Unit;
use crate::paths::unit_name;
use crate::step::{is_gone, units_of};
use crate::stop::DISABLE;
use crate::{Systemd, files};

/// How often young processes are looked at.
const GLANCE: Duration = Duration::from_millis(20);

/// A unit right after it was told to start.
#[derive(Clone)]
struct Born {
    pid: u32,
    process: Option<ProcessId>,
}

impl Systemd {
    pub(crate) async fn start_all(&self, nodes: &[NodeRef]) -> Outcomes<Started> {
        let known = self.known(self.begin(nodes)).await;
        let young = known.part(|_, unit| !unit.runs()).check(can_start);
        let young = self.copy_missing_programs(young).await;
        let young = self.make_missing_directories(young).await;
        let young = self.reload_units(young).await;
        let spawned = self.spawn(young.part(|_, _| true)).await;
        let mut started = young.answered(spawned.outcomes()).outcomes();
        let running = |unit: Unit| Ok(Started { process: identity(unit.main_pid) });
        known.then(|node, unit| started.take(node.id()).unwrap_or_else(|| running(unit))).outcomes()
    }

    /// A node that was taken over may share another cache from now on, and logs are what people tidy up: in the sandbox a
    /// node cannot make their directories itself.
    async fn make_missing_directories<'a>(&self, young: Batch<'a, Unit>) -> Batch<'a, Unit> {
        let without = young.part(|node, _| !(node.spec.log_dir.is_dir() && node.spec.bootstrap_cache_dir.is_dir()));
        young.join_part(files::make_directories(&self.systemctl, without).await)
    }

    async fn spawn<'a>(&self, young: Batch<'a, Unit>) -> Batch<'a, Started> {
        // Past failures count no longer. It fails for units that systemd has not loaded: those have none.
        let _ = self.systemctl.tell(&["reset-failed", "--"], &units_of(&young)).await;
        let young = self.systemctl.tell_all(young, &["enable", "--quiet", "--no-reload", "--"]).await;
        // A unit that waits to be started again is started now. Whatever it answers, what came of it is observed.
        let told = self.systemctl.tell(&["restart", "--"], &units_of(&young)).await;
        let complaint = told.err().map(|error| error.text()).unwrap_or_default();
        let born = self.systemctl.show(young).await.then(|_, (_, unit)| {
            let pid = unit.main_pid;
            Ok(Born { pid, process: identity(pid) })
        });
        self.wait_until_stable(&born).await;
        let now = self.systemctl.show(born).await;
        let mut dead = Vec::new();
        for (node, (_, unit)) in now.good().filter(|(_, (born, unit))| !unit.runs() || unit.main_pid != born.pid) {
            let said = self.systemctl.last_words(&unit_name(node), unit).await;
            dead.push((node.id(), Err(why_dead(&node.spec, unit, said, &complaint))));
        }
        let living = now.join(dead.into_iter().collect());
        self.abandon(&living).await;
        living.then(|_, (born, _)| Ok(Started { process: born.process }))
    }

    /// Waits until all processes have died, or have lived long enough to count as started.
    async fn wait_until_stable(&self, born: &Batch<'_, Born>) {
        let began = Instant::now();
        loop {
            let living: Vec<&NodeRef> = born.good().filter(|(_, born)| lives(born)).map(|(node, _)| node).collect();
            let is_old = began.elapsed() >= self.settle_least && all_listen(&living);
            if living.is_empty() || is_old || began.elapsed() >= self.settle_most {
                return;
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// A node that does not live stays stopped until it is told to start again.
    async fn abandon<T>(&self, spawned: &Batch<'_, T>) {
        let failed: Vec<String> = spawned.bad().map(|(node, _)| unit_name(node)).collect();
        for verb in [&DISABLE[..], &["stop", "--"]] {
            if let Err(error) = self.systemctl.tell(verb, &failed).await {
                tracing::warn!("cannot stop nodes that failed to start: {}", error.text());
            }
        }
    }
}

/// Whether the process that was started still runs.
fn lives(born: &Born) -> bool {
    born.process.is_some_and(|process| identity(process.pid) == Some(process))
}

/// Whether these nodes have opened all ports that are for the world.
fn all_listen(nodes: &[&NodeRef]) -> bool {
    Protocol::ALL.into_iter().all(|protocol| {
        let open = port_use::ports_in_use(protocol);
        let ports = nodes.iter().flat_map(|node| node.spec.ports.iter());
        let mut wanted = ports.filter(|(kind, _)| kind.is_public() && kind.protocol() == protocol);
        wanted.all(|(_, port)| open.contains(&port))
    })
}

/// Refuses a node that lacks what cannot be made again (its directory, with its key in it, or a program of which there is no
/// other copy), that no process could be made of, or whose ports are in use.
fn can_start(node: &NodeRef, _: &Unit) -> Result<(), ManagerError> {
    let NodeSpec { root_dir, binary, program, ports, .. } = &node.spec;
    if is_gone(root_dir) {
        let reason = format!("cannot start {} without its directory {}", node.spec.name, root_dir.display());
        return Err(ManagerError::Failed(reason));
    }
    node.launch.check()?;
    if let (Err(own), Err(_)) = (check_program(binary), check_program(program)) {
        let what = format!("{}, and neither can {}, of which it is a copy", own.text(), program.display());
        let hint = Hint::text(format!("put a node program at {}, or remove the node", program.display()));
        return Err(ManagerError::advised(what, hint));
    }
    port_use::check_free(ports)
}

/// Why a node does not live.
fn why_dead(spec: &NodeSpec, unit: &Unit, said: String, complaint: &str) -> ManagerError {
    match unit.end() {
        Some(how) => ManagerError::ExitedAtOnce { name: spec.name.clone(), how, said, log_dir: spec.log_dir.clone() },
        None => {
            let state = format!("its unit is {} ({})", unit.active, unit.sub);
            let reasons = [unit.load_error.as_str(), complaint].join(" ");
            ManagerError::Failed(format!("systemd did not start {}: {state} {}", spec.name, reasons.trim()))
        }
    }
}
