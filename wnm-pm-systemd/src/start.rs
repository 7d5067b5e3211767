//! Starting has systemd run nodes now and at every boot, and waits until each has lived a moment or has ended.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::time::{Duration, Instant};

use wnm_pm::node::{NodeRef, NodeSpec, ProcessId};
use wnm_pm::path_policy::check_program;
use wnm_pm::port_use::{self, Protocol};
use wnm_pm::process::identity;
use wnm_pm::process_manager::{ManagerError, Outcome, Started};

use crate::batch::{Batch, Item};
use crate::parse::Unit;
use crate::{Systemd, files, units};

/// How often young processes are looked at.
const GLANCE: Duration = Duration::from_millis(20);

impl Systemd {
    pub(crate) async fn start_all(&self, nodes: &[NodeRef]) -> Vec<Outcome<Started>> {
        let mut batch = Batch::of_nodes(nodes);
        self.refuse(&mut batch);
        let started = self.start_batch(&mut batch).await;
        batch.outcomes(|item| Ok(Started { process: started.get(&item.unit).copied().flatten() }))
    }

    /// Starts the nodes that do not run; answers with the processes of those that do now.
    pub(crate) async fn start_batch(&self, batch: &mut Batch<'_>) -> HashMap<String, Option<ProcessId>> {
        let known = self.show(batch).await;
        let mut young = batch.part(|item| !known[&item.unit].runs());
        young.check(can_be_whole);
        young.check(|item| port_use::check_free(item.spec.ports, item.spec.flavour));
        self.put_programs_back(&mut young).await;
        self.make_missing_directories(&mut young).await;
        units::settle(self, &mut young, &known).await;
        let processes = self.spawn_all(&mut young).await;
        batch.take_failures(young);
        let old = known.into_iter().filter(|(_, unit)| unit.runs());
        old.map(|(name, unit)| (name, identity(unit.main_pid))).chain(processes).collect()
    }

    /// A node that was taken over may share another cache from now on, and logs are what people tidy up: in the sandbox a
    /// node cannot make their directories itself.
    async fn make_missing_directories(&self, young: &mut Batch<'_>) {
        let mut without = young.part(|item| !(item.spec.log_dir.is_dir() && item.spec.bootstrap_cache_dir.is_dir()));
        if without.units().is_empty() {
            return;
        }
        if let Some(owner) = without.all(files::owner(&self.systemctl).await) {
            files::make_directories(&self.systemctl, &mut without, owner).await;
        }
        young.take_failures(without);
    }

    /// A program that somebody deleted is copied again.
    async fn put_programs_back(&self, young: &mut Batch<'_>) {
        let mut without = young.part(|item| check_program(&item.spec.binary).is_err());
        if without.units().is_empty() {
            return;
        }
        if let Some(owner) = without.all(files::owner(&self.systemctl).await) {
            self.copy_programs(&mut without, owner).await;
        }
        young.take_failures(without);
    }

    async fn spawn_all(&self, young: &mut Batch<'_>) -> HashMap<String, Option<ProcessId>> {
        let mut tried = young.part(|_| true);
        if tried.units().is_empty() {
            return HashMap::new();
        }
        // Past failures count no longer. It fails for units that systemd has not loaded: those have none.
        let _ = self.systemctl.tell(&["reset-failed", "--"], &names(&tried.units())).await;
        self.tell_each(&mut tried, &["enable", "--quiet", "--no-reload", "--"]).await;
        // A unit that waits to be started again is started now. What comes of it is looked at.
        let told = self.systemctl.tell(&["restart", "--"], &names(&tried.units())).await;
        let born = self.show(&mut tried).await;
        let processes = self.settle(&mut tried, &born).await;
        let now = self.show(&mut tried).await;
        let complaint = told.err().map(|error| error.to_string()).unwrap_or_default();
        for item in tried.good() {
            let (before, after) = (&born[&item.unit], &now[&item.unit]);
            if !(after.runs() && before.main_pid == after.main_pid) {
                let said = self.systemctl.last_words(&item.unit, after).await;
                item.fail(failure(item.spec, after, said, &complaint));
            }
        }
        self.abandon(&tried).await;
        young.take_failures(tried);
        processes
    }

