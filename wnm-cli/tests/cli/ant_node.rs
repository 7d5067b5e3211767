//! The real ant-node, offline: five that find each other on the loopback, under setsid, in a container group and as units of
//! systemd.

#![expect(clippy::disallowed_methods, reason = "a test takes the time")]

use std::fs;
use std::net::UdpSocket;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use wnm_testing::Need::{S6Image, SystemdImage, Tool};
use wnm_testing::{Colony, on_machine, tool};

use crate::containers::Groups;
use crate::systemd::{INIT, run, wnm};

/// Nodes that need no network but the loopback.
const OFFLINE: &str = "--environment=ANT_NETWORK_MODE=development";

/// The arguments with which nodes find the first one.
fn start_args(port_start: u16) -> String {
    format!("--start_args=--ipv4-only --bootstrap 127.0.0.1:{port_start}001")
}

fn nodes(colony: &Colony) -> Vec<Value> {
    colony.done(&["status", "--json"]).json()["nodes"].as_array().cloned().unwrap_or_default()
}

/// Cycles until something is so, and answers with the nodes and with how long that took.
fn until(what: &str, colony: &Colony, is_so: impl Fn(&[Value]) -> bool) -> (Vec<Value>, Duration) {
    let began = Instant::now();
    loop {
        colony.done(&["run"]);
        let nodes = nodes(colony);
        if is_so(&nodes) {
            return (nodes, began.elapsed());
        }
        assert!(began.elapsed() < Duration::from_mins(3), "{what}: {nodes:#?}");
        std::thread::sleep(Duration::from_millis(500));
    }
}

fn is(nodes: &[Value], field: &str, value: &Value) -> bool {
    !nodes.is_empty() && nodes.iter().all(|node| node[field] == *value)
}

fn know_peers(nodes: &[Value]) -> bool {
    is(nodes, "status", &json!("RUNNING")) && is(nodes, "health_from", &json!("peers"))
}

fn peer_ids(nodes: &[Value]) -> Vec<&str> {
    nodes.iter().filter_map(|node| node["peer_id"].as_str().filter(|id| id.len() == 64)).collect()
}

/// Whether it was told that a node ended and came back; it depends on the moment of the look whether its manager has started
/// it yet.
fn is_told(why: &str) -> bool {
    why.contains("its process manager started it again") || why.contains("waiting for its process manager to start it")
}

/// What an upgrade of its own does: another file takes the place of the program, and the node ends with exit code 0.
fn replace_program(directory: &Path) {
    let program = directory.join("ant-node");
    let new = directory.join("ant-node.upgrade");
    fs::copy(&program, &new).and_then(|_| fs::rename(&new, &program)).expect("the program is replaced");
}

fn five_find_each_other_and_come_back_as_who_they_were() {
    let colony = Colony::new(crate::WNM);
    colony.install(&tool("ant-node").expect("this test needs it"));
    let arguments = start_args(colony.ports().port_start);
    colony.init(&[], &["--node_cap=5", "--delay_start=300", OFFLINE, &arguments]);
    colony.done(&["add", "--count", "5"]);
    let (first, took) = until("all know peers", &colony, know_peers);
    assert_eq!(
        (peer_ids(&first).len(), &first[0]["version"], &first[0]["flavour"]),
        (5, &json!("0.23.1"), &json!("v2"))
    );
    assert!(first[0]["metrics"]["memory_megabytes"].as_f64().is_some_and(|memory| memory > 10.0), "{first:#?}");
    assert!(took < Duration::from_mins(2), "{took:?}");
    colony.agrees();

    colony.done(&["stop", "1"]);
    let port = first[0]["ports"]["node"].as_u64().and_then(|port| u16::try_from(port).ok()).expect("it has a port");
    let taken = UdpSocket::bind(("127.0.0.1", port)).expect("the port is free");
    let refused = colony.wnm(&["start", "1"]);
    assert!(refused.code == 3 && refused.stderr.contains(&format!("UDP port {port} is in use")), "{refused:?}");
    drop(taken);
    a_directory_in_use_is_named(&colony);
    colony.done(&["start", "1"]);
    colony.kill(colony.pid(2));
    replace_program(&colony.node_dir(3));
    colony.done(&["restart", "3"]);
    // The first, which the others find one another by, writes down its peers only every ten minutes or so.
    let are_back = |nodes: &[Value]| is(nodes, "status", &json!("RUNNING")) && know_peers(&nodes[1..]);
    let (again, _) = until("all are back", &colony, are_back);
    assert_eq!(peer_ids(&again), peer_ids(&first), "they are who they were");
    let why = colony.done(&["why", "2"]).stdout;
    assert!(why.contains("its process is gone"), "{why}");

    let backup = colony.path().join("backup.tar").display().to_string();
    colony.done(&["backup", &backup]);
    colony.done(&["teardown", "--confirm"]);
    assert_eq!(colony.processes(), []);
    fs::remove_file(colony.database()).expect("it is put away");
    colony.done(&["restore", &backup]);
    let (restored, _) = until("all are back", &colony, are_back);
    assert_eq!(peer_ids(&restored), peer_ids(&first), "they are who they were");
    colony.done(&["teardown", "--confirm"]);
}

/// Whether a process holds the lock of a file: `7: FLOCK  ADVISORY  WRITE 812 fe:00:4711 0 EOF`.
fn has_locked(pid: u32, file: &Path) -> bool {
    let Ok(inode) = fs::metadata(file).map(|file| file.ino()) else { return false };
    let locks = fs::read_to_string("/proc/locks").unwrap_or_default();
    locks.lines().any(|lock| {
        let words: Vec<&str> = lock.split_whitespace().collect();
        words.contains(&"FLOCK")
            && words.contains(&pid.to_string().as_str())
            && words.iter().any(|word| word.ends_with(&format!(":{inode}")))
    })
}

