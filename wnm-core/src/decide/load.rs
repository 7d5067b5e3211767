//! Pressure is more load than the owner allows; room is load low enough for another node.

use super::disks;
use crate::plan::{Cause, Gauge};
use crate::settings::Config;
use crate::snapshot::{HostLoad, Snapshot};

/// One measured quantity and the two thresholds that it is held against.
pub(super) struct Reading {
    pub gauge: Gauge,
    pub figure: f64,
    pub less_than: f64,
    pub remove: f64,
}

impl Reading {
    /// Above its limit. Equal is not above.
    pub fn presses(&self) -> bool {
        !(self.gauge.is_rate() && self.remove == 0.0) && self.figure > self.remove
    }

    /// Below what growth allows. Equal is not below.
    pub fn leaves_room(&self) -> bool {
        (self.gauge.is_rate() && self.less_than == 0.0) || self.figure < self.less_than
    }

    /// How much could be used beside what is in use, as a part of it; none without a limit, or while nothing is in use.
    pub fn headroom(&self) -> Option<f64> {
        let is_limited = !(self.gauge.is_rate() && self.less_than == 0.0) && self.figure > 0.0;
        is_limited.then(|| (self.less_than / self.figure - 1.0).max(0.0))
    }

    pub fn pressure(&self) -> Cause {
        Cause::Pressure { gauge: self.gauge, figure: self.figure, limit: self.remove }
    }

    pub fn no_room(&self) -> Cause {
        Cause::NoRoom { gauge: self.gauge, figure: self.figure, limit: self.less_than }
    }

    /// Whether nodes take from it by having files.
    pub fn is_disk(&self) -> bool {
        matches!(self.gauge, Gauge::Disk | Gauge::Inodes)
    }
}

/// Everything that leaves no room for another node. Of several disks one that has room is enough.
pub(super) fn obstacles(config: &Config, snapshot: &Snapshot) -> Vec<Cause> {
    let (host, disks) = (&snapshot.host, disks::several(snapshot));
    let mut causes = Vec::new();
    for reading in readings(config, snapshot).iter().filter(|reading| !reading.leaves_room()) {
        causes.push(reading.no_room());
        causes.extend(measured_against(host, reading.gauge));
    }
    if !disks.is_empty() {
        let of_each: Vec<Vec<Cause>> = disks.iter().map(|disk| disks::obstacles(config, disk)).collect();
        let has_room = of_each.iter().any(Vec::is_empty);
        causes.extend(of_each.into_iter().flatten().filter(|_| !has_room));
        return causes;
    }
    // A small disk may have few in use, and too few for the files of one node.
    if let Some(free) = host.free_inodes.filter(|free| *free < FILES_PER_NODE) {
        causes.push(Cause::FewInodes { free, needed: FILES_PER_NODE });
    }
    causes
}

/// A node keeps a file for each record, thousands of them in the end, and some for itself.
pub(crate) const FILES_PER_NODE: u64 = 1000;

/// What a figure is a part of, where that is not the whole machine.
pub(super) fn measured_against(host: &HostLoad, gauge: Gauge) -> Option<Cause> {
    let allowance = match gauge {
        Gauge::Cpu => host.cpu_allowance.clone(),
        Gauge::Memory => host.mem_allowance.clone(),
        _ => None,
    };
    allowance.map(|allowance| Cause::MeasuredAgainst { gauge, allowance })
}

/// All that the machine measures, against all that its owner allows. Several disks are none of the machine's figures.
pub(super) fn readings(config: &Config, snapshot: &Snapshot) -> Vec<Reading> {
    let of_machine = disks::several(snapshot).is_empty();
    let readings = Gauge::ALL.into_iter().map(|gauge| reading(config, &snapshot.host, gauge));
    readings.filter(|reading| of_machine || !reading.is_disk()).collect()
}

fn reading(config: &Config, host: &HostLoad, gauge: Gauge) -> Reading {
    let load = (config.desired_load_average, config.max_load_average_allowed);
    let (figure, (less_than, remove)) = match gauge {
        Gauge::Cpu => (host.used_cpu_percent, (config.cpu_less_than, config.cpu_remove)),
        Gauge::Memory => (host.used_mem_percent, (config.mem_less_than, config.mem_remove)),
        Gauge::Disk => (host.used_hd_percent, (config.hd_less_than, config.hd_remove)),
        Gauge::Inodes => (host.used_inodes_percent, (config.hd_less_than, config.hd_remove)),
        Gauge::Load1 => (host.load_average_1, load),
        Gauge::Load5 => (host.load_average_5, load),
        Gauge::Load15 => (host.load_average_15, load),
        Gauge::DiskReads => rate(host.hdio_read_bytes, config.hdio_read_less_than, config.hdio_read_remove),
        Gauge::DiskWrites => rate(host.hdio_write_bytes, config.hdio_write_less_than, config.hdio_write_remove),
        Gauge::NetworkIn => rate(host.netio_read_bytes, config.netio_read_less_than, config.netio_read_remove),
        Gauge::NetworkOut => rate(host.netio_write_bytes, config.netio_write_less_than, config.netio_write_remove),
    };
    Reading { gauge, figure, less_than, remove }
}

#[expect(clippy::cast_precision_loss, reason = "rates are far below 2^52 bytes per second")]
fn rate(figure: u64, less_than: u64, remove: u64) -> (f64, (f64, f64)) {
    (figure as f64, (less_than as f64, remove as f64))
}
