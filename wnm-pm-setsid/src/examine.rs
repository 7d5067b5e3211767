//! What would not work with plain background processes on this machine, and what fixes it.

use std::fs;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use wnm_pm::process_manager::Finding;
use wnm_pm::shell::word;

use crate::Setsid;

/// Services that leave alone what was started from them when they end or are restarted.
const LENIENT_SERVICES: [&str; 4] = ["cron.service", "crond.service", "cronie.service", "fcron.service"];

pub(crate) fn examine(manager: &Setsid) -> Vec<Finding> {
    let unavailable = manager.obstacle().map(|(reason, fix)| Finding::unavailable(manager.kind, reason, fix));
    let service = fs::read_to_string("/proc/self/cgroup").ok().and_then(|cgroup| service(&cgroup));
    let storages = manager.node_storage.iter().flat_map(storage);
    unavailable.into_iter().chain(storages).chain(service).chain(logind()).collect()
}

/// The node storage, or where it will be made, has to take files and let them run.
fn storage(node_storage: &Path) -> Vec<Finding> {
    let Some(there) = node_storage.ancestors().find(|path| path.exists()) else {
        return vec![];
    };
    let mut findings = Vec::new();
    if let Err(error) = access(there, Access::WRITE_OK | Access::EXEC_OK) {
        findings.push(Finding::error(
            "node-storage-not-writable",
            format!("this user cannot write to {}: {error}", there.display()),
            "no node can be created",
            format!("sudo chown \"$USER\" {}", word(there)),
        ));
    }
    if runs_no_programs(there) {
        findings.push(Finding::error(
            "node-storage-noexec",
            format!("{} lies on a file system that is mounted noexec", there.display()),
            "nodes' own copies of the program cannot be run",
            format!("sudo mount -o remount,exec \"$(findmnt -n -o TARGET --target {})\"", word(there)),
        ));
    }
    findings
}

#[cfg(target_os = "linux")]
fn runs_no_programs(path: &Path) -> bool {
    use rustix::fs::{StatVfsMountFlags, statvfs};
    statvfs(path).is_ok_and(|system| system.f_flag.contains(StatVfsMountFlags::NOEXEC))
}

#[cfg(not(target_os = "linux"))]
fn runs_no_programs(_: &Path) -> bool {
    false
}

/// The service of systemd that this process runs in, where that would take the nodes with it.
fn service(cgroup: &str) -> Option<Finding> {
    let mut paths = cgroup.lines().filter_map(|line| line.rsplit(':').next());
    let service = paths.find_map(|path| path.split('/').rev().find(|part| part.ends_with(".service")))?;
    // A terminal of a desktop or a user's own systemd is itself `user@1000.service`, and lives on.
    if LENIENT_SERVICES.contains(&service) || service.starts_with("user@") {
        return None;
    }
    Some(Finding::warning(
        "started-by-a-service",
        format!("wnm runs in the systemd unit {service}"),
        format!("when {service} ends or is restarted, systemd ends every node that was started from it"),
        format!("put `KillMode=process` into the [Service] section of {service}, or use systemd+user"),
    ))
}

/// systemd-logind may be configured to end what a user leaves behind.
fn logind() -> Option<Finding> {
    let mut files = vec![PathBuf::from("/etc/systemd/logind.conf")];
    let mut more: Vec<_> =
        fs::read_dir("/etc/systemd/logind.conf.d").into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    more.sort();
    files.extend(more);
    let text: Vec<_> = files.iter().filter_map(|path| fs::read_to_string(path).ok()).collect();
    kills_user_processes(&text.join("\n")).then(|| {
        Finding::warning(
            "killed-at-logout",
            "systemd-logind has KillUserProcesses=yes",
            "nodes that were started from a login session are ended when that session ends",
            "set KillUserProcesses=no in /etc/systemd/logind.conf, or let cron run wnm",
        )
    })
}

/// The last word counts, as it does for logind.
fn kills_user_processes(configuration: &str) -> bool {
    let mut values = configuration.lines().filter_map(|line| line.trim().strip_prefix("KillUserProcesses="));
    values.next_back().is_some_and(|value| matches!(value.trim(), "yes" | "true" | "on" | "1"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_service_that_takes_its_processes_with_it_is_found() {
        let found = service("0::/system.slice/wnm.service\n").expect("a oneshot service ends");
        assert_eq!(found.code, "started-by-a-service");
        insta::assert_snapshot!(found.fix, @"put `KillMode=process` into the [Service] section of wnm.service, or use systemd+user");
        for quiet in [
            "0::/system.slice/cron.service",
            "0::/user.slice/user-1000.slice/session-3.scope",
            "0::/user.slice/user-1000.slice/user@1000.service/app.slice/terminal.scope",
            "9:name=systemd:/\n0::/\n",
            "",
        ] {
            assert_eq!(service(quiet), None, "{quiet}");
        }
    }

    #[test]
    fn logind_is_asked_for_its_last_word() {
        assert!(kills_user_processes("[Login]\nKillUserProcesses=no\n  KillUserProcesses=yes\n"));
        assert!(!kills_user_processes("[Login]\n#KillUserProcesses=yes\n"));
        assert!(!kills_user_processes("KillUserProcesses=yes\nKillUserProcesses=no\n"));
    }
}
