//! A process of this machine, as the kernel shows it in `/proc`.

use std::fs;
use std::path::{Path, PathBuf};

use wnm_pm::flavour::CommandLine;
use wnm_pm::node::ProcessId;
use wnm_pm::process::identity;

/// A living process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Process {
    pub(crate) id: ProcessId,
    /// The program it runs: where that lies, or lay before it was replaced or deleted.
    pub(crate) program: PathBuf,
    /// Its command line, whose first word is that program.
    pub(crate) line: CommandLine,
}

/// All living processes whose program is wanted, the oldest first. Those of containers are left out: their paths are not
/// ours, even if they read the same.
pub(crate) fn running(wanted: impl Fn(&Path) -> bool) -> Vec<Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let found = pids.filter_map(|pid| {
        // Most processes end here: kernel threads and, for anybody but root, other users' have no readable program.
        let program = program(pid)?;
        (wanted(&program) && is_outside_containers(pid)).then_some(())?;
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
        Some(Process { id: identity(pid)?, line: command_line(&program, &line), program })
    });
    let mut found: Vec<Process> = found.collect();
    found.sort_by_key(|process| (process.id.start_time, process.id.pid));
    found
}

fn program(pid: u32) -> Option<PathBuf> {
    let program = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
    match program.to_str().and_then(|text| text.strip_suffix(" (deleted)")) {
        Some(text) => Some(text.into()),
        None => Some(program),
    }
}

fn is_outside_containers(pid: u32) -> bool {
    let namespace = |pid: &str| fs::read_link(format!("/proc/{pid}/ns/pid")).ok();
    namespace(&pid.to_string()) == namespace("self")
}

/// The program, and the words of `/proc/PID/cmdline` behind what the process calls it; each ends with a zero byte.
pub(crate) fn command_line(program: &Path, line: &[u8]) -> CommandLine {
    let words = line.strip_suffix(&[0]).unwrap_or(line).split(|byte| *byte == 0);
    let arguments = words.skip(1).map(|word| String::from_utf8_lossy(word).into_owned());
    CommandLine::new(std::iter::once(program.to_string_lossy().into_owned()).chain(arguments).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &[u8]) -> Vec<String> {
        command_line(Path::new("/a/antnode"), line).words().to_vec()
    }

    #[test]
    fn a_command_line_keeps_empty_words_and_line_breaks() {
        assert_eq!(words(b"antnode\0--peer\0\0a\nb\0"), ["/a/antnode", "--peer", "", "a\nb"]);
        assert_eq!(words(b""), ["/a/antnode"]);
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
        fn any_words_come_back_from_a_command_line(given in proptest::collection::vec("[^\\x00]*", 0..6)) {
            let line: String = std::iter::once("antnode").chain(given.iter().map(String::as_str)).map(|word| format!("{word}\0")).collect();
            proptest::prop_assert_eq!(&words(line.as_bytes())[1..], given);
        }
    }
}