/// Somebody runs another node in the directory of the first, which is stopped.
fn a_directory_in_use_is_named(colony: &Colony) {
    let directory = colony.node_dir(1).display().to_string();
    let wallet = format!("0x{}", "1".repeat(40));
    let words = [
        "--root-dir",
        &directory,
        "--port",
        "0",
        "--disable-webrtc-direct",
        "--ipv4-only",
        "--rewards-address",
        &wallet,
    ];
    let mut other = Command::new(tool("ant-node").expect("this test needs it"));
    other.args(words).env("ANT_NETWORK_MODE", "development").stdout(Stdio::null()).stderr(Stdio::null());
    let mut other = other.spawn().expect("it can be run");
    let began = Instant::now();
    while !has_locked(other.id(), &colony.node_dir(1).join("chunks/.lock")) {
        assert!(began.elapsed() < Duration::from_mins(1), "the other node opens its store");
        std::thread::sleep(Duration::from_millis(100));
    }
    let (began, mut said) = (Instant::now(), colony.wnm(&["start", "1"]).stderr);
    while !said.contains("Another process already has the chunk store") {
        assert!(began.elapsed() < Duration::from_mins(1), "{said}");
        said = colony.wnm(&["run"]).stderr + &colony.done(&["status"]).stdout;
        std::thread::sleep(Duration::from_millis(300));
    }
    other.kill().and_then(|()| other.wait()).expect("it ends");
}

fn a_group_keeps_them_and_tells_when_one_started_again() {
    let groups = Groups::bare();
    let colony = &groups.colony;
    colony.install(&tool("ant-node").expect("this test needs it"));
    let (image, arguments) =
        (format!("--docker_image={}", wnm_testing::s6_image()), start_args(colony.ports().port_start));
    let sizes = ["--max_node_per_container=5", "--min_container_count=1", "--node_cap=5", "--delay_start=300"];
    colony.init(&[], &[&sizes[..], &[&image, OFFLINE, &arguments, "--webrtc_port_start=50"]].concat());
    colony.done(&["add", "--count", "5"]);
    let (first, _) = until("all know peers", colony, know_peers);
    let ranges = colony.done(&["groups", "--json"]).json()[0]["ports"].clone();
    assert_eq!(ranges["webrtc"], json!({"first": 50_001, "last": 50_005}));
    assert!(ranges["metrics"].is_null(), "nothing listens there: {ranges}");

    replace_program(&colony.node_dir(2));
    let pid = first[1]["pid"].as_i64().and_then(|pid| i32::try_from(pid).ok()).expect("its process is seen");
    let pid = rustix::process::Pid::from_raw(pid).expect("it is one");
    rustix::process::kill_process(pid, rustix::process::Signal::TERM).expect("it is told to end");
    let is_another = |nodes: &[Value]| know_peers(nodes) && nodes[1]["pid"] != first[1]["pid"];
    let (again, _) = until("it is back", colony, is_another);
    assert_eq!(peer_ids(&again), peer_ids(&first), "they are who they were");
    assert!(is_told(&colony.done(&["why", "2"]).stdout));
    colony.done(&["teardown", "--confirm"]);
}

fn as_units() {
    let program = tool("ant-node").expect("this test needs it");
    run("cp", &format!("{} /var/tmp/ant-node", program.display()));
    fs::create_dir_all("/root/.config/wnm").and_then(|()| {
        fs::write(
            "/root/.config/wnm/v2.toml",
            "environment = \"ANT_NETWORK_MODE=development\"\nstart_args = \"--ipv4-only --bootstrap 127.0.0.1:55001\"\n",
        )
    })
    .expect("a file of settings is written");
    let settings = "--config /root/.config/wnm/v2.toml --node_flavour v2 --antnode_path /var/tmp/ant-node";
    wnm(&format!("init --process_manager systemd+sudo {settings} {INIT}"));
    wnm("add --count 3");
    let status = || -> Vec<Value> {
        let status: Value = serde_json::from_str(&wnm("status --json")).expect("it is JSON");
        status["nodes"].as_array().cloned().unwrap_or_default()
    };
    let wait = |is_so: &dyn Fn(&[Value]) -> bool| {
        let began = Instant::now();
        loop {
            wnm("run");
            let nodes = status();
            if is_so(&nodes) {
                return nodes;
            }
            assert!(began.elapsed() < Duration::from_mins(3), "{nodes:#?}");
            std::thread::sleep(Duration::from_millis(500));
        }
    };
    let first = wait(&know_peers);
    run("systemctl", "kill --signal=TERM antnode0002.service");
    let again = wait(&|nodes| know_peers(nodes) && nodes[1]["pid"] != first[1]["pid"]);
    assert_eq!(peer_ids(&again), peer_ids(&first), "they are who they were");
    assert!(is_told(&wnm("why 2")));
    wnm("teardown --confirm");
}

fn systemd_keeps_them() {
    on_machine("root", "ant_node::systemd_keeps_them", async || as_units());
}

wnm_testing::trials! {
    &[Tool("ant-node")] => five_find_each_other_and_come_back_as_who_they_were;
    &[Tool("ant-node"), S6Image] => a_group_keeps_them_and_tells_when_one_started_again;
    &[Tool("ant-node"), SystemdImage] => systemd_keeps_them;
}
