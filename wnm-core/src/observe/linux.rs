//! The counters that Linux keeps since its start, read from `/proc`.

use std::io;
use std::path::{Path, PathBuf};

use procfs_core::net::InterfaceDeviceStatus;
use procfs_core::{DiskStat, ExplicitSystemInfo, FromBufRead, FromBufReadSI, KernelStats, ProcError};

use super::{HostError, cgroup};
use crate::node::UnixSeconds;
use crate::snapshot::Counters;

/// `/proc/diskstats` counts in sectors of this size, whatever the disk's own are.
const SECTOR_BYTES: u64 = 512;
/// Devices that keep their data on other devices, or in memory: what they do is counted below them, or not at all.
const STACKED_DEVICES: [&str; 8] = ["loop", "ram", "zram", "dm-", "md", "zd", "bcache", "drbd"];
/// Interfaces whose traffic stays on the machine, or passes a real interface as well. Docker's are among them: what the
/// nodes in containers send would be counted twice.
const INNER_INTERFACES: [&str; 15] = [
    "lo", "docker", "br-", "veth", "virbr", "vmbr", "lxc", "cni", "podman", "ifb", "dummy", "tun", "tap", "wg",
    "bridge",
];

/// Where the machine's counters are read.
#[derive(Debug, Clone)]
pub struct Roots {
    /// `/proc`, or a copy of it.
    pub proc: PathBuf,
    /// `/sys`, or a copy of it.
    pub sys: PathBuf,
}

impl Default for Roots {
    fn default() -> Self {
        Self { proc: "/proc".into(), sys: "/sys".into() }
    }
}

/// Reads the counters. Disk and network counters are 0 where the machine does not show any, as in some containers.
///
/// # Errors
///
/// Where the processor's times cannot be read: without them nobody can say whether there is room for a node.
pub fn counters(roots: &Roots, at: UnixSeconds, uptime_milliseconds: u64) -> Result<Counters, HostError> {
    let path = roots.proc.join("stat");
    let text = std::fs::read(&path).map_err(|source| HostError::Read { path: path.clone(), source })?;
    let stat = KernelStats::from_buf_read(&text[..], &SYSTEM_INFO).map_err(|error| unreadable(path, &error))?;
    let cpu = &stat.total;
    let idle = cpu.idle.saturating_add(cpu.iowait.unwrap_or(0));
    // The time of guests is counted in `user` and `nice` already. Time stolen by a hypervisor is not there to be had.
    let busy = [cpu.user, cpu.nice, cpu.system, cpu.irq.unwrap_or(0), cpu.softirq.unwrap_or(0), cpu.steal.unwrap_or(0)]
        .into_iter()
        .fold(0, u64::saturating_add);
    // What the own control group may have counts instead where it is less: so many microseconds of so many.
    let (cpu_busy, cpu_total) = match cgroup::processors(roots) {
        Some(group) => (group.used_microseconds, (uptime_milliseconds as f64 * 1000.0 * group.allowance.amount) as u64),
        None => (busy, busy.saturating_add(idle)),
    };
    let (disk_read, disk_written) = disk_bytes(&roots.proc.join("diskstats"))?;
    let (net_received, net_sent) = network_bytes(roots)?;
    Ok(Counters {
        at,
        boot_time: UnixSeconds::try_from(stat.btime).unwrap_or(UnixSeconds::MAX),
        boot_id: boot_id(&roots.proc),
        uptime_milliseconds,
        cpu_busy,
        cpu_total,
        disk_read,
        disk_written,
        net_received,
        net_sent,
    })
}

/// The parser wants these; what is read here does not depend on them.
const SYSTEM_INFO: ExplicitSystemInfo = ExplicitSystemInfo {
    boot_time_secs: 0,
    ticks_per_second: 100,
    page_size: 4096,
    is_little_endian: cfg!(target_endian = "little"),
};

fn unreadable(path: PathBuf, error: &ProcError) -> HostError {
    HostError::Read { path, source: io::Error::new(io::ErrorKind::InvalidData, error.to_string()) }
}

