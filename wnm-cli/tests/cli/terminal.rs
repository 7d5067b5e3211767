//! What a person at a terminal sees while wnm works, and that nobody else sees any of it.

use std::fs::File;
use std::io::Read;
use std::process::Stdio;

use indicatif::{InMemoryTerm, TermLike};
use rustix::fs::{Mode, OFlags};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};
use wnm_testing::{Colony, test_node_that};

use crate::machine;

/// A run with a terminal of so many columns as its standard error.
struct Seen {
    stdout: String,
    /// All that was written to the terminal.
    written: String,
    /// What the terminal shows at the end.
    left: String,
}

fn at_a_terminal(columns: u16, colony: &Colony, words: &[&str]) -> Seen {
    let terminal = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).expect("there are pseudo-terminals");
    grantpt(&terminal).expect("it is ours");
    unlockpt(&terminal).expect("it is ours");
    let name = ptsname(&terminal, Vec::new()).expect("it has a name");
    let end = rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).expect("it is opened");
    tcsetwinsize(&end, Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }).expect("it has a size");
    let mut command = colony.command(words);
    command.stdout(Stdio::piped()).stderr(end).env("TERM", "xterm");
    let child = command.spawn().expect("wnm is started");
    // The command holds the other end of the terminal, which has to be closed by all before it can be read to its end.
    drop(command);
    let reader = std::thread::spawn(move || {
        let mut bytes = Vec::new();
        // Linux reports the end of a terminal as an error.
        let _ = File::from(terminal).read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    });
    let output = child.wait_with_output().expect("it ends");
    let written = reader.join().expect("it is read");
    let screen = InMemoryTerm::new(24, columns);
    screen.write_str(&written).expect("it is written to memory");
    Seen { stdout: String::from_utf8_lossy(&output.stdout).into_owned(), written, left: screen.contents() }
}

/// A machine with two nodes that take questions and never answer.
fn hanging() -> Colony {
    let colony = machine(&["--node_cap=4"]);
    colony.install(&test_node_that("hang", "0.4.17"));
    colony.done(&["add", "--count", "2"]);
    colony
}

fn words_say_what_is_waited_for_and_leave_nothing_behind() {
    let colony = hanging();
    for columns in [80, 120] {
        let seen = at_a_terminal(columns, &colony, &["status"]);
        assert!(seen.written.contains("asking 2 nodes over HTTP"), "{}", seen.written);
        assert_eq!(seen.left, "", "{}", seen.written);
        assert!(seen.stdout.starts_with("CPU ") && !seen.stdout.contains("asking"), "{}", seen.stdout);
    }
}

fn steps_are_counted_one_by_one() {
    let colony = machine(&["--node_cap=3", "--action_delay=500"]);
    let seen = at_a_terminal(80, &colony, &["add", "--count", "3"]);
    for words in ["0/3", "1/3", "2/3", "/s", "waiting (action_delay)"] {
        assert!(seen.written.contains(words), "{words}: {}", seen.written);
    }
    assert!(!seen.written.contains("failed"), "{}", seen.written);
    assert_eq!(seen.left, "", "{}", seen.written);
    assert!(seen.stdout.starts_with("Actions:\n  added 3 nodes (0.4.17): antnode0001–0003\n"), "{}", seen.stdout);
}

fn a_step_that_fails_is_counted_as_failed() {
    let colony = machine(&["--node_cap=3", "--action_delay=500"]);
    colony.install(&test_node_that("exit:7:0", "0.4.17"));
    let seen = at_a_terminal(80, &colony, &["add", "--count", "2"]);
    assert!(seen.written.contains("1 failed"), "{}", seen.written);
    assert!(seen.stdout.contains("failed to add 2 nodes (antnode0001–0002):"), "{}", seen.stdout);
}

fn where_nobody_watches_nothing_is_drawn() {
    let colony = hanging();
    let piped = colony.done(&["status"]);
    assert_eq!(piped.stderr, "");
    for words in [&["status", "--quiet"][..], &["status", "--json"], &["run", "--quiet"]] {
        assert_eq!(at_a_terminal(80, &colony, words).written, "", "{words:?}");
    }
}

fn log_lines_stand_above_the_words() {
    let seen = at_a_terminal(120, &hanging(), &["restart", "1", "-vv"]);
    assert!(seen.written.contains("asking 2 nodes over HTTP"), "{}", seen.written);
    assert!(seen.left.contains("carrying out") && !seen.left.contains("asking"), "{}", seen.left);
}

wnm_testing::trials! {
    &[] =>
        words_say_what_is_waited_for_and_leave_nothing_behind,
        steps_are_counted_one_by_one,
        a_step_that_fails_is_counted_as_failed,
        where_nobody_watches_nothing_is_drawn,
        log_lines_stand_above_the_words;
}
