//! The move from v1 to v2 of nodes that run as another user: in container groups, and as units of the machine.

use std::os::unix::fs::MetadataExt;
use std::path::Path;

use wnm_core::node::Flavour;
use wnm_testing::Need::{S6Image, SystemdImage};
use wnm_testing::{on_machine, test_node, test_node_of_v2};

use crate::containers::Groups;
use crate::systemd::{INIT, PROGRAM, cycle_until, run, wnm};

fn owner(path: &Path) -> u32 {
    path.symlink_metadata().expect("it is there").uid()
}

fn groups_keep_their_nodes_that_become_v2() {
    let groups = Groups::new(&["--node_cap=4"]);
    let colony = &groups.colony;
    colony.cycle_until_running(4);
    let places = || -> Vec<_> {
        let of = |node: &wnm_core::node::Node| (node.id(), node.spec().group, node.spec().ports.node());
        colony.stored().nodes.iter().map(of).collect()
    };
    let before = places();
    colony.install(&test_node_of_v2("", "0.23.1"));
    colony.done(&["migrate-flavour"]);
    assert_eq!(groups.living(), 0);
    let aside = colony.node_dir(1).join(".v1/secret-key");
    assert_eq!(owner(&aside), owner(&colony.path().join("nodes")));
    colony.done(&["migrate-flavour", "--undo"]);
    colony.cycle_until_running(4);
    assert_eq!(groups.living(), 4, "v1 again");
    colony.done(&["migrate-flavour"]);
    colony.cycle_until_running(4);
    assert_eq!(places(), before);
    assert!(colony.stored().nodes.iter().all(|node| node.spec().flavour == Flavour::V2));
    assert!(colony.node_dir(4).join("node_identity.key").is_file() && aside.is_file());
}

fn units_of_the_machine_become_v2() {
    on_machine("root", "migrations_elsewhere::units_of_the_machine_become_v2", async || {
        run("cp", &format!("{} {PROGRAM}", test_node("0.4.17").display()));
        wnm(&format!("init --process_manager systemd+sudo --antnode_path {PROGRAM} {INIT}"));
        cycle_until([("RUNNING", "0.4.17"); 3]);
        run("rm", PROGRAM);
        run("cp", &format!("{} {PROGRAM}", test_node_of_v2("", "0.23.1").display()));
        wnm("migrate-flavour");
        let directory = Path::new("/var/antctl/services/antnode0001");
        assert_ne!(owner(&directory.join(".v1/secret-key")), 0, "it is the nodes' user's");
        wnm("migrate-flavour --undo");
        cycle_until([("RUNNING", "0.4.17"); 3]);
        wnm("migrate-flavour");
        cycle_until([("RUNNING", "0.23.1"); 3]);
        assert!(directory.join("node_identity.key").is_file());
        let details = wnm("status --details");
        assert_eq!(details.matches("Program held as hard link").count(), 3, "{details}");
    });
}

wnm_testing::trials! {
    &[S6Image] => groups_keep_their_nodes_that_become_v2;
    &[SystemdImage] => units_of_the_machine_become_v2;
}
