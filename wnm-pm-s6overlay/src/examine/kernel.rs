//! What the kernel of this machine allows: open files and processes.

use std::fs;

use wnm_pm::process_manager::Finding;

use crate::container::spec::{OPEN_FILES, threads};
use crate::settings::S6Settings;

/// What is found in `/proc/sys` for so many groups; nothing on a machine that has none.
pub fn findings(settings: &S6Settings, groups: usize) -> Vec<Finding> {
    let read = |name: &str| fs::read_to_string(format!("/proc/sys/{name}")).ok();
    let number = |name: &str| read(name).and_then(|text| text.trim().parse::<i64>().ok());
    let open_files = number("fs/nr_open").and_then(open_files);
    let processes = number("kernel/pid_max").and_then(|most| processes(settings, groups.max(1), most));
    open_files.into_iter().chain(processes).collect()
}

fn open_files(most: i64) -> Option<Finding> {
    (most < OPEN_FILES).then(|| {
        Finding::error(
            "few-open-files",
            format!("the kernel gives a process {most} open files, and containers ask for {OPEN_FILES}"),
            "no container can be started",
            format!("sysctl --write fs.nr_open={OPEN_FILES}"),
        )
    })
}

fn processes(settings: &S6Settings, groups: usize, most: i64) -> Option<Finding> {
    let wanted = threads(settings) * i64::try_from(groups).unwrap_or(i64::MAX);
    (wanted > most).then(|| {
        let containers = if groups == 1 { "1 container".to_owned() } else { format!("{groups} containers") };
        Finding::warning(
            "few-processes",
            format!("the kernel allows {most} processes and threads, and nodes in {containers} may have {wanted}"),
            "when nodes use up what they may have, nothing can be started on this machine any more",
            "sysctl --write kernel.pid_max=4194304",
        )
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_kernel_that_gives_too_few_open_files_is_found() {
        assert_eq!(open_files(1_048_576), None);
        assert_eq!(open_files(OPEN_FILES), None);
        assert!(open_files(1_024).is_some());
    }
}
