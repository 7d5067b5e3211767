//! A rate is the difference of two readings of the machine's counters over the time between them. Pure.

use std::time::Duration;

use crate::snapshot::Counters;

/// Counters further apart than this say little about now: a fresh sample is taken instead.
pub const LONGEST_WINDOW: Duration = Duration::from_secs(600);
/// Counters closer together than this are mostly noise (the processor's tick alone is 10 ms).
pub const SHORTEST_WINDOW: Duration = Duration::from_millis(300);
/// Runs in quick succession share one earlier reading until it is this old, so that not each of them has to sample.
pub const SHARED_WINDOW: Duration = Duration::from_secs(30);

/// How far two readings of one boot's start time may differ: the kernel computes it from two clocks and rounds.
const BOOT_TIME_TOLERANCE_SECONDS: u64 = 2;

/// Averages between two readings of the counters.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct HostRates {
    /// Processor time in use, in percent of all processors.
    pub used_cpu_percent: f64,
    /// Read from disks, bytes per second.
    pub disk_read: u64,
    /// Written to disks, bytes per second.
    pub disk_written: u64,
    /// Received from the network, bytes per second.
    pub net_received: u64,
    /// Sent to the network, bytes per second.
    pub net_sent: u64,
}

/// The averages from `previous` to `now`, which must be of the same boot.
///
/// A counter that fell says nothing about the time between (a device went away, its driver was loaded anew, or a
/// 32-bit counter began again), so its rate is 0: a load is never invented. Over no time all rates are 0.
#[must_use]
pub fn rates(previous: &Counters, now: &Counters) -> HostRates {
    let milliseconds = now.uptime_milliseconds.saturating_sub(previous.uptime_milliseconds);
    let per_second = |before: u64, after: u64| {
        let difference = u128::from(after.saturating_sub(before)) * 1000;
        let rate = difference.checked_div(u128::from(milliseconds)).unwrap_or(0);
        u64::try_from(rate).unwrap_or(u64::MAX)
    };
    HostRates {
        used_cpu_percent: percent(
            now.cpu_busy.saturating_sub(previous.cpu_busy),
            now.cpu_total.saturating_sub(previous.cpu_total),
        ),
        disk_read: per_second(previous.disk_read, now.disk_read),
        disk_written: per_second(previous.disk_written, now.disk_written),
        net_received: per_second(previous.net_received, now.net_received),
        net_sent: per_second(previous.net_sent, now.net_sent),
    }
}

/// `part` in percent of `whole`, from 0 to 100; 0 of nothing.
pub(super) fn percent(part: u64, whole: u64) -> f64 {
    if whole == 0 { 0.0 } else { (part as f64 / whole as f64 * 100.0).min(100.0) }
}

/// The time from `previous` to `now`, where the two can be compared at all: same boot, in that order, and not further
/// apart than [`LONGEST_WINDOW`]. A clock that was set does not matter.
#[must_use]
pub fn window(previous: &Counters, now: &Counters) -> Option<Duration> {
    if !same_boot(previous, now) {
        return None;
    }
    let milliseconds = now.uptime_milliseconds.checked_sub(previous.uptime_milliseconds)?;
    Some(Duration::from_millis(milliseconds)).filter(|window| *window <= LONGEST_WINDOW)
}

/// Whether both were read after the same start of the kernel: its boot id decides; where there is none, the start time.
#[must_use]
pub fn same_boot(previous: &Counters, now: &Counters) -> bool {
    match (&previous.boot_id, &now.boot_id) {
        (Some(before), Some(after)) => before == after,
        _ => previous.boot_time.abs_diff(now.boot_time) <= BOOT_TIME_TOLERANCE_SECONDS,
    }
}

