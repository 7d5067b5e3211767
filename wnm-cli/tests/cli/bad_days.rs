//! An operator's bad days: each gets a clear message and the right exit code, loses nothing, and the next run goes on.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::net::{TcpListener, UdpSocket};
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::Path;
use std::process::Command;

use insta::assert_snapshot;
use wnm_core::node::Status::{Running, Stopped};
use wnm_testing::Need::Mount;
use wnm_testing::{Colony, test_node, test_node_that};

use crate::{bare, machine, running, steady};

fn nothing_works_before_init() {
    let colony = bare();
    for words in [&["run"][..], &["status"], &["add"], &["why"], &["config"], &["teardown", "--confirm"]] {
        let run = colony.wnm(words);
        assert_eq!(run.code, 6, "{run:?}");
        assert!(run.stderr.contains("hint: `wnm init`"), "{run:?}");
    }
    assert!(!colony.database().exists());
}

fn init_is_not_repeated_over_a_record() {
    let colony = running(1);
    let run = colony.wnm(&["init", "--rewards_address", "faucet"]);
    assert_eq!(run.code, 4);
    assert_snapshot!(steady(&colony, &run.stderr), @"
    error: cannot use the database [DIR]/colony.db: something is there already, and is not overwritten
    hint: `wnm status` to see the machine that it is for; or move [DIR]/colony.db away to begin anew
    ");
    assert_eq!(colony.statuses(), [(1, Running)]);
}

fn a_node_program_that_is_missing_or_none() {
    let colony = machine(&["--node_cap=1"]);
    fs::remove_file(colony.node_program()).expect("the node program is taken away");
    let run = colony.wnm(&["add"]);
    assert_eq!(run.code, 4);
    assert_snapshot!(steady(&colony, &run.stderr), @"
    error: no usable node program at [DIR]/antnode
    hint: install one there; or set antnode_path to use another one
    ");
    let cycle = colony.done(&["run"]);
    assert!(cycle.stdout.contains("no node is added [antnode_path]"), "{cycle:?}");

    fs::write(colony.node_program(), "#!/bin/sh\necho hello\n").expect("it is written");
    let cycle = colony.done(&["run"]);
    assert!(cycle.stdout.contains("is not a file that can be run"), "{cycle:?}");
    fs::set_permissions(colony.node_program(), fs::Permissions::from_mode(0o755)).expect("its mode is set");
    let cycle = colony.done(&["run"]);
    assert!(cycle.stdout.contains("is not a node program: asked for its version it says \"hello\""), "{cycle:?}");

    colony.install(&test_node("0.4.17"));
    colony.cycle_until_running(1);
}

fn f34_a_node_program_that_ends_at_once() {
    let colony = machine(&["--node_cap=1"]);
    colony.install(&test_node_that("exit:7:0", "0.4.17"));
    let run = colony.wnm(&["add"]);
    assert_eq!(run.code, 3, "{run:?}");
    assert!(
        run.stdout.contains("failed to add antnode0001: antnode0001 exited right after its start (exit code 7)"),
        "{run:?}"
    );
    assert!(run.stdout.contains("hint: see its log in"), "{run:?}");
    assert_eq!(colony.statuses(), [(1, Stopped)]);
    let cycle = colony.done(&["run"]);
    assert!(cycle.stdout.contains("antnode0001: failed to start recently; will be retried [back_off]"), "{cycle:?}");
    colony.done(&["remove", "1", "--confirm"]);
    colony.install(&test_node("0.4.17"));
    colony.cycle_until_running(1);
    colony.agrees();
}

fn f35_a_port_that_somebody_else_holds() {
    let colony = machine(&["--node_cap=2"]);
    let ports = colony.ports();
    let udp = UdpSocket::bind(("0.0.0.0", ports.node_port(1))).expect("the port is free");
    let cycle = colony.done(&["run"]);
    let expected = format!("antnode0001: skipped, UDP port {} is in use", ports.node_port(1));
    assert!(cycle.stdout.contains(&expected), "{cycle:?}");
    colony.cycle_until_running(2);
    assert_eq!(colony.statuses(), [(2, Running), (3, Running)]);
    drop(udp);

    colony.done(&["stop", "2"]);
    let tcp = TcpListener::bind(("127.0.0.1", ports.metrics_port(2))).expect("the port is free");
    let run = colony.wnm(&["start", "2"]);
    assert_eq!(run.code, 3, "{run:?}");
    let expected = format!("TCP port {} is in use by", ports.metrics_port(2));
    assert!(run.stdout.contains(&expected) && run.stdout.contains(&std::process::id().to_string()), "{run:?}");
    drop(tcp);
    colony.done(&["start", "2"]);
    colony.cycle_until_running(2);
}

fn a_process_that_was_killed_comes_back() {
    let colony = running(2);
    colony.kill(colony.pid(1));
    colony.kill(colony.pid(2));
    colony.done(&["run"]);
    colony.cycle_until_running(2);
    colony.agrees();
}

fn f37_a_directory_that_was_deleted_makes_a_dead_node() {
    let colony = running(2);
    let pid = colony.pid(2);
    fs::remove_dir_all(colony.node_dir(2)).expect("it is deleted by hand");
    let run = colony.done(&["run"]);
    let told = "antnode0002: running, but the directory is gone: put it back, or remove the node [directory_gone]";
    assert!(run.stdout.contains(told), "{run:?}");
    assert_eq!(colony.statuses(), [(1, Running), (2, Running)], "what lives is never dead");

    colony.kill(pid);
    let run = colony.done(&["run"]);
    assert!(run.stdout.contains("removed antnode0002 and its files"), "{run:?}");
    assert_eq!(colony.statuses(), [(1, Running)]);
    colony.cycle_until_running(2);
    assert_eq!(colony.statuses(), [(1, Running), (3, Running)], "its owner may bring the directory back");
    colony.agrees();
}

fn a_node_whose_program_was_deleted_gets_it_back() {
    let colony = running(1);
    let peer = colony.stored().nodes[0].peer_id().map(str::to_owned);
    fs::remove_file(colony.node_dir(1).join("antnode")).expect("it is deleted by hand");
    colony.kill(colony.pid(1));
    colony.done(&["run"]);
    colony.cycle_until_running(1);
    assert_eq!(colony.stored().nodes[0].peer_id(), peer.as_deref());
}

fn an_unmounted_storage_kills_no_node() {
    let colony = running(2);
    let (storage, away) = (colony.path().join("nodes"), colony.path().join("away"));
    fs::rename(&storage, &away).expect("the disk goes");
    fs::create_dir(&storage).expect("an empty directory stays");
    colony.done(&["run"]);
    assert_eq!(colony.statuses().len(), 2);
    let run = colony.wnm(&["add", "--node_cap=3"]);
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stdout.contains("has no file .wnm-storage"), "{run:?}");
    assert_eq!(colony.statuses().len(), 2, "a node would be hidden there as soon as the disk is back");
    fs::remove_dir(&storage).expect("it is empty");
    fs::rename(&away, &storage).expect("the disk comes back");
    colony.cycle_until_running(2);
    colony.agrees();
}

fn a_symlink_in_place_of_a_directory_is_left_alone() {
    let colony = running(1);
    colony.done(&["stop", "1"]);
    let precious = colony.path().join("precious");
    fs::rename(colony.node_dir(1), &precious).expect("it is moved");
    symlink(&precious, colony.node_dir(1)).expect("a link takes its place");
    let run = colony.wnm(&["remove", "1", "--confirm"]);
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stdout.contains("is left alone"), "{run:?}");
    assert!(precious.join("secret-key").exists());
    assert_eq!(colony.statuses().len(), 1, "its row stays");
}

