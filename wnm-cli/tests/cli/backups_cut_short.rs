//! Backups on a disk that gets full, and restores that are killed.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::Instant;

use wnm_testing::Colony;
use wnm_testing::Need::Mount;

use crate::{running, steady};

/// A small file system in memory, gone when dropped.
struct SmallDisk(PathBuf);

impl SmallDisk {
    fn mount(place: &Path) -> Self {
        fs::create_dir(place).expect("it is made");
        let mut mount = Command::new("mount");
        let mounted = mount.args(["-t", "tmpfs", "-o", "size=2m", "tmpfs"]).arg(place).status().expect("it runs");
        assert!(mounted.success());
        Self(place.to_owned())
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn a_backup_on_a_full_disk_leaves_the_old_one() {
    let colony = running(2);
    let disk = SmallDisk::mount(&colony.path().join("small"));
    for name in ["backup", "backup.tar"] {
        let backup = disk.0.join(name);
        let path = backup.to_str().expect("it is UTF-8");
        colony.done(&["backup", path]);
        let ballast = disk.0.join("ballast");
        let mut file = File::create(&ballast).expect("there is room");
        while file.write_all(&[0; 512]).is_ok() {}
        drop(file);
        let run = colony.wnm(&["backup", path]);
        assert_eq!(run.code, 1, "{run:?}");
        let said = steady(&colony, &run.stderr);
        assert!(said.starts_with(&format!("error: cannot write the backup [DIR]/small/{name}: ")), "{said}");
        assert!(said.to_lowercase().contains("no space"), "{said}");
        colony.done(&["backup", "--verify", path]);
        fs::remove_file(ballast).expect("it is ours");
        let entries = fs::read_dir(&disk.0).expect("it is read").flatten().map(|entry| entry.file_name());
        let left: Vec<_> = entries.filter(|name| name.to_string_lossy().starts_with('.')).collect();
        assert!(left.is_empty(), "{left:?}");
        colony.done(&["backup", path]);
    }
}

/// What is in the database, or nothing.
fn nodes(colony: &Colony) -> Vec<(u32, Option<String>)> {
    colony.stored().nodes.iter().map(|node| (node.id().0, node.peer_id().map(str::to_owned))).collect()
}

fn a_restore_that_is_killed_at_any_moment_goes_on() {
    let colony = running(3);
    colony.done(&["survey"]);
    let backup = colony.path().join("backup.tar");
    let path = backup.to_str().expect("it is UTF-8");
    colony.done(&["backup", path]);
    let before = nodes(&colony);
    let keys = || [1, 2, 3].map(|number| fs::read(colony.node_dir(number).join("secret-key")).expect("it has a key"));
    let secrets = keys();
    colony.done(&["teardown", "--confirm"]);
    let began = Instant::now();
    colony.done(&["restore", "--dry-run", path]);
    let whole = began.elapsed() * 2;
    for part in 0..15 {
        let mut command = colony.command(&["restore", path]);
        // What it cannot clean up goes with the machine.
        command.env("TMPDIR", colony.path());
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("wnm is started");
        std::thread::sleep(whole * part / 15);
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        let halfway = nodes(&colony);
        assert!(halfway.is_empty() || halfway == before, "all of them or none: {halfway:?}");
        let run = colony.wnm(&["restore", path]);
        let was_done = run.code == 4 && run.stderr.contains("has 3 nodes, and nothing is restored over them");
        assert!(run.code == 0 || was_done, "part {part}: {run:?}");
        assert_eq!((nodes(&colony), keys()), (before.clone(), secrets.clone()), "part {part}");
        if part == 14 {
            colony.cycle_until_running(3);
            assert_eq!(nodes(&colony), before);
        }
        colony.done(&["teardown", "--confirm"]);
    }
}

wnm_testing::trials! {
    &[] => a_restore_that_is_killed_at_any_moment_goes_on;
    &[Mount] => a_backup_on_a_full_disk_leaves_the_old_one;
}
