//! What cannot be made again of a machine is put aside and back.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use wnm_core::node::{Desired, Node, Status};
use wnm_testing::Colony;

use crate::{machine, running, steady};

/// Runs wnm on a place for a backup.
pub fn with(colony: &Colony, words: &[&str], path: &Path) -> wnm_testing::Run {
    colony.wnm(&[words, &[path.to_str().expect("it is UTF-8")]].concat())
}

pub fn done(colony: &Colony, words: &[&str], path: &Path) -> wnm_testing::Run {
    let run = with(colony, words, path);
    assert_eq!(run.code, 0, "{words:?}: {run:?}");
    run
}

/// What must be the same after a restore.
fn identities(colony: &Colony) -> Vec<(u32, Option<String>, String, String)> {
    let of = |node: &Node| {
        let ports = serde_json::to_string(&node.spec().ports).expect("ports are JSON");
        (node.id().0, node.peer_id().map(str::to_owned), node.spec().wallet.clone(), ports)
    };
    colony.stored().nodes.iter().map(of).collect()
}

fn keys(colony: &Colony, count: u32) -> Vec<Vec<u8>> {
    (1..=count).map(|number| fs::read(colony.node_dir(number).join("secret-key")).expect("it has a key")).collect()
}

/// Every file and directory of a backup, with its mode.
fn modes(path: &Path) -> Vec<u32> {
    let found = path.symlink_metadata().expect("it is there");
    let mut modes = vec![found.mode() & 0o7777];
    if found.is_dir() {
        fs::read_dir(path)
            .expect("it is read")
            .flatten()
            .for_each(|entry| modes.extend(crate::backups::modes(&entry.path())));
    }
    modes
}

fn put_aside_and_back(name: &str) {
    let colony = running(3);
    colony.done(&["config", "set", "node_cap=7"]);
    colony.done(&["stop", "2"]);
    colony.done(&["survey"]);
    let (before, secrets) = (identities(&colony), keys(&colony, 3));
    assert!(before.iter().all(|(_, peer_id, ..)| peer_id.is_some()), "{before:?}");
    let backup = colony.path().join(name);
    let run = done(&colony, &["backup"], &backup);
    assert_eq!(
        steady(&colony, &run.stdout),
        format!("Backed up 3 nodes (antnode0001–0003), 3 keys and the database to [DIR]/{name}.\n")
    );
    assert!(run.stderr.contains("can impersonate these nodes"), "{run:?}");
    assert!(modes(&backup).iter().all(|mode| matches!(mode, 0o600 | 0o700)), "{:?}", modes(&backup));
    assert_eq!(colony.processes().len(), 2, "they run on");
    let run = done(&colony, &["backup", "--verify"], &backup);
    assert_eq!(
        steady(&colony, &run.stdout),
        format!("[DIR]/{name} is whole: 3 nodes (antnode0001–0003), 3 keys and the database.\n")
    );

    colony.done(&["teardown", "--confirm"]);
    assert!(!colony.node_dir(1).exists());
    let run = done(&colony, &["restore", "--dry-run"], &backup);
    assert!(run.stdout.starts_with("Would restore 3 nodes") && !colony.node_dir(1).exists(), "{run:?}");
    let json = done(&colony, &["restore", "--json"], &backup).json();
    assert_eq!((&json["nodes"], &json["keys"]), (&serde_json::json!([1, 2, 3]), &serde_json::json!(3)));
    assert_eq!(colony.statuses(), [1, 2, 3].map(|number| (number, Status::Stopped)));
    assert_eq!(identities(&colony), before);
    assert_eq!(keys(&colony, 3), secrets);
    assert_eq!(modes(&colony.node_dir(1)), [0o700, 0o600], "the directory, and nothing but the key");
    assert!(!colony.path().join("nodes/.wnm-restoring").exists());
    let names: Vec<Desired> = colony.stored().nodes.iter().map(|node| node.life().desired()).collect();
    assert_eq!(names, [Desired::Run, Desired::Stop, Desired::Run]);
    assert_eq!(colony.done(&["config", "--node_cap=7", "--json"]).code, 0);

    colony.done(&["run", "--node_cap=3"]);
    assert_eq!(colony.processes().len(), 2, "the next run starts them");
    colony.done(&["start", "2"]);
    colony.done(&["config", "set", "node_cap=3"]);
    colony.cycle_until_running(3);
    colony.done(&["survey"]);
    assert_eq!(identities(&colony), before);
    assert_eq!(keys(&colony, 3), secrets);
    colony.agrees();
}

fn a_backup_in_a_directory_brings_the_same_nodes_back() {
    put_aside_and_back("backup");
}

