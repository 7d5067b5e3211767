//! `wnm logs`: the last lines, what comes after them, and what must not be read.

use std::fs::{self, OpenOptions};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::{Child, Stdio};
use std::sync::mpsc::{Receiver, channel};
use std::time::Duration;

use insta::assert_snapshot;
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use wnm_testing::{Colony, test_node_of_v2};

use crate::{machine, running, steady};

fn log_file(colony: &Colony, number: u32, name: &str) -> PathBuf {
    colony.path().join("logs").join(format!("antnode{number:04}")).join(name)
}

fn write(colony: &Colony, number: u32, text: &str) {
    let path = log_file(colony, number, "antnode.log");
    let mut file = OpenOptions::new().create(true).append(true).open(path).expect("the log is opened");
    file.write_all(text.as_bytes()).expect("it is written");
}

/// A `wnm logs --follow` and the lines that it prints.
struct Following {
    child: Child,
    lines: Receiver<String>,
}

impl Following {
    fn begin(colony: &Colony, words: &[&str]) -> Self {
        let mut command = colony.command(&[&["logs", "--follow"], words].concat());
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::null()).spawn().expect("wnm can be run");
        let stdout = BufReader::new(child.stdout.take().expect("it is piped"));
        let (heard, lines) = channel();
        std::thread::spawn(move || stdout.lines().map_while(Result::ok).try_for_each(|line| heard.send(line)));
        Self { child, lines }
    }

    fn next(&self) -> String {
        self.lines.recv_timeout(Duration::from_secs(20)).unwrap_or_else(|error| panic!("no other line: {error}"))
    }

    /// Waits for this line, and answers with those before it.
    fn until(&self, wanted: &str) -> Vec<String> {
        let mut before = Vec::new();
        loop {
            match self.lines.recv_timeout(Duration::from_secs(20)) {
                Ok(line) if line == wanted => return before,
                Ok(line) => before.push(line),
                Err(error) => panic!("{wanted:?} does not come ({error}) after {before:#?}"),
            }
        }
    }

    fn interrupt(mut self) -> i32 {
        let pid = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).expect("a pid");
        kill_process(pid, Signal::INT).expect("it lives");
        let status = self.child.wait().expect("it ends");
        status.code().or_else(|| status.signal().map(|signal| 128 + signal)).unwrap_or(-1)
    }
}

fn the_last_lines_of_each_log_are_shown_below_its_name() {
    let colony = running(1);
    write(&colony, 1, "one\ntwo\n");
    let text = steady(&colony, &colony.done(&["logs", "1", "-n", "1"]).stdout);
    let own = text.rsplit_once("\n\n").map_or(text.as_str(), |(_, own)| own);
    assert_snapshot!(own, @"
    ==> [DIR]/logs/antnode0001/antnode.log <==
    two
    ");
    assert!(text.starts_with("==> [DIR]/logs/antnode0001/output.log <==\n"), "{text}");
    assert!(colony.done(&["logs", "1", "-n0"]).stdout.is_empty());
    let places = colony.done(&["logs", "1", "--where"]).stdout;
    assert_snapshot!(steady(&colony, &places), @"
    antnode0001  [DIR]/logs/antnode0001/output.log
    antnode0001  [DIR]/logs/antnode0001/antnode.log
    ");
    let json = colony.done(&["logs", "antnode0001", "--where", "--json"]).json();
    assert_eq!(json["nodes"][0]["places"][1]["file"], log_file(&colony, 1, "antnode.log").display().to_string());
}

fn lines_of_several_nodes_begin_with_their_names() {
    let colony = running(2);
    write(&colony, 1, "one\n");
    write(&colony, 2, "two\x1b[2J\n");
    let text = colony.done(&["logs", "1-2", "-n", "1"]).stdout;
    assert!(text.contains("antnode0001 | one\n") && text.contains("antnode0002 | two\n"), "{text}");
    assert!(text.lines().all(|line| line.starts_with("antnode000")), "{text}");
    let json = colony.done(&["logs", "--all", "-n", "1", "--json"]).stdout;
    let lines: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).expect("a line is JSON")).collect();
    let own = lines.iter().find(|line| line["line"] == "one").expect("it is among them");
    assert_eq!(own["node"], "antnode0001");
    assert_eq!(own["file"], log_file(&colony, 1, "antnode.log").display().to_string());
    assert_eq!(own["unit"], Value::Null);
}

