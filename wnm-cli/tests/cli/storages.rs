//! Nodes on several disks.

#![expect(clippy::disallowed_methods, reason = "tests mount file systems")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use wnm_testing::Colony;
use wnm_testing::Need::Mount;

use crate::{bare, steady};

/// A machine with nodes on these disks, directories of its own.
pub(crate) fn on_disks(disks: &[&str], settings: &[&str]) -> Colony {
    let colony = bare();
    colony.leave_storage_to_the_database();
    let storages: Vec<String> = disks.iter().map(|disk| colony.path().join(disk).display().to_string()).collect();
    let flag = format!("--node_storage={}", storages.join(","));
    colony.init(&[], &[&[flag.as_str()], settings].concat());
    colony
}

/// How many nodes lie on each disk.
pub(crate) fn spread(colony: &Colony) -> BTreeMap<String, usize> {
    let mut spread = BTreeMap::new();
    for node in colony.stored().nodes {
        let disk = node.spec().root_dir.parent().and_then(Path::file_name).expect("it lies on a disk");
        *spread.entry(disk.to_string_lossy().into_owned()).or_insert(0) += 1;
    }
    spread
}

/// A file system of its own, of so many bytes.
pub(crate) struct Disk(PathBuf);

impl Disk {
    pub(crate) fn mount(place: PathBuf, bytes: u64) -> Self {
        fs::create_dir_all(&place).expect("it is made");
        let size = format!("size={bytes}");
        let words: [&std::ffi::OsStr; 6] =
            ["-t".as_ref(), "tmpfs".as_ref(), "-o".as_ref(), size.as_ref(), "wnm-test".as_ref(), place.as_os_str()];
        let mounted = Command::new("mount").args(words).status().expect("mount can be run");
        assert!(mounted.success());
        Self(place)
    }

    /// Something else than nodes takes space there.
    fn fill(&self, bytes: usize) {
        fs::write(self.0.join("else"), vec![0; bytes]).expect("there is room");
    }
}

impl Drop for Disk {
    fn drop(&mut self) {
        // Whose program lies on what is unmounted is not found any more by the test that ends.
        for entry in fs::read_dir("/proc").into_iter().flatten().flatten() {
            let pid = entry.file_name().to_str().and_then(|name| name.parse().ok());
            let program = fs::read_link(entry.path().join("exe"));
            if program.is_ok_and(|program| program.starts_with(&self.0)) {
                let pid = pid.and_then(rustix::process::Pid::from_raw);
                let _ = pid.map(|pid| rustix::process::kill_process(pid, rustix::process::Signal::KILL));
            }
        }
        let _ = Command::new("umount").arg("--lazy").arg(&self.0).status();
    }
}

fn nodes_are_spread_over_the_disks_and_each_is_shown() {
    let colony = on_disks(&["nodes", "disk2"], &["--node_cap=4"]);
    colony.cycle_until_running(4);
    assert_eq!(spread(&colony), BTreeMap::from([("disk2".to_owned(), 2), ("nodes".to_owned(), 2)]));
    colony.agrees();
    let status = colony.done(&["status", "--json"]).json();
    let disks = status["disks"].as_array().expect("there are disks");
    let shown: Vec<_> = disks.iter().map(|disk| (disk["directory"].as_str(), disk["nodes"].as_u64())).collect();
    let directory = |name: &str| colony.path().join(name).display().to_string();
    let (one, two) = (directory("nodes"), directory("disk2"));
    assert_eq!(shown, [(Some(one.as_str()), Some(2)), (Some(two.as_str()), Some(2))]);
    assert!(disks.iter().all(|disk| disk["mounted"] == true && disk["room_bytes"].is_i64()), "{status}");
    let text = steady(&colony, &colony.done(&["status"]).stdout);
    let lines: Vec<&str> = text.lines().filter(|line| line.starts_with("Disk ")).collect();
    assert!(
        lines.len() == 2 && lines[1].starts_with("Disk [DIR]/disk2: ") && lines[1].contains(" %, 2 nodes, room for ")
    );
    for words in [&["plan", "--json"][..], &["doctor", "--json"]] {
        let answer = colony.wnm(words).json();
        assert_eq!(answer["disks"].as_array().map(Vec::len), Some(2), "{answer}");
    }
    let survey = colony.done(&["survey", "--json"]).json();
    assert_eq!(survey["untracked"].as_array().map(Vec::len), Some(0), "{survey}");
    let backup = colony.path().join("backup");
    colony.done(&["backup", backup.to_str().expect("temporary paths are UTF-8")]);
    colony.done(&["teardown", "--confirm"]);
    assert_eq!((colony.processes(), colony.stored().nodes), (vec![], vec![]));
}

