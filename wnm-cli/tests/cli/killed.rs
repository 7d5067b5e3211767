//! wnm is killed at random moments while it works on nodes in containers: one more run puts everything right.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests kill programs, and print the time they took and the dice they rolled"
)]

use std::process::Stdio;
use std::time::{Duration, Instant};

use wnm_core::node::Status;
use wnm_testing::Need::S6Image;
use wnm_testing::test_node;

use crate::containers::{Groups, docker};

/// Three groups of twenty, as in the sentence that this test holds.
const NODES: usize = 60;

/// How often wnm is killed; more for a longer soak.
fn kills() -> u32 {
    std::env::var("WNM_TEST_KILLS").ok().and_then(|text| text.parse().ok()).unwrap_or(50)
}

/// Numbers that look random and are the same every time: a fault can be seen again.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit
    }
}

/// What a run is doing when it is killed.
fn words(dice: &mut Dice) -> Vec<String> {
    let some = |dice: &mut Dice| (0..5).map(|_| (dice.below(NODES as u64) + 1).to_string()).collect::<Vec<_>>();
    let with = |verb: &str, mut nodes: Vec<String>| {
        nodes.insert(0, verb.to_owned());
        nodes.dedup();
        nodes
    };
    match dice.below(4) {
        0 => with("restart", some(dice)),
        1 => with("restart", vec!["--count".to_owned(), NODES.to_string()]),
        _ => with("run", vec![]),
    }
}

fn a_wnm_killed_at_any_moment_leaves_nothing_that_one_more_run_does_not_put_right() {
    let groups = Groups::of_twenty(NODES);
    let colony = &groups.colony;
    colony.done(&["run"]);
    colony.cycle_until_running(NODES);
    let containers = [0, 1, 2].map(|group| groups.container(group));
    let mut dice = Dice(u64::from(std::process::id()));
    println!("dice: {}", dice.0);
    let began = Instant::now();
    for kill in 0..kills() {
        colony.install(&test_node(if kill % 2 == 0 { "0.4.18" } else { "0.4.17" }));
        let words = words(&mut dice);
        let arguments: Vec<&str> = words.iter().map(String::as_str).collect();
        let mut command = colony.command(&arguments);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("wnm is started");
        let moment = Duration::from_millis(dice.below(2_500));
        std::thread::sleep(moment);
        child.kill().expect("it can be killed");
        child.wait().expect("it ends");
        if kill % 10 == 9 {
            docker(&["kill", &containers[kill as usize / 10 % 3]]);
        }
        let run = colony.wnm(&["run"]);
        let what = format!("kill {kill}, {moment:?} into {words:?}: {run:?}");
        assert!(run.code == 0, "{what}");
        let left = docker(&["ps", "--quiet", "--filter", &groups.label(), "--filter", "label=wnm.role=helper"]);
        assert_eq!(left.as_deref(), Some(""), "no helper is left: {what}");
        are_back(&groups, &what);
    }
    println!("{} kills in {:.0?}", kills(), began.elapsed());
    colony.cycle_until_running(NODES);
    let pending = colony.stored().nodes.into_iter().filter(|node| node.life().pending().is_some()).count();
    assert_eq!(pending, 0);
}

/// All nodes live after that one run: none is about to go down, and none stays down. s6 pauses for a second between two starts
/// of a node.
fn are_back(groups: &Groups, what: &str) {
    let colony = &groups.colony;
    let began = Instant::now();
    while groups.living() != NODES {
        assert!(began.elapsed() < Duration::from_secs(3), "all live: {what}\n{}", colony.done(&["status"]).stdout);
    }
    let stopped = colony.statuses().into_iter().filter(|(_, status)| *status == Status::Stopped).count();
    assert_eq!(stopped, 0, "nothing stays down: {what}");
}

wnm_testing::trials! {
    &[S6Image] => a_wnm_killed_at_any_moment_leaves_nothing_that_one_more_run_does_not_put_right;
}