fn names_and_counts_that_make_no_sense() {
    let colony = running(2);
    for (words, code, told) in [
        (&["stop", "antnode0009", "7"][..], 4, "there is no node called antnode0009, 7"),
        (&["add", "--count", "0"], 2, "0 is not in 1.."),
        (&["add", "--count", "100000"], 4, "adding 100,000 nodes would exceed node_cap (100,002 > 2)"),
        (&["remove"], 2, "name nodes, or give --count, --all or a filter"),
        (&["stop", "all"], 4, "`--all` means all nodes"),
        (&["restart", "9-12", "a7*"], 4, "no node is in 9-12, a7*"),
        (&["restart", "12-9"], 2, "\"12-9\" ends before it begins"),
        (&["restart", "antnode[0"], 2, "\"antnode[0\" is not a pattern"),
        (&["start", "--status", "ASLEEP"], 2, "\"ASLEEP\" is not a status"),
        (&["start", "--group", "a9"], 4, "no node is in a9"),
        (&["start", "--version", "new"], 2, "invalid value 'new' for '--version"),
        (&["start", "--older-than", "soon"], 2, "it is not a duration"),
        (&["remove", "--count", "100000"], 4, "this removes 2 nodes with their files and keys, and was not confirmed"),
        (&["stop", "--count", "-1"], 2, "-1"),
        (&["stop", "1", "--all"], 2, "cannot be used with"),
        (&["stop", "antnode0001xyz"], 4, "there is no node called antnode0001xyz"),
        (&["status", "nobody"], 4, "there is no node called nobody"),
        (&["why", "nobody"], 4, "there is no node called nobody"),
    ] {
        let run = colony.wnm(words);
        assert_eq!(run.code, code, "{words:?}: {run:?}");
        assert!(run.stderr.contains(told), "{words:?}: {run:?}");
    }
    assert_eq!(colony.statuses(), [(1, Running), (2, Running)]);
    colony.agrees();
}

