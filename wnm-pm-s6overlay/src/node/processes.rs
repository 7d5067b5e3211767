//! A process inside a container has another number there than on this machine; the kernel knows both.

use std::collections::HashMap;
use std::fs;

use wnm_pm::node::ProcessId;
use wnm_pm::process::start_time;

use super::ask::Report;
use super::script::NodeReport;

/// The processes of this machine that have a number inside a container too, as far as this user may see them: by that
/// number and by when they started. Together these identify a process, unless two started in different containers in the
/// same hundredth of a second under the same number: then neither is found.
#[derive(Debug, Default)]
pub struct Processes(HashMap<(u32, u64), Option<u32>>);

impl Processes {
    /// Looks for the processes that containers report; for none when none of these lives.
    #[must_use]
    pub fn of<'r>(mut reports: impl Iterator<Item = &'r Report>) -> Self {
        if !reports.any(|report| matches!(report, Report::Node(report) if report.pid.is_some())) {
            return Self::default();
        }
        let mut found: HashMap<_, Option<u32>> = HashMap::new();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
            if let Some(key) = contained(pid) {
                found.entry(key).and_modify(|other| *other = None).or_insert(Some(pid));
            }
        }
        Self(found)
    }

    /// The process of a node as this machine knows it.
    #[must_use]
    pub fn find(&self, report: &NodeReport) -> Option<ProcessId> {
        let (inside, start_time) = (report.pid?, report.start_time?);
        let pid = (*self.0.get(&(inside, start_time))?)?;
        Some(ProcessId { pid, start_time })
    }
}

/// The number that a process has inside its container, and when it started; none for one that is in no container.
fn contained(pid: u32) -> Option<(u32, u64)> {
    let inside = number_inside(&fs::read_to_string(format!("/proc/{pid}/status")).ok()?)?;
    Some((inside, start_time(pid)?))
}

/// The innermost number in the line `NSpid:  4711  17`; none where there is only one.
fn number_inside(status: &str) -> Option<u32> {
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"))?;
    numbers.split_whitespace().skip(1).last()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_contained_processes_have_a_number_inside() {
        assert_eq!(number_inside("Name:\tantnode\nNSpid:\t4711\t17\n"), Some(17));
        assert_eq!(number_inside("NSpid:\t4711\t17\t3\n"), Some(3));
        assert_eq!(number_inside("NSpid:\t4711\n"), None);
        assert_eq!(number_inside(""), None);
    }
}
