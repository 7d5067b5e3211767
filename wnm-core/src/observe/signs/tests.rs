use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::*;

const ID: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";

/// A node's directory, looked at again and again.
struct Scene {
    directory: TempDir,
    kept: BTreeMap<NodeId, Memory>,
}

impl Scene {
    fn new() -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        fs::create_dir(directory.path().join("logs")).expect("it is made");
        Self { directory, kept: BTreeMap::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let path = self.path(name);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("/"))).expect("it is made");
        fs::write(path, text).expect("it is written");
    }

    fn peers(&self, name: &str, count: usize) {
        let peers = vec!["{\"peer_id\":\"x\",\"addresses\":[]}"; count].join(",");
        self.write(name, &format!("{{\"owner\":\"{ID}\",\"saved_at_epoch_secs\":1,\"peers\":[{peers}]}}"));
    }

    fn log(&self, text: &str) {
        let path = self.path("logs/ant-node.2026-11-27.log");
        let before = fs::read_to_string(&path).unwrap_or_default();
        fs::write(path, before + text).expect("it is written");
    }

    fn look(&mut self) -> Signs {
        let root_dir = self.directory.path().to_owned();
        let log_dir = root_dir.join("logs");
        let target = Target { id: NodeId(1), root_dir, log_dir, port: None, process: None };
        let (mut signs, changed) = look(&[target], &self.kept, 1_790_000_000);
        // What is kept survives the database.
        let text = |memory: &Memory| serde_json::to_string(memory).expect("it is written");
        let read = |memory: &Memory| serde_json::from_str(&text(memory)).expect("it is read");
        self.kept.extend(changed.iter().map(|(id, memory)| (*id, read(memory))));
        signs.remove(&NodeId(1)).expect("it was looked at")
    }
}

#[test]
fn nothing_is_known_of_a_node_that_has_written_nothing() {
    assert_eq!(Scene::new().look(), Signs::default());
    let gone =
        Target { id: NodeId(1), root_dir: "/nowhere".into(), log_dir: "/nowhere".into(), port: None, process: None };
    assert_eq!(look(&[gone], &BTreeMap::new(), 0).0[&NodeId(1)], Signs::default());
}

#[test]
fn peers_are_counted_in_the_newest_of_its_files_and_a_broken_one_tells_nothing() {
    let mut scene = Scene::new();
    scene.peers("close_group_cache.json", 3);
    let signs = scene.look();
    assert_eq!((signs.peers, signs.peer_id.as_deref()), (Some(3), Some(ID)));
    assert!(signs.moved_at.is_some() && signs.fault.is_none());
    scene.peers("routing_snapshot.json", 12);
    assert_eq!(scene.look().peers, Some(12));
    scene.write("routing_snapshot.json", "{\"peers\":[1,2");
    assert_eq!(scene.look().peers, Some(3), "half a file is none");
    fs::remove_file(scene.path("close_group_cache.json")).expect("it was there");
    assert_eq!(scene.look().peers, None);
}

#[test]
fn what_a_log_says_is_heard_once_and_a_new_start_begins_anew() {
    let mut scene = Scene::new();
    let start = "2026-11-27T10:00:00.1Z  INFO ant_node: ant-node starting version=\"0.23.1\" commit=\"abc\"\n";
    scene.log(start);
    scene.log(&format!("… INFO ant_node::node: Node identity resolved peer_id={ID} root_dir=/srv\n… Routing table re"));
    let signs = scene.look();
    assert_eq!(signs.version, Some(Version::new(0, 23, 1)));
    assert_eq!((signs.peer_id.as_deref(), signs.peers), (Some(ID), None));
    scene.log("ady: 17 peers (reachability classification pending)\n");
    assert_eq!(scene.look().peers, Some(17), "a line is read when it is whole");
    scene.log("… Exiting with code 0 for upgrade restart\n");
    let signs = scene.look();
    assert!(signs.left_to_upgrade);
    scene.log(&start.replace("0.23.1", "0.23.2"));
    let signs = scene.look();
    assert!(!signs.left_to_upgrade && signs.peers.is_none());
    assert_eq!(signs.version, Some(Version::new(0, 23, 2)));
    scene.write("logs/ant-node.2026-11-28.log", &start.replace("0.23.1", "0.23.3"));
    assert_eq!(scene.look().version, Some(Version::new(0, 23, 3)), "the next day has a log of its own");
}

#[test]
fn a_line_without_end_is_passed_over_and_costs_no_more_than_a_limit() {
    let mut scene = Scene::new();
    scene.log(&"x".repeat(3 << 20));
    assert_eq!(scene.look().version, None);
    scene.log(" ant-node starting version=\"9.9.9\"\nant-node starting version=\"0.23.1\"\n");
    assert_eq!(scene.look().version, Some(Version::new(0, 23, 1)));
}

#[test]
fn nothing_of_a_nodes_is_followed_and_nothing_huge_is_read() {
    let mut scene = Scene::new();
    fs::remove_dir(scene.path("logs")).expect("it was there");
    symlink("/etc", scene.path("logs")).expect("a link is made");
    let fault = |scene: &mut Scene| {
        scene.look().fault.unwrap_or_default().replace(&scene.path("").display().to_string(), "DIR/")
    };
    assert_eq!(fault(&mut scene), "DIR/logs is not a directory: it is left unread");
    fs::remove_file(scene.path("logs")).expect("it was there");
    symlink("/etc/passwd", scene.path("routing_snapshot.json")).expect("a link is made");
    assert_eq!(fault(&mut scene), "DIR/routing_snapshot.json is not a file: it is left unread");
    fs::remove_file(scene.path("routing_snapshot.json")).expect("it was there");
    let huge = fs::File::create(scene.path("routing_snapshot.json")).expect("it is made");
    huge.set_len(2 << 30).expect("it grows");
    assert_eq!(
        fault(&mut scene),
        "DIR/routing_snapshot.json has 2147483648 bytes, more than a node writes there: it is left unread"
    );
    fs::remove_file(scene.path("routing_snapshot.json")).expect("it was there");
    rustix::fs::mknodat(
        rustix::fs::CWD,
        scene.path("routing_snapshot.json"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .expect("a pipe is made");
    assert_eq!(fault(&mut scene), "DIR/routing_snapshot.json is not a file: it is left unread", "and nothing waits");
}

#[test]
fn records_are_counted_a_share_at_a_time_and_are_unknown_until_all_were() {
    let mut scene = Scene::new();
    let record = |scene: &Scene, shard: u8, last: u8| {
        scene.write(&format!("chunks/{shard:02x}/{}{last:02x}", "ab".repeat(31)), &"r".repeat(2048));
    };
    for shard in 0..=255 {
        record(&scene, shard, 0);
    }
    scene.write("chunks/00/.tmp.1.1", "half");
    let signs = scene.look();
    assert_eq!((signs.records, signs.stored_bytes, signs.has_grown), (Some(256), Some(256 * 2048), false));
    record(&scene, 255, 1);
    let signs = scene.look();
    assert_eq!((signs.records, signs.has_grown), (Some(257), true));

    let root = Directory::open(scene.directory.path()).expect("it is read").expect("it is there");
    let mut memory = chunks::Memory::default();
    let looks = (1..).find(|_| memory.look(&root, 100).expect("it is read").records.is_some()).expect("at last");
    assert!((10..20).contains(&looks), "{looks}");
}
