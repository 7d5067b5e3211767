//! Control groups of both versions, as machines and containers show them.

use std::fs;
use std::path::Path;

use tempfile::TempDir;
use wnm_core::observe::cgroup::{memory, processors};
use wnm_core::observe::linux::{Roots, counters};
use wnm_core::snapshot::Allowance;

const GIB: u64 = 1 << 30;
const STAT: &str = "cpu  100 20 30 4000 50 6 7 8 90 9\ncpu0 100 20 30 4000 50 6 7 8 90 9\n\
    intr 1 2 3\nctxt 5\nbtime 1795000000\nprocesses 9\nprocs_running 1\nprocs_blocked 0\nsoftirq 1 2\n";
const UNIFIED: &str = "30 25 0:27 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";

/// A copy of `/proc` and `/sys` with these files.
fn copy(files: &[(&str, &str)]) -> (TempDir, Roots) {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let online = ("sys/devices/system/cpu/online", "0-3\n");
    for (name, text) in files.iter().chain([&("proc/stat", STAT), &online]) {
        let path = directory.path().join(name);
        fs::create_dir_all(path.parent().expect("it has one")).expect("it is ours");
        fs::write(path, text).expect("it is ours");
    }
    let roots = Roots { proc: directory.path().join("proc"), sys: directory.path().join("sys") };
    (directory, roots)
}

fn allowance(control_group: &str, amount: f64) -> Allowance {
    Allowance { control_group: control_group.to_owned(), amount }
}

#[test]
fn the_limit_of_a_group_counts_where_the_machine_has_more() {
    let slice = "sys/fs/cgroup/user.slice";
    let (_directory, roots) = copy(&[
        ("proc/self/cgroup", "0::/user.slice/session-3.scope\n"),
        ("proc/self/mountinfo", UNIFIED),
        ("sys/fs/cgroup/user.slice/session-3.scope/memory.max", "max\n"),
        ("sys/fs/cgroup/user.slice/session-3.scope/memory.current", "1000\n"),
        (&format!("{slice}/memory.max"), "67108864\n"),
        (&format!("{slice}/memory.high"), "max\n"),
        (&format!("{slice}/memory.current"), "66108864\n"),
        (&format!("{slice}/memory.stat"), "anon 1\ninactive_file 554432\nactive_file 7\n"),
        (&format!("{slice}/cpu.max"), "50000 100000\n"),
        (&format!("{slice}/cpu.stat"), "usage_usec 2000000\nuser_usec 1\n"),
    ]);
    let found = memory(&roots, GIB).expect("there is a limit");
    assert_eq!(found.allowance, allowance("/user.slice", 67_108_864.0));
    assert!((97.6..97.8).contains(&found.used_percent), "{found:?}");
    assert_eq!(memory(&roots, 1 << 20), None, "this machine has less");

    let found = processors(&roots).expect("there is a quota");
    assert_eq!((found.allowance, found.used_microseconds), (allowance("/user.slice", 0.5), 2_000_000));
    let seen = counters(&roots, 9, 8_000).expect("it is read");
    assert_eq!((seen.cpu_busy, seen.cpu_total), (2_000_000, 4_000_000), "half of half a processor for 8 s");
}

#[test]
fn memory_that_slows_down_is_a_limit_as_well() {
    let (_directory, roots) = copy(&[
        ("proc/self/cgroup", "0::/\n"),
        ("proc/self/mountinfo", UNIFIED),
        ("sys/fs/cgroup/memory.max", "2000\n"),
        ("sys/fs/cgroup/memory.high", "1000\n"),
        ("sys/fs/cgroup/memory.current", "500\n"),
    ]);
    let found = memory(&roots, GIB).expect("there is a limit");
    assert_eq!((found.allowance, found.used_percent), (allowance("/", 1_000.0), 50.0));
}

