//! A simulation is the real machine in a world of memory: its database is real, its clock and dice are given, and what it
//! sees of itself is what the world says.

use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use semver::Version;
use tempfile::TempDir;
use wnm_core::clock::{Clock, Dice, UnixSeconds};
use wnm_core::event::Event;
use wnm_core::host::firewall::Null;
use wnm_core::machine::{Machine, Parts};
use wnm_core::node::{Flavour, NodeId, NodeMetrics};
use wnm_core::observe::{HostError, Limits, Observed, Observer, Program, VersionCache, VersionError};
use wnm_core::settings::Config;
use wnm_core::snapshot::{Answer, Counters, DirectoryState, HostLoad};
use wnm_core::store::Store;
use wnm_pm::port::Protocol;
use wnm_pm::process_manager::{ManagerKind, NumberingKind};

use crate::{Habit, MemoryManager, MemoryWorld, RecordedRunner};

/// When a simulation begins.
const BEGIN: UnixSeconds = 1_790_000_000;

/// A machine in a world of memory.
pub struct Simulation {
    /// The real machine.
    pub machine: Machine,
    /// Its nodes and what befalls them.
    pub world: MemoryWorld,
    clock: Arc<SetClock>,
    observer: Arc<WorldObserver>,
    _directory: TempDir,
}

impl Simulation {
    /// A machine with these settings that numbers its nodes so, at rest and without nodes.
    ///
    /// # Panics
    /// When no temporary directory can be made.
    #[must_use]
    pub fn new(config: Config, numbering: NumberingKind) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut store = Store::create(&directory.path().join("colony.db")).expect("a new database");
        let boot_time = BEGIN - 100_000;
        store.apply(BEGIN, &[Event::Initialised { settings: Vec::new(), boot_time }]).expect("it is initialised");
        let world = MemoryWorld::new();
        let kind: ManagerKind = "setsid+user".parse().expect("there is such a manager");
        let clock = Arc::new(SetClock(AtomicI64::new(BEGIN)));
        let load =
            HostLoad { used_cpu_percent: 10.0, total_hd_bytes: 1 << 40, free_hd_bytes: 1 << 39, ..HostLoad::default() };
        let (boot_time, load) = (AtomicI64::new(boot_time), Mutex::new(load));
        let program = Mutex::new(program(&Version::new(0, 4, 17), ""));
        let observer = Arc::new(WorldObserver { world: world.clone(), boot_time, load, program });
        let machine = Machine::new(Parts {
            config,
            store,
            manager: Box::new(MemoryManager::new(kind, numbering, &world)),
            firewall: Arc::new(Null),
            runner: Arc::new(RecordedRunner::new()),
            observer: Arc::clone(&observer) as Arc<dyn Observer>,
            clock: Arc::clone(&clock) as Arc<dyn Clock>,
            dice: Arc::new(GivenDice(7)),
        });
        Self { machine, world, clock, observer, _directory: directory }
    }

    /// The time.
    #[must_use]
    pub fn now(&self) -> UnixSeconds {
        self.clock.now()
    }

    /// Time passes.
    pub fn pass(&self, seconds: UnixSeconds) {
        self.clock.0.fetch_add(seconds, Ordering::Relaxed);
    }

    /// Another node program is put in its place: of this version, and told from others of the same by `file`.
    pub fn install(&self, version: &Version, file: &str) {
        *self.observer.program.lock().unwrap_or_else(PoisonError::into_inner) = program(version, file);
    }

    /// The machine is restarted: every process ends.
    pub fn reboot(&self) {
        self.world.reboot();
        self.observer.boot_time.store(self.now(), Ordering::Relaxed);
    }

    /// What the machine measures from now on.
    pub fn load(&self, change: impl FnOnce(&mut HostLoad)) {
        change(&mut self.observer.load.lock().unwrap_or_else(PoisonError::into_inner));
    }
}

fn metrics(habit: Option<Habit>) -> NodeMetrics {
    let memory = if habit == Some(Habit::EatMemory) { 600.0 } else { 60.0 };
    NodeMetrics {
        connected_peers: Some(if habit == Some(Habit::NoPeers) { 0 } else { 20 }),
        memory_megabytes: Some(memory),
        ..NodeMetrics::default()
    }
}

/// A clock that goes when it is told to.
struct SetClock(AtomicI64);

impl Clock for SetClock {
    fn now(&self) -> UnixSeconds {
        self.0.load(Ordering::Relaxed)
    }
}

/// Dice that always show the same.
struct GivenDice(u64);

impl Dice for GivenDice {
    fn roll(&self) -> u64 {
        self.0
    }
}

/// Sees what is in the world.
struct WorldObserver {
    world: MemoryWorld,
    boot_time: AtomicI64,
    load: Mutex<HostLoad>,
    program: Mutex<Program>,
}

fn program(version: &Version, file: &str) -> Program {
    Program { flavour: Flavour::V1, version: version.clone(), digest: Some(format!("{version} {file}")) }
}

#[async_trait]
impl Observer for WorldObserver {
    async fn host(&self, _: Option<&Counters>, _: &Path, now: UnixSeconds) -> Result<Observed, HostError> {
        let load = self.load.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let boot_time = self.boot_time.load(Ordering::Relaxed);
        Ok(Observed { load, counters: Counters { at: now, boot_time, ..Counters::default() } })
    }

    async fn program(&self, _: &Path, _: &VersionCache) -> Result<(Program, Option<VersionCache>), VersionError> {
        Ok((self.program.lock().unwrap_or_else(PoisonError::into_inner).clone(), None))
    }

    async fn ask(
        &self,
        targets: &[(NodeId, SocketAddr)],
        _: &Limits,
        finished: &(dyn Fn(usize) + Sync),
    ) -> Vec<(NodeId, Answer)> {
        finished(targets.len());
        let living = self.world.living();
        let answer = |id: NodeId| match (living.get(&id), self.world.habit(id)) {
            (None, _) => Answer::Refused,
            (Some(_), Some(Habit::Hang)) => Answer::TimedOut,
            (Some(_), Some(Habit::Garbage)) => Answer::Broken { reason: "it is not HTTP".to_owned() },
            (Some(version), habit) => {
                let (peer_id, version) = (Some(format!("peer-{id}")), version.clone());
                Answer::Node { peer_id, version, metrics: Box::new(metrics(habit)) }
            }
        };
        targets.iter().map(|(id, _)| (*id, answer(*id))).collect()
    }

    fn ports_in_use(&self, _: Protocol) -> BTreeSet<u16> {
        BTreeSet::new()
    }

    fn storage_is_marked(&self, _: &Path) -> bool {
        true
    }

    fn entries(&self, _: &Path) -> Vec<PathBuf> {
        Vec::new()
    }

    fn directory(&self, _: &Path, root_dir: &Path) -> DirectoryState {
        if self.world.has_directory(root_dir) { DirectoryState::Present } else { DirectoryState::Missing }
    }
}
