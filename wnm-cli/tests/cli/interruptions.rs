//! Signals, pipes that close, and a second wnm at the same time.

use std::io::{BufRead, BufReader, Read};
use std::process::Stdio;

use rustix::process::{Pid, Signal, kill_process};
use wnm_core::lock::Lock;

use crate::{machine, running};

/// Adds four nodes one after the other, and is sent a signal once the first is being carried out.
fn interrupted_by(signal: Signal) {
    let colony = machine(&["--node_cap=4", "--action_delay=1000"]);
    let mut child = colony
        .command(&["add", "--count", "4", "-vv"])
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("wnm is started");
    let mut log = BufReader::new(child.stderr.take().expect("it has a standard error")).lines();
    let begun = log.by_ref().map_while(Result::ok).any(|line| line.contains("Recorded"));
    assert!(begun, "it began");
    let pid = Pid::from_child(&child);
    kill_process(pid, signal).expect("it can be sent a signal");
    let mut answer = String::new();
    child.stdout.take().expect("it has a standard output").read_to_string(&mut answer).expect("it answers");
    for _ in log {}
    let code = child.wait().expect("it ends").code();
    assert_eq!(code, Some(130), "{answer}");
    let done = colony.statuses().len();
    assert!((1..4).contains(&done), "{answer}");
    assert!(answer.contains(&format!("Interrupted, not begun:\n  add antnode{:04} (0.4.17)\n", done + 1)), "{answer}");
    assert_eq!(colony.processes().len(), done);
    colony.cycle_until_running(4);
    colony.agrees();
}

fn ctrl_c_finishes_the_node_in_hand_and_says_where_it_stopped() {
    interrupted_by(Signal::INT);
}

fn f66_sigterm_leaves_a_record_that_agrees() {
    interrupted_by(Signal::TERM);
}

fn a_closed_pipe_is_no_error() {
    let colony = running(1);
    for words in [["status", "--json"], ["plan", "--json"], ["config", "--json"]] {
        let mut child =
            colony.command(&words).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("wnm is started");
        drop(child.stdout.take());
        let output = child.wait_with_output().expect("it ends");
        assert!(output.status.success(), "{words:?}: {output:?}");
        assert!(output.stderr.is_empty(), "{words:?}: {output:?}");
    }
}

fn a_second_wnm_is_told_who_is_at_work() {
    let colony = machine(&[]);
    let lock = Lock::acquire(&colony.database(), "wnm").expect("the lock is free");
    let run = colony.wnm(&["run"]);
    assert_eq!(run.code, 5, "{run:?}");
    assert!(run.stderr.contains(&format!("{}", std::process::id())), "{run:?}");
    drop(lock);
    colony.done(&["run", "--node_cap=0"]);
}

fn two_at_once_add_nothing_twice() {
    let colony = machine(&["--node_cap=3"]);
    let children: Vec<_> = (0..4)
        .map(|_| colony.command(&["run"]).stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("wnm is started"))
        .collect();
    let codes: Vec<_> = children.into_iter().map(|mut child| child.wait().expect("it ends").code()).collect();
    assert!(codes.iter().all(|code| matches!(code, Some(0 | 5))), "{codes:?}");
    colony.cycle_until_running(3);
    colony.agrees();
}

wnm_testing::trials! {
    &[] =>
        ctrl_c_finishes_the_node_in_hand_and_says_where_it_stopped,
        f66_sigterm_leaves_a_record_that_agrees,
        a_closed_pipe_is_no_error,
        a_second_wnm_is_told_who_is_at_work,
        two_at_once_add_nothing_twice;
}
