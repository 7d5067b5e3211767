//! The test node behaves as the real antnode 0.4.17 does, wherever wnm looks: the same is asked of both.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::collections::BTreeSet;
use std::fs;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpListener, TcpStream, UdpSocket};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use wnm_pm::node::NodeSpec;
use wnm_testing::Need::Tool;
use wnm_testing::{ContractWorld, HostWorld, metrics_port, node_port, test_node, test_node_that, tool};

/// A program and where it runs.
struct Bed {
    program: PathBuf,
    world: HostWorld,
    _directory: tempfile::TempDir,
}

impl Bed {
    fn new(program: PathBuf) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        Self { program, world: HostWorld::new(directory.path()), _directory: directory }
    }

    fn spec(&self, number: u32) -> NodeSpec {
        NodeSpec { start_args: vec!["--first".to_owned()], ..self.world.spec(number) }
    }

    fn start(&self, spec: &NodeSpec) -> Node {
        fs::create_dir_all(&spec.root_dir).expect("it is made");
        let said = fs::File::options().append(true).create(true).open(spec.root_dir.join("said")).expect("it is made");
        let mut command = Command::new(&self.program);
        command
            .args(spec.launch().arguments)
            .stdin(Stdio::null())
            .stdout(said.try_clone().expect("it is open"))
            .stderr(said);
        Node(command.spawn().expect("it can be run"))
    }

    fn refuses(&self, arguments: &[&str]) -> Option<i32> {
        let output = Command::new(&self.program).args(arguments).output().expect("it can be run");
        output.status.code()
    }
}

/// A running node, ended when dropped.
struct Node(Child);

impl Node {
    fn signal(&self, signal: Signal) {
        let pid = i32::try_from(self.0.id()).ok().and_then(Pid::from_raw).expect("a pid");
        kill_process(pid, signal).expect("it lives");
    }

    /// Whether it has a handler for a signal, as the kernel tells.
    fn catches(&self, signal: Signal) -> bool {
        let status = fs::read_to_string(format!("/proc/{}/status", self.0.id())).unwrap_or_default();
        let caught = status.lines().find_map(|line| line.strip_prefix("SigCgt:"));
        let mask = caught.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok());
        mask.is_some_and(|mask| mask & (1 << (signal.as_raw() - 1)) != 0)
    }

    fn ends(&mut self) -> ExitStatus {
        let mut status = None;
        eventually("it ends", || {
            status = self.0.try_wait().expect("it is ours");
            status.is_some()
        });
        status.expect("it ended")
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// All that the node printed.
fn said(spec: &NodeSpec) -> String {
    fs::read_to_string(spec.root_dir.join("said")).unwrap_or_default()
}

fn eventually(what: &str, mut happens: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(30);
    while !happens() {
        assert!(Instant::now() < deadline, "{what}");
        thread::sleep(Duration::from_millis(10));
    }
}

/// What a node answers within a second and a half; waits for its port to open.
fn ask(spec: &NodeSpec, path: &str) -> String {
    let mut stream = None;
    eventually("its port opens", || {
        stream = TcpStream::connect(("127.0.0.1", metrics_port(spec))).ok();
        stream.is_some()
    });
    let mut stream = stream.expect("its port opened");
    write!(stream, "GET {path} HTTP/1.1\r\nhost: localhost\r\nconnection: close\r\n\r\n").expect("it takes a question");
    let enough = Instant::now() + Duration::from_millis(1500);
    let mut answer = Vec::new();
    let mut part = [0; 4096];
    while let Some(left) = enough.checked_duration_since(Instant::now()).filter(|left| !left.is_zero()) {
        stream.set_read_timeout(Some(left)).expect("it is not nothing");
        match stream.read(&mut part) {
            Ok(length @ 1..) => answer.extend_from_slice(&part[..length]),
            _ => break,
        }
    }
    String::from_utf8_lossy(&answer).into_owned()
}

/// Every name that an answer declares, with its type.
fn declared(answer: &str) -> BTreeSet<&str> {
    answer.lines().filter(|line| line.starts_with("# TYPE ")).collect()
}

fn label<'a>(answer: &'a str, name: &str) -> &'a str {
    let (_, rest) = answer.split_once(&format!("{name}=\"")).unwrap_or_else(|| panic!("{name} in {answer}"));
    rest.split('"').next().unwrap_or_default()
}

/// What is asked of either program; answers the metrics that it has.
fn behaves_as_antnode(program: PathBuf) -> [BTreeSet<String>; 2] {
    let bed = Bed::new(program);
    refuses_what_antnode_refuses(&bed);
    let declared = lives_and_answers(&bed);
    dies_of_signals(&bed);
    meets_busy_ports(&bed);
    declared
}

fn refuses_what_antnode_refuses(bed: &Bed) {
    let wallet = "0x03B770D9cD32077cC0bF330c13C114a87643B124";
    assert_eq!(bed.refuses(&["--version"]), Some(0));
    assert_eq!(bed.refuses(&["--first"]), Some(101), "there is no rewards address");
    assert_eq!(bed.refuses(&["--frist"]), Some(2));
    assert_eq!(bed.refuses(&["--rewards-address", wallet, "evm-nowhere"]), Some(2));
    assert_eq!(bed.refuses(&["--rewards-address", "0x12", "--root-dir", "/nonexistent"]), Some(1));
}