fn a_backup_in_an_archive_brings_the_same_nodes_back() {
    put_aside_and_back("backup.tar");
}

/// A fresh database and a fresh storage are no obstacle, nor is none.
fn a_backup_is_restored_where_the_database_is_gone() {
    let colony = running(2);
    let backup = colony.path().join("backup.tar");
    done(&colony, &["backup"], &backup);
    let before = identities(&colony);
    colony.done(&["teardown", "--confirm"]);
    for file in ["colony.db", "colony.db-wal", "colony.db-shm", "colony.db.reserve", "colony.db.lock"] {
        let _ = fs::remove_file(colony.path().join(file));
    }
    fs::remove_dir_all(colony.path().join("nodes")).expect("it is ours");
    done(&colony, &["restore"], &backup);
    colony.cycle_until_running(2);
    assert_eq!(identities(&colony), before);
    colony.agrees();
}

fn whatever_the_umask_is_a_backup_is_its_owners() {
    let colony = running(1);
    for name in ["open", "open.tar"] {
        let path = colony.path().join(name);
        let wnm = colony.command(&["backup", path.to_str().expect("it is UTF-8")]);
        let mut shell = Command::new("sh");
        shell.args(["-c", "umask 0; exec \"$@\"", "sh"]).arg(wnm.get_program()).args(wnm.get_args());
        shell.envs(wnm.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = shell.output().expect("it can be run");
        assert!(output.status.success(), "{output:?}");
        assert!(modes(&path).iter().all(|mode| matches!(mode, 0o600 | 0o700)), "{:?}", modes(&path));
    }
}

/// A machine with three nodes, and its backup.
pub fn backed_up() -> (Colony, PathBuf) {
    let colony = running(3);
    let backup = colony.path().join("backup");
    done(&colony, &["backup"], &backup);
    (colony, backup)
}

fn nothing_is_restored_over_nodes() {
    let (colony, backup) = backed_up();
    let refused = |what: &str| {
        let run = with(&colony, &["restore"], &backup);
        assert_eq!(run.code, 4, "{run:?}");
        assert!(run.stderr.contains(what), "{run:?}");
    };
    let secrets = keys(&colony, 3);
    refused("colony.db has 3 nodes, and nothing is restored over them");
    assert_eq!(colony.processes().len(), 3);

    // The database is lost, and the nodes are there.
    for file in ["colony.db", "colony.db-wal", "colony.db-shm"] {
        let _ = fs::remove_file(colony.path().join(file));
    }
    refused("there is a node's key already at ");
    assert_eq!(keys(&colony, 3), secrets);
    assert_eq!(colony.processes().len(), 3);
    assert!(!colony.database().exists());
}

fn a_file_in_the_way_of_a_directory_ends_a_restore_that_goes_on_later() {
    let (colony, backup) = backed_up();
    let before = identities(&colony);
    colony.done(&["teardown", "--confirm"]);
    fs::write(colony.node_dir(2), "in the way").expect("it is written");
    let run = with(&colony, &["restore"], &backup);
    assert_ne!(run.code, 0, "{run:?}");
    assert!(run.stderr.contains("antnode0002"), "{run:?}");
    assert_eq!(colony.stored().nodes, []);
    fs::remove_file(colony.node_dir(2)).expect("it is ours");
    done(&colony, &["restore"], &backup);
    colony.cycle_until_running(3);
    assert_eq!(identities(&colony), before);
}

fn a_backup_takes_the_place_of_nothing_but_a_backup() {
    let (colony, backup) = backed_up();
    let place = |name: &str| colony.path().join(name);
    fs::create_dir(place("full")).and_then(|()| fs::write(place("full/precious"), "x")).expect("they are made");
    fs::write(place("other.tar"), "not a backup").expect("it is written");
    fs::create_dir(place("directory.tar")).expect("it is made");
    symlink(&backup, place("link"))
        .and_then(|()| symlink(place("nowhere"), place("link.tar")))
        .expect("links are made");
    let mut told = String::new();
    for name in ["full", "other.tar", "directory.tar", "link", "link.tar"] {
        let run = with(&colony, &["backup"], &place(name));
        assert_eq!(run.code, 4, "{run:?}");
        told += run.stderr.lines().next().expect("an error");
        told += "\n";
    }
    insta::assert_snapshot!(steady(&colony, &told), @"
    error: [DIR]/full is not replaced by a backup: it is not a backup
    error: [DIR]/other.tar is not replaced by a backup: it is not a backup
    error: [DIR]/directory.tar is not replaced by a backup: it is not a file
    error: [DIR]/link is not replaced by a backup: it is a symbolic link
    error: [DIR]/link.tar is not replaced by a backup: it is a symbolic link
    ");
    assert_eq!(fs::read_to_string(place("full/precious")).expect("it is there"), "x");
    let run = with(&colony, &["restore"], &place("link"));
    assert!(run.code == 4 && run.stderr.contains("it is a symbolic link"), "{run:?}");
    done(&colony, &["backup"], &backup);
    done(&colony, &["backup", "--verify"], &backup);
    fs::create_dir(place("empty")).expect("it is made");
    done(&colony, &["backup"], &place("empty"));
}

fn a_node_without_a_whole_key_keeps_the_older_backup() {
    let (colony, backup) = backed_up();
    colony.done(&["stop", "1", "2"]);
    fs::write(colony.node_dir(1).join("secret-key"), [7; 12]).expect("it is ours");
    fs::remove_file(colony.node_dir(2).join("secret-key")).expect("it is there");
    let run = with(&colony, &["backup"], &backup);
    assert_eq!(run.code, 4, "{run:?}");
    insta::assert_snapshot!(steady(&colony, &run.stderr), @"
    error: nothing is backed up: [DIR]/nodes/antnode0001/secret-key of antnode0001: it has 12 bytes instead of 32; [DIR]/nodes/antnode0002/secret-key of antnode0002: it is missing, and the node has run
    hint: put the whole key back, or remove the node: an older backup may hold its key, and is not replaced
    ");
    done(&colony, &["backup", "--verify"], &backup);
}

/// Killed at any moment, or unable to write another byte: the old backup or the new one is there, and the next one cleans up.
fn a_backup_that_is_interrupted_leaves_a_whole_one() {
    let (colony, directory) = backed_up();
    let archive = colony.path().join("backup.tar");
    done(&colony, &["backup"], &archive);
    for path in [&directory, &archive] {
        let path_text = path.to_str().expect("it is UTF-8");
        let began = Instant::now();
        done(&colony, &["backup"], path);
        let whole = began.elapsed();
        for part in 0..20 {
            let mut command = colony.command(&["backup", path_text]);
            let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("wnm is started");
            std::thread::sleep(whole * part / 20);
            child.kill().expect("it can be killed");
            child.wait().expect("it ends");
            done(&colony, &["backup", "--verify"], path);
        }
        // In blocks of 512 bytes: the kernel ends whoever writes more to a file.
        for blocks in [0, 1, 2, 8, 16, 64, 128, 200, 256, 300, 400] {
            let wnm = colony.command(&["backup", path_text]);
            let mut shell = Command::new("sh");
            shell.args(["-c", "ulimit -f \"$1\"; shift; exec \"$@\"", "sh", &format!("{blocks}")]);
            shell.arg(wnm.get_program()).args(wnm.get_args()).stdout(Stdio::null()).stderr(Stdio::null());
            shell.envs(wnm.get_envs().filter_map(|(name, value)| Some((name, value?))));
            let _ = shell.status().expect("it can be run");
            done(&colony, &["backup", "--verify"], path);
        }
        done(&colony, &["backup"], path);
    }
    let left = fs::read_dir(colony.path()).expect("it is read").flatten().map(|entry| entry.file_name());
    let left: Vec<_> = left.filter(|name| name.to_string_lossy().contains(".wnm-")).collect();
    assert!(left.is_empty(), "{left:?}");
}

fn a_machine_without_nodes_and_a_place_without_a_backup() {
    let colony = machine(&[]);
    let run = done(&colony, &["backup"], &colony.path().join("empty.tar"));
    assert_eq!(steady(&colony, &run.stdout), "Backed up 0 nodes, 0 keys and the database to [DIR]/empty.tar.\n");
    for words in [&["restore"][..], &["backup", "--verify"]] {
        let run = with(&colony, words, &colony.path().join("nothing"));
        assert!(run.code == 1 && run.stderr.contains("cannot read"), "{run:?}");
    }
    let run = with(&colony, &["backup"], Path::new("/nonexistent/backup"));
    assert_eq!(run.code, 1, "{run:?}");
}

wnm_testing::trials! {
    &[] => a_backup_in_a_directory_brings_the_same_nodes_back, a_backup_in_an_archive_brings_the_same_nodes_back,
        a_backup_is_restored_where_the_database_is_gone, whatever_the_umask_is_a_backup_is_its_owners,
        nothing_is_restored_over_nodes,
        a_file_in_the_way_of_a_directory_ends_a_restore_that_goes_on_later,
        a_backup_takes_the_place_of_nothing_but_a_backup, a_node_without_a_whole_key_keeps_the_older_backup,
        a_backup_that_is_interrupted_leaves_a_whole_one, a_machine_without_nodes_and_a_place_without_a_backup;
}
