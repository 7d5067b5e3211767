//! Nodes in containers on several disks, and moved from one to another: their containers have to see each disk.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use wnm_pm_s6overlay::MachineId;
use wnm_testing::Need::S6Image;
use wnm_testing::{Colony, NotedMachine, s6_image};

use crate::containers::{Groups, docker};
use crate::storages::spread;

fn keys(colony: &Colony) -> BTreeMap<u32, Vec<u8>> {
    let key = |root_dir: &Path| fs::read(root_dir.join("secret-key")).expect("every node has its key");
    colony.stored().nodes.iter().map(|node| (node.id().0, key(&node.spec().root_dir))).collect()
}

/// The machine's directories that a group's container sees.
fn seen(colony: &Colony, group: &str) -> String {
    let container = crate::containers::of_group(colony, group);
    let words = ["inspect", "--format", "{{range .Mounts}}{{.Source}} {{end}}", &container];
    docker(&words).expect("the container is there")
}

fn nodes_in_containers_are_on_several_disks_and_move_between_them() {
    let groups = Groups::bare();
    let colony = &groups.colony;
    let place = |disk: &str| colony.path().join(disk).display().to_string();
    let (first, second, third, last) = (place("nodes"), place("disk2"), place("disk3"), place("last"));
    let _noted = NotedMachine::new(MachineId::of(Path::new(&last)).as_str());
    let image = format!("--docker_image={}", s6_image());
    colony.init(&[], &["--max_node_per_container=3", "--min_container_count=1", "--node_cap=2", &image]);
    colony.leave_storage_to_the_database();
    colony.cycle_until_running(2);

    colony.done(&["config", "set", &format!("node_storage={first},{second}"), "node_cap=4"]);
    let dropped = colony.wnm(&["config", "set", &format!("node_storage={second},{first}")]);
    assert_eq!(dropped.code, 4, "{dropped:?}");
    colony.cycle_until_running(4);
    assert_eq!(spread(colony), BTreeMap::from([("disk2".to_owned(), 2), ("nodes".to_owned(), 2)]));
    for group in ["a1", "a2"] {
        assert!(seen(colony, group).contains(&second), "{group} sees the disk");
    }
    let before = keys(colony);

    colony.done(&["move-storage", &third, "--from", &second]);
    assert_eq!((keys(colony), spread(colony)["disk3"]), (before.clone(), 2));
    assert!(!Path::new(&second).exists());
    colony.cycle_until_running(4);
    assert!(!seen(colony, "a1").contains(&second), "the old disk can be unmounted");

    // What wnm keeps for containers goes along with the first one, and their names follow from it.
    let old = groups.label();
    colony.done(&["move-storage", &last, "--from", &first]);
    let spread_now = BTreeMap::from([("disk3".to_owned(), 2), ("last".to_owned(), 2)]);
    assert_eq!((keys(colony), spread(colony)), (before, spread_now));
    assert_eq!(docker(&["ps", "--all", "--quiet", "--filter", &old]).as_deref(), Some(""), "the old ones are gone");
    assert!(!Path::new(&first).exists());
    colony.cycle_until_running(4);
    assert!(Path::new(&last).join(".s6/a1").is_dir());
    colony.done(&["teardown", "--confirm"]);
}

wnm_testing::trials! {
    &[S6Image] => nodes_in_containers_are_on_several_disks_and_move_between_them;
}
