//! Nodes that rename their programs have names of one file, which belongs to whom the nodes run as.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use wnm_pm::node::{Flavour, NodeRef, NodeSpec};
use wnm_pm::process_manager::{Mode, ProcessManager};
use wnm_pm::program::{Held, held, shared};
use wnm_testing::Need::SystemdImage;
use wnm_testing::{ContractWorld, on_machine};

use crate::world::World;

fn v2(world: &World, number: u32) -> NodeSpec {
    let spec = world.spec(number);
    NodeSpec { flavour: Flavour::V2, binary: spec.root_dir.join(Flavour::V2.program_name()), ..spec }
}

fn is_held(node: &NodeRef, expected: Held) {
    assert_eq!(held(&node.spec.binary), Some(expected), "{}", node.spec.binary.display());
}

async fn share_a_file_and_leave_nothing(mode: Mode) {
    let world = World::new(mode);
    let manager = world.manager();
    let specs = [v2(&world, 1), v2(&world, 2), v2(&world, 3)];
    let nodes = world.create(&manager, &specs).await;
    nodes.iter().for_each(|node| is_held(node, Held::HardLink));
    let file = fs::metadata(&nodes[0].spec.binary).expect("it is there");
    assert_eq!((file.nlink(), file.mode() & 0o777), (4, 0o755));
    let directory = world.root("stat", &["--format=%u".as_ref(), &nodes[0].spec.root_dir]);
    assert_eq!(String::from_utf8_lossy(&directory.stdout).trim(), file.uid().to_string());

    // Whatever alters it alters it for all, and is noticed.
    let altered = tempfile::NamedTempFile::new().expect("a temporary file");
    fs::write(altered.path(), "#!altered").expect("it is written");
    world.root("cp", &[altered.path(), &nodes[0].spec.binary]);
    assert!(nodes.iter().all(|node| wnm_pm::program::check_own(&node.spec).is_err()));
    assert!(manager.create(&nodes).await.all_good(), "they are made whole");
    nodes.iter().for_each(|node| is_held(node, Held::HardLink));
    assert!(nodes.iter().all(|node| wnm_pm::program::check_own(&node.spec).is_ok()));

    let mut removed = manager.remove(&nodes[..1]).await;
    removed.take(nodes[0].id()).expect("it has an outcome").expect("it goes");
    is_held(&nodes[1], Held::HardLink);
    assert!(manager.remove(&nodes[1..]).await.all_good());
    assert!(!world.exists(&world.node_storage().join(Path::new(shared::DIRECTORY))).await, "the last took it along");
}

fn a_users_nodes_share_their_program() {
    on_machine("resident", "sharing::a_users_nodes_share_their_program", async || {
        share_a_file_and_leave_nothing(Mode::User).await;
    });
}

fn the_machines_nodes_share_their_program() {
    on_machine("keeper", "sharing::the_machines_nodes_share_their_program", async || {
        share_a_file_and_leave_nothing(Mode::Sudo).await;
    });
}

wnm_testing::trials! {
    &[SystemdImage] => a_users_nodes_share_their_program, the_machines_nodes_share_their_program;
}