fn boot_id(proc: &Path) -> Option<String> {
    let text = std::fs::read_to_string(proc.join("sys/kernel/random/boot_id")).ok()?;
    Some(text.trim().to_owned()).filter(|id| !id.is_empty())
}

/// The text of a file that a machine may lack.
fn optional(path: &Path) -> Result<Option<String>, HostError> {
    match std::fs::read_to_string(path) {
        Ok(text) => Ok(Some(text)),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::PermissionDenied) => Ok(None),
        Err(source) => Err(HostError::Read { path: path.to_owned(), source }),
    }
}

/// Bytes read and written by whole disks.
fn disk_bytes(path: &Path) -> Result<(u64, u64), HostError> {
    let Some(text) = optional(path)? else { return Ok((0, 0)) };
    let devices = text
        .lines()
        .map(DiskStat::from_line)
        .collect::<Result<Vec<_>, _>>()
        .map_err(|error| unreadable(path.to_owned(), &error))?;
    let whole = whole_disks(&devices.iter().map(|device| device.name.as_str()).collect::<Vec<_>>());
    let disks = devices.iter().filter(|device| whole.contains(&device.name.as_str()));
    Ok(disks.fold((0, 0), |(read, written), disk| {
        (
            disk.sectors_read.saturating_mul(SECTOR_BYTES).saturating_add(read),
            disk.sectors_written.saturating_mul(SECTOR_BYTES).saturating_add(written),
        )
    }))
}

/// Those of the block devices that are whole disks: no partitions, and nothing that lies on another device.
#[must_use]
pub fn whole_disks<'a>(devices: &[&'a str]) -> Vec<&'a str> {
    let is_partition_of = |device: &str, disk: &str| {
        let Some(rest) = device.strip_prefix(disk) else { return false };
        // `sda1` of `sda`, `nvme0n1p2` of `nvme0n1`: a `p` stands where the disk's name ends in a digit.
        let number =
            if disk.ends_with(|last: char| last.is_ascii_digit()) { rest.strip_prefix('p') } else { Some(rest) };
        number.is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    // `nvme0c1n1` is one of several ways to `nvme0n1`, which counts for all of them.
    let is_path = |device: &str| device.strip_prefix("nvme").is_some_and(|rest| rest.contains('c'));
    devices
        .iter()
        .copied()
        .filter(|device| !STACKED_DEVICES.iter().any(|stacked| device.starts_with(stacked)) && !is_path(device))
        .filter(|device| !devices.iter().any(|disk| is_partition_of(device, disk)))
        .collect()
}

/// Bytes received and sent by the interfaces through which the machine is joined to a network.
fn network_bytes(roots: &Roots) -> Result<(u64, u64), HostError> {
    // Through `self`, since `/proc/net` itself is a link to it that is not in every copy.
    let path = roots.proc.join("self/net/dev");
    let Some(text) = optional(&path)? else { return Ok((0, 0)) };
    let status = InterfaceDeviceStatus::from_buf_read(text.as_bytes()).map_err(|error| unreadable(path, &error))?;
    let names: Vec<&str> = status.0.keys().map(String::as_str).collect();
    let outer = outer_interfaces(&names, |name| roots.sys.join("class/net").join(name).join("device").exists());
    Ok(outer.iter().filter_map(|name| status.0.get(*name)).fold((0, 0), |(received, sent), interface| {
        (interface.recv_bytes.saturating_add(received), interface.sent_bytes.saturating_add(sent))
    }))
}

/// The interfaces through which a machine is joined to a network: those with hardware (or a hypervisor's stand-in for it)
/// behind them; where none has any, as inside a container, all that are not known to be inner ones.
#[must_use]
pub fn outer_interfaces<'a>(names: &[&'a str], has_hardware: impl Fn(&str) -> bool) -> Vec<&'a str> {
    let hardware: Vec<&str> = names.iter().copied().filter(|name| has_hardware(name)).collect();
    if !hardware.is_empty() {
        return hardware;
    }
    let is_inner = |name: &str| INNER_INTERFACES.iter().any(|inner| name.starts_with(inner));
    names.iter().copied().filter(|name| !is_inner(name)).collect()
}
