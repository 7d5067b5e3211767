//! The main job, on an embedded default: `cargo run --example quickstart`.
//!
//! In a temporary directory, with nothing installed: initialises wnm on a machine, runs cycles until five real node
//! processes run (a small test node), shows them, upgrades them to a newer test node, takes all down, and leaves nothing
//! behind. Every line that begins with `$` is a command that an operator would type; it is run as it stands there.

#![expect(clippy::disallowed_methods, reason = "what is tried here is started and waited for as by anybody")]

use std::error::Error;
use std::ffi::{OsStr, OsString};
use std::fs;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::Command;
use std::time::{Duration, Instant};

use wnm_cli::Exit;
use wnm_core::store::Store;
use wnm_testing::{PortBlock, test_node};

const NODES: usize = 5;

fn main() -> Result<(), Box<dyn Error>> {
    if std::env::vars_os().any(|(name, _)| is_setting(&name)) {
        return Err(run_without_settings().into());
    }
    tell("Building the test node that stands in for the real node program, unless that was done before.");
    for version in ["0.4.17", "0.4.18"] {
        let _ = test_node(version);
    }
    let begin = Instant::now();
    let place = tempfile::tempdir()?;
    let tour = Tour { place: place.path(), ports: PortBlock::reserve() };
    tour.install("0.4.17")?;
    let outcome = tour.walk();
    // Whatever went wrong on the way, no node is left behind.
    let torn_down = tour.wnm("teardown --confirm");
    outcome?;
    torn_down?;
    tour.nothing_is_left()?;
    place.close()?;
    tell(&format!("\nDone in {:.1} s; no process and no file is left.", begin.elapsed().as_secs_f64()));
    Ok(())
}

/// Whether this variable is one of wnm's: whatever it is meant for, it is not this tour.
fn is_setting(name: &OsStr) -> bool {
    name.as_encoded_bytes().starts_with(b"WNM_")
}

/// Runs this program anew without wnm's variables. Answers only when that fails.
fn run_without_settings() -> std::io::Error {
    let program = match std::env::current_exe() {
        Ok(program) => program,
        Err(error) => return error,
    };
    let mut anew = Command::new(program);
    for (name, _) in std::env::vars_os().filter(|(name, _)| is_setting(name)) {
        anew.env_remove(name);
    }
    anew.exec()
}

struct Tour<'a> {
    place: &'a Path,
    ports: PortBlock,
}

impl Tour<'_> {
    fn walk(&self) -> Result<(), Box<dyn Error>> {
        let PortBlock { port_start, metrics_port_start, rpc_port_start, .. } = self.ports;
        // The limits are far away, so that a busy machine runs five small processes all the same.
        self.wnm(&format!(
            "init --process_manager setsid+user --rewards_address faucet --no_upnp \
             --port_start {port_start} --metrics_port_start {metrics_port_start} --rpc_port_start {rpc_port_start} \
             --node_cap {NODES} --max_concurrent_operations {NODES} --max_concurrent_starts 3 \
             --max_concurrent_upgrades {NODES} --delay_start 0 --delay_upgrade 0 --upgrade_settle_seconds 1 \
             --cpu_less_than 101 --cpu_remove 102 --mem_less_than 101 --mem_remove 102 --hd_less_than 101 --hd_remove 102 \
             --desired_load_average 999 --max_load_average_allowed 1000"
        ))?;
        self.wnm("plan")?;
        self.cycles_until("0.4.17")?;
        self.wnm("status")?;
        tell("\nA newer node program is installed in the old one's place.");
        self.install("0.4.18")?;
        self.cycles_until("0.4.18")?;
        self.wnm("status")?;
        self.wnm("why antnode0001")
    }

    /// Puts a node program where the settings say it lies.
    fn install(&self, version: &str) -> Result<(), Box<dyn Error>> {
        let unfinished = self.place.join("antnode.new");
        fs::copy(test_node(version), &unfinished)?;
        fs::rename(unfinished, self.place.join("antnode"))?;
        Ok(())
    }

    fn cycles_until(&self, version: &str) -> Result<(), Box<dyn Error>> {
        let deadline = Instant::now() + Duration::from_secs(20);
        while self.running(version)? < NODES {
            if Instant::now() > deadline {
                return Err(format!("no {NODES} nodes of version {version} run after 20 s").into());
            }
            self.wnm("run")?;
        }
        Ok(())
    }

    fn running(&self, version: &str) -> Result<usize, Box<dyn Error>> {
        let stored = Store::open_read_only(&self.place.join("colony.db"))?.load()?;
        let runs = |node: &&wnm_core::node::Node| {
            node.status() == wnm_core::node::Status::Running
                && node.version().is_some_and(|known| known.to_string() == version)
        };
        Ok(stored.nodes.iter().filter(runs).count())
    }

    /// Runs a command line of wnm in this place.
    fn wnm(&self, words: &str) -> Result<(), Box<dyn Error>> {
        tell(&format!("\n$ wnm {words}"));
        let place = |name: &str| self.place.join(name).into_os_string();
        let mut arguments: Vec<OsString> = vec!["wnm".into()];
        arguments.extend(words.split_whitespace().map(OsString::from));
        for (flag, value) in [
            ("--database", place("colony.db")),
            ("--node_storage", place("nodes")),
            ("--log_dir", place("logs")),
            ("--bootstrap_cache_dir", place("bootstrap-cache")),
            ("--antnode_path", place("antnode")),
        ] {
            arguments.extend([flag.into(), value]);
        }
        match wnm_cli::run(arguments) {
            Exit::Done => Ok(()),
            exit => Err(format!("`wnm {words}` ended with exit code {}", exit as u8).into()),
        }
    }

    fn nothing_is_left(&self) -> Result<(), Box<dyn Error>> {
        for entry in fs::read_dir("/proc")?.flatten() {
            let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
            let place = self.place.as_os_str().as_encoded_bytes();
            if arguments.windows(place.len()).any(|window| window == place) {
                return Err(format!("process {} is left", entry.file_name().display()).into());
            }
        }
        let left: Vec<_> = fs::read_dir(self.place.join("nodes"))?.flatten().map(|entry| entry.file_name()).collect();
        match left.iter().find(|name| name.to_string_lossy().starts_with("antnode")) {
            Some(name) => Err(format!("the directory {} is left", name.display()).into()),
            None => Ok(()),
        }
    }
}

/// The tour is told beside wnm's own output; nobody listening is no error.
fn tell(line: &str) {
    use std::io::Write;
    let _ = writeln!(std::io::stdout(), "{line}");
}