fn a_record_that_cannot_be_read_is_not_overwritten() {
    let colony = running(1);
    let pristine = fs::read(colony.database()).expect("the database is read");
    let middle = pristine.len() / 2;
    let spoilt: [(&str, Vec<u8>); 3] =
        [("empty", Vec::new()), ("text", b"hello".repeat(1000)), ("truncated", pristine[..middle].to_vec())];
    for (what, content) in spoilt {
        fs::write(colony.database(), &content).expect("it is spoilt");
        for words in
            [&["run"][..], &["status"], &["add"], &["teardown", "--confirm"], &["init", "--rewards_address=faucet"]]
        {
            let run = colony.wnm(words);
            assert!(matches!(run.code, 4 | 7), "{what} {words:?}: {run:?}");
            assert!(run.stderr.contains("colony.db"), "{what}: {run:?}");
        }
        assert!(fs::read(colony.database()).expect("it is there") == content, "{what}: it is as it was");
    }
    fs::write(colony.database(), pristine).expect("it is put back");
    colony.done(&["run"]);
    colony.agrees();
}

fn f65_a_record_out_of_reach_is_not_taken_for_a_missing_one() {
    let colony = running(1);
    fs::rename(colony.database(), colony.path().join("aside")).expect("it is moved");
    fs::create_dir(colony.database()).expect("a directory takes its place");
    let run = colony.wnm(&["status"]);
    assert_eq!(run.code, 7, "{run:?}");
    assert!(run.stderr.contains("it is not a SQLite database"), "{run:?}");
    fs::remove_dir(colony.database()).expect("it goes again");
    fs::rename(colony.path().join("aside"), colony.database()).expect("it is moved back");
    colony.done(&["status"]);
}

/// A small disk of its own for the storage.
pub struct SmallDisk<'a>(&'a Path);

impl<'a> SmallDisk<'a> {
    pub fn mount(place: &'a Path, options: &str) -> Self {
        fs::create_dir_all(place).expect("the place is made");
        let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", options, "tmpfs"]).arg(place).output();
        let mounted = mounted.expect("mount can be run");
        assert!(mounted.status.success(), "{}", String::from_utf8_lossy(&mounted.stderr));
        Self(place)
    }

    fn remount(&self, options: &str) {
        let status = Command::new("mount").args(["-o", &format!("remount,{options}")]).arg(self.0).status();
        assert!(status.expect("mount can be run").success());
    }
}

impl Drop for SmallDisk<'_> {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(self.0).status();
    }
}

fn f25_a_full_disk_leaves_no_row_and_no_half_program() {
    let colony = bare();
    let storage = colony.path().join("nodes");
    let disk = SmallDisk::mount(&storage, "size=600k,mode=700");
    colony.init(&[], &["--node_cap=2"]);
    let run = colony.wnm(&["add"]);
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stdout.contains("No space left on device"), "{run:?}");
    assert_eq!(colony.statuses(), []);
    assert!(!colony.node_dir(1).exists());
    disk.remount("size=100m");
    colony.cycle_until_running(2);
    colony.agrees();
    colony.done(&["teardown", "--confirm"]);
}

