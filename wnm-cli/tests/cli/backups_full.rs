//! Backups on a disk that gets full.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs::{self, File};
use std::io::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

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

wnm_testing::trials! {
    &[Mount] => a_backup_on_a_full_disk_leaves_the_old_one;
}
