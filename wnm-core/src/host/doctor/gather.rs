//! Gathering asks the machine for what the checks want to know. It only reads, and takes no answer for no finding.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::process::{Resource, getrlimit};

use super::{Facts, FileKind, FirewallState, HeldPort, Kernel, KnownNode, OwnFile, ThreadLimit, lift, sysctl};
use crate::decide::port_start;
use crate::host::firewall::OpenPort;
use crate::host::schedule::timer::{self, Scope};
use crate::machine::Machine;
use crate::node::{Node, Status};
use crate::observe::VersionCache;
use crate::observe::host::disk_load;
use wnm_pm::command::{Command, CommandRunner};
use wnm_pm::hint::chain;
use wnm_pm::port_use::holder;

/// What a node keeps its key in: the names of both flavours.
const KEYS: [&str; 2] = ["secret-key", "node_identity.key"];
/// Who holds a port is looked up for so many at most: each takes a walk through all processes.
const NAMED_HOLDERS: usize = 20;

/// Everything that [`super::check`] wants to know of this machine; where its disks do not answer, without what lies there.
pub async fn gather(machine: &Machine, disks_answer: bool) -> Facts {
    let config = &machine.parts.config;
    let now = machine.parts.clock.now();
    let nodes = machine.parts.store.load().map(|record| record.nodes).unwrap_or_default();
    let (mut disks, mut program, mut own_files) = (Vec::new(), None, Vec::new());
    if disks_answer {
        disks = config.node_storage.iter().map(disk_load).collect();
        program = machine.parts.observer.program(&config.antnode_path, &VersionCache::default()).await.err();
        own_files = files(machine, &nodes);
    }
    let schedule = schedule(machine.parts.store.path(), &*machine.parts.runner).await;
    Facts {
        now,
        runs_nodes_as_caller: machine.parts.manager.capabilities().runs_nodes_as_caller,
        clock_is_synchronised: clock_is_synchronised(&*machine.parts.runner).await,
        cpu_count: std::thread::available_parallelism().map_or(1, |count| u32::try_from(count.get()).unwrap_or(1)),
        held_ports: held_ports(machine, &nodes),
        kernel: kernel(schedule.as_deref()),
        disks,
        files: own_files,
        user: rustix::process::geteuid().as_raw(),
        firewall: firewall(machine, &nodes).await,
        schedule,
        program_problem: program.map(|error| (chain(&error), "set antnode_path to a node program".to_owned())),
        nodes: nodes.iter().map(known).collect(),
        paused_rollout: None,
        cycle_pause: machine.cycle_pause().ok().flatten(),
    }
}

pub(super) fn known(node: &Node) -> KnownNode {
    let last_error = node.life().last_error().map(str::to_owned);
    KnownNode { id: node.id(), status: node.status(), ports: node.spec().ports.clone(), last_error }
}

/// None where there is no timedatectl, or it does not know.
async fn clock_is_synchronised(runner: &dyn CommandRunner) -> Option<bool> {
    let words = ["show", "--property=NTPSynchronized", "--value"];
    let asked = Command::new("timedatectl").args(words).timeout(Duration::from_secs(10));
    match runner.succeed(&asked).await.ok()?.stdout.trim() {
        "yes" => Some(true),
        "no" => Some(false),
        _ => None,
    }
}

/// The held ports in the ranges of nodes. What running nodes hold themselves is among them.
fn held_ports(machine: &Machine, nodes: &[Node]) -> Vec<HeldPort> {
    let config = &machine.parts.config;
    let highest = nodes.iter().map(|node| node.id().0).max().unwrap_or(0).max(config.node_cap);
    let mut held = Vec::new();
    let flavour = nodes.first().map(|node| node.spec().flavour).unwrap_or_default();
    for kind in machine.parts.manager.capabilities().ports(flavour) {
        let Some(start) = port_start(config, kind) else { continue };
        let protocol = kind.protocol();
        let base = u32::from(start) * wnm_allocator::PORTS_PER_START;
        for port in machine.parts.observer.ports_in_use(protocol) {
            let of_a_running_node = |node: &Node| node.spec().ports.get(kind) == Some(port) && node.process().is_some();
            if !(base + 1..=base + highest).contains(&u32::from(port)) || nodes.iter().any(of_a_running_node) {
                continue;
            }
            let holder = if held.len() < NAMED_HOLDERS { holder(protocol, port) } else { "another program".to_owned() };
            held.push(HeldPort { kind, port, holder });
        }
    }
    held
}

