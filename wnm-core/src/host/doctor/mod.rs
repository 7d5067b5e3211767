//! The doctor looks for everything on this machine that would keep nodes from working, now or later: facts are gathered
//! ([`gather`]), and judged by pure checks ([`check`]). It changes nothing.

use crate::host::firewall::OpenPort;
use crate::machine::Machine;
use crate::node::{NodeId, PortKind, Ports, Status, UnixSeconds};
use crate::pause::CyclePause;
use crate::progress::Silent;
use crate::rollout::{Phase, Rollout};
use crate::settings::Config;
use crate::snapshot::DiskLoad;
use wnm_pm::process_manager::{Finding, Severity};
use wnm_pm::shell::word;

mod disk;
mod files;
mod gather;
mod kernel;
mod ports;
mod upkeep;

pub use disk::HANGS as STORAGE_HANGS;
pub use gather::gather;

/// Everything on this machine that would keep nodes from working, now or later, the worst first. Changes nothing.
pub async fn examine(machine: &Machine) -> Vec<Finding> {
    let nodes = machine.store().load().map(|stored| stored.nodes).unwrap_or_default();
    let mut findings = match machine.reach(&nodes) {
        Ok(()) => machine.manager().examine().await,
        Err(hanging) => vec![disk::hangs(&hanging)],
    };
    let answers = findings.iter().all(|finding| finding.code != disk::HANGS);
    let mut facts = gather(machine, answers).await;
    if answers && let Ok(observation) = machine.observe(&Silent).await {
        let nodes = observation.snapshot.nodes.iter();
        facts.nodes = nodes.map(|each| gather::known(&each.node)).collect();
        let rollouts = observation.snapshot.rollouts.as_ref();
        let current = rollouts.and_then(|rollouts| rollouts.current().or(rollouts.watched()).cloned());
        facts.paused_rollout = current.filter(|rollout| rollout.phase == Phase::Paused);
    }
    findings.extend(check(machine.config(), &facts));
    sort(&mut findings);
    findings
}

/// What the checks know of this machine. What could not be found out is none, and leads to no finding.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Facts {
    /// The time.
    pub now: UnixSeconds,
    /// Whether the process manager runs nodes as whoever calls wnm.
    pub runs_nodes_as_caller: bool,
    /// Whether the clock is kept right over the network.
    pub clock_is_synchronised: Option<bool>,
    /// Processors that wnm may use.
    pub cpu_count: u32,
    /// The recorded nodes.
    pub nodes: Vec<KnownNode>,
    /// Ports that somebody holds, and who.
    pub held_ports: Vec<HeldPort>,
    /// What the kernel allows.
    pub kernel: Kernel,
    /// The disks that nodes lie on.
    pub disks: Vec<DiskLoad>,
    /// Files, and directories that hold secrets.
    pub files: Vec<OwnFile>,
    /// Who runs this wnm: a user id.
    pub user: u32,
    /// The firewall that is in use, and what it says.
    pub firewall: Option<FirewallState>,
    /// The roll-out of the node program, where it is paused.
    pub paused_rollout: Option<Rollout>,
    /// The owner's pause of the cycles, while it lasts.
    pub cycle_pause: Option<CyclePause>,
    /// What runs wnm every minute; none when nothing was found.
    pub schedule: Option<String>,
    /// Why the node program cannot be used, with what mends it.
    pub program_problem: Option<(String, String)>,
}

/// A recorded node, as far as the checks need it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownNode {
    /// Its number.
    pub id: NodeId,
    /// Its status.
    pub status: Status,
    /// Its ports.
    pub ports: Ports,
    /// What is wrong with it, or why the last step on it failed.
    pub last_error: Option<String>,
}

/// A port that somebody holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HeldPort {
    /// What it would be for.
    pub kind: PortKind,
    /// The port.
    pub port: u16,
    /// By whom.
    pub holder: String,
}

/// What the kernel allows.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Kernel {
    /// The ports that it gives to programs that ask for any.
    pub local_ports: Option<(u16, u16)>,
    /// Ports among them that it keeps back, as its own list: `55001-55200,60000`.
    pub reserved_ports: String,
    /// Files that a process started from here may open.
    pub open_files: Option<u64>,
    /// Limits on threads and processes: what sets it, how many, and the command that raises it.
    pub thread_limits: Vec<ThreadLimit>,
    /// Connections that it can keep track of, where it does.
    pub tracked_connections: Option<u64>,
    /// The most bytes that a socket may have for what comes in.
    pub receive_buffer: Option<u64>,
    /// UDP packets that were dropped since boot because such a buffer was full.
    pub dropped_packets: u64,
}

