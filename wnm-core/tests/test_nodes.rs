//! Real node processes that misbehave, and what is told of them.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tempfile::TempDir;
use wnm_core::node::{NodeId, PortKind, Ports};
use wnm_core::observe::{Limits, ask};
use wnm_core::snapshot::Answer;
use wnm_testing::Need::Tool;
use wnm_testing::{PortBlock, test_node_that, tool};

struct RunningNode {
    process: Child,
    address: SocketAddr,
    directory: TempDir,
}

impl RunningNode {
    fn start(misbehaviour: &str, ports: Ports) -> Self {
        Self::start_program(&test_node_that(misbehaviour, "0.4.17"), ports, |_| {})
    }

    fn start_program(program: &Path, ports: Ports, change: impl FnOnce(&mut Command)) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let mut command = Command::new(program);
        command.arg("--root-dir").arg(directory.path()).arg("--log-output-dest").arg(directory.path().join("logs"));
        let port = |kind| ports.get(kind).expect("it has one of each kind");
        let metrics = port(PortKind::Metrics);
        command.args(["--port", &port(PortKind::Node).to_string(), "--metrics-server-port", &metrics.to_string()]);
        command.args(["--rewards-address", "0x00455d78f850b0358E8cea5be24d415E01E107CF"]);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        change(&mut command);
        let process = command.spawn().expect("it starts");
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, metrics));
        Self { process, address, directory }
    }

    fn wait_until(&self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let deadline = Instant::now() + Duration::from_secs(60);
        while !is_so(self) {
            assert!(Instant::now() < deadline, "{what}: not in a minute");
            std::thread::sleep(Duration::from_millis(10));
        }
    }

    fn is_open(&self) -> bool {
        TcpStream::connect(self.address).is_ok()
    }

    async fn answer(&self) -> Answer {
        let limits = Limits { one_node: Duration::from_millis(1_500), ..Limits::default() };
        ask(&[(NodeId(1), self.address)], &limits).await.pop().expect("an answer to each question").1
    }
}

impl Drop for RunningNode {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

async fn every_misbehaviour_is_told_apart() {
    let block = PortBlock::reserve();
    type Check = fn(&Answer) -> bool;
    let cases: [(&str, Check); 8] = [
        (
            "",
            |answer| matches!(answer, Answer::Node { peer_id: Some(_), version: Some(_), metrics } if metrics.uptime_seconds.is_some()),
        ),
        ("hang", |answer| *answer == Answer::TimedOut),
        ("drip", |answer| *answer == Answer::TimedOut),
        ("flood", |answer| matches!(answer, Answer::Node { .. })),
        ("half", |answer| matches!(answer, Answer::Node { .. })),
        ("garbage", |answer| matches!(answer, Answer::Foreign { .. })),
        ("http404", |answer| matches!(answer, Answer::Foreign { .. })),
        ("wrong_peer", |answer| matches!(answer, Answer::Node { peer_id: Some(_), .. })),
    ];
    let nodes: Vec<_> =
        (1..).zip(&cases).map(|(number, (word, _))| RunningNode::start(word, block.ports(number))).collect();
    let mut peers = Vec::new();
    for (node, (word, is_expected)) in nodes.iter().zip(&cases) {
        node.wait_until(word, RunningNode::is_open);
        let answer = node.answer().await;
        assert!(is_expected(&answer), "{word}: {answer:?}");
        if let (Answer::Node { peer_id: Some(peer_id), .. }, "" | "wrong_peer") = (answer, *word) {
            peers.push(peer_id);
        }
    }
    assert_ne!(peers[0], peers[1]);
}

async fn a_node_without_metrics_refuses() {
    let block = PortBlock::reserve();
    let node = RunningNode::start("no_metrics", block.ports(1));
    node.wait_until("its key", |node| node.directory.path().join("secret-key").exists());
    assert_eq!(node.answer().await, Answer::Refused);
}

async fn the_real_node_answers() {
    let program = tool("antnode").expect("this test needs it");
    let block = PortBlock::reserve();
    let node = RunningNode::start_program(&program, block.ports(1), |command| {
        command.args(["--first", "--no-upnp", "evm-arbitrum-one"]);
    });
    node.wait_until("it listens", RunningNode::is_open);
    match node.answer().await {
        Answer::Node { peer_id: Some(peer_id), version: Some(_), metrics } => {
            assert!(peer_id.starts_with("12D3"), "{peer_id}");
            assert!(metrics.uptime_seconds.is_some() && metrics.rewards.is_some(), "{metrics:?}");
        }
        other => panic!("{other:?}"),
    }
}

wnm_testing::trials! {
    &[] => every_misbehaviour_is_told_apart, a_node_without_metrics_refuses;
    &[Tool("antnode")] => the_real_node_answers;
}

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([trials()])
}
