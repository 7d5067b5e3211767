//! A process of this machine, as the kernel shows it in `/proc`.

use std::ffi::OsStr;
use std::fs;
use std::io::ErrorKind;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use wnm_pm::flavour::CommandLine;
use wnm_pm::node::ProcessId;
use wnm_pm::process::identity;
use wnm_pm::process_manager::ManagerError;

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
///
/// # Errors
/// Where this process has not what it takes to look: then nobody knows of any.
pub(crate) fn running(wanted: impl Fn(&Path) -> bool) -> Result<Vec<Process>, ManagerError> {
    let unseen = |error| ManagerError::io("look for processes in", Path::new("/proc"), error);
    let entries = fs::read_dir("/proc").map_err(unseen)?.flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let found = pids.filter_map(|pid| {
        // Most processes end here: kernel threads and, for anybody but root, other users' have no readable program.
        let program = program(pid)?;
        (wanted(&program) && is_outside_containers(pid)).then_some(())?;
        let line = match fs::read(format!("/proc/{pid}/cmdline")) {
            Ok(line) => line,
            Err(error) => return ManagerError::shortage("look at a process", &error).map(Err),
        };
        Some(Ok(Process { id: identity(pid)?, line: command_line(&program, &line), program }))
    });
    let mut found = found.collect::<Result<Vec<Process>, ManagerError>>()?;
    found.sort_by_key(|process| (process.id.start_time, process.id.pid));
    Ok(found)
}

/// Living processes that this user may not look into, as far as their command lines show: another user's, or ones with
/// rights of their own. Whether one is a node's, nobody can tell from here.
pub(crate) fn unreadable(wanted: impl Fn(&CommandLine) -> bool) -> Vec<(ProcessId, CommandLine)> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    let pids = entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok());
    let found = pids.filter_map(|pid: u32| {
        let refused = fs::read_link(format!("/proc/{pid}/exe")).err()?;
        (refused.kind() == ErrorKind::PermissionDenied).then_some(())?;
        let line = fs::read(format!("/proc/{pid}/cmdline")).ok().filter(|line| !line.is_empty())?;
        let called = line.split(|byte| *byte == 0).next().unwrap_or_default();
        let line = command_line(Path::new(OsStr::from_bytes(called)), &line);
        (wanted(&line) && !is_nested(pid)).then_some(())?;
        Some((identity(pid)?, line))
    });
    found.collect()
}

/// Whether a process has a number of its own in a container: `NSpid: 812 7`. Unlike its namespace, anybody may read that.
fn is_nested(pid: u32) -> bool {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
    let numbers = status.lines().find_map(|line| line.strip_prefix("NSpid:"));
    numbers.is_some_and(|numbers| numbers.split_whitespace().count() > 1)
}

/// Whether the kernel hides other users' processes from this user (`hidepid`).
pub(crate) fn are_hidden() -> bool {
    fs::read("/proc/1/stat").is_err()
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
        let found = running(|program| program == own).expect("it may look");
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
