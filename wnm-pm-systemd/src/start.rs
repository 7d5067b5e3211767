//! Starting has systemd run nodes now and at every boot, and waits until each has lived a moment or has ended.

use wnm_pm::batch::{Batch, Outcomes};
use wnm_pm::node::{NodeRef, NodeSpec, ProcessId};
use wnm_pm::node_files::check_startable_with;
use wnm_pm::port_use;
use wnm_pm::process::identity;
use wnm_pm::process_manager::{ManagerError, Started};

use crate::parse::Unit;
use crate::paths::unit_name;
use crate::state::check_own;
use crate::stop::DISABLE;
use crate::systemctl::units_of;
use crate::{Systemd, files, programs};

/// A unit right after it was told to start.
#[derive(Clone)]
struct Born {
    pid: u32,
    process: Option<ProcessId>,
}

impl Systemd {
    pub(crate) async fn start_all(&self, nodes: &[NodeRef]) -> Outcomes<Started> {
        let known = self.known(self.begin(nodes)).await;
        let young = known.part(|_, unit| !unit.runs()).check(check_own).check(can_start);
        let young = self.copy_missing_programs(young).await;
        let young = self.make_missing_directories(young).await;
        let young = self.reload_units(young).await;
        let spawned = self.spawn(young.part(|_, _| true)).await;
        let mut started = young.answered(spawned.outcomes()).outcomes();
        let running = |unit: Unit| Ok(Started { process: identity(unit.main_pid) });
        known.then(|node, unit| started.take(node.id()).unwrap_or_else(|| running(unit))).outcomes()
    }

    /// A node that was taken over may use another cache from now on, and people delete logs: inside the sandbox a node cannot
    /// make their directories itself.
    async fn make_missing_directories<'a>(&self, young: Batch<'a, Unit>) -> Batch<'a, Unit> {
        let without = young.part(|node, _| !(node.spec.log_dir.is_dir() && node.spec.bootstrap_cache_dir.is_dir()));
        young.join_part(files::make_directories(&self.systemctl, without).await)
    }

    async fn spawn<'a>(&self, young: Batch<'a, Unit>) -> Batch<'a, Started> {
        // Past failures no longer count. This fails for units that systemd has not loaded: those have none.
        let _ = self.systemctl.tell(&["reset-failed", "--"], &units_of(&young)).await;
        let young = self.systemctl.tell_all(young, &["enable", "--quiet", "--no-reload", "--"]).await;
        // A unit that waits for its automatic restart starts now. What became of each is observed, whatever this answers.
        let told = self.systemctl.tell(&["restart", "--"], &units_of(&young)).await;
        let complaint = told.err().map(|error| error.text()).unwrap_or_default();
        let born = self.systemctl.show(young).await.then(|_, (_, unit)| {
            let pid = unit.main_pid;
            Ok(Born { pid, process: identity(pid) })
        });
        let living = || born.good().filter(|(_, born)| lives(born)).map(|(node, _)| node.spec.ports.clone()).collect();
        self.settling.watch(living).await;
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

    /// A node that failed to start stays stopped until somebody starts it again.
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

/// Refuses a node that lacks what cannot be made again, whose launch no process can be given, or whose ports are in use.
fn can_start(node: &NodeRef, _: &Unit) -> Result<(), ManagerError> {
    check_startable_with(&node.spec, programs::check_own(node))?;
    node.launch.check()?;
    port_use::check_free(&node.spec.ports)
}

/// Why a node failed to start.
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