    /// Waits until all processes have died, or have lived long enough to count as started.
    async fn settle(&self, young: &mut Batch<'_>, born: &HashMap<String, Unit>) -> HashMap<String, Option<ProcessId>> {
        let began = Instant::now();
        let identities = young.good().map(|item| (item.unit.clone(), identity(born[&item.unit].main_pid)));
        let processes: HashMap<String, Option<ProcessId>> = identities.collect();
        loop {
            let living = living(young, &processes);
            let is_old = began.elapsed() >= self.settle_least && all_listen(&living);
            if living.is_empty() || is_old || began.elapsed() >= self.settle_most {
                return processes;
            }
            tokio::time::sleep(GLANCE).await;
        }
    }

    /// A node that does not live stays stopped until it is told to start again.
    async fn abandon(&self, tried: &Batch<'_>) {
        let failed: Vec<&str> = tried.0.iter().filter(|item| !item.is_good()).map(|item| item.unit.as_str()).collect();
        if failed.is_empty() {
            return;
        }
        for verb in [&["disable", "--quiet", "--no-reload", "--"][..], &["stop", "--"]] {
            if let Err(error) = self.systemctl.tell(verb, &failed).await {
                tracing::warn!("cannot give up nodes that do not live: {error}");
            }
        }
    }

    /// Tells systemd something about all good nodes; should that fail, about each alone.
    pub(crate) async fn tell_each(&self, batch: &mut Batch<'_>, verb: &[&str]) {
        let units = batch.units();
        if units.is_empty() || self.systemctl.tell(verb, &names(&units)).await.is_ok() {
            return;
        }
        for item in batch.good() {
            if let Err(error) = self.systemctl.tell(verb, &[&item.unit]).await {
                item.fail(error);
            }
        }
    }
}

/// The ports of those nodes whose process is still the one that was started.
fn living(young: &mut Batch<'_>, processes: &HashMap<String, Option<ProcessId>>) -> Vec<u16> {
    let lives = |process: &ProcessId| identity(process.pid) == Some(*process);
    let living = young.good().filter(|item| processes[&item.unit].as_ref().is_some_and(lives));
    living.map(|item| item.spec.ports.node).collect()
}

fn all_listen(ports: &[u16]) -> bool {
    let open = port_use::ports_in_use(Protocol::Udp);
    ports.iter().all(|port| open.contains(port))
}

pub(crate) fn names(units: &[String]) -> Vec<&str> {
    units.iter().map(String::as_str).collect()
}

/// Refuses a node that lacks what cannot be made again: its directory, with its key in it, or a program of which there is no
/// other copy.
fn can_be_whole(item: &Item<'_>) -> Result<(), ManagerError> {
    if let Err(source) = item.spec.root_dir.symlink_metadata()
        && source.kind() == ErrorKind::NotFound
    {
        let path = item.spec.root_dir.clone();
        return Err(ManagerError::Io { doing: "start a node without its directory", path, source });
    }
    let (binary, program) = (&item.spec.binary, &item.spec.program);
    let Err(broken) = check_program(binary) else { return Ok(()) };
    check_program(program).map_err(|_| {
        let text = broken.to_string();
        let what = text.split("\nhint: ").next().unwrap_or_default();
        ManagerError::Failed(format!(
            "{what}\nhint: it is a copy of {}, which is gone or no program: put a node program there, or `wnm remove` the node",
            program.display()
        ))
    })
}

/// Why a node does not live.
fn failure(spec: &NodeSpec, unit: &Unit, said: String, complaint: &str) -> ManagerError {
    match unit.end() {
        Some(how) => ManagerError::ExitedAtOnce { name: spec.name.clone(), how, said, log_dir: spec.log_dir.clone() },
        None => {
            let state = format!("its unit is {} ({})", unit.active, unit.sub);
            let reasons = [unit.load_error.as_str(), complaint].join(" ");
            ManagerError::Failed(format!("systemd did not start {}: {state} {}", spec.name, reasons.trim()))
        }
    }
}
