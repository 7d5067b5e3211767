//! The machine's counters.

use rusqlite::Connection;

use crate::snapshot::Counters;
use crate::store::cell::{Cell, all, most, upsert};
use crate::store::error::Problem;

pub(in crate::store) fn write(connection: &Connection, counters: &Counters) -> Result<(), Problem> {
    upsert(
        connection,
        "counters",
        &[
            ("id", &1),
            ("at", &counters.at),
            ("boot_time", &counters.boot_time),
            ("boot_id", &counters.boot_id),
            ("uptime_milliseconds", &most(counters.uptime_milliseconds)),
            ("cpu_busy", &most(counters.cpu_busy)),
            ("cpu_total", &most(counters.cpu_total)),
            ("disk_read", &most(counters.disk_read)),
            ("disk_written", &most(counters.disk_written)),
            ("net_received", &most(counters.net_received)),
            ("net_sent", &most(counters.net_sent)),
        ],
    )
}

pub(super) fn read(connection: &Connection) -> Result<Option<Counters>, Problem> {
    Ok(all(connection, "counters", "SELECT * FROM counters", [], read_row)?.pop())
}

fn read_row(cell: &Cell<'_>) -> Result<Counters, Problem> {
    let count = |column| Ok::<u64, Problem>(cell.count(column)?.unwrap_or_default());
    Ok(Counters {
        at: cell.get("at")?,
        boot_time: cell.get("boot_time")?,
        boot_id: cell.get("boot_id")?,
        uptime_milliseconds: count("uptime_milliseconds")?,
        cpu_busy: count("cpu_busy")?,
        cpu_total: count("cpu_total")?,
        disk_read: count("disk_read")?,
        disk_written: count("disk_written")?,
        net_received: count("net_received")?,
        net_sent: count("net_sent")?,
    })
}
