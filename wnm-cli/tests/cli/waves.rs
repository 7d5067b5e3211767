//! A wave of falls: what ran before is back at once.

#![expect(
    clippy::print_stdout,
    clippy::disallowed_methods,
    reason = "tests kill programs, and print the time they took"
)]

use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use wnm_core::node::Status::Stopped;
use wnm_testing::Colony;

use crate::running;

fn kill_all(colony: &Colony) {
    for (pid, _) in colony.processes() {
        let pid = i32::try_from(pid).ok().and_then(Pid::from_raw).expect("a process id");
        kill_process(pid, Signal::KILL).expect("it lives");
    }
    let deadline = Instant::now() + Duration::from_secs(30);
    while !colony.processes().is_empty() {
        assert!(Instant::now() < deadline, "they do not end");
        std::thread::sleep(Duration::from_millis(20));
    }
}

/// However slowly nodes are added: they ran a moment ago.
fn sixty_nodes_that_were_killed_are_back_after_one_cycle() {
    let colony = running(60);
    colony.done(&["stop", "7"]);
    colony.done(&["config", "set", "max_concurrent_starts=1", "max_concurrent_operations=1", "delay_start=300"]);
    kill_all(&colony);
    let told = colony.done(&["status"]).stdout;
    assert!(told.contains("60 STOPPED"), "{told}");
    let began = Instant::now();
    let run = colony.done(&["run"]);
    println!("59 nodes are back in {:.1?}", began.elapsed());
    assert_eq!(colony.processes().len(), 59, "what its owner stopped stays so: {run:?}");
    assert!(run.stdout.contains("started 59 nodes: antnode0001–0006, antnode0008–0060"), "{run:?}");
    let stopped: Vec<u32> =
        colony.statuses().iter().filter(|(_, status)| *status == Stopped).map(|(id, _)| *id).collect();
    assert_eq!(stopped, [7]);
}

/// What holds them back is said, and how many they are.
fn nodes_that_are_down_are_told_whatever_holds_them_back() {
    let colony = running(3);
    kill_all(&colony);
    let run = colony.done(&["run", "--cpu_less_than", "0", "--cpu_remove", "99"]);
    assert!(run.stdout.contains("antnode0001–0003: down [down]"), "{run:?}");
    assert!(run.stdout.contains("CPU usage is"), "{run:?}");
    colony.done(&["pause"]);
    let run = colony.done(&["run"]);
    assert!(run.stdout.contains("antnode0001–0003: down"), "{run:?}");
    colony.done(&["resume"]);
    colony.done(&["run"]);
    assert_eq!(colony.processes().len(), 3);
}

wnm_testing::trials! {
    &[] =>
        sixty_nodes_that_were_killed_are_back_after_one_cycle,
        nodes_that_are_down_are_told_whatever_holds_them_back;
}
