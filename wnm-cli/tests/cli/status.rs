//! `wnm status` as an operator reads it: frozen nodes, order, width, and again and again.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::io::{BufRead, BufReader};
use std::process::Stdio;
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use wnm_core::node::Status;
use wnm_testing::{Colony, test_node_of_v2};

use crate::{machine, running};

fn send(colony: &Colony, number: u32, signal: Signal) {
    let pid = i32::try_from(colony.pid(number)).ok().and_then(Pid::from_raw).expect("a pid");
    kill_process(pid, signal).expect("the process is there");
}

/// What `status` shows of a node: its line of the table, and its row in JSON.
fn shown(colony: &Colony, number: u32) -> (String, Value) {
    let text = colony.done(&["status"]).stdout;
    let name = format!(" antnode{number:04} ");
    let line = text.lines().find(|line| line.starts_with(&name)).unwrap_or_else(|| panic!("{text}"));
    let json = colony.done(&["status", "--json", &number.to_string()]).json();
    (line.to_owned(), json["nodes"][0].clone())
}

fn a_node_that_a_signal_halted_is_frozen_and_restarted_after_its_delay() {
    let colony = running(2);
    colony.done(&["config", "set", "delay_restart=3600"]);
    send(&colony, 2, Signal::STOP);
    let (line, row) = shown(&colony, 2);
    assert!(line.contains("FROZEN") && !line.contains("STOPPED"), "{line}");
    assert_eq!((&row["frozen"], &row["status"]), (&Value::Bool(true), &Value::from("STOPPED")));
    assert_eq!(colony.done(&["status", "--status=frozen", "--json"]).json()["nodes"][0]["number"], 2);
    let text = colony.done(&["status"]).stdout;
    assert!(text.contains("Nodes: 1 RUNNING, 1 FROZEN\n"), "{text}");
    assert!(
        text.contains("antnode0002: its process is halted by a signal (SIGSTOP); SIGCONT would wake it\n"),
        "{text}"
    );
    let run = colony.done(&["run"]).stdout;
    assert!(run.contains("antnode0002: given time to recover before a restart (delay_restart = 3600 s)"), "{run}");
    send(&colony, 2, Signal::CONT);
    colony.cycle_until_running(2);
    assert!(shown(&colony, 2).0.contains("RUNNING"));
    // One that does not wake is restarted.
    let pid = colony.pid(2);
    send(&colony, 2, Signal::STOP);
    colony.done(&["run", "--delay_restart=0"]);
    colony.cycle_until_running(2);
    assert_ne!(colony.pid(2), pid);
    colony.agrees();
}

fn a_v2_node_that_a_signal_halted_is_not_taken_for_running() {
    let colony = machine(&["--node_cap=1"]);
    colony.install(&test_node_of_v2("", "0.23.1"));
    colony.cycle_until_running(1);
    send(&colony, 1, Signal::STOP);
    let (line, row) = shown(&colony, 1);
    assert!(line.contains("FROZEN"), "{line}");
    assert_eq!(row["health_from"], Value::Null);
    colony.cycle_until_running(1);
    colony.agrees();
}

fn a_node_that_does_not_answer_is_frozen() {
    let colony =
        machine(&["--node_cap=1", "--environment=WNM_TEST_NODE=hang", "--delay_start=3600", "--delay_restart=3600"]);
    colony.done(&["run"]);
    colony.done(&["run", "--delay_start=0"]);
    assert_eq!(colony.statuses(), [(1, Status::Stopped)]);
    assert!(shown(&colony, 1).0.contains("FROZEN"));
}

fn nodes_are_shown_in_the_order_that_was_asked_for() {
    let colony = running(3);
    let numbers = |words: &[&str]| {
        let json = colony.done(&[&["status", "--json"], words].concat()).json();
        json["nodes"].as_array().expect("rows").iter().map(|row| row["number"].as_u64()).collect::<Vec<_>>()
    };
    assert_eq!(numbers(&["--reverse"]), [Some(3), Some(2), Some(1)]);
    colony.done(&["stop", "2"]);
    assert_eq!(numbers(&["--sort", "status"]), [Some(1), Some(3), Some(2)]);
    assert_eq!(numbers(&["--status", "stopped"]), [Some(2)]);
    assert_eq!(numbers(&["2-3", "--status=running"]), [Some(3)]);
    assert_eq!(numbers(&["antnode000[13]", "--reverse"]), [Some(3), Some(1)]);
    assert_eq!(numbers(&["--older-than", "1h"]), []);
    assert_eq!(colony.wnm(&["status", "9"]).code, 4);
    let surveyed = colony.done(&["survey", "--status", "STOPPED", "--json"]).json();
    assert_eq!(surveyed["status"]["nodes"].as_array().map(Vec::len), Some(1));
    let wide = colony.done(&["status", "--wide", "3"]).stdout;
    assert!(wide.contains("PEER ID") && wide.ends_with("1 of 3 nodes are shown.\n"), "{wide}");
    let narrow = colony.done(&["status"]).stdout;
    assert!(narrow.lines().all(|line| line.chars().count() <= 80), "{narrow}");
    let run = colony.wnm(&["status", "--sort", "beauty"]);
    assert_eq!(run.code, 2);
    assert!(
        run.stderr.contains("[possible values: number, status, for, age, version, peers, records, memory, cpu]"),
        "{run:?}"
    );
}

fn status_is_shown_anew_until_nobody_reads_it() {
    let colony = running(1);
    let mut command = colony.command(&["status", "--watch=1s", "--json"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("wnm can be run");
    let mut lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    for _ in 0..2 {
        let line = lines.next().expect("there is another one").expect("it is text");
        let frame: Value = serde_json::from_str(&line).expect("each time is a line of JSON");
        assert_eq!(frame["nodes"][0]["status"], "RUNNING");
    }
    drop(lines);
    let deadline = Instant::now() + Duration::from_secs(20);
    let status = loop {
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            break status;
        }
        assert!(Instant::now() < deadline, "it goes on though nobody reads");
        std::thread::sleep(Duration::from_millis(50));
    };
    assert!(status.success(), "{status}");
    for text in ["5", "0s", "often"] {
        assert_eq!(colony.wnm(&["status", &format!("--watch={text}")]).code, 2, "{text}");
    }
}

wnm_testing::trials! {
    &[] =>
        a_node_that_a_signal_halted_is_frozen_and_restarted_after_its_delay,
        a_v2_node_that_a_signal_halted_is_not_taken_for_running,
        a_node_that_does_not_answer_is_frozen,
        nodes_are_shown_in_the_order_that_was_asked_for,
        status_is_shown_anew_until_nobody_reads_it;
}