/// A limit on threads and processes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ThreadLimit {
    /// What sets it: `kernel.pid_max`.
    pub name: String,
    /// How many there may be.
    pub most: u64,
    /// What raises it.
    pub fix: String,
}

/// A file of wnm's or of a node's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OwnFile {
    /// Where.
    pub path: std::path::PathBuf,
    /// What it is.
    pub kind: FileKind,
    /// Its owner: a user id.
    pub owner: u32,
    /// Its rights, `0o600`; those of the directories above that keep others out are taken off.
    pub mode: u32,
}

/// What a file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FileKind {
    /// The database.
    Database,
    /// The directory of all nodes.
    Storage,
    /// A node's directory.
    Node,
    /// A node's key.
    Key,
}

/// A firewall that is in use.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FirewallState {
    /// What it is called.
    pub name: &'static str,
    /// Node ports that it keeps out, with the commands that open them; or why it cannot be asked.
    pub closed: Result<Vec<(OpenPort, String)>, String>,
}

/// Everything that was found, the worst first.
#[must_use]
pub fn check(config: &Config, facts: &Facts) -> Vec<Finding> {
    let mut findings = Vec::new();
    findings.extend(upkeep::node_program(facts));
    findings.extend(upkeep::clock(facts));
    findings.extend(upkeep::firewall(facts));
    findings.extend(upkeep::schedule(facts));
    findings.extend(upkeep::nodes(facts));
    findings.extend(upkeep::rollout(facts));
    findings.extend(upkeep::paused(facts));
    findings.extend(ports::held(config, facts));
    findings.extend(ports::given_away(config, facts));
    findings.extend(kernel::open_files(facts));
    findings.extend(kernel::threads(config, facts));
    findings.extend(kernel::connections(config, facts));
    findings.extend(kernel::receive_buffer(facts));
    findings.extend(disk::check(config, facts));
    findings.extend(files::storage_marks(facts));
    findings.extend(files::rights(facts));
    findings.extend(files::owners(config, facts));
    sort(&mut findings);
    findings
}

/// The worst first, one of each code and text.
pub fn sort(findings: &mut Vec<Finding>) {
    findings.sort_by(|one, other| {
        other
            .severity
            .cmp(&one.severity)
            .then_with(|| one.code.cmp(&other.code))
            .then_with(|| one.what.cmp(&other.what))
    });
    findings.dedup();
}

fn error(code: &str, what: String, consequence: &str, fix: String) -> Finding {
    Finding { code: code.to_owned(), severity: Severity::Error, what, consequence: consequence.to_owned(), fix }
}

fn warning(code: &str, what: String, consequence: &str, fix: String) -> Finding {
    Finding { severity: Severity::Warning, ..error(code, what, consequence, fix) }
}

/// `what`, set now and at every start of the machine.
fn sysctl(setting: &str) -> String {
    let name = setting.split_once(" =").map_or(setting, |(name, _)| name);
    format!("echo '{setting}' | sudo tee /etc/sysctl.d/60-wnm-{name}.conf && sudo sysctl --system")
}

/// What lifts a limit of processes for good: for the sessions of this user, and for a timer, which has limits of its own.
/// `item` is the word of limits.conf, `property` that of systemd.
fn lift(user: u32, schedule: Option<&str>, item: &str, property: &str, most: &str) -> String {
    let whom = if user == 0 { "root".to_owned() } else { format!(":{user}") };
    let sessions = format!("echo '{whom} - {item} {most}' | sudo tee /etc/security/limits.d/60-wnm-{item}.conf");
    let value = if most == "unlimited" { "infinity" } else { most };
    let timer = schedule.filter(|unit| unit.ends_with(".service")).map(|unit| {
        let (sudo, systemctl) = match unit.starts_with("/etc/") {
            true => ("sudo ", "sudo systemctl"),
            false => ("", "systemctl --user"),
        };
        let place = word(format!("{unit}.d/{item}.conf").as_ref());
        format!(
            "printf '[Service]\\n{property}={value}\\n' | {sudo}install -D --mode=0644 /dev/stdin {place} && {systemctl} daemon-reload"
        )
    });
    match timer {
        None => format!("{sessions}; log in anew"),
        Some(timer) => format!("{sessions}; {timer}; log in anew"),
    }
}

#[cfg(test)]
mod tests;
