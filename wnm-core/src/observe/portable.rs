//! The counters of machines that are no Linux, as far as `sysinfo` tells them. Tested on Linux too.

use std::collections::BTreeMap;
use std::time::Duration;

use sysinfo::{DiskRefreshKind, Disks, MINIMUM_CPU_UPDATE_INTERVAL, Networks, System};

use super::HostError;
use crate::node::UnixSeconds;
use crate::snapshot::Counters;

/// The processor is watched this long: there are no counters of its use.
const CPU_SAMPLE: Duration = Duration::from_millis(250);
const _: () = assert!(CPU_SAMPLE.as_millis() > MINIMUM_CPU_UPDATE_INTERVAL.as_millis());
/// Interfaces whose traffic stays on the machine, or passes a real interface as well.
const INNER_INTERFACES: [&str; 10] = ["lo", "bridge", "utun", "tun", "tap", "awdl", "llw", "gif", "stf", "vmenet"];

/// Reads the counters. The processor's are made up from a sample, so that they grow by what it was used, in milliseconds.
///
/// # Errors
///
/// What the machine does not tell.
pub(super) async fn counters(
    previous: Option<&Counters>,
    at: UnixSeconds,
    uptime_milliseconds: u64,
) -> Result<Counters, HostError> {
    let (cpu_busy, cpu_total) = previous.map_or((0, 0), |previous| (previous.cpu_busy, previous.cpu_total));
    let sample = u64::try_from(CPU_SAMPLE.as_millis()).unwrap_or(u64::MAX);
    let used = f64::from(cpu_percent().await?) / 100.0 * sample as f64;
    let (disk_read, disk_written) = disk_bytes()?;
    let (net_received, net_sent) = network_bytes()?;
    let boot_time = System::boot_time().map_err(unknown("the start time"))?;
    Ok(Counters {
        at,
        boot_time: UnixSeconds::try_from(boot_time).unwrap_or(UnixSeconds::MAX),
        boot_id: None,
        uptime_milliseconds,
        cpu_busy: cpu_busy.saturating_add(used as u64),
        cpu_total: cpu_total.saturating_add(sample),
        disk_read,
        disk_written,
        net_received,
        net_sent,
    })
}

fn unknown(what: &'static str) -> impl Fn(sysinfo::Error) -> HostError {
    move |source| HostError::System { what, source }
}

async fn cpu_percent() -> Result<f32, HostError> {
    let mut system = System::new().map_err(unknown("the use of the processor"))?;
    system.refresh_cpu_usage();
    tokio::time::sleep(CPU_SAMPLE).await;
    system.refresh_cpu_usage();
    Ok(system.global_cpu_usage().clamp(0.0, 100.0))
}

/// Each device once, however many of its volumes are mounted.
fn disk_bytes() -> Result<(u64, u64), HostError> {
    let disks = Disks::new_with_refreshed_list_specifics(DiskRefreshKind::nothing().with_io_usage());
    let disks = disks.map_err(unknown("the disks"))?;
    let devices: BTreeMap<_, _> =
        disks.iter().map(|disk| (whole_device(&disk.name().to_string_lossy()), disk.usage())).collect();
    Ok(devices.values().fold((0, 0), |(read, written), usage| {
        (usage.total_read_bytes.saturating_add(read), usage.total_written_bytes.saturating_add(written))
    }))
}

/// `disk3` of `disk3s1s1`, a volume of it; other names stay.
fn whole_device(name: &str) -> String {
    let base = name.rsplit('/').next().unwrap_or(name);
    let Some(number) = base.strip_prefix("disk") else { return base.to_owned() };
    let digits = number.bytes().take_while(u8::is_ascii_digit).count();
    format!("disk{}", &number[..digits])
}

fn network_bytes() -> Result<(u64, u64), HostError> {
    let networks = Networks::new_with_refreshed_list().map_err(unknown("the network's interfaces"))?;
    let is_inner = |name: &str| INNER_INTERFACES.iter().any(|inner| name.starts_with(inner));
    let outer = networks.iter().filter(|(name, _)| !is_inner(&name.to_string_lossy()));
    Ok(outer.fold((0, 0), |(received, sent), (_, network)| {
        (network.total_received().saturating_add(received), network.total_transmitted().saturating_add(sent))
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn its_counters_make_rates_as_the_kernel_s_do() {
        let first = counters(None, 1, 1_000).await.expect("this machine tells");
        let second = counters(Some(&first), 1, 1_250).await.expect("this machine tells");
        assert_eq!(second.cpu_total - first.cpu_total, 250);
        assert!(second.cpu_busy - first.cpu_busy <= 250);
        assert!(second.net_received >= first.net_received);
        assert!(second.disk_read >= first.disk_read);
        assert!(first.boot_time > 0);
        let rates = super::super::rates::rates(&first, &second);
        assert!((0.0..=100.0).contains(&rates.used_cpu_percent));
    }

    #[test]
    fn the_volumes_of_a_disk_are_one_device() {
        assert_eq!(whole_device("/dev/disk3s1s1"), "disk3");
        assert_eq!(whole_device("disk12"), "disk12");
        assert_eq!(whole_device("/dev/sda1"), "sda1");
    }
}
