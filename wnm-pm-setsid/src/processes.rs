//! A process of this machine, as the kernel tells of it in `/proc`.

use std::fs;
use std::path::{Path, PathBuf};

use wnm_pm::node::ProcessId;
use wnm_pm::process::identity;

/// A living process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) id: ProcessId,
    /// The program it runs: where that lies, or lay before it was replaced or deleted.
    pub(crate) program: PathBuf,
    /// Its command line, without the program.
    pub(crate) arguments: Vec<String>,
}

impl Process {
    /// The value of an option of its command line.
    pub(crate) fn option(&self, name: &str) -> Option<&str> {
        let follows = self.arguments.windows(2).find(|pair| pair[0] == name).map(|pair| pair[1].as_str());
        follows.or_else(|| self.arguments.iter().find_map(|word| word.strip_prefix(name)?.strip_prefix('=')))
    }
}

/// All living processes whose program is wanted. Those of containers are left out: their paths are not ours, even if
/// they read the same.
pub(crate) fn running(wanted: impl Fn(&Path) -> bool) -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    pids.filter_map(|pid| {
        // Most processes end here: kernel threads and, for anybody but root, other users' have no readable program.
        let program = program(pid)?;
        (wanted(&program) && is_outside_containers(pid)).then_some(())?;
        Some(Process { id: identity(pid)?, program, arguments: arguments(pid)? })
    })
    .collect()
}

fn program(pid: u32) -> Option<PathBuf> {
    let program = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    match program.to_str().and_then(|text| text.strip_suffix(" (deleted)")) {
        Some(text) => Some(text.into()),
        None => Some(program),
    }
}

fn arguments(pid: u32) -> Option<Vec<String>> {
    let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
    Some(parse_command_line(&line))
}

fn is_outside_containers(pid: u32) -> bool {
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    namespace(&pid.to_string()) == namespace("self")
}

/// The words of `/proc/PID/cmdline` behind the program; each ends with a zero byte.
fn parse_command_line(line: &[u8]) -> Vec<String> {
    let words = line.strip_suffix(&[0]).unwrap_or(line).split(|byte| *byte == 0);
    words.skip(1).map(|word| String::from_utf8_lossy(word).into_owned()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_line_keeps_empty_words_and_line_breaks() {
        assert_eq!(parse_command_line(b"antnode\0--peer\0\0a\nb\0"), ["--peer", "", "a\nb"]);
        assert!(parse_command_line(b"").is_empty());
    }

    #[test]
    fn an_option_is_found_in_either_spelling_and_never_by_a_part_of_a_word() {
        let words = ["--rewards-address", "0x--port", "--port=7", "--root-dir", "/a"];
        let arguments = words.map(str::to_owned).to_vec();
        let process = Process { id: ProcessId { pid: 1, start_time: 1 }, program: "/a/antnode".into(), arguments };
        assert_eq!(process.option("--port"), Some("7"));
        assert_eq!(process.option("--root-dir"), Some("/a"));
        assert_eq!(process.option("--root"), None);
    }

    #[test]
    fn this_process_is_found_and_has_an_identity() {
        let own = std::env::current_exe().expect("a test knows its own program");
        let found = running(|program| program == own);
        let id = identity(std::process::id()).expect("it lives");
        assert!(found.iter().any(|process| process.id == id), "{found:?}");
    }

    proptest::proptest! {
        #[test]
        fn any_words_come_back_from_a_command_line(words in proptest::collection::vec("[^\\x00]*", 0..6)) {
            let line: String = std::iter::once("antnode").chain(words.iter().map(String::as_str)).map(|word| format!("{word}\0")).collect();
            proptest::prop_assert_eq!(parse_command_line(line.as_bytes()), words);
        }
    }
}