/// Gives `now` the boot time that its boot has had from the first reading on.
///
/// The kernel computes its start time from the clock, so it moves by a second now and then, and by as much as the
/// clock whenever that is set. A boot therefore keeps the time that was first read of it, and a new boot is always later
/// than the one before, even when the clock was wrong.
pub fn settle_boot_time(previous: Option<&Counters>, now: &mut Counters) {
    let Some(previous) = previous else { return };
    now.boot_time = if same_boot(previous, now) {
        previous.boot_time
    } else {
        now.boot_time.max(previous.boot_time.saturating_add(1))
    };
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn counters(boot_id: &str, boot_time: i64, uptime_milliseconds: u64) -> Counters {
        Counters { boot_id: Some(boot_id.to_owned()), boot_time, uptime_milliseconds, ..Counters::default() }
    }

    fn any_counters() -> impl Strategy<Value = Counters> {
        let identity = (any::<i64>(), any::<i64>(), proptest::option::of("[ab]"), any::<u64>());
        let counts = (any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>(), any::<u64>());
        (identity, counts).prop_map(|((at, boot_time, boot_id, uptime_milliseconds), counts)| Counters {
            at,
            boot_time,
            boot_id,
            uptime_milliseconds,
            cpu_busy: counts.0,
            cpu_total: counts.1,
            disk_read: counts.2,
            disk_written: counts.3,
            net_received: counts.4,
            net_sent: counts.5,
        })
    }

    proptest! {
        #[test]
        fn any_two_readings_give_sane_rates(previous in any_counters(), now in any_counters()) {
            let rates = rates(&previous, &now);
            prop_assert!((0.0..=100.0).contains(&rates.used_cpu_percent));
            if now.net_sent < previous.net_sent {
                prop_assert_eq!(rates.net_sent, 0);
            }
            if let Some(window) = window(&previous, &now) {
                prop_assert!(window <= LONGEST_WINDOW);
            }
        }

        /// What a rate says, over the time it was taken over, is what was counted, to less than a byte a second.
        #[test]
        fn a_rate_times_its_time_is_the_difference(
            before in 0_u64..1 << 50, written in 0_u64..1 << 50, milliseconds in 300_u64..600_000,
        ) {
            let previous = Counters { disk_written: before, ..counters("a", 0, 5_000) };
            let now = Counters { disk_written: before + written, ..counters("a", 0, 5_000 + milliseconds) };
            let back = u128::from(rates(&previous, &now).disk_written) * u128::from(milliseconds) / 1000;
            prop_assert!(back <= u128::from(written));
            prop_assert!(u128::from(written) - back <= u128::from(milliseconds) / 1000 + 1);
        }

        #[test]
        fn the_boot_time_of_one_boot_never_moves_and_of_the_next_is_later(
            first in any::<i64>(), later in any::<i64>(), another in any::<i64>(),
        ) {
            let first = counters("a", first, 1);
            let mut same = counters("a", later, 2);
            settle_boot_time(Some(&first), &mut same);
            prop_assert_eq!(same.boot_time, first.boot_time);
            let mut next = counters("b", another, 1);
            settle_boot_time(Some(&same), &mut next);
            prop_assert!(next.boot_time > same.boot_time || same.boot_time == i64::MAX);
        }
    }

    #[test]
    fn half_of_the_processors_for_half_of_the_time_is_a_quarter() {
        let previous = Counters { cpu_busy: 1_000, cpu_total: 10_000, ..counters("a", 0, 0) };
        let now = Counters { cpu_busy: 1_050, cpu_total: 10_200, net_received: 3_000, ..counters("a", 0, 2_000) };
        let rates = rates(&previous, &now);
        assert_eq!(rates.used_cpu_percent, 25.0);
        assert_eq!(rates.net_received, 1_500);
    }

    #[test]
    fn the_window_closes_with_the_boot_and_after_ten_minutes_but_not_with_the_clock() {
        let previous = Counters { at: 5_000, ..counters("a", 0, 60_000) };
        let clock_set_back = Counters { at: 10, ..counters("a", -4_990, 61_000) };
        assert_eq!(window(&previous, &clock_set_back), Some(Duration::from_secs(1)));
        assert_eq!(window(&previous, &counters("b", 0, 61_000)), None);
        assert_eq!(window(&previous, &counters("a", 0, 59_000)), None);
        assert_eq!(window(&previous, &counters("a", 0, 660_000)), Some(LONGEST_WINDOW));
        assert_eq!(window(&previous, &counters("a", 0, 660_001)), None);
    }

    #[test]
    fn without_a_boot_id_a_start_time_within_two_seconds_is_the_same_boot() {
        let nameless = |boot_time| Counters { boot_id: None, ..counters("", boot_time, 0) };
        assert!(same_boot(&nameless(100), &nameless(102)));
        assert!(!same_boot(&nameless(100), &nameless(103)));
    }
}