fn lives_and_answers(bed: &Bed) -> [BTreeSet<String>; 2] {
    let spec = bed.spec(1);
    let node = bed.start(&spec);
    let metadata = ask(&spec, "/metadata");
    assert!(metadata.starts_with("HTTP/1.1 200 OK\r\n"), "{metadata}");
    assert!(metadata.contains("content-type: application/openmetrics-text;charset=utf-8;version=1.0.0"), "{metadata}");
    assert_eq!(label(&metadata, "antnode_version"), "0.4.17");
    let peer_id = label(&metadata, "peer_id").to_owned();
    assert!(peer_id.starts_with("12D3KooW") && peer_id.len() == 52, "{peer_id}");
    let metrics = ask(&spec, "/metrics");
    assert!(metrics.ends_with("# EOF\n") && metrics.contains("\nant_node_uptime "), "{metrics}");
    assert!(ask(&spec, "/else").starts_with("HTTP/1.1 404 Not Found"));

    let key = fs::metadata(spec.root_dir.join("secret-key")).expect("it has a key");
    assert_eq!((key.len(), key.permissions().mode() & 0o777), (32, 0o600));
    let pid = || fs::read_to_string(spec.root_dir.join("antnode.pid")).unwrap_or_default();
    eventually("it writes its pid", || pid() == node.0.id().to_string());
    for name in ["record_store", "network_key_version", "historic_quoting_metrics"] {
        eventually(name, || spec.root_dir.join(name).exists());
    }
    eventually("it writes a log", || spec.log_dir.join("antnode.log").exists());
    drop(node);

    let again = bed.start(&spec);
    assert_eq!(label(&ask(&spec, "/metadata"), "peer_id"), peer_id, "it is the same node");
    drop(again);
    [&metadata, &metrics].map(|answer| declared(answer).into_iter().map(str::to_owned).collect())
}

fn dies_of_signals(bed: &Bed) {
    let spec = bed.spec(2);
    let mut node = bed.start(&spec);
    eventually("it is ready", || said(&spec).contains("PeerId is"));
    node.signal(Signal::TERM);
    assert_eq!(node.ends().signal(), Some(15), "SIGTERM ends it at once");

    let mut node = bed.start(&spec);
    eventually("it listens for SIGINT", || node.catches(Signal::INT));
    node.signal(Signal::INT);
    assert_eq!(node.ends().code(), Some(1));
    let reason = fs::read_to_string(spec.log_dir.join("critical_failure.log")).expect("it left its reason");
    assert!(reason.contains("Ctrl-C received!"), "{reason}");
}

fn meets_busy_ports(bed: &Bed) {
    let spec = bed.spec(3);
    let _held = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, node_port(&spec))).expect("it is free");
    assert_eq!(bed.start(&spec).ends().code(), Some(101), "it panics");
    let said = said(&spec);
    assert!(said.contains("Multiaddr should be supported by our configured transports"), "{said}");
    assert!(said.contains("code: 98, kind: AddrInUse"), "{said}");

    let spec = bed.spec(4);
    let _held = TcpListener::bind((Ipv4Addr::LOCALHOST, metrics_port(&spec))).expect("it is free");
    let mut node = bed.start(&spec);
    eventually("it complains", || self::said(&spec).contains("error creating server listener: Address already in use"));
    eventually("it is ready all the same", || self::said(&spec).contains("PeerId is"));
    assert_eq!(node.0.try_wait().expect("it is ours"), None, "it runs on without metrics");
}

fn the_test_node_behaves_as_antnode() {
    behaves_as_antnode(test_node("0.4.17"));
}

fn antnode_behaves_so_and_tells_what_the_test_node_tells() {
    let real = behaves_as_antnode(tool("antnode").expect("this test needs it"));
    assert_eq!(real, behaves_as_antnode(test_node("0.4.17")));
}

fn a_copy_of_the_test_node_has_its_own_version_and_misbehaviour() {
    let version = |program: PathBuf| {
        let output = Command::new(program).arg("--version").output().expect("it can be run");
        String::from_utf8_lossy(&output.stdout).lines().next().map(str::to_owned)
    };
    assert_eq!(version(test_node("0.4.18")).as_deref(), Some("Autonomi Node v0.4.18"));
    assert_eq!(version(test_node("0.5.0-rc.1")).as_deref(), Some("Autonomi Node v0.5.0-rc.1"));
    let bed = Bed::new(test_node_that("exit:7:0", "0.4.19"));
    assert_eq!(bed.start(&bed.spec(1)).ends().code(), Some(7));
}

fn a_running_test_node_can_be_turned() {
    let bed = Bed::new(test_node("0.4.17"));
    let spec = bed.spec(1);
    let mut node = bed.start(&spec);
    let peer_id = label(&ask(&spec, "/metadata"), "peer_id").to_owned();
    let turn = |how: &str| fs::write(spec.root_dir.join("misbehave"), how).expect("it is written");

    turn("wrong_peer");
    assert_ne!(label(&ask(&spec, "/metadata"), "peer_id"), peer_id);
    turn("http404");
    assert!(ask(&spec, "/metrics").starts_with("HTTP/1.1 404"));
    turn("half");
    assert!(!ask(&spec, "/metrics").contains("# EOF"));
    turn("garbage");
    assert!(ask(&spec, "/metrics").contains("ant_node_uptime soon"));
    turn("hang");
    assert_eq!(ask(&spec, "/metrics"), "");
    turn("drip");
    let dripped = ask(&spec, "/metrics");
    assert!(dripped.contains("200 OK") && !dripped.contains("ant_node"), "{dripped}");
    turn("");
    assert_eq!(label(&ask(&spec, "/metadata"), "peer_id"), peer_id, "it behaves again");
    turn("dance");
    ask(&spec, "/metadata");
    assert_eq!(node.ends().code(), Some(2), "a word that means nothing ends it");
}

wnm_testing::trials! {
    &[] =>
        the_test_node_behaves_as_antnode,
        a_copy_of_the_test_node_has_its_own_version_and_misbehaviour,
        a_running_test_node_can_be_turned;
    &[Tool("antnode")] => antnode_behaves_so_and_tells_what_the_test_node_tells;
}

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([trials()])
}
