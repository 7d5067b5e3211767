//! Facts are what the machine itself says and some defaults hang on; from them follow the directories.

use std::path::{Path, PathBuf};

use wnm_pm::hint::{Hint, Hinted};
use wnm_pm::process_manager::Mode;

/// What the machine says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Facts {
    /// Processors that wnm may use.
    pub cpu_count: u32,
    /// The home directory of whoever calls: an absolute path.
    pub home: String,
    /// The effective user id of whoever calls; 0 is root.
    pub euid: u32,
    /// The operating system.
    pub os: OperatingSystem,
    /// Whether systemd is what this machine was booted with.
    pub systemd_runs: bool,
}

/// The operating systems that differ in their directories.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OperatingSystem {
    /// Linux.
    Linux,
    /// macOS.
    MacOs,
    /// Any other.
    Other,
}

/// The caller has no home directory that could be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("there is no home directory to put files in{found}", found = match .0 { Some(home) => format!(": HOME is {home:?}"), None => String::new() })]
pub struct NoHome(pub Option<PathBuf>);

impl Hinted for NoHome {
    fn hints(&self) -> Vec<Hint> {
        vec![Hint::text("set HOME to an absolute path")]
    }
}

impl Facts {
    /// Asks this machine. Reads only.
    ///
    /// # Errors
    /// When there is no home directory, or its path is not absolute or not UTF-8.
    pub fn gather() -> Result<Self, NoHome> {
        let home = wnm_pm::user::home();
        let home = match home.as_deref().and_then(Path::to_str) {
            Some(text) if text.starts_with('/') => text.to_owned(),
            _ => return Err(NoHome(home)),
        };
        let cpu_count = std::thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            cpu_count: u32::try_from(cpu_count).unwrap_or(u32::MAX),
            home,
            euid: rustix::process::geteuid().as_raw(),
            os: match std::env::consts::OS {
                "linux" => OperatingSystem::Linux,
                "macos" => OperatingSystem::MacOs,
                _ => OperatingSystem::Other,
            },
            // The test that systemd itself documents (sd_booted).
            systemd_runs: Path::new("/run/systemd/system").is_dir(),
        })
    }
}

/// The directories of one mode.
pub(super) struct Directories {
    pub base: String,
    pub node_storage: String,
    pub log_dir: String,
    pub bootstrap_cache_dir: String,
}

/// Where things lie unless a setting says otherwise.
pub(super) fn directories(facts: &Facts, mode: Mode) -> Directories {
    let home = facts.home.trim_end_matches('/');
    let (base, node, logs, cache) = match (facts.os, mode) {
        (OperatingSystem::Linux, Mode::Sudo) => {
            let base = "/var/antctl".to_owned();
            let cache = format!("{base}/bootstrap-cache");
            (base, "services", "/var/log/antnode".to_owned(), cache)
        }
        (OperatingSystem::MacOs, mode) => {
            let library = if mode == Mode::Sudo { "/Library".to_owned() } else { format!("{home}/Library") };
            let logs = format!("{library}/Logs/autonomi");
            let cache = format!("{library}/Caches/autonomi/bootstrap-cache");
            (format!("{library}/Application Support/autonomi"), "node", logs, cache)
        }
        (os, _) => {
            let below_home = if os == OperatingSystem::Linux { ".local/share/autonomi" } else { "autonomi" };
            let base = format!("{home}/{below_home}");
            let (logs, cache) = (format!("{base}/logs"), format!("{base}/bootstrap-cache"));
            (base, "node", logs, cache)
        }
    };
    Directories { node_storage: format!("{base}/{node}"), base, log_dir: logs, bootstrap_cache_dir: cache }
}

/// The directory of a mode's database (`colony.db`) and lock.
#[must_use]
pub fn base_dir(facts: &Facts, mode: Mode) -> PathBuf {
    directories(facts, mode).base.into()
}

/// Where to look for a database when nothing names one, in this order.
///
/// `named` is the mode of the process manager that a flag, a variable or a file names: then there is one place. Otherwise
/// both are possible: root's first place is the system's, everybody else's is their own. Where no place has a database,
/// a new one belongs into the [`base_dir`] of the process manager that [`overlay`](super::overlay) comes to.
#[must_use]
pub fn base_dirs(facts: &Facts, named: Option<Mode>) -> Vec<PathBuf> {
    let modes = match named {
        Some(mode) => vec![mode],
        None if facts.euid == 0 => vec![Mode::Sudo, Mode::User],
        None => vec![Mode::User, Mode::Sudo],
    };
    let mut places: Vec<PathBuf> = modes.into_iter().map(|mode| base_dir(facts, mode)).collect();
    places.dedup();
    places
}

/// The config file that is read when no other is named; it need not exist.
#[must_use]
pub fn config_file(facts: &Facts) -> PathBuf {
    if facts.euid == 0 {
        PathBuf::from("/etc/wnm/config.toml")
    } else {
        Path::new(&facts.home).join(".config/wnm/config.toml")
    }
}
