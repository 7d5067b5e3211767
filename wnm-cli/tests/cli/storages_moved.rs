//! Nodes are moved to another disk, and wnm is killed while it moves them.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests kill programs, and print the dice they rolled"
)]

use std::collections::BTreeMap;
use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use wnm_core::node::Status;
use wnm_testing::Colony;
use wnm_testing::Need::Mount;

use crate::steady;
use crate::storages::{Disk, on_disks, spread};

fn place(colony: &Colony, disk: &str) -> String {
    colony.path().join(disk).display().to_string()
}

/// What was printed; how large a program is differs from build to build.
fn told(colony: &Colony, text: &str) -> String {
    let words = steady(colony, text);
    let without = |line: &str| match line.rsplit_once(", ").filter(|(_, end)| end.ends_with(" MB.")) {
        Some((begin, _)) => format!("{begin}, so many MB."),
        None => line.to_owned(),
    };
    words.lines().map(without).collect::<Vec<_>>().join("\n")
}

/// The key of each node, where its row says that the node is.
fn keys(colony: &Colony) -> BTreeMap<u32, Vec<u8>> {
    let key = |root_dir: &Path| fs::read(root_dir.join("secret-key")).expect("every node has its key");
    colony.stored().nodes.iter().map(|node| (node.id().0, key(&node.spec().root_dir))).collect()
}

/// The directories of nodes on all disks of a machine.
fn directories(colony: &Colony) -> Vec<PathBuf> {
    let disks = fs::read_dir(colony.path()).expect("it is read").flatten().map(|entry| entry.path());
    let below = disks.filter(|path| path.is_dir()).flat_map(|disk| fs::read_dir(disk).into_iter().flatten().flatten());
    let is_node = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("antnode"));
    let is_log = |path: &PathBuf| path.starts_with(colony.path().join("logs"));
    let mut found: Vec<PathBuf> =
        below.map(|entry| entry.path()).filter(|path| is_node(path) && !is_log(path)).collect();
    found.sort();
    found
}

/// Each node is in one place and no other, and lives at most once.
fn each_is_there_once(colony: &Colony) {
    let mut rows: Vec<PathBuf> = colony.stored().nodes.iter().map(|node| node.spec().root_dir.clone()).collect();
    rows.sort();
    assert_eq!(directories(colony), rows);
    let living: Vec<PathBuf> = colony.processes().into_iter().map(|(_, directory)| directory).collect();
    let mut once = living.clone();
    once.dedup();
    assert_eq!(living, once);
    assert!(living.iter().all(|directory| rows.contains(directory)), "{living:?}");
}

/// A machine with so many running nodes.
fn with_nodes(count: usize) -> Colony {
    let colony = on_disks(&["nodes"], &[&format!("--node_cap={count}")]);
    colony.cycle_until_running(count);
    colony
}

