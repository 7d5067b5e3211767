//! Backups that somebody altered, and another machine's.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::backups::{backed_up, done, with};
use crate::steady;

/// A file in a backup that is a directory.
fn key_in(backup: &Path, number: u32) -> PathBuf {
    backup.join(format!("nodes/antnode{number:04}/secret-key"))
}

/// The digest of a file, as another program finds it.
fn sha256(path: &Path) -> String {
    let output = Command::new("sha256sum").arg(path).output().expect("it can be run");
    String::from_utf8_lossy(&output.stdout).split(' ').next().expect("a digest").to_owned()
}

/// Alters the manifest of a backup so that nothing is wrong with it but what it says.
fn rewrite(backup: &Path, change: impl FnOnce(&mut serde_json::Value)) {
    let path = backup.join("manifest.json");
    let mut manifest = serde_json::from_slice(&fs::read(&path).expect("it is read")).expect("it is JSON");
    change(&mut manifest);
    fs::write(&path, manifest.to_string()).expect("it is written");
    fs::write(backup.join("manifest.sha256"), format!("{}  manifest.json\n", sha256(&path))).expect("it is written");
}

fn what_is_wrong_with_a_backup_is_named_and_nothing_is_restored() {
    let (colony, backup) = backed_up();
    colony.done(&["teardown", "--confirm"]);
    let copy = colony.path().join("copy");
    let mut told = Vec::new();
    let mut damaged = |damage: &dyn Fn(&Path)| {
        let _ = fs::remove_dir_all(&copy);
        let copied = Command::new("cp").arg("-a").args([&backup, &copy]).status().expect("it can be run");
        assert!(copied.success());
        damage(&copy);
        let run = with(&colony, &["backup", "--verify"], &copy);
        assert_eq!(run.code, 1, "{run:?}");
        told.push(run.stdout.lines().skip(1).map(str::to_owned).collect::<Vec<_>>().join("\n"));
        let json = with(&colony, &["backup", "--verify", "--json"], &copy).json();
        assert_eq!(json["whole"], serde_json::json!(false));
        let run = with(&colony, &["restore"], &copy);
        assert_eq!(run.code, 4, "{run:?}");
        assert!(run.stderr.contains("is damaged: ") && !colony.node_dir(1).exists(), "{run:?}");
    };
    let write = |path: PathBuf, bytes: &[u8]| fs::write(path, bytes).expect("it is written");
    damaged(&|copy| write(key_in(copy, 2), &[7; 32]));
    damaged(&|copy| write(key_in(copy, 2), &[7; 12]));
    damaged(&|copy| fs::remove_file(key_in(copy, 3)).expect("it was there"));
    damaged(&|copy| write(copy.join("nodes/antnode0002/authorized_keys"), b"x"));
    damaged(&|copy| {
        fs::remove_file(key_in(copy, 1))
            .and_then(|()| symlink("/etc/passwd", key_in(copy, 1)))
            .expect("a link is made");
    });
    damaged(&|copy| write(copy.join("manifest.json"), b"{}"));
    damaged(&|copy| write(copy.join("colony.db"), b"SQLite format 3\0"));
    // Every digest is right, and the key was truncated before.
    damaged(&|copy| {
        write(key_in(copy, 2), &[7; 12]);
        let digest = sha256(&key_in(copy, 2));
        rewrite(copy, |manifest| {
            let files = manifest["files"].as_array_mut().expect("a list");
            let file =
                files.iter_mut().find(|file| file["path"] == "nodes/antnode0002/secret-key").expect("it is there");
            file["bytes"] = 12.into();
            file["sha256"] = digest.into();
        });
    });
    insta::assert_snapshot!(told.join("\n"), @"
    - nodes/antnode0002/secret-key is not what was backed up: its digest differs
    - nodes/antnode0002/secret-key is not what was backed up: its digest differs
    - nodes/antnode0002/secret-key is not a whole key: it has 12 bytes instead of 32
    - nodes/antnode0003/secret-key is missing
    - nodes/antnode0002/authorized_keys does not belong in a backup
    - nodes/antnode0001/secret-key is not a plain file
    - manifest.json is not what was backed up: its digest differs
    - colony.db is not what was backed up: its digest differs
    - nodes/antnode0002/secret-key is not a whole key: it has 12 bytes instead of 32
    ");
}

fn another_machines_backup_is_restored_only_when_that_is_said() {
    let (colony, backup) = backed_up();
    colony.done(&["teardown", "--confirm"]);
    rewrite(&backup, |manifest| manifest["machine"] = serde_json::json!({ "id": "another", "host": "elsewhere" }));
    let run = with(&colony, &["restore"], &backup);
    assert_eq!(run.code, 4, "{run:?}");
    insta::assert_snapshot!(steady(&colony, &run.stderr), @"
    error: [DIR]/backup is a backup of another machine (elsewhere)
    hint: `--from-other-machine`, once that machine runs these nodes no more: two machines with the same identities harm both
    ");
    assert!(!colony.node_dir(1).exists());
    done(&colony, &["restore", "--from-other-machine"], &backup);
    colony.cycle_until_running(3);
}

wnm_testing::trials! {
    &[] => what_is_wrong_with_a_backup_is_named_and_nothing_is_restored,
        another_machines_backup_is_restored_only_when_that_is_said;
}
