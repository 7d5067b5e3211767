//! A process of this machine is told from a later one with the same pid by the time when it started.

use std::fs;

use crate::node::ProcessId;

/// The process that has this pid now, unless it has ended. One whose first thread has ended while others are still about
/// to has not: it still holds its ports.
#[must_use]
pub fn identity(pid: u32) -> Option<ProcessId> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let Stat { state, threads, start_time } = parse_stat(&stat)?;
    (!matches!(state, 'Z' | 'X') || threads > 1).then_some(ProcessId { pid, start_time })
}

/// When a process started, also when it has ended and nobody has taken note of it yet.
#[must_use]
pub fn start_time(pid: u32) -> Option<u64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    parse_stat(&stat).map(|stat| stat.start_time)
}

/// Whether a process is halted by a signal (SIGSTOP, SIGTSTP): it lives, and does nothing before somebody sends it SIGCONT.
#[must_use]
pub fn is_halted(process: ProcessId) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", process.pid)).ok();
    let stat = stat.as_deref().and_then(parse_stat);
    stat.is_some_and(|stat| stat.state == 'T' && stat.start_time == process.start_time)
}

/// What is wanted of `/proc/PID/stat`.
#[derive(Debug, PartialEq, Eq)]
struct Stat {
    state: char,
    threads: u32,
    /// In clock ticks since boot.
    start_time: u64,
}

/// Reads `/proc/PID/stat`. The name in it may hold anything, brackets too.
fn parse_stat(stat: &str) -> Option<Stat> {
    let (_, behind_name) = stat.rsplit_once(')')?;
    // Counted from 1 in the kernel's documents, the first field behind the name is number 3.
    let fields: Vec<&str> = behind_name.split_whitespace().collect();
    let field = |number: usize| fields.get(number - 3).copied();
    Some(Stat {
        state: field(3)?.chars().next()?,
        threads: field(20)?.parse().ok()?,
        start_time: field(22)?.parse().ok()?,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_in_stat_may_hold_anything() {
        let stat = "812 (a ) b (c) S 1 812 812 0 -1 4194560 100 0 0 0 5 6 0 0 20 0 2 0 987654 1 2 3";
        assert_eq!(parse_stat(stat), Some(Stat { state: 'S', threads: 2, start_time: 987_654 }));
        assert_eq!(parse_stat("812 (cut"), None);
        assert_eq!(parse_stat("812 (cut) S 1 2"), None);
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_lives_and_nobody_has_the_highest_pid() {
        assert!(identity(std::process::id()).is_some_and(|process| process.start_time > 0));
        assert_eq!(identity(u32::MAX), None);
    }

    proptest::proptest! {
        #[test]
        fn any_name_leaves_the_state_and_the_start_time_of_stat_readable(name in ".*", start_time: u64) {
            let stat = format!("1 ({name}) R 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 {start_time} 0 0");
            proptest::prop_assert_eq!(parse_stat(&stat), Some(Stat { state: 'R', threads: 1, start_time }));
        }
    }
}