fn what_is_written_later_is_followed_over_rotation_and_truncation() {
    let colony = running(2);
    let following = Following::begin(&colony, &["1", "2", "-n", "1"]);
    while !following.next().starts_with("antnode0002 | [") {}
    write(&colony, 2, "one\ntw");
    following.until("antnode0002 | one");
    write(&colony, 2, "o\n");
    assert_eq!(following.next(), "antnode0002 | two");
    let log = log_file(&colony, 2, "antnode.log");
    fs::rename(&log, log.with_extension("log.1")).expect("it is put aside");
    write(&colony, 2, "three\n");
    assert_eq!(following.next(), "antnode0002 | three");
    fs::write(&log, "").expect("it is cut");
    std::thread::sleep(Duration::from_millis(600));
    write(&colony, 2, "four\n");
    assert_eq!(following.next(), "antnode0002 | four");
    assert_eq!(following.interrupt(), 130);
}

fn following_ends_when_nobody_reads() {
    let colony = running(1);
    let mut command = colony.command(&["logs", "-f", "1"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("wnm can be run");
    let mut first = String::new();
    let mut stdout = BufReader::new(child.stdout.take().expect("it is piped"));
    stdout.read_line(&mut first).expect("it prints");
    drop(stdout);
    let status = loop {
        if let Some(status) = child.try_wait().expect("it can be waited for") {
            break status;
        }
        write(&colony, 1, "more\n");
        std::thread::sleep(Duration::from_millis(100));
    };
    assert!(status.success(), "a closed pipe is no error: {status}");
}

fn a_line_without_end_takes_no_memory() {
    let colony = running(1);
    let log = OpenOptions::new().write(true).open(log_file(&colony, 1, "antnode.log")).expect("the log is there");
    let size = log.metadata().expect("it has a size").len();
    log.set_len(size + (100 << 20)).expect("it has a hole");
    write(&colony, 1, "\nlast\n");
    let following = Following::begin(&colony, &["1"]);
    let before = following.until("last");
    let long = before.last().expect("the long one");
    assert!(long.len() < 70_000 && long.contains("more bytes)"), "{}", long.len());
    let status = fs::read_to_string(format!("/proc/{}/status", following.child.id())).expect("it lives");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("the kernel knows");
    let kilobytes: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a figure");
    assert!(kilobytes < 60_000, "{kilobytes} kB at most");
    assert_eq!(following.interrupt(), 130);
}

fn a_link_in_a_nodes_directory_is_not_followed() {
    let colony = running(1);
    let log = log_file(&colony, 1, "antnode.log");
    fs::remove_file(&log).expect("it was there");
    std::os::unix::fs::symlink("/etc/passwd", &log).expect("a link is made");
    let run = colony.wnm(&["logs", "1"]);
    assert_eq!(run.code, 3, "{run:?}");
    assert!(!run.stdout.contains("root:"), "{run:?}");
    assert_snapshot!(steady(&colony, &run.stderr), @"warning: [DIR]/logs/antnode0001/antnode.log is not a file: it is left unread");
}

fn a_log_that_is_not_there_is_said_with_where_it_was_looked_for() {
    let colony = running(1);
    fs::remove_dir_all(log_file(&colony, 1, "")).expect("it was there");
    let run = colony.done(&["logs", "1"]);
    assert_eq!(run.stdout, "");
    assert_snapshot!(steady(&colony, &run.stderr), @"note: antnode0001 has no log at [DIR]/logs/antnode0001/output.log, nor at [DIR]/logs/antnode0001/antnode.log: it was removed, or start_args or environment have the node write elsewhere");
    let none = colony.wnm(&["logs", "antnode0009"]);
    assert_snapshot!(none.stderr, @"error: there is no node called antnode0009");
    assert_eq!((none.code, colony.wnm(&["logs"]).code), (4, 2));
}

fn the_log_of_a_v2_node_is_that_of_today() {
    let colony = machine(&["--node_cap=1"]);
    colony.install(&test_node_of_v2("", "0.23.1"));
    colony.cycle_until_running(1);
    let text = colony.done(&["logs", "1"]).stdout;
    assert!(text.contains("ant-node starting"), "{text}");
    let tomorrow = log_file(&colony, 1, "ant-node.2999-01-01.log");
    let following = Following::begin(&colony, &["1", "-n", "0"]);
    std::thread::sleep(Duration::from_millis(500));
    fs::write(tomorrow, "a new day\n").expect("it is written");
    following.until("a new day");
    assert_eq!(following.interrupt(), 130);
}

wnm_testing::trials! {
    &[] =>
        the_last_lines_of_each_log_are_shown_below_its_name,
        lines_of_several_nodes_begin_with_their_names,
        what_is_written_later_is_followed_over_rotation_and_truncation,
        following_ends_when_nobody_reads,
        a_line_without_end_takes_no_memory,
        a_link_in_a_nodes_directory_is_not_followed,
        a_log_that_is_not_there_is_said_with_where_it_was_looked_for,
        the_log_of_a_v2_node_is_that_of_today;
}
