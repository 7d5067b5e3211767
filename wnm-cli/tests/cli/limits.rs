//! What counts is what nodes may have, where that is less than the machine has.

#![expect(clippy::disallowed_methods, reason = "tests start programs")]

use std::process::Command;

use wnm_core::node::Status::Running;
use wnm_testing::Need::{Mount, SystemdImage};
use wnm_testing::{Colony, Run, docker_label, test_node};

use crate::{WNM, bare, running};

/// What a shell says in a container that may have little, with its exit code.
fn in_container(limits: &[&str], script: &str) -> String {
    let mut command = Command::new("docker");
    command.args(["run", "--rm", "--network", "none", "--label", &docker_label(), "--entrypoint", "sh"]).args(limits);
    for (program, name) in [(WNM.into(), "wnm"), (test_node("0.4.17"), "antnode")] {
        command.args(["--volume", &format!("{}:/opt/wnm/{name}:ro", program.display())]);
    }
    let init = "/opt/wnm/wnm init --process_manager setsid+user --antnode_path /opt/wnm/antnode --rewards_address faucet \
        --node_cap 60 --max_concurrent_starts 60 --max_concurrent_operations 60 --delay_start 0 --no_upnp >/dev/null";
    let script = format!("export HOME=/root\n{init}\n{script}");
    let output = command.args(["wnm-test-systemd:1", "-c", &script]).output().expect("docker can be run");
    let said = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned()).concat();
    assert!(output.status.success(), "{said}");
    said
}

/// Other limits than memory's are too far away for a busy machine to reach.
const EASY: &str = "--desired_load_average 9999 --max_load_average_allowed 10000 --cpu_less_than 101 --cpu_remove 102 \
    --hd_less_than 101 --hd_remove 102 --mem_less_than 60 --mem_remove 110";

fn the_limit_of_the_control_group_counts_instead_of_the_machines_memory() {
    let script = format!(
        "head -c 50000000 /dev/zero >/dev/shm/filler\n/opt/wnm/wnm run {EASY}\n/opt/wnm/wnm status\n/opt/wnm/wnm status --json"
    );
    let said = in_container(&["--memory", "64m", "--shm-size", "64m"], &script);
    assert!(said.contains("too high to add or start nodes (mem_less_than = 60 %)"), "{said}");
    assert!(said.contains("memory usage is a part of the 67 MB that control group /"), "{said}");
    assert!(said.contains("Memory is a part of the 67 MB that control group /"), "{said}");
    assert!(said.contains("\"mem_allowance\": {"), "{said}");
    assert!(!said.contains("added"), "{said}");
}

/// A busy machine gives a container less than its quota, so that little use is enough here.
fn the_quota_of_the_control_group_counts_instead_of_the_machines_processors() {
    let script = format!(
        "(while :; do :; done) & sleep 0.5\n/opt/wnm/wnm run {}\n/opt/wnm/wnm status",
        EASY.replace("--cpu_less_than 101", "--cpu_less_than 1")
    );
    let said = in_container(&["--cpus", "0.2"], &script);
    assert!(said.contains("too high to add or start nodes (cpu_less_than = 1 %)"), "{said}");
    assert!(said.contains("CPU is a part of the 0.20 processors that control group /"), "{said}");
}

fn inodes_count_as_disk_use() {
    let colony = bare();
    let storage = colony.path().join("nodes");
    let _disk = crate::bad_days::SmallDisk::mount(&storage, "size=100m,nr_inodes=14,mode=700");
    colony.init(&[], &["--node_cap=3"]);
    let run = colony.done(&["run"]);
    assert!(run.stdout.contains("12 inodes are free on the disk, and a node may need 1000"), "{run:?}");
    assert_eq!(colony.statuses(), []);
    let findings = colony.wnm(&["doctor"]).stdout;
    assert!(findings.contains("error few-inodes: 12 inodes are free on the disk of"), "{findings}");

    for file in 0..11 {
        std::fs::write(storage.join(format!("file{file}")), "").expect("there is an inode");
    }
    let run = colony.done(&["run", "--hd_less_than=80", "--hd_remove=95"]);
    assert!(run.stdout.contains("inode usage of the disk is 92.9 %, too high to add"), "{run:?}");
    assert!(colony.done(&["status"]).stdout.contains("(inodes 92.9 %)"));
}

/// Runs wnm under a limit of its own.
fn limited(colony: &Colony, limit: &str, words: &[&str]) -> Run {
    let inner = colony.command(words);
    let mut command = Command::new("sh");
    command
        .arg("-c")
        .arg(format!("ulimit {limit}; exec \"$0\" \"$@\""))
        .arg(inner.get_program())
        .args(inner.get_args());
    let output = command.env("HOME", colony.path()).output().expect("sh can be run");
    let [stdout, stderr] = [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned());
    Run { code: output.status.code().unwrap_or(-1), stdout, stderr }
}

fn wnms_own_lack_of_files_is_no_nodes_fault() {
    let colony = running(3);
    for limit in [6, 12, 20, 60] {
        for words in [&["run"][..], &["status"], &["stop", "1"], &["survey"]] {
            let run = limited(&colony, &format!("-n {limit}"), words);
            assert_eq!(run.code, 1, "{limit} {words:?}: {run:?}");
            assert!(run.stderr.contains("wnm itself "), "{limit} {words:?}: {run:?}");
        }
    }
    assert_eq!(colony.statuses(), [(1, Running), (2, Running), (3, Running)]);
    assert_eq!(limited(&colony, "-n 200", &["run"]).code, 0);
    colony.agrees();
}

/// A limit on processes holds for nobody but ordinary users.
fn wnms_own_lack_of_processes_is_no_nodes_fault() {
    let run = "ulimit -u 5; /opt/wnm/wnm run --database /root/.local/share/autonomi/colony.db";
    let said = in_container(&[], &format!("su resident -c '{run}'; echo rc $?"));
    assert!(said.contains("wnm itself may not start the 8 threads that it needs") && said.contains("rc 1"), "{said}");
}

wnm_testing::trials! {
    &[] => wnms_own_lack_of_files_is_no_nodes_fault;
    &[SystemdImage] =>
        the_limit_of_the_control_group_counts_instead_of_the_machines_memory,
        wnms_own_lack_of_processes_is_no_nodes_fault,
        the_quota_of_the_control_group_counts_instead_of_the_machines_processors;
    &[Mount] => inodes_count_as_disk_use;
}