#[test]
fn groups_of_the_first_version_are_read_where_each_controller_has_its_own() {
    let (_directory, roots) = copy(&[
        ("proc/self/cgroup", "4:memory:/app\n3:cpuset:/\n2:cpuacct:/app\n1:cpu:/app\n0::/\n"),
        (
            "proc/self/mountinfo",
            "31 25 0:28 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n\
             32 25 0:29 / /sys/fs/cgroup/cpu rw - cgroup cgroup rw,cpu\n\
             33 25 0:30 / /sys/fs/cgroup/cpuacct rw - cgroup cgroup rw,cpuacct\n",
        ),
        ("sys/fs/cgroup/memory/app/memory.limit_in_bytes", "9223372036854771712\n"),
        ("sys/fs/cgroup/memory/app/memory.usage_in_bytes", "30000000\n"),
        (
            "sys/fs/cgroup/memory/app/memory.stat",
            "cache 3\nhierarchical_memory_limit 40000000\ntotal_inactive_file 10000000\n",
        ),
        ("sys/fs/cgroup/cpu/app/cpu.cfs_quota_us", "150000\n"),
        ("sys/fs/cgroup/cpu/app/cpu.cfs_period_us", "100000\n"),
        ("sys/fs/cgroup/cpuacct/app/cpuacct.usage", "5000000\n"),
    ]);
    let found = memory(&roots, GIB).expect("there is a limit above");
    assert_eq!((found.allowance, found.used_percent), (allowance("/app", 40_000_000.0), 50.0));
    let found = processors(&roots).expect("there is a quota");
    assert_eq!((found.allowance, found.used_microseconds), (allowance("/app", 1.5), 5_000));
}

/// Without a namespace for control groups the path is the machine's, and what is mounted begins at the own group.
#[test]
fn a_container_that_sees_the_machines_path_finds_its_own_files() {
    let own = "/docker/0123";
    let (_directory, roots) = copy(&[
        ("proc/self/cgroup", &format!("4:memory:{own}\n1:cpu,cpuacct:{own}\n0::{own}\n")),
        (
            "proc/self/mountinfo",
            &format!(
                "31 25 0:28 {own} /sys/fs/cgroup/memory ro - cgroup cgroup rw,memory\n\
                 32 25 0:29 {own} /sys/fs/cgroup/cpu,cpuacct ro - cgroup cgroup rw,cpu,cpuacct\n"
            ),
        ),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", "67108864\n"),
        ("sys/fs/cgroup/memory/memory.usage_in_bytes", "33554432\n"),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_quota_us", "-1\n"),
        ("sys/fs/cgroup/cpu,cpuacct/cpu.cfs_period_us", "100000\n"),
    ]);
    let found = memory(&roots, GIB).expect("there is a limit");
    assert_eq!((found.allowance, found.used_percent), (allowance("/", 67_108_864.0), 50.0));
    assert_eq!(processors(&roots), None, "-1 is no limit");
}

#[test]
fn processors_that_a_group_may_not_use_do_not_count() {
    let (_directory, roots) = copy(&[
        ("proc/self/cgroup", "0::/app\n"),
        ("proc/self/mountinfo", UNIFIED),
        ("sys/fs/cgroup/app/cpu.max", "max 100000\n"),
        ("sys/fs/cgroup/app/cpuset.cpus.effective", "0-1,3\n"),
        ("sys/fs/cgroup/app/cpu.stat", "usage_usec 7\n"),
    ]);
    assert_eq!(processors(&roots).expect("it has fewer").allowance, allowance("/app", 3.0));
}

#[test]
fn without_limits_the_machine_counts() {
    let (_directory, roots) = copy(&[("proc/self/cgroup", "0::/app\n"), ("proc/self/mountinfo", UNIFIED)]);
    assert_eq!((memory(&roots, GIB), processors(&roots)), (None, None));
    let (_directory, roots) = copy(&[]);
    assert_eq!((memory(&roots, GIB), processors(&roots)), (None, None));
    let nowhere = Roots { proc: Path::new("/nowhere").into(), sys: Path::new("/nowhere").into() };
    assert_eq!((memory(&nowhere, GIB), processors(&nowhere)), (None, None));
}
