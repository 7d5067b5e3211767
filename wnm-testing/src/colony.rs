//! A colony is a whole machine with wnm in a temporary directory: real programs, real processes, a real database.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::time::{Duration, Instant};

use tempfile::TempDir;

use super::{PortBlock, test_node};
use wnm_core::node::{Node, Status};
use wnm_core::store::{Store, StoredState};

/// What a run of wnm came to.
#[derive(Debug, Clone)]
pub struct Run {
    /// Its exit code; 128 and the signal when one ended it.
    pub code: i32,
    /// What it answered.
    pub stdout: String,
    /// What it said beside.
    pub stderr: String,
}

impl Run {
    /// The answer as JSON.
    ///
    /// # Panics
    /// When it is none.
    #[must_use]
    pub fn json(&self) -> serde_json::Value {
        serde_json::from_str(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A machine under the care of a `wnm` program, with its own storage and ports. Its nodes end with it.
pub struct Colony {
    /// The `wnm` program.
    program: PathBuf,
    manager: &'static str,
    directory: TempDir,
    ports: Arc<PortBlock>,
    /// Whether each run names the storage, as whoever initialises a machine does.
    names_storage: AtomicBool,
}

impl Colony {
    /// A place for a machine, with a node program of version 0.4.17 in [`Colony::node_program`]; not initialised.
    ///
    /// # Panics
    /// When no temporary directory can be made.
    #[must_use]
    pub fn new(program: impl Into<PathBuf>) -> Self {
        Self::with_ports(program.into(), "setsid+user", Arc::new(PortBlock::reserve()))
    }

    /// Another place on the same machine, with the same ports: a test that took a second block could wait for ever for one
    /// that waits for its own.
    #[must_use]
    pub fn beside(&self) -> Self {
        Self::with_ports(self.program.clone(), self.manager, Arc::clone(&self.ports))
    }

    fn with_ports(program: PathBuf, manager: &'static str, ports: Arc<PortBlock>) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let colony = Self { program, manager, directory, ports, names_storage: AtomicBool::new(true) };
        colony.install(&test_node("0.4.17"));
        colony
    }

    /// The same with nodes in containers; the storage belongs to a user, since nodes never run as root.
    ///
    /// # Panics
    /// When the storage cannot be made.
    #[must_use]
    pub fn in_containers(program: impl Into<PathBuf>) -> Self {
        let mut colony = Self::new(program);
        colony.manager = "s6overlay+user";
        let storage = colony.path().join("nodes");
        fs::create_dir(&storage).expect("the storage is made");
        if rustix::process::geteuid().is_root() {
            std::os::unix::fs::chown(&storage, Some(12_345), Some(12_345)).expect("root gives files away");
            // Whom it belongs to now has to get there.
            fs::set_permissions(colony.path(), fs::Permissions::from_mode(0o711)).expect("its mode is set");
        }
        colony
    }

    /// An initialised machine without delays, whose limits are too far away for a busy machine to reach.
    ///
    /// # Panics
    /// When `init` fails.
    #[must_use]
    pub fn initialised(program: impl Into<PathBuf>, more: &[&str]) -> Self {
        let colony = Self::new(program);
        colony.init(&[], more);
        colony
    }

    /// Initialises the machine; `first` stands before wnm's own words.
    ///
    /// # Panics
    /// When `init` fails.
    pub fn init(&self, first: &[&str], more: &[&str]) {
        self.done(&[first, &["init", "--rewards_address", "faucet"], EASY, more].concat());
    }

    /// Where everything lies.
    #[must_use]
    pub fn path(&self) -> &Path {
        self.directory.path()
    }

    /// The node program that the settings name.
    #[must_use]
    pub fn node_program(&self) -> PathBuf {
        self.path().join("antnode")
    }

    /// The database's file.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path().join("colony.db")
    }

    /// The directory of a node.
    #[must_use]
    pub fn node_dir(&self, number: u32) -> PathBuf {
        self.path().join("nodes").join(format!("antnode{number:04}"))
    }

    /// The ports that are this machine's own.
    #[must_use]
    pub fn ports(&self) -> &PortBlock {
        &self.ports
    }

    /// From now on no run names the storage: what the database says may change.
    pub fn leave_storage_to_the_database(&self) {
        self.names_storage.store(false, Relaxed);
    }

    /// Puts a node program in the place that the settings name.
    ///
    /// # Panics
    /// When it cannot be copied.
    pub fn install(&self, program: &Path) {
        let unfinished = self.path().join("antnode.new");
        fs::copy(program, &unfinished).expect("the node program is copied");
        fs::rename(unfinished, self.node_program()).expect("the node program is put in place");
    }

    /// The command line of a run, for a test that wants to start it itself.
    #[must_use]
    pub fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.program);
        command.args(words).args(self.places()).stdin(Stdio::null());
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("WNM_") {
                command.env_remove(name);
            }
        }
        command.env("HOME", self.path());
        command
    }

    fn places(&self) -> Vec<OsString> {
        let PortBlock { port_start, metrics_port_start, rpc_port_start, .. } = &*self.ports;
        let place = |name: &str| self.path().join(name).into_os_string();
        let number = |number: &u16| OsString::from(number.to_string());
        [
            ("--database", self.database().into_os_string()),
            ("--process_manager", self.manager.into()),
            ("--node_storage", place("nodes")),
            ("--log_dir", place("logs")),
            ("--bootstrap_cache_dir", place("bootstrap-cache")),
            ("--antnode_path", self.node_program().into_os_string()),
            ("--port_start", number(port_start)),
            ("--metrics_port_start", number(metrics_port_start)),
            ("--rpc_port_start", number(rpc_port_start)),
        ]
        .into_iter()
        .filter(|(flag, _)| self.names_storage.load(Relaxed) || !["--node_storage", "--log_dir"].contains(flag))
        .flat_map(|(flag, value)| [flag.into(), value])
        .collect()
    }

    /// Runs wnm on this machine.
    ///
    /// # Panics
    /// When the program cannot be run.
    #[must_use]
    pub fn wnm(&self, words: &[&str]) -> Run {
        let output = self.command(words).output().expect("wnm can be run");
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).expect("wnm writes UTF-8");
        let code = output.status.code().or_else(|| output.status.signal().map(|signal| 128 + signal));
        Run { code: code.unwrap_or(-1), stdout: text(output.stdout), stderr: text(output.stderr) }
    }

    /// Runs wnm and wants it to succeed.
    ///
    /// # Panics
    /// When it does not.
    pub fn done(&self, words: &[&str]) -> Run {
        let run = self.wnm(words);
        assert_eq!(run.code, 0, "{words:?}: {run:?}");
        run
    }

    /// What is stored.
    ///
    /// # Panics
    /// When the database cannot be read.
    #[must_use]
    pub fn stored(&self) -> StoredState {
        let store = Store::open_read_only(&self.database()).expect("the database is opened");
        store.load().expect("the database is read")
    }

    /// Number and status of each stored node.
    #[must_use]
    pub fn statuses(&self) -> Vec<(u32, Status)> {
        self.stored().nodes.iter().map(|node| (node.id().0, node.status())).collect()
    }

    /// Cycles until so many nodes run.
    ///
    /// # Panics
    /// When that takes longer than a minute.
    pub fn cycle_until_running(&self, wanted: usize) {
        let deadline = Instant::now() + Duration::from_mins(1);
        while self.statuses().iter().filter(|(_, status)| *status == Status::Running).count() != wanted {
            assert!(Instant::now() < deadline, "{:?}", self.statuses());
            self.done(&["run"]);
            // Nodes that start need the processors, too.
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// The directories of the nodes whose processes live, and the pids. Read from the kernel, not from wnm.
    #[must_use]
    pub fn processes(&self) -> Vec<(u32, PathBuf)> {
        let is_nodes = |directory: &Path| directory.parent().and_then(Path::parent) == Some(self.path());
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        let mut processes: Vec<(u32, PathBuf)> = entries
            .filter_map(|entry| {
                let pid = entry.file_name().to_str()?.parse().ok()?;
                let program = fs::read_link(entry.path().join("exe")).ok()?;
                let directory = program.ancestors().find(|above| is_nodes(above))?;
                Some((pid, directory.to_owned()))
            })
            .collect();
        processes.sort_by(|one, other| one.1.cmp(&other.1));
        processes
    }

    /// The process of a node.
    ///
    /// # Panics
    /// When it has none.
    #[must_use]
    pub fn pid(&self, number: u32) -> u32 {
        let directory = self.node_dir(number);
        let found = self.processes().into_iter().find(|(_, path)| *path == directory);
        found.unwrap_or_else(|| panic!("node {number} does not live")).0
    }

    /// Ends a process as `kill -9` does, and waits until it is gone.
    ///
    /// # Panics
    /// When it does not go.
    pub fn kill(&self, pid: u32) {
        let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw).expect("a pid");
        rustix::process::kill_process(pid, rustix::process::Signal::KILL).expect("the process is there");
        let deadline = Instant::now() + Duration::from_secs(10);
        let lives = |(living, _): &(u32, PathBuf)| i32::try_from(*living) == Ok(pid.as_raw_nonzero().get());
        while self.processes().iter().any(lives) {
            assert!(Instant::now() < deadline, "{pid:?} does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }

    /// The database and the machine say the same: every process and every directory has its row, every row that says
    /// RUNNING has its process, nothing is half done, no number, port or directory is there twice.
    ///
    /// # Panics
    /// When they do not.
    pub fn agrees(&self) {
        let nodes = self.stored().nodes;
        let rows: Vec<&Path> = nodes.iter().map(|node| node.spec().root_dir.as_path()).collect();
        let living: Vec<PathBuf> = self.processes().into_iter().map(|(_, directory)| directory).collect();
        for directory in &living {
            assert!(rows.contains(&directory.as_path()), "{} lives and has no row: {nodes:#?}", directory.display());
            assert_eq!(living.iter().filter(|other| *other == directory).count(), 1, "{living:?}");
        }
        let runs = |node: &&Node| node.status() == Status::Running;
        for node in nodes.iter().filter(runs) {
            assert!(living.contains(&node.spec().root_dir), "{} does not live: {node:#?}", node.name());
        }
        for entry in fs::read_dir(self.path().join("nodes")).expect("the storage is read").flatten() {
            let is_node = entry.file_name().to_string_lossy().starts_with("antnode");
            assert!(!is_node || rows.contains(&entry.path().as_path()), "{} has no row", entry.path().display());
        }
        for node in &nodes {
            assert_eq!(node.life().pending(), None, "{node:#?}");
            assert!(node.spec().root_dir.is_dir(), "{} has no directory", node.name());
        }
        let mut ports: Vec<u16> = nodes.iter().map(|node| crate::node_port(node.spec())).collect();
        ports.dedup();
        assert_eq!(ports.len(), nodes.len());
    }
}

/// Settings under which nothing has to be waited for and nothing presses.
const EASY: &[&str] = &[
    "--no_upnp",
    "--node_cap=10",
    "--max_concurrent_operations=10",
    "--max_concurrent_starts=10",
    "--max_concurrent_upgrades=10",
    "--max_concurrent_removals=10",
    "--delay_start=0",
    "--delay_restart=0",
    "--delay_upgrade=0",
    "--upgrade_canary=0",
    "--upgrade_settle_seconds=0",
    "--delay_remove=0",
    "--cpu_less_than=101",
    "--cpu_remove=102",
    "--mem_less_than=101",
    "--mem_remove=102",
    "--hd_less_than=101",
    "--hd_remove=102",
    "--desired_load_average=9999",
    "--max_load_average_allowed=10000",
];

impl Drop for Colony {
    fn drop(&mut self) {
        for (pid, _) in self.processes() {
            let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
            let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL));
        }
    }
}