fn number(path: &str) -> Option<u64> {
    fs::read_to_string(path).ok()?.trim().parse().ok()
}

fn kernel(schedule: Option<&str>) -> Kernel {
    let text = |path| fs::read_to_string(path).unwrap_or_default();
    let local = text("/proc/sys/net/ipv4/ip_local_port_range");
    let mut ends = local.split_whitespace().map(str::parse);
    let local_ports = match (ends.next(), ends.next()) {
        (Some(Ok(first)), Some(Ok(last))) => Some((first, last)),
        _ => None,
    };
    Kernel {
        local_ports,
        reserved_ports: text("/proc/sys/net/ipv4/ip_local_reserved_ports").trim().to_owned(),
        open_files: getrlimit(Resource::Nofile).current,
        thread_limits: thread_limits(schedule),
        tracked_connections: number("/proc/sys/net/netfilter/nf_conntrack_max"),
        receive_buffer: number("/proc/sys/net/core/rmem_max"),
        dropped_packets: dropped_packets(&text("/proc/net/snmp")),
    }
}

/// `Udp: InDatagrams … RcvbufErrors …` above `Udp: 12 … 3 …`
pub(super) fn dropped_packets(snmp: &str) -> u64 {
    let mut udp = snmp.lines().filter_map(|line| line.strip_prefix("Udp: "));
    let (Some(names), Some(values)) = (udp.next(), udp.next()) else { return 0 };
    let mut columns = names.split_whitespace().zip(values.split_whitespace());
    columns.find(|(name, _)| *name == "RcvbufErrors").and_then(|(_, value)| value.parse().ok()).unwrap_or(0)
}

/// The limits that hold for processes which are started from here.
fn thread_limits(schedule: Option<&str>) -> Vec<ThreadLimit> {
    let mut limits = Vec::new();
    for (name, path) in
        [("kernel.pid_max", "/proc/sys/kernel/pid_max"), ("kernel.threads-max", "/proc/sys/kernel/threads-max")]
    {
        let raised = sysctl(&format!("{name} = 4194304"));
        limits.extend(number(path).map(|most| ThreadLimit { name: name.to_owned(), most, fix: raised }));
    }
    if let Some(most) = getrlimit(Resource::Nproc).current {
        let fix = lift(rustix::process::geteuid().as_raw(), schedule, "nproc", "LimitNPROC", "unlimited");
        limits.push(ThreadLimit { name: "the process limit of this user (ulimit -u)".to_owned(), most, fix });
    }
    limits.extend(own_cgroup_limit());
    limits
}

/// The lowest limit of the control groups that this process is in.
fn own_cgroup_limit() -> Option<ThreadLimit> {
    let own = fs::read_to_string("/proc/self/cgroup").ok()?;
    let path = own.lines().find_map(|line| line.strip_prefix("0::/"))?.to_owned();
    let groups = Path::new(&path).ancestors().map(Path::to_owned).collect::<Vec<PathBuf>>();
    let limit = |group: PathBuf| {
        let most = number(&Path::new("/sys/fs/cgroup").join(&group).join("pids.max").to_string_lossy())?;
        let unit = group.file_name().map_or_else(|| "-.slice".to_owned(), |name| name.to_string_lossy().into_owned());
        let fix = format!("sudo systemctl set-property {unit} TasksMax=infinity");
        Some(ThreadLimit { name: format!("{unit} (TasksMax)"), most, fix })
    };
    groups.into_iter().filter_map(limit).min_by_key(|limit| limit.most)
}