fn all_nodes_are_moved_and_run_again_with_what_they_had() {
    let colony = with_nodes(3);
    colony.done(&["stop", "3"]);
    let root = colony.node_dir(1);
    fs::write(root.join("mine"), "the owner's own").expect("it is written");
    fs::set_permissions(root.join("mine"), Permissions::from_mode(0o640)).expect("its mode is set");
    fs::hard_link(root.join("mine"), root.join("also mine")).expect("it gets another name");
    symlink("/nonexistent", root.join("link")).expect("a link is made");
    let holes = fs::File::create(root.join("holes")).expect("it is made");
    holes.set_len(64 << 20).expect("it takes no room");
    let before = (keys(&colony), fs::metadata(root.join("mine")).expect("it is there"));
    let (other, pids) = (place(&colony, "disk2"), colony.processes());
    let dry = colony.done(&["move-storage", &other, "--dry-run"]);
    assert_snapshot!(told(&colony, &dry.stdout), @"
    Would move 3 nodes (antnode0001–0003) from [DIR]/nodes to [DIR]/disk2, so many MB.
    Would be stopped and started again: 2 nodes (antnode0001–0002), 1 at a time.
    node_storage would be [DIR]/disk2.
    ");
    assert_eq!(colony.processes(), pids, "nothing was changed");
    assert!(!Path::new(&other).exists());
    let moved = colony.done(&["move-storage", &other, "--verify"]);
    assert_snapshot!(told(&colony, &moved.stdout), @"
    Moved 3 nodes (antnode0001–0003) from [DIR]/nodes to [DIR]/disk2, so many MB.
    Stopped and started again: 2 nodes (antnode0001–0002), 1 at a time.
    node_storage is [DIR]/disk2.
    ");
    assert_eq!(keys(&colony), before.0);
    assert_eq!(spread(&colony), BTreeMap::from([("disk2".to_owned(), 3)]));
    assert!(!Path::new(&place(&colony, "nodes")).exists(), "nothing is left of the old place");
    let there = Path::new(&other).join("antnode0001");
    let mine = fs::metadata(there.join("mine")).expect("it came along");
    assert_eq!(
        (mine.mode(), mine.mtime(), mine.mtime_nsec()),
        (before.1.mode(), before.1.mtime(), before.1.mtime_nsec())
    );
    assert_eq!(mine.ino(), fs::metadata(there.join("also mine")).expect("it came along").ino());
    assert_eq!(fs::read_link(there.join("link")).expect("it is a link"), Path::new("/nonexistent"));
    let holes = fs::metadata(there.join("holes")).expect("it came along");
    assert!(holes.len() == 64 << 20 && holes.blocks() * 512 < 1 << 20, "{} blocks", holes.blocks());
    each_is_there_once(&colony);
    assert_eq!(colony.statuses().into_iter().filter(|(_, status)| *status == Status::Stopped).count(), 1);
    colony.cycle_until_running(2);
    let why = colony.done(&["why", "antnode0001", "--last", "20"]).stdout;
    assert!(why.contains("moving to ") && why.contains(" moved [STOPPED]: "), "{why}");
    // And back, under the old name.
    colony.done(&["move-storage", &place(&colony, "nodes"), "--batch", "3"]);
    assert_eq!(keys(&colony), before.0);
    colony.cycle_until_running(2);
    colony.agrees();
}

fn the_nodes_of_one_of_several_disks_are_moved_to_another_of_them() {
    let colony = on_disks(&["nodes", "disk2"], &["--node_cap=4"]);
    colony.cycle_until_running(4);
    let before = keys(&colony);
    let which = colony.wnm(&["move-storage", &place(&colony, "disk3")]);
    assert_eq!(which.code, 2);
    assert_snapshot!(steady(&colony, &which.stderr), @"
    error: node_storage is [DIR]/nodes,[DIR]/disk2: it has to be said which of them is left
    hint: `wnm move-storage DIR --from [DIR]/nodes` to move the nodes of the first one
    ");
    let (one, two) = (place(&colony, "nodes"), place(&colony, "disk2"));
    let answer = colony.done(&["move-storage", &one, "--from", &two, "--json"]).json();
    assert_eq!(answer["node_storage"], serde_json::json!([one]), "{answer}");
    assert_eq!((answer["nodes"].as_array().map(Vec::len), answer["batch"].as_u64()), (Some(2), Some(1)));
    assert_eq!((keys(&colony), spread(&colony)), (before, BTreeMap::from([("nodes".to_owned(), 4)])));
    colony.cycle_until_running(4);
    colony.agrees();
}

fn what_is_in_the_way_is_named_and_nothing_is_done() {
    let colony = with_nodes(2);
    let refused = |words: &[&str]| {
        let pids = colony.processes();
        let run = colony.wnm(&[&["move-storage"], words].concat());
        assert_eq!(colony.processes(), pids, "{run:?}");
        format!("{}: {}", run.code, steady(&colony, &run.stderr))
    };
    let other = place(&colony, "disk2");
    assert_snapshot!(refused(&[&place(&colony, "nodes")]), @"
    4: error: the nodes are in [DIR]/nodes already
    hint: name another directory
    ");
    assert_snapshot!(refused(&[&other, "--from", "/srv/else"]), @"
    2: error: /srv/else is not a directory of node_storage, which is [DIR]/nodes
    hint: `wnm config` to see node_storage
    ");
    assert_snapshot!(refused(&[&format!("{}/below", place(&colony, "nodes"))]), @r#"
    2: error: invalid setting: node_storage = "[DIR]/nodes,[DIR]/nodes/below" (database): [DIR]/nodes/below must not lie in [DIR]/nodes
    hint: name directories that lie beside one another, each on a disk of its own
    "#);
    fs::create_dir_all(Path::new(&other).join("antnode0002")).expect("it is made");
    fs::write(Path::new(&other).join("antnode0002/precious"), "a key").expect("it is written");
    assert_snapshot!(refused(&[&other]), @"
    4: error: the nodes of [DIR]/nodes cannot be moved to [DIR]/disk2: [DIR]/disk2/antnode0002 exists already
    hint: move it away, or choose another directory
    ");
    assert!(Path::new(&other).join("antnode0002/precious").is_file());
    colony.done(&["disable", "1"]);
    assert_snapshot!(refused(&[&place(&colony, "disk3")]), @"
    4: error: the nodes of [DIR]/nodes cannot be moved to [DIR]/disk3: antnode0001 is unmanaged
    hint: `wnm enable antnode0001` to manage it again
    ");
    let run =
        colony.wnm(&["move-storage", &place(&colony, "disk3"), &format!("--node_storage={}", place(&colony, "nodes"))]);
    assert_snapshot!(format!("{}: {}", run.code, steady(&colony, &run.stderr)), @"
    4: error: node_storage is not what the database says alone, but also named by flag --node_storage, which would go on naming the old place
    hint: take node_storage out there: the database has it since it was initialised
    ");
}

fn a_disk_that_is_too_small_is_refused_with_the_figures() {
    let colony = with_nodes(1);
    let _disk = Disk::mount(colony.path().join("disk2"), 64 << 20);
    let run = colony.wnm(&["move-storage", &place(&colony, "disk2")]);
    assert_eq!(run.code, 4, "{run:?}");
    assert!(run.stderr.contains("MB are free there") && run.stderr.contains("hint: choose a larger disk"), "{run:?}");
}

fn nodes_are_moved_between_file_systems() {
    let colony = with_nodes(2);
    let before = keys(&colony);
    let _disk = Disk::mount(colony.path().join("disk2"), 4 << 30);
    colony.done(&["move-storage", &place(&colony, "disk2"), "--batch", "2"]);
    assert_eq!((keys(&colony), spread(&colony)), (before, BTreeMap::from([("disk2".to_owned(), 2)])));
    colony.cycle_until_running(2);
    each_is_there_once(&colony);
}

/// How often wnm is killed; more for a longer soak.
fn kills() -> u64 {
    std::env::var("WNM_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(30)
}

fn a_move_that_is_killed_at_any_moment_loses_no_key_and_goes_on() {
    const NODES: usize = 3;
    let colony = with_nodes(NODES);
    let before = keys(&colony);
    // Enough that a copy takes a while.
    for number in 1..=3 {
        fs::write(colony.node_dir(number).join("records"), vec![7; 24 << 20]).expect("there is room");
    }
    let mut dice = u64::from(std::process::id());
    println!("dice: {dice}");
    let mut ended = 0;
    for kill in 0..kills() {
        dice = dice.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        let to = place(&colony, if ended % 2 == 0 { "disk2" } else { "nodes" });
        let from = place(&colony, if ended % 2 == 0 { "nodes" } else { "disk2" });
        let words =
            ["move-storage", to.as_str(), "--from", from.as_str(), "--batch", if kill % 3 == 0 { "3" } else { "1" }];
        let mut child =
            colony.command(&words).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("wnm is started");
        let moment = Duration::from_millis((dice >> 33) % 2_500);
        std::thread::sleep(moment);
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        let what = format!("kill {kill}, {moment:?} into {words:?}");
        // At this very moment every key is where its row says, and no node lives twice.
        assert_eq!(keys(&colony), before, "{what}");
        let living: Vec<PathBuf> = colony.processes().into_iter().map(|(_, directory)| directory).collect();
        let names: std::collections::BTreeSet<_> = living.iter().filter_map(|path| path.file_name()).collect();
        assert_eq!(names.len(), living.len(), "{what}: {living:?}");
        if kill % 2 == 0 {
            // A cycle in between starts what is down, and clears what a move has left.
            colony.done(&["run"]);
            assert_eq!(keys(&colony), before, "{what}");
            each_is_there_once(&colony);
        }
        if !colony.stored().settings["node_storage"].split(',').any(|storage| storage == from) {
            ended += 1;
        }
    }
    println!("{ended} moves ended in between");
    let last = place(&colony, "last");
    for from in ["nodes", "disk2"].map(|disk| place(&colony, disk)) {
        if colony.stored().settings["node_storage"].split(',').any(|storage| storage == from) {
            let began = Instant::now();
            colony.done(&["move-storage", &last, "--from", &from]);
            println!("the last move took {:.1?}", began.elapsed());
        }
    }
    assert_eq!((keys(&colony), spread(&colony)), (before, BTreeMap::from([("last".to_owned(), NODES)])));
    colony.cycle_until_running(NODES);
    each_is_there_once(&colony);
    assert_eq!(colony.stored().moves, []);
}

fn an_interrupted_move_finishes_the_node_in_hand_and_leaves_the_others_running() {
    let colony = with_nodes(3);
    let before = keys(&colony);
    for number in 1..=3 {
        fs::write(colony.node_dir(number).join("records"), vec![7; 64 << 20]).expect("there is room");
    }
    let other = place(&colony, "disk2");
    let child = colony.command(&["move-storage", &other]).stdout(Stdio::null()).stderr(Stdio::null()).spawn();
    let mut child = child.expect("wnm is started");
    let deadline = Instant::now() + Duration::from_secs(30);
    while !Path::new(&other).join("antnode0001").exists() {
        assert!(Instant::now() < deadline, "it begins");
        std::thread::sleep(Duration::from_millis(5));
    }
    let pid = rustix::process::Pid::from_child(&child);
    rustix::process::kill_process(pid, rustix::process::Signal::INT).expect("it is there");
    assert_eq!(child.wait().expect("it ends").code(), Some(130));
    assert_eq!(colony.processes().len(), 3, "all run, wherever they are");
    each_is_there_once(&colony);
    colony.done(&["move-storage", &other, "--from", &place(&colony, "nodes")]);
    assert_eq!((keys(&colony), spread(&colony)), (before, BTreeMap::from([("disk2".to_owned(), 3)])));
    assert_eq!(colony.processes().len(), 3);
}

wnm_testing::trials! {
    &[] =>
        all_nodes_are_moved_and_run_again_with_what_they_had,
        the_nodes_of_one_of_several_disks_are_moved_to_another_of_them,
        what_is_in_the_way_is_named_and_nothing_is_done,
        an_interrupted_move_finishes_the_node_in_hand_and_leaves_the_others_running,
        a_move_that_is_killed_at_any_moment_loses_no_key_and_goes_on;
    &[Mount] =>
        a_disk_that_is_too_small_is_refused_with_the_figures,
        nodes_are_moved_between_file_systems;
}