fn a_disk_is_added_and_taken_away_when_no_node_lies_on_it() {
    let colony = on_disks(&["nodes"], &["--node_cap=2"]);
    colony.cycle_until_running(2);
    let place = |name: &str| colony.path().join(name).display().to_string();
    let (one, two) = (place("nodes"), place("disk2"));
    let set = |value: &str| colony.wnm(&["config", "set", &format!("node_storage={value}")]);
    let dry = colony.done(&["config", "set", &format!("node_storage={one},{two}"), "--dry-run"]);
    assert!(!Path::new(&two).exists(), "{dry:?}");
    assert_eq!(set(&format!("{one},{two}")).code, 0);
    assert!(Path::new(&two).join(".wnm-storage").is_file());
    let refused = set(&two);
    assert_eq!(refused.code, 4);
    assert_snapshot!(steady(&colony, &refused.stderr), @"
    error: node_storage must keep [DIR]/nodes, where antnode0001–0002 live
    hint: `wnm move-storage DIR --from [DIR]/nodes` to move its nodes to another disk
    ");
    colony.done(&["config", "set", "node_cap=4"]);
    colony.cycle_until_running(4);
    assert_eq!(spread(&colony), BTreeMap::from([("disk2".to_owned(), 2), ("nodes".to_owned(), 2)]));
    let refused = set(&one);
    assert_eq!(refused.code, 4);
    assert_snapshot!(steady(&colony, &refused.stderr), @"
    error: node_storage must keep [DIR]/disk2, where antnode0003–0004 live
    hint: `wnm move-storage DIR --from [DIR]/disk2` to move its nodes to another disk
    ");
    colony.done(&["remove", "3", "4", "--confirm"]);
    colony.done(&["config", "set", &format!("node_storage={one}")]);
    let mark = fs::read_to_string(Path::new(&two).join(".wnm-storage")).expect("it stays");
    assert!(!mark.contains("database="), "it is nobody's any more: {mark}");
    colony.agrees();
}

fn storages_that_cannot_be_used_are_refused_by_name() {
    let colony = on_disks(&["nodes"], &[]);
    let place = |name: &str| colony.path().join(name).display().to_string();
    let one = place("nodes");
    let refused = |value: String| {
        let run = colony.wnm(&["config", "set", &format!("node_storage={value}")]);
        format!("{}: {}", run.code, steady(&colony, &run.stderr))
    };
    assert_snapshot!(refused(format!("{one},{one}/below")), @r#"
    2: error: invalid setting: node_storage = "[DIR]/nodes,[DIR]/nodes/below" (flag --node_storage): [DIR]/nodes/below must not lie in [DIR]/nodes
    hint: name directories that lie beside one another, each on a disk of its own
    "#);
    assert_snapshot!(refused(format!("{one},{one}")), @r#"
    2: error: invalid setting: node_storage = "[DIR]/nodes,[DIR]/nodes" (flag --node_storage): names [DIR]/nodes twice
    hint: name directories that lie beside one another, each on a disk of its own
    "#);
    assert_snapshot!(refused(format!("{one},~/../else")), @r#"2: error: invalid setting: node_storage = "[DIR]/nodes,~/../else" (flag --node_storage): must be a path without .."#);
    fs::write(place("file"), "precious").expect("it is written");
    assert_snapshot!(refused(format!("{one},{}", place("file"))), @"
    1: error: cannot make [DIR]/file the storage of nodes: File exists (os error 17)
    hint: node_storage must be on a mounted disk that this user may write to
    ");
    let other = colony.beside();
    other.leave_storage_to_the_database();
    other.init(&[], &[&format!("--node_storage={}", other.path().join("theirs").display())]);
    let theirs = other.path().join("theirs").display().to_string();
    let taken = refused(format!("{one},{theirs}")).replace(&other.path().display().to_string(), "[OTHER]");
    assert_snapshot!(taken, @"
    4: error: the storage [OTHER]/theirs belongs to another database, [OTHER]/colony.db
    hint: use that database: `--database [OTHER]/colony.db`; or give this database a node_storage of its own; or `wnm init --take-over` if that database is not used any more
    ");
    let in_passing = colony.wnm(&["status", &format!("--node_storage={one},{}", place("disk2"))]);
    assert_snapshot!(format!("{}: {}", in_passing.code, steady(&colony, &in_passing.stderr)), @r#"
    2: error: invalid setting: node_storage = "[DIR]/nodes,[DIR]/disk2" (flag --node_storage): changes only when asked to: here it is "[DIR]/nodes"
    hint: set node_storage
    "#);
    let unset = colony.wnm(&["config", "unset", "node_storage"]);
    assert_snapshot!(format!("{}: {}", unset.code, unset.stderr), @"
    2: error: node_storage is recorded at init and has no default any more
    hint: set node_storage to give it another value
    ");
    assert_eq!(colony.stored().settings["node_storage"], one);
}

fn a_config_file_may_name_them_as_a_list() {
    let colony = bare();
    colony.leave_storage_to_the_database();
    let file = colony.path().join("wnm.toml");
    let (one, two) = (colony.path().join("nodes"), colony.path().join("disk2"));
    let text = format!(
        "node_storage = [{:?}, {:?}]\nrewards_address = \"faucet\"\n",
        one.display().to_string(),
        two.display().to_string()
    );
    fs::write(&file, text).expect("it is written");
    colony.done(&["init", "--config", file.to_str().expect("it is UTF-8")]);
    assert_eq!(colony.stored().settings["node_storage"], format!("{},{}", one.display(), two.display()));
}

fn a_disk_that_fills_up_sheds_its_own_nodes_and_gets_no_more() {
    const SIZE: u64 = 400 << 20;
    let colony = bare();
    let (one, two) = (colony.path().join("nodes"), colony.path().join("disk2"));
    let (_first, second) = (Disk::mount(one.clone(), SIZE), Disk::mount(two.clone(), SIZE));
    colony.leave_storage_to_the_database();
    let storages = format!("--node_storage={},{}", one.display(), two.display());
    colony.init(&[], &[&storages, "--node_cap=4", "--hd_less_than=70", "--hd_remove=80", "--crisis_bytes=1000000"]);
    colony.cycle_until_running(4);
    assert_eq!(spread(&colony), BTreeMap::from([("disk2".to_owned(), 2), ("nodes".to_owned(), 2)]));
    second.fill(335 << 20);
    let plan = colony.done(&["plan", "--json"]).json();
    let removed = plan["plan"]["actions"].as_array().expect("they are a list").len();
    assert_eq!(removed, 2, "{plan}");
    let deadline = Instant::now() + Duration::from_secs(60);
    while spread(&colony) != BTreeMap::from([("nodes".to_owned(), 4)]) {
        assert!(Instant::now() < deadline, "the other disk has room for them: {:?}", spread(&colony));
        colony.done(&["run"]);
    }
    colony.cycle_until_running(4);
    let status = colony.done(&["status", "--json"]).json();
    assert!(status["host"]["used_hd_percent"].as_f64() > Some(80.0), "the fullest: {status}");
    colony.agrees();
}

fn a_disk_that_is_not_mounted_loses_no_node_and_gets_none() {
    let colony = bare();
    let (one, two) = (colony.path().join("nodes"), colony.path().join("disk2"));
    let disk = Disk::mount(two.clone(), 400 << 20);
    colony.leave_storage_to_the_database();
    let storages = format!("--node_storage={},{}", one.display(), two.display());
    colony.init(&[], &[&storages, "--node_cap=2", "--crisis_bytes=1000000"]);
    colony.done(&["config", "set", &format!("node_storage={},{}", two.display(), one.display())]);
    colony.done(&["run"]);
    let before = spread(&colony);
    for (pid, _) in colony.processes() {
        colony.kill(pid);
    }
    drop(disk);
    let text = steady(&colony, &colony.done(&["status"]).stdout);
    assert!(text.contains("Disk [DIR]/disk2: not mounted, "), "{text}");
    colony.done(&["config", "set", "node_cap=4"]);
    colony.done(&["run"]);
    colony.done(&["run"]);
    let after = spread(&colony);
    assert_eq!(after.get("disk2"), before.get("disk2"), "none is given up, and none is added");
    assert_eq!(colony.stored().nodes.len(), 4);
}

wnm_testing::trials! {
    &[] =>
        nodes_are_spread_over_the_disks_and_each_is_shown,
        a_disk_is_added_and_taken_away_when_no_node_lies_on_it,
        storages_that_cannot_be_used_are_refused_by_name,
        a_config_file_may_name_them_as_a_list;
    &[Mount] =>
        a_disk_that_fills_up_sheds_its_own_nodes_and_gets_no_more,
        a_disk_that_is_not_mounted_loses_no_node_and_gets_none;
}
