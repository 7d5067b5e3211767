//! The machine that the tests run on, and copies of `/proc` of other ones.

use std::fs;
use std::path::Path;

use wnm_core::observe::host;
use wnm_core::snapshot::Counters;

#[tokio::test]
async fn this_machine_is_measured() {
    let directory = tempfile::tempdir().expect("a temporary directory");
    let storage = directory.path().join("not/yet/made");
    let first = host(None, &storage, 1_000).await.expect("it is measured");
    let load = &first.load;
    for percent in [load.used_cpu_percent, load.used_mem_percent, load.used_hd_percent] {
        assert!((0.0..=100.0).contains(&percent), "{load:?}");
    }
    assert!(load.used_mem_percent > 0.0 && load.total_hd_bytes > load.free_hd_bytes, "{load:?}");
    assert!(load.load_average_1 >= 0.0);

    let second = host(Some(&first.counters), &storage, 1_060).await.expect("it is measured");
    assert_eq!(second.counters.boot_time, first.counters.boot_time, "one boot has one time");
    assert!(second.counters.cpu_total >= first.counters.cpu_total);
    assert!(!storage.exists(), "measuring makes nothing");
}

#[tokio::test]
async fn storage_that_cannot_be_reached_is_named() {
    let error = host(None, Path::new("/proc/self/mem/nodes\0"), 0).await.expect_err("nobody can lie there");
    assert!(error.to_string().contains("cannot measure the disk that"), "{error}");
    assert!(std::error::Error::source(&error).is_some());
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io::ErrorKind;

    use tempfile::TempDir;
    use wnm_core::observe::HostError;
    use wnm_core::observe::linux::{Roots, counters, outer_interfaces, whole_disks};

    use super::*;

    const STAT: &str = "cpu  100 20 30 4000 50 6 7 8 90 9\ncpu0 100 20 30 4000 50 6 7 8 90 9\n\
        intr 1 2 3\nctxt 5\nbtime 1795000000\nprocesses 9\nprocs_running 1\nprocs_blocked 0\nsoftirq 1 2\n";
    const DISKS: &str = "   8       0 sda 10 0 100 1 20 0 200 2 0 3 4\n   8       1 sda1 9 0 90 1 19 0 190 2 0 3 4\n \
        259       0 nvme0n1 1 0 1000 1 1 0 2000 2 0 3 4 0 0 0 0 0 0\n 253       0 dm-0 1 0 90 1 1 0 190 2 0 3 4\n   \
        7       0 loop0 1 0 50 1 0 0 0 0 0 0 0\n";
    const NETWORK: &str = "Inter-|   Receive                                                |  Transmit\n \
        face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n    \
        lo: 900 9 0 0 0 0 0 0 900 9 0 0 0 0 0 0\n  eth0: 1000 9 0 0 0 0 0 0 2000 9 0 0 0 0 0 0\n\
        docker0: 500 9 0 0 0 0 0 0 600 9 0 0 0 0 0 0\n";

    /// A copy of `/proc` and `/sys` with these files.
    fn copy(files: &[(&str, &str)]) -> (TempDir, Roots) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let roots = Roots { proc: directory.path().join("proc"), sys: directory.path().join("sys") };
        fs::create_dir_all(&roots.proc).expect("it is ours");
        for (name, text) in files {
            let path = roots.proc.join(name);
            fs::create_dir_all(path.parent().expect("it has one")).expect("it is ours");
            fs::write(path, text).expect("it is ours");
        }
        (directory, roots)
    }

    #[test]
    fn counters_are_added_up_once() {
        let boot = ("sys/kernel/random/boot_id", "5d0b3c1e-17\n");
        let (_directory, roots) = copy(&[("stat", STAT), ("diskstats", DISKS), ("self/net/dev", NETWORK), boot]);
        let expected = Counters {
            at: 9,
            boot_time: 1_795_000_000,
            boot_id: Some("5d0b3c1e-17".to_owned()),
            uptime_milliseconds: 77,
            // user, nice, system, irq, softirq and steal; guests are in user already.
            cpu_busy: 171,
            cpu_total: 171 + 4_050,
            disk_read: 1_100 * 512,
            disk_written: 2_200 * 512,
            net_received: 1_000,
            net_sent: 2_000,
        };
        assert_eq!(counters(&roots, 9, 77).expect("it is read"), expected);
    }

    #[test]
    fn f62_a_container_without_disk_statistics_is_measured() {
        let (_directory, roots) = copy(&[("stat", STAT)]);
        let seen = counters(&roots, 9, 77).expect("it is read");
        assert_eq!((seen.disk_read, seen.disk_written, seen.net_received, seen.boot_id), (0, 0, 0, None));
        assert_eq!(seen.cpu_busy, 171);
    }

    #[test]
    fn without_processor_times_nothing_is_decided() {
        let (_directory, roots) = copy(&[]);
        match counters(&roots, 9, 77).expect_err("there is no stat") {
            HostError::Read { path, source } => {
                assert_eq!((path, source.kind()), (roots.proc.join("stat"), ErrorKind::NotFound));
            }
            other => panic!("{other:?}"),
        }
        for text in ["", "cpu  1 2\n", "cpu  a b c d\nbtime 1\n"] {
            let (_directory, roots) = copy(&[("stat", text)]);
            let error = counters(&roots, 9, 77).expect_err("it makes no sense").to_string();
            assert!(error.contains("cannot read the machine's load from"), "{error}");
        }
    }

    #[test]
    fn the_kernels_own_files_are_read() {
        let first = counters(&Roots::default(), 1, 1).expect("this is Linux");
        let second = counters(&Roots::default(), 1, 2).expect("this is Linux");
        assert!(second.cpu_total >= first.cpu_total && first.cpu_total > 0);
        assert_eq!(first.boot_id, second.boot_id);
        assert!(first.boot_time.abs_diff(second.boot_time) <= 1);
    }

    #[test]
    fn partitions_and_stacked_devices_are_no_disks() {
        let devices = [
            "sda",
            "sda1",
            "sda12",
            "sdab",
            "nvme0n1",
            "nvme0n1p1",
            "nvme0c1n1",
            "mmcblk0",
            "mmcblk0p2",
            "mmcblk0boot0",
            "vda",
            "vda15",
            "xvda1",
            "dm-0",
            "md127",
            "loop3",
            "ram0",
            "zram0",
            "zd0",
            "sr0",
        ];
        let whole = ["sda", "sdab", "nvme0n1", "mmcblk0", "mmcblk0boot0", "vda", "xvda1", "sr0"];
        assert_eq!(whole_disks(&devices), whole);
    }

    #[test]
    fn traffic_is_counted_where_it_leaves_the_machine() {
        let names = ["lo", "eth0", "docker0", "br-12", "veth9", "wlan0", "wg0"];
        assert_eq!(outer_interfaces(&names, |name| name == "wlan0"), ["wlan0"]);
        assert_eq!(outer_interfaces(&names, |_| false), ["eth0", "wlan0"], "inside a container none has hardware");
    }
}
