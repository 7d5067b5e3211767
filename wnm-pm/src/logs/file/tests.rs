use std::fs::{self, OpenOptions};
use std::io::Write;

use super::*;

struct Log {
    directory: tempfile::TempDir,
    log: FileLog,
    heard: Vec<String>,
}

impl Log {
    fn file() -> Self {
        Self::at(|directory| LogPlace::File(directory.join("antnode.log")))
    }

    fn at(place: impl FnOnce(&Path) -> LogPlace) -> Self {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let log = FileLog::new(&place(directory.path())).expect("it is in files");
        Self { directory, log, heard: Vec::new() }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    fn write(&self, name: &str, text: &str) {
        let mut options = OpenOptions::new();
        let mut file = options.create(true).append(true).open(self.path(name)).expect("it is opened");
        file.write_all(text.as_bytes()).expect("it is written");
    }

    fn last(&mut self, lines: usize) -> Vec<String> {
        let heard = &mut self.heard;
        self.log
            .last(lines, &mut |_, line| {
                heard.push(line.to_owned());
                true
            })
            .expect("it is read");
        std::mem::take(&mut self.heard)
    }

    fn more(&mut self) -> Vec<String> {
        let heard = &mut self.heard;
        let read = self.log.more(&mut |_, line| {
            heard.push(line.to_owned());
            true
        });
        assert!(read.expect("it is read"));
        std::mem::take(&mut self.heard)
    }
}

#[test]
fn what_is_written_after_the_last_lines_is_heard_once() {
    let mut log = Log::file();
    assert_eq!(log.last(10), [""; 0], "there is none yet");
    log.write("antnode.log", "one\ntwo\nthr");
    assert_eq!(log.more(), ["one", "two"]);
    log.write("antnode.log", "ee\n");
    assert_eq!(log.more(), ["three"]);
    assert_eq!(log.more(), [""; 0]);
}

#[test]
fn a_log_that_is_put_aside_is_read_to_its_end_before_the_new_one() {
    let mut log = Log::file();
    log.write("antnode.log", "one\n");
    assert_eq!(log.last(10), ["one"]);
    log.write("antnode.log", "two\nunended");
    fs::rename(log.path("antnode.log"), log.path("antnode.log.1")).expect("it is renamed");
    assert_eq!(log.more(), ["two"]);
    log.write("antnode.log.1", " end\n");
    log.write("antnode.log", "three\n");
    assert_eq!(log.more(), ["unended end", "three"]);
}

#[test]
fn a_log_that_is_cut_goes_on_from_its_beginning() {
    let mut log = Log::file();
    log.write("antnode.log", "one\ntwo\nthree");
    assert_eq!(log.last(1), [""; 0], "it has not ended");
    OpenOptions::new().write(true).open(log.path("antnode.log")).and_then(|file| file.set_len(0)).expect("it is cut");
    log.write("antnode.log", "four\n");
    assert_eq!(log.more(), ["three", "four"]);
}

#[test]
fn the_log_of_the_day_follows_that_of_the_day_before() {
    let mut log =
        Log::at(|directory| LogPlace::Newest { directory: directory.to_owned(), begin: "ant-node.", end: ".log" });
    log.write("ant-node.2026-11-27.log", "one\n");
    log.write("notes", "no log\n");
    assert_eq!(log.last(10), ["one"]);
    log.write("ant-node.2026-11-27.log", "two\n");
    log.write("ant-node.2026-11-28.log", "three\n");
    assert_eq!(log.more(), ["two", "three"]);
}

#[test]
fn a_link_is_not_followed_and_a_pipe_keeps_nobody_waiting() {
    let mut log = Log::file();
    let path = log.path("antnode.log");
    std::os::unix::fs::symlink("/etc/passwd", &path).expect("a link is made");
    let fault = log.log.last(10, &mut |_, line| panic!("{line} is somebody else's")).expect_err("it is refused");
    assert_eq!(fault.to_string(), format!("{} is not a file: it is left unread", path.display()));
    let mut log = Log::file();
    let pipe = rustix::fs::mknodat(
        rustix::fs::CWD,
        log.path("antnode.log"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    );
    pipe.expect("a pipe is made");
    assert!(log.log.last(10, &mut |_, _| true).is_err());
}

#[test]
fn whoever_wants_no_more_gets_no_more() {
    let mut log = Log::file();
    log.write("antnode.log", "one\ntwo\n");
    let mut heard = 0;
    log.log
        .last(10, &mut |_, _| {
            heard += 1;
            false
        })
        .expect("it is read");
    assert_eq!(heard, 1);
}

proptest::proptest! {
    #[test]
    fn the_last_lines_are_the_last_lines(text in "[a-c\n]{0,60}", lines in 0_usize..12, long in 0_usize..3) {
        let text = text.replace('c', &"c".repeat(1 + long * 50_000));
        let mut log = Log::file();
        log.write("antnode.log", &text);
        let mut said = log.last(lines);
        let heard = &mut said;
        log.log.end(&mut |_, line| { heard.push(line.to_owned()); true });
        let all: Vec<&str> = text.lines().collect();
        let expected = &all[all.len().saturating_sub(lines)..];
        // Of a long line only the beginning is kept.
        let begins = said.iter().zip(expected).all(|(said, expected)| {
            let kept = expected.len().min(crate::logs::line::LINE_MAX);
            said[..kept] == expected[..kept]
        });
        proptest::prop_assert!(begins && said.len() == expected.len(), "{} {}", said.len(), expected.len());
    }
}
