//! Last words are what a node that ended complained about, found in what it printed: one short line.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use rustix::fs::OFlags;

/// They are cut after this many characters.
const WORDS_LENGTH: usize = 300;

/// How much of the end of a file is looked through for last words; antnode prints long backtraces.
const TAIL_BYTES: u64 = 64 * 1024;

/// The end of what a node printed into a file, from the byte `start` on and 64 KiB at most. Empty when there is nothing, or
/// it cannot be read.
#[must_use]
pub fn tail(path: &Path, start: u64) -> String {
    read_tail(path, start).unwrap_or_default()
}

fn read_tail(path: &Path, start: u64) -> io::Result<String> {
    // The node could have put a link there, to have any file read that root can read, or a pipe that never ends.
    let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
    let mut file: File = OpenOptions::new().read(true).custom_flags(flags.bits().cast_signed()).open(path)?;
    let length = file.metadata()?.len();
    file.seek(SeekFrom::Start(start.max(length.saturating_sub(TAIL_BYTES)).min(length)))?;
    let mut bytes = Vec::new();
    file.take(TAIL_BYTES).read_to_end(&mut bytes)?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// The last thing that a node said, by what it printed: its last complaint, or else its last line. Empty when it said
/// nothing.
#[must_use]
pub fn last_words(output: &str) -> String {
    complaint(output).or_else(|| last_line(output)).unwrap_or_default()
}

/// The message of a panic, the reason of an error report, or what is wrong with the command line; none when nothing was
/// complained about.
#[must_use]
pub fn complaint(output: &str) -> Option<String> {
    let plain = without_escapes(output);
    let mut lines = plain.lines().rev().map(str::trim);
    lines.find_map(|line| {
        let report = line.strip_prefix("Message:").or_else(|| line.strip_prefix("0: "));
        report.or_else(|| line.starts_with("error: ").then_some(line)).map(shorten)
    })
}

/// The last line that is not advice.
fn last_line(output: &str) -> Option<String> {
    const ADVICE: [&str; 4] = ["Location:", "Backtrace omitted", "Run with ", "note: run with"];
    let plain = without_escapes(output);
    let mut lines = plain.lines().rev().map(str::trim).filter(|line| !line.is_empty());
    lines.find(|line| !ADVICE.iter().any(|advice| line.starts_with(advice))).map(shorten)
}

fn shorten(line: &str) -> String {
    let line = line.trim();
    match line.char_indices().nth(WORDS_LENGTH) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line.to_owned(),
    }
}

/// A program's output without colours and whatever else would move a terminal's cursor; its lines stay.
#[must_use]
pub fn without_escapes(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut characters = text.chars();
    while let Some(character) = characters.next() {
        match character {
            '\u{1b}' => {
                // `ESC [ … letter`.
                if characters.next() == Some('[') {
                    characters.by_ref().find(char::is_ascii_alphabetic);
                }
            }
            '\n' => plain.push('\n'),
            other if other.is_control() => plain.push(' '),
            other => plain.push(other),
        }
    }
    plain
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::command::{Command, CommandRunner, SystemRunner};

    #[test]
    fn the_message_of_a_panic_is_a_complaint() {
        let said = complaint(include_str!("../tests/data/last_words/panic.txt")).expect("it complains");
        insta::assert_snapshot!(said, @r#"Multiaddr should be supported by our configured transports: TransportError(Other(Custom { kind: Other, error: Right(Custom { kind: Other, error: Custom { kind: Other, error: Io(Os { code: 98, kind: AddrInUse, message: "Address already in use" }) } }) }))"#);
    }

    #[test]
    fn the_reason_of_an_error_report_is_a_complaint() {
        let said = complaint(include_str!("../tests/data/last_words/report.txt")).expect("it complains");
        insta::assert_snapshot!(said, @"could not read ed25519 key from file: Key decoding error: failed to parse Ed25519 secret key");
    }

    #[test]
    fn a_refused_command_line_is_a_complaint() {
        let clap =
            "error: unexpected argument '--frist' found\n\nUsage: antnode\n\nFor more information, try '--help'.\n";
        assert_eq!(complaint(clap).as_deref(), Some("error: unexpected argument '--frist' found"));
    }

    #[test]
    fn without_a_complaint_there_is_still_a_last_line() {
        let output = "starting\nout of cheese\n\n  \nnote: run with `RUST_BACKTRACE=1`\n";
        assert_eq!(complaint(output), None);
        assert_eq!(last_line(output).as_deref(), Some("out of cheese"));
        assert_eq!(last_line(""), None);
    }

    #[tokio::test]
    async fn only_the_end_of_a_file_is_read_and_no_link_is_followed() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let [output, link] = ["output", "link"].map(|name| directory.path().join(name));
        std::fs::write(&output, format!("{}end", "x".repeat(1_000_000))).expect("there is room");
        assert_eq!(tail(&output, 0).len(), 64 * 1024);
        assert_eq!(tail(&output, 1_000_000), "end");
        assert_eq!(tail(&output, 2_000_000), "", "it was cut meanwhile");
        std::os::unix::fs::symlink(&output, &link).expect("a link is made");
        assert_eq!(tail(&link, 0), "");
        let pipe = directory.path().join("pipe");
        SystemRunner.succeed(&Command::new("mkfifo").arg(&pipe)).await.expect("mkfifo is everywhere");
        assert_eq!(tail(&pipe, 0), "");
    }

    #[test]
    fn words_are_short_and_move_no_cursor() {
        assert_eq!(shorten(&"é".repeat(1000)).chars().count(), WORDS_LENGTH + 1);
        assert_eq!(last_line("a\u{1b}[2Jb\rc\u{7}\u{1b}[31").as_deref(), Some("ab c"));
    }

    proptest::proptest! {
        #[test]
        fn whatever_a_node_prints_its_words_are_one_short_line(
            output in "(Message:|0: |error: |\u{1b}\\[3|\\PC{0,3}|\\pC|\n){0,200}"
        ) {
            for words in [complaint(&output), last_line(&output)].into_iter().flatten() {
                proptest::prop_assert!(!words.chars().any(char::is_control), "{words:?}");
                proptest::prop_assert!(words.chars().count() <= WORDS_LENGTH + 1);
            }
        }
    }
}