fn a_full_disk_that_the_record_lies_on_is_relieved() {
    let colony = bare();
    let _disk = SmallDisk::mount(colony.path(), "size=100m,mode=700");
    colony.install(&test_node("0.4.17"));
    colony.init(&[], &["--node_cap=2", "--hd_less_than=90", "--hd_remove=95"]);
    colony.cycle_until_running(2);
    let filled = Command::new("sh").args(["-c", "cat /dev/zero >filler; :"]).current_dir(colony.path()).status();
    assert!(filled.expect("sh can be run").success());
    let run = colony.done(&["run"]);
    assert!(run.stdout.contains("stopped 2 nodes, to be removed after delay_remove: antnode0001–0002"), "{run:?}");
    fs::remove_file(colony.path().join("filler")).expect("it is there");
    colony.done(&["run"]);
    colony.done(&["teardown", "--confirm"]);
}

fn a_read_only_storage_is_told_and_loses_nothing() {
    let colony = bare();
    let storage = colony.path().join("nodes");
    let disk = SmallDisk::mount(&storage, "size=100m,mode=700");
    colony.init(&[], &["--node_cap=2"]);
    disk.remount("ro");
    let run = colony.wnm(&["add"]);
    assert_eq!(run.code, 3, "{run:?}");
    assert!(run.stdout.contains("Read-only file system"), "{run:?}");
    assert_eq!(colony.statuses(), []);
    disk.remount("rw");
    colony.cycle_until_running(2);
    colony.done(&["teardown", "--confirm"]);
}

fn f29_a_node_that_hangs_is_told_and_restarted() {
    let colony = running(2);
    fs::write(colony.node_dir(1).join("misbehave"), "hang").expect("it is told to hang");
    colony.done(&["restart", "1"]);
    colony.done(&["run"]);
    let status = colony.done(&["status"]).stdout;
    assert!(status.contains("does not answer in time"), "{status}");
    let before = colony.pid(1);
    fs::remove_file(colony.node_dir(1).join("misbehave")).expect("it is told to behave");
    restart_now(&colony);
    colony.cycle_until_running(2);
    assert_ne!(colony.pid(1), before);
}

/// The pause after a failed start is a minute; the owner need not wait for it.
fn restart_now(colony: &Colony) {
    colony.done(&["restart", "1"]);
}

fn many_nodes_that_hang_do_not_hold_a_cycle_up() {
    let colony = machine(&["--node_cap=40", "--max_concurrent_starts=40", "--max_concurrent_operations=40"]);
    colony.install(&test_node_that("hang", "0.4.17"));
    colony.done(&["add", "--count", "40"]);
    let begin = std::time::Instant::now();
    colony.done(&["run"]);
    assert!(begin.elapsed().as_secs() < 30, "one after the other they would take two minutes");
    assert_eq!(colony.statuses().len(), 40);
}

wnm_testing::trials! {
    &[] =>
        nothing_works_before_init,
        init_is_not_repeated_over_a_record,
        a_node_program_that_is_missing_or_none,
        f34_a_node_program_that_ends_at_once,
        f35_a_port_that_somebody_else_holds,
        a_process_that_was_killed_comes_back,
        f37_a_directory_that_was_deleted_makes_a_dead_node,
        a_node_whose_program_was_deleted_gets_it_back,
        an_unmounted_storage_kills_no_node,
        a_symlink_in_place_of_a_directory_is_left_alone,
        names_and_counts_that_make_no_sense,
        a_record_that_cannot_be_read_is_not_overwritten,
        f65_a_record_out_of_reach_is_not_taken_for_a_missing_one,
        f29_a_node_that_hangs_is_told_and_restarted,
        many_nodes_that_hang_do_not_hold_a_cycle_up;
    &[Mount] =>
        f25_a_full_disk_leaves_no_row_and_no_half_program,
        a_full_disk_that_the_record_lies_on_is_relieved,
        a_read_only_storage_is_told_and_loses_nothing;
}
