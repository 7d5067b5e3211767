//! A process inside a container has a number there that differs from its number on this machine; the kernel knows both.

use std::collections::HashMap;
use std::fs::{self, File};
use std::io::Read;

use wnm_pm::node::ProcessId;
use wnm_pm::process::start_time;

use super::ask::Report;
use super::script::NodeReport;
use crate::container::layout::STORAGE;

/// The processes of this machine that have a number inside a container too, as far as this user may see them: by that
/// number and by when they started. Where several started in different containers in the same hundredth of a second under the same
/// number, their command lines tell them apart.
#[derive(Debug, Default)]
pub struct Processes(HashMap<(u32, u64), Vec<u32>>);

impl Processes {
    /// Finds the processes that containers report, each with the process that its node had when it was last seen; none where
    /// none of these lives. As long as all have the same one as then, the other processes of this machine are not looked at.
    #[must_use]
    pub fn of<'r>(reports: impl Iterator<Item = (Option<ProcessId>, &'r Report)>) -> Self {
        let mut known: HashMap<_, Vec<u32>> = HashMap::new();
        for (process, report) in reports {
            let Report::Node(NodeReport { pid: Some(inside), start_time: Some(started), .. }) = report else {
                continue;
            };
            let process = process.filter(|process| process.start_time == *started);
            let Some(process) = process.filter(|process| start_time(process.pid) == Some(*started)) else {
                return Self::look();
            };
            known.entry((*inside, *started)).or_default().push(process.pid);
        }
        Self(known)
    }

    fn look() -> Self {
        let mut found: HashMap<_, Vec<u32>> = HashMap::new();
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        for pid in entries.filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok()) {
            if let Some(key) = contained(pid) {
                found.entry(key).or_default().push(pid);
            }
        }
        Self(found)
    }

    /// The process of a node as this machine knows it.
    #[must_use]
    pub fn find(&self, name: &str, report: &NodeReport) -> Option<ProcessId> {
        let (inside, start_time) = (report.pid?, report.start_time?);
        let pid = match self.0.get(&(inside, start_time))?.as_slice() {
            [pid] => *pid,
            several => only(several.iter().copied().filter(|pid| runs(*pid, name)))?,
        };
        Some(ProcessId { pid, start_time })
    }
}

/// The one that there is; none where there are several.
fn only<T>(mut some: impl Iterator<Item = T>) -> Option<T> {
    some.next().filter(|_| some.next().is_none())
}

/// Whether a process was started as the program of this node.
fn runs(pid: u32, name: &str) -> bool {
    let line = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    line.starts_with(format!("{STORAGE}/{name}/").as_bytes())
}

/// The number that a process has inside its container, and when it started; none for one that is in no container.
fn contained(pid: u32) -> Option<(u32, u64)> {
    let inside = number_inside(&beginning(&format!("/proc/{pid}/status"))?)?;
    Some((inside, start_time(pid)?))
}

/// What one reading gives of a file of the kernel's: enough of it, and at once.
fn beginning(path: &str) -> Option<String> {
    let mut buffer = [0; 4096];
    let length = File::open(path).and_then(|mut file| file.read(&mut buffer)).ok()?;
    Some(String::from_utf8_lossy(&buffer[..length]).into_owned())
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
