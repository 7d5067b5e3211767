//! Nodes' programs on file systems that can share blocks, and across file systems.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use tempfile::TempDir;
use wnm_pm::node::{Flavour, NodeRef, NodeSpec};
use wnm_pm::process_manager::ProcessManager;
use wnm_pm::program::{Held, held};
use wnm_pm_setsid::Setsid;
use wnm_testing::Need::{Mount, Program};
use wnm_testing::{ContractWorld, HostWorld, test_node};

/// XFS is not made smaller.
const VOLUME_BYTES: u64 = 320 << 20;

/// A file system of its own whose files can share blocks.
struct Volume {
    directory: TempDir,
}

impl Volume {
    fn mount() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let (image, place) = (directory.path().join("image"), directory.path().join("volume"));
        File::create(&image).and_then(|file| file.set_len(VOLUME_BYTES)).expect("it is made, and takes no room");
        fs::create_dir(&place).expect("it is made");
        run("mkfs.xfs", &["-q".as_ref(), "-m".as_ref(), "reflink=1".as_ref(), &image]);
        run("mount", &["-o".as_ref(), "loop".as_ref(), &image, &place]);
        Self { directory }
    }

    fn path(&self) -> PathBuf {
        self.directory.path().join("volume")
    }

    fn used(&self) -> u64 {
        rustix::fs::sync();
        let disk = rustix::fs::statvfs(self.path()).expect("it is mounted");
        (disk.f_blocks - disk.f_bfree) * disk.f_frsize
    }
}

impl Drop for Volume {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("--lazy").arg(self.path()).status();
    }
}

fn run(program: &str, arguments: &[&Path]) {
    let output = Command::new(program).args(arguments).output().expect("it can be run");
    assert!(output.status.success(), "{program}: {}", String::from_utf8_lossy(&output.stderr));
}

fn manager(world: &HostWorld) -> Setsid {
    let kind = "setsid+user".parse().expect("it is a kind");
    Setsid::new(kind, world.node_storage()).settling(Duration::from_millis(50), Duration::from_secs(3))
}

/// Nodes of a flavour with this program.
fn nodes(world: &HostWorld, flavour: Flavour, program: &Path, numbers: std::ops::RangeInclusive<u32>) -> Vec<NodeRef> {
    let of = |number| {
        let spec = world.spec(number);
        let binary = spec.root_dir.join(flavour.program_name());
        NodeRef::new(NodeSpec { flavour, binary, program: program.to_owned(), ..spec })
    };
    numbers.map(of).collect()
}

fn are_held(nodes: &[NodeRef], expected: Held) {
    for node in nodes {
        assert_eq!(held(&node.spec.binary), Some(expected), "{}", node.spec.name);
    }
}

async fn programs_share_blocks_where_they_can() {
    let volume = Volume::mount();
    let world = HostWorld::new(&volume.path());
    let manager = manager(&world);
    let program = volume.path().join("program");
    fs::copy(test_node("0.4.17"), &program).expect("it is copied");
    let (size, before) = (fs::metadata(&program).expect("it is there").len(), volume.used());
    let nodes = nodes(&world, Flavour::V1, &program, 1..=10);
    assert!(manager.create(&nodes).await.all_good());
    are_held(&nodes, Held::Reflink);
    let taken = volume.used() - before;
    assert!(taken < 2 * size, "{taken} bytes for 10 programs of {size}");

    assert!(manager.start(&nodes[..1]).await.all_good(), "it runs");
    assert!(manager.stop(&nodes[..1]).await.all_good());
    fs::write(&program, "#!altered").expect("it is written");
    wnm_pm::program::check_own(&nodes[0].spec).expect("what shared its blocks has them still");
    assert!(manager.remove(&nodes).await.all_good());
}

async fn a_program_from_elsewhere_is_shared_by_name_or_copied() {
    let volume = Volume::mount();
    let world = HostWorld::new(&volume.path());
    let manager = manager(&world);
    let (renaming, writing) = (
        nodes(&world, Flavour::V2, &test_node("0.4.17"), 1..=3),
        nodes(&world, Flavour::V1, &test_node("0.4.17"), 4..=5),
    );
    for nodes in [&renaming, &writing] {
        assert!(manager.create(nodes).await.all_good());
    }
    are_held(&renaming, Held::HardLink);
    are_held(&writing, Held::Copy);
    assert!(manager.remove(&renaming[..2]).await.all_good());
    // Of all its names only this one and the first are left.
    are_held(&renaming[2..], Held::HardLink);
    assert!(manager.remove(&renaming[2..]).await.all_good());
    assert!(!world.node_storage().join(wnm_pm::program::shared::DIRECTORY).exists());
}

wnm_testing::trials! {
    &[Mount, Program("mkfs.xfs")] => programs_share_blocks_where_they_can, a_program_from_elsewhere_is_shared_by_name_or_copied;
}

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([trials()])
}
