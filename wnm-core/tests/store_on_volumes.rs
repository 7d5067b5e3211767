//! The store on a volume of its own, which gets full or read-only.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs::{self, File};
use std::io::Write;
use std::path::Path;
use std::process::Command;

use tempfile::TempDir;
use wnm_core::event::Event;
use wnm_core::node::{Node, UnixSeconds, Verb};
use wnm_core::store::{Problem, Store};
use wnm_testing::Need::Mount;
use wnm_testing::{ContractWorld, HostWorld};

const NOW: UnixSeconds = 1_790_000_000;

/// A small file system of its own, in memory.
struct Volume(TempDir);

impl Volume {
    fn mount() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut mount = Command::new("mount");
        let output = mount.args(["-t", "tmpfs", "-o", "size=4m,mode=755", "tmpfs"]).arg(directory.path()).output();
        let output = output.expect("mount can be run");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Self(directory)
    }

    fn path(&self) -> &Path {
        self.0.path()
    }

    fn remount(&self, option: &str) {
        let options = format!("remount,{option}");
        let done = Command::new("mount").args(["-o", &options]).arg(self.path()).status().expect("mount runs");
        assert!(done.success());
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

/// What is recorded first of a node.
fn added(world: &HostWorld, number: u32) -> Event {
    let node = Node::planned(world.spec(number), NOW);
    Event::Intended { verb: Verb::Add, node: Box::new(node), why: "there is room".to_owned() }
}

fn read_only_storage_is_read_and_not_written() {
    let volume = Volume::mount();
    let world = HostWorld::new(volume.path());
    let path = volume.path().join("a record?#%.db");
    let mut store = Store::create(&path).expect("a new database");
    store.apply(NOW, &[added(&world, 1)]).expect("it is recorded");
    drop(store);
    volume.remount("ro");
    let error = Store::open(&path).expect_err("it cannot be written");
    assert!(matches!(error.problem, Problem::NoRights(_)), "{error:?}");
    let store = Store::open_read_only(&path).expect("it is read");
    assert_eq!(store.load().expect("the database is read").nodes.len(), 1);
    let error = Store::create(&volume.path().join("other.db")).expect_err("nothing is made here");
    assert!(matches!(error.problem, Problem::NoRights(_)), "{error:?}");
}

fn f25_a_full_disk_loses_nothing_and_the_next_run_goes_on() {
    let volume = Volume::mount();
    let world = HostWorld::new(volume.path());
    let path = volume.path().join("colony.db");
    let mut store = Store::create(&path).expect("a new database");
    store.apply(NOW, &[added(&world, 1)]).expect("it is recorded");
    let before = store.load().expect("the database is read");
    let ballast = volume.path().join("ballast");
    let mut file = File::create(&ballast).expect("there is room");
    while file.write_all(&[0; 512]).is_ok() {}

    let more: Vec<Event> = (2..=300).map(|number| added(&world, number)).collect();
    let error = store.apply(NOW, &more).expect_err("there is no room");
    assert!(matches!(error.problem, Problem::Full), "{error:?}");
    assert_eq!(store.load().expect("the database is read"), before);
    drop(store);
    let error = Store::create(&volume.path().join("other.db")).expect_err("there is no room");
    insta::assert_snapshot!(error.problem, @"no space is left on its disk");
    assert!(!volume.path().join("other.db").exists());
    let reader = Store::open_read_only(&path).expect("reading needs no room");
    assert_eq!(reader.load().expect("the database is read"), before);
    drop(reader);

    drop(file);
    fs::remove_file(ballast).expect("it is ours");
    let mut store = Store::open(&path).expect("there is room again");
    assert_eq!(store.load().expect("the database is read"), before);
    store.apply(NOW, &more).expect("there is room again");
    assert_eq!(store.load().expect("the database is read").nodes.len(), 300);
}

wnm_testing::trials! {
    &[Mount] => read_only_storage_is_read_and_not_written, f25_a_full_disk_loses_nothing_and_the_next_run_goes_on;
}

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([trials()])
}
