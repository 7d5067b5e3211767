//! The host is the machine itself: how much of its processor, memory, disk and network is in use.
//!
//! Rates are averages since the last cycle, whose counters the caller kept, so that a cycle does not have to wait. Only
//! where they are of no use (none, too old, from another boot) the counters are read twice, 0.3 s apart.

use std::io;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::StatVfs;
use rustix::io::Errno;
use rustix::time::{ClockId, clock_gettime};
use sysinfo::{MemoryRefreshKind, System};

use super::rates::{self, HostRates, SHARED_WINDOW, SHORTEST_WINDOW};
use crate::node::UnixSeconds;
use crate::snapshot::{Allowance, Counters, DiskLoad, HostLoad};
use crate::storage;
use wnm_pm::hint::{Hint, Hinted};

/// Why the machine could not be measured. Nothing is decided on figures that nobody has.
#[derive(Debug, thiserror::Error)]
pub enum HostError {
    /// A file of the kernel's could not be read or understood.
    #[error("cannot read the machine's load from {path}", path = path.display())]
    Read {
        /// Which file.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
    /// The machine does not say how much memory it has.
    #[error("cannot read how much memory this machine has")]
    Memory,
    /// The machine does not tell something else.
    #[error("cannot read {what} of this machine")]
    System {
        /// What was asked.
        what: &'static str,
        /// Why it does not tell.
        source: sysinfo::Error,
    },
    /// This process may not have as many files open as it needs.
    #[error("wnm itself may not open the {needed} files that it needs at a time, so nothing was looked at")]
    OwnFiles {
        /// How many it needs.
        needed: usize,
        /// What the kernel says.
        source: io::Error,
    },
    /// This process may not have as many threads as it needs.
    #[error("wnm itself may not start the {needed} threads that it needs at a time, so nothing was looked at")]
    OwnThreads {
        /// How many it needs.
        needed: usize,
        /// What the kernel says.
        source: io::Error,
    },
    /// The disk could not be measured.
    #[error("cannot measure the disk that {path} is on", path = path.display())]
    Disk {
        /// The directory, or the nearest one above it that there is.
        path: PathBuf,
        /// Why not.
        source: io::Error,
    },
}

impl Hinted for HostError {
    fn hints(&self) -> Vec<Hint> {
        vec![Hint::text(match self {
            Self::Read { .. } | Self::Memory | Self::System { .. } => "is /proc mounted?",
            Self::OwnFiles { .. } => "raise `ulimit -n`, or the LimitNOFILE of the service that runs wnm",
            Self::OwnThreads { .. } => {
                "raise `ulimit -u`, or the TasksMax of the service or the pids limit of the container that wnm runs in"
            }
            Self::Disk { .. } => "node_storage must be on a mounted disk that this user may enter",
        })]
    }
}

/// What was seen of the machine.
#[derive(Debug, Clone, PartialEq)]
pub struct Observed {
    /// How much of it is in use.
    pub load: HostLoad,
    /// What the next call wants as `previous`; its `boot_time` stays the same as long as the machine runs.
    pub counters: Counters,
}

/// Measures the machine: `previous` is what an earlier call gave back, `now` the time.
///
/// # Errors
///
/// Where the processor, the memory or the disk of `node_storage` cannot be measured. A machine that shows no disk or
/// network counters, as some containers do, has rates of 0 there, and no error.
pub async fn host(previous: Option<&Counters>, node_storage: &Path, now: UnixSeconds) -> Result<Observed, HostError> {
    let disk = disk(node_storage)?;
    let (used_mem_percent, mem_allowance) = used_memory_percent()?;
    let load = System::load_average().map_err(|source| HostError::System { what: "the load average", source })?;
    let (counters, rates) = measure(previous, |known| read(known, now)).await?;
    let load = HostLoad {
        used_cpu_percent: rates.used_cpu_percent,
        cpu_allowance: cpu_allowance(),
        used_mem_percent,
        mem_allowance,
        used_hd_percent: disk.used_percent,
        used_inodes_percent: disk.used_inodes_percent,
        free_inodes: disk.free_inodes,
        free_hd_bytes: disk.free_bytes,
        total_hd_bytes: disk.total_bytes,
        load_average_1: load.one,
        load_average_5: load.five,
        load_average_15: load.fifteen,
        hdio_read_bytes: rates.disk_read,
        hdio_write_bytes: rates.disk_written,
        netio_read_bytes: rates.net_received,
        netio_write_bytes: rates.net_sent,
    };
    Ok(Observed { load, counters })
}

/// The counters to keep, and the rates up to now. `read` reads the counters; it is given those that are known.
async fn measure<R: Future<Output = Result<Counters, HostError>>>(
    previous: Option<&Counters>,
    mut read: impl FnMut(Option<Counters>) -> R,
) -> Result<(Counters, HostRates), HostError> {
    let mut now = read(previous.cloned()).await?;
    rates::settle_boot_time(previous, &mut now);
    let (before, window) = match previous.and_then(|previous| Some((previous, rates::window(previous, &now)?))) {
        Some((previous, window)) => (previous.clone(), window),
        None => (now.clone(), Duration::ZERO),
    };
    if window < SHORTEST_WINDOW {
        tokio::time::sleep(SHORTEST_WINDOW - window).await;
        now = Counters { boot_time: now.boot_time, ..read(Some(now.clone())).await? };
    }
    let rates = rates::rates(&before, &now);
    let keep = if rates::window(&before, &now).is_some_and(|window| window < SHARED_WINDOW) { before } else { now };
    Ok((keep, rates))
}

#[cfg(target_os = "linux")]
#[expect(clippy::unused_async, reason = "elsewhere the processor has to be watched for a while")]
async fn read(_previous: Option<Counters>, at: UnixSeconds) -> Result<Counters, HostError> {
    super::linux::counters(&super::linux::Roots::default(), at, uptime_milliseconds(ClockId::Boottime))
}

#[cfg(not(target_os = "linux"))]
async fn read(previous: Option<Counters>, at: UnixSeconds) -> Result<Counters, HostError> {
    super::portable::counters(previous.as_ref(), at, uptime_milliseconds(ClockId::Monotonic)).await
}

fn uptime_milliseconds(clock: ClockId) -> u64 {
    let time = clock_gettime(clock);
    let seconds = u64::try_from(time.tv_sec).unwrap_or(0);
    seconds * 1000 + u64::try_from(time.tv_nsec / 1_000_000).unwrap_or(0)
}

#[cfg(target_os = "linux")]
fn cpu_allowance() -> Option<Allowance> {
    super::cgroup::processors(&super::linux::Roots::default()).map(|group| group.allowance)
}

#[cfg(not(target_os = "linux"))]
fn cpu_allowance() -> Option<Allowance> {
    None
}

/// What a control group has in use of the memory that it may have, where that is less than the machine has.
#[cfg(target_os = "linux")]
fn group_memory(machine_bytes: u64) -> Option<(f64, Allowance)> {
    let memory = super::cgroup::memory(&super::linux::Roots::default(), machine_bytes)?;
    Some((memory.used_percent, memory.allowance))
}

#[cfg(not(target_os = "linux"))]
fn group_memory(_: u64) -> Option<(f64, Allowance)> {
    None
}

/// Memory that no program could have without another giving it up, in percent: all but what the kernel calls available.
/// Of the machine and a control group that may have less, the fuller counts.
fn used_memory_percent() -> Result<(f64, Option<Allowance>), HostError> {
    let mut system = System::new().map_err(|source| HostError::System { what: "the memory", source })?;
    system.refresh_memory_specifics(MemoryRefreshKind::nothing().with_ram());
    let (total, available) = (system.total_memory(), system.available_memory());
    if total == 0 {
        return Err(HostError::Memory);
    }
    let machine = rates::percent(total.saturating_sub(available), total);
    Ok(match group_memory(total) {
        Some((group, allowance)) if group >= machine => (group, Some(allowance)),
        _ => (machine, None),
    })
}

/// How full a disk is.
#[derive(Debug, Clone, Copy, PartialEq)]
struct Disk {
    used_percent: f64,
    free_bytes: u64,
    total_bytes: u64,
    used_inodes_percent: f64,
    free_inodes: Option<u64>,
}

/// One of several disks, as a decision knows it.
pub(crate) fn disk_load(storage: &Path) -> DiskLoad {
    let measured = disk(storage).ok();
    let is_there = measured.is_some() && storage::is_marked(storage);
    let unknown =
        Disk { used_percent: f64::NAN, free_bytes: 0, total_bytes: 0, used_inodes_percent: 0.0, free_inodes: None };
    let Disk { used_percent, free_bytes, total_bytes, used_inodes_percent, free_inodes } = measured.unwrap_or(unknown);
    let storage = storage.to_owned();
    DiskLoad { storage, is_there, used_percent, used_inodes_percent, free_inodes, free_bytes, total_bytes }
}

/// The disk that a directory lies on, or will lie on: that of the nearest directory above that there is.
fn disk(directory: &Path) -> Result<Disk, HostError> {
    let mut candidate = directory;
    loop {
        // The last parent of a relative path is empty: the directory that wnm runs in.
        let path = if candidate.as_os_str().is_empty() { Path::new(".") } else { candidate };
        match (rustix::fs::statvfs(path), candidate.parent()) {
            (Ok(volume), _) => return Ok(usage(&volume)),
            (Err(Errno::NOENT | Errno::NOTDIR), Some(parent)) => candidate = parent,
            (Err(errno), _) => return Err(HostError::Disk { path: path.to_owned(), source: errno.into() }),
        }
    }
}

/// As `df` computes it: blocks kept for root are neither used nor free.
fn usage(volume: &StatVfs) -> Disk {
    let used = volume.f_blocks.saturating_sub(volume.f_bfree);
    let used_inodes = volume.f_files.saturating_sub(volume.f_ffree);
    Disk {
        used_percent: rates::percent(used, used.saturating_add(volume.f_bavail)),
        free_bytes: volume.f_bavail.saturating_mul(volume.f_frsize),
        total_bytes: volume.f_blocks.saturating_mul(volume.f_frsize),
        // Some file systems have no end of inodes, and count none.
        used_inodes_percent: rates::percent(used_inodes, used_inodes.saturating_add(volume.f_favail)),
        free_inodes: (volume.f_files > 0).then_some(volume.f_favail),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Counters that were read so many milliseconds after the boot of this name.
    fn at(boot: &str, uptime_milliseconds: u64) -> Counters {
        Counters {
            boot_id: Some(boot.to_owned()),
            boot_time: 1_000,
            uptime_milliseconds,
            cpu_busy: uptime_milliseconds / 2,
            cpu_total: uptime_milliseconds,
            disk_written: uptime_milliseconds * 3,
            ..Counters::default()
        }
    }

    /// Measures where one reading after the other finds `readings`; answers what is kept, and how many were needed.
    async fn measured(previous: Option<&Counters>, readings: &[Counters]) -> (Counters, HostRates, usize) {
        let mut count = 0;
        let (keep, rates) = measure(previous, |_| {
            count += 1;
            std::future::ready(Ok(readings[count - 1].clone()))
        })
        .await
        .expect("it can be read");
        (keep, rates, count)
    }

    #[tokio::test(start_paused = true)]
    async fn fresh_counters_are_read_once_and_nobody_sleeps() {
        let (previous, now) = (at("a", 60_000), at("a", 120_000));
        let begin = tokio::time::Instant::now();
        let (keep, rates, count) = measured(Some(&previous), std::slice::from_ref(&now)).await;
        assert_eq!((count, begin.elapsed()), (1, Duration::ZERO));
        assert_eq!((rates.used_cpu_percent, rates.disk_written), (50.0, 3_000));
        assert_eq!(keep, now);
    }

    #[tokio::test(start_paused = true)]
    async fn without_counters_of_use_they_are_read_twice() {
        let old = [None, Some(at("other boot", 60_000)), Some(at("a", 60_000)), Some(at("a", 9_000_000))];
        for previous in old {
            let now = [at("a", 1_000_000), at("a", 1_000_300)];
            let begin = tokio::time::Instant::now();
            let (keep, rates, count) = measured(previous.as_ref(), &now).await;
            assert_eq!((count, begin.elapsed()), (2, SHORTEST_WINDOW), "{previous:?}");
            assert_eq!((rates.used_cpu_percent, rates.disk_written), (50.0, 3_000));
            assert_eq!(keep.uptime_milliseconds, 1_000_000, "so that a run that follows at once has an average");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn counters_of_a_moment_ago_are_waited_for() {
        let previous = at("a", 60_000);
        let begin = tokio::time::Instant::now();
        let (_, _, count) = measured(Some(&previous), &[at("a", 60_100), at("a", 60_300)]).await;
        assert_eq!((count, begin.elapsed()), (2, Duration::from_millis(200)));
    }

    #[tokio::test(start_paused = true)]
    async fn runs_in_quick_succession_share_one_earlier_reading() {
        let mut kept = at("a", 60_000);
        for uptime in [65_000, 70_000, 89_000] {
            let (keep, _, count) = measured(Some(&kept), &[at("a", uptime)]).await;
            assert_eq!((count, keep.uptime_milliseconds), (1, 60_000));
            kept = keep;
        }
        let (keep, ..) = measured(Some(&kept), &[at("a", 90_000)]).await;
        assert_eq!(keep.uptime_milliseconds, 90_000);
    }

    #[tokio::test(start_paused = true)]
    async fn the_boot_time_stays_when_the_clock_is_set() {
        let previous = at("a", 60_000);
        let clock_set = Counters { boot_time: 5, ..at("a", 120_000) };
        assert_eq!(measured(Some(&previous), &[clock_set]).await.0.boot_time, 1_000);
        let next_boot = [Counters { boot_time: 5, ..at("b", 10) }, Counters { boot_time: 6, ..at("b", 310) }];
        assert_eq!(measured(Some(&previous), &next_boot).await.0.boot_time, 1_001);
    }

    #[test]
    fn a_disk_is_that_of_the_nearest_directory_there_is() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let here = disk(directory.path()).expect("it is measured");
        let there = disk(&directory.path().join("not/yet/made")).expect("it is measured");
        assert_eq!(there.total_bytes, here.total_bytes);
        assert!(here.total_bytes > 0 && (0.0..=100.0).contains(&here.used_percent));
        std::fs::write(directory.path().join("file"), "").expect("it is written");
        let below_a_file = disk(&directory.path().join("file/below")).expect("it is measured");
        assert_eq!(below_a_file.total_bytes, here.total_bytes);
        assert!(disk(Path::new("not-made-in-the-working-directory")).is_ok());
    }
}