fn files(machine: &Machine, nodes: &[Node]) -> Vec<OwnFile> {
    let storages = &machine.parts.config.node_storage;
    let mut files = vec![own_file(machine.parts.store.path(), FileKind::Database, None)];
    files.extend(storages.iter().map(|storage| own_file(storage, FileKind::Storage, None)));
    for node in nodes {
        let root_dir = &node.spec().root_dir;
        files.push(own_file(root_dir, FileKind::Node, None));
        files.extend(KEYS.map(|key| own_file(&root_dir.join(key), FileKind::Key, storages.of(root_dir))));
    }
    files.into_iter().flatten().collect()
}

/// `below`: a directory that, with those between, may keep others from a file whatever its own rights.
fn own_file(path: &Path, kind: FileKind, below: Option<&Path>) -> Option<OwnFile> {
    let metadata = fs::metadata(path).ok()?;
    let mut mode = metadata.mode() & 0o7777;
    let above = path.ancestors().skip(1).take_while(|above| below.is_some_and(|below| above.starts_with(below)));
    for directory in above {
        let rights = fs::metadata(directory).ok()?.mode();
        mode &= !(if rights & 0o010 == 0 { 0o070 } else { 0 } | if rights & 0o001 == 0 { 0o007 } else { 0 });
    }
    Some(OwnFile { path: path.to_owned(), kind, owner: metadata.uid(), mode })
}

async fn firewall(machine: &Machine, nodes: &[Node]) -> Option<FirewallState> {
    let name = machine.parts.firewall.name().await?;
    // Ports of nodes that were stopped for good are closed on purpose.
    let wanted =
        nodes.iter().filter(|node| !matches!(node.status(), Status::Disabled | Status::Removing | Status::Dead));
    let ports: Vec<OpenPort> = wanted.flat_map(|node| OpenPort::of(node.spec())).collect();
    let closed = match machine.parts.firewall.closed(&ports).await {
        Err(error) => Err(chain(&error)),
        Ok(closed) => {
            let mut commands = Vec::new();
            for port in closed {
                let command = machine.parts.firewall.opening_command(&port).await;
                commands.push((port, command));
            }
            Ok(commands)
        }
    };
    Some(FirewallState { name, closed })
}

/// What runs wnm every minute: our own timer on this database, or any line of a crontab that names wnm.
async fn schedule(database: &Path, runner: &dyn CommandRunner) -> Option<String> {
    let home = wnm_pm::user::home().unwrap_or_default();
    let user = Scope::User { home, uid: rustix::process::geteuid().as_raw() };
    for scope in [Scope::Machine { owner: 0 }, user] {
        let there = timer::installed(&scope, runner).await;
        let ours = there.filter(|there| there.active && there.database.as_deref() == Some(database));
        if let Some(there) = ours {
            return Some(there.unit.display().to_string());
        }
    }
    let own = runner.run(&Command::new("crontab").arg("-l")).await.ok().filter(|output| output.success());
    let mut tables: Vec<String> = own.into_iter().map(|output| output.stdout).collect();
    let of_the_machine = fs::read_dir("/etc/cron.d").into_iter().flatten().flatten().map(|entry| entry.path());
    tables
        .extend(of_the_machine.chain([PathBuf::from("/etc/crontab")]).filter_map(|path| fs::read_to_string(path).ok()));
    tables.iter().flat_map(|table| table.lines()).find(|line| runs_wnm(line)).map(str::to_owned)
}

/// Whether a line of a crontab runs a program called wnm.
pub(super) fn runs_wnm(line: &str) -> bool {
    let program = |word: &str| word.trim_matches(['\'', '"']).rsplit('/').next() == Some("wnm");
    !line.trim_start().starts_with('#')
        && line.split(" #").next().is_some_and(|job| job.split_whitespace().any(program))
}
