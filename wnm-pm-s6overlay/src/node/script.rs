//! The script is the one program that is run inside a container: one call controls or asks all nodes of a group.
//!
//! Its text is handed over on standard input, so that an image made by another version of wnm works as well; the image
//! keeps the same files for the boot of the container. It runs as the container's root, reads nothing of the volume but
//! names, and prints a line per node, which [`parse`] reads. It ends with its caller, who keeps standard input open.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use wnm_pm::process_manager::ManagerError;

use crate::container::contract::PROGRAM;

/// What a call of the script is to do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// Report how the nodes are; without names: all nodes that the group has on the volume or in the container.
    Status,
    /// Make the service directories anew where they are gone, forget earlier crashes and the pause after them, and
    /// start. Answers as soon as every node has lived for `settle` or has crashed, at the latest after `wait` and
    /// `settle`. The mark [`Definition::down`](crate::definition::Definition::down) has to be gone before.
    Start {
        /// How long a start may take.
        wait: Duration,
        /// How long a node has to live to count as started.
        settle: Duration,
    },
    /// Stop, and answer when all are down; what is not down after `grace` is killed. The mark
    /// [`Definition::down`](crate::definition::Definition::down) has to be there before: without it the node comes back
    /// when the container does.
    Stop {
        /// How long a node may take to end.
        grace: Duration,
    },
    /// Stop, take the nodes out of supervision and forget their service directories. The volume is not touched.
    Unload {
        /// How long a node may take to end.
        grace: Duration,
    },
    /// Make the container agree with the volume: what is defined there and not loaded is loaded (and started by tens,
    /// `pause` apart, unless it is marked down; the call does not wait for that), what is loaded and not defined any
    /// more is unloaded. Takes no names.
    Load {
        /// Pause between tens of nodes.
        pause: Duration,
    },
}

/// How a node is, as s6 sees it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum NodeState {
    /// Its process lives.
    Up,
    /// It does not live and s6 will start it by itself: it backs off after a crash, or waits for its turn after the boot
    /// of the container.
    Waiting,
    /// It was stopped on purpose.
    Down,
    /// It crashed 20 times in a row and s6 gave up; a start tries again.
    Failed,
    /// It is defined on the volume and s6 does not supervise it (its service directory is gone, or s6 has no room).
    Unloaded,
    /// There is no definition of it on the volume, and s6 does not know it.
    Undefined,
}

/// How a node's last process ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ended {
    /// With this exit code.
    Code(u8),
    /// By the signal of this number.
    Signal(u8),
}

impl fmt::Display for Ended {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Code(code) => write!(formatter, "exit code {code}"),
            Self::Signal(number) => {
                let names = [(6, "SIGABRT"), (7, "SIGBUS"), (9, "SIGKILL"), (11, "SIGSEGV"), (15, "SIGTERM")];
                match names.iter().find(|(known, _)| known == number) {
                    Some((_, name)) => write!(formatter, "killed by {name}"),
                    None => write!(formatter, "killed by signal {number}"),
                }
            }
        }
    }
}

/// What the script reports about one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NodeReport {
    /// How it is.
    pub state: NodeState,
    /// Its process id *inside the container*, while it is up.
    pub pid: Option<u32>,
    /// When that process started, in clock ticks since the machine's boot (as everywhere on the machine).
    pub start_time: Option<u64>,
    /// How its last process ended, if one did since the container was started and the node loaded.
    pub ended: Option<Ended>,
    /// Seconds since it last went up or down; 0 when it has done neither yet.
    pub since_seconds: u64,
    /// How many of its processes ended by themselves in a row, each within 10 minutes, since its last start on purpose.
    pub crashes: u32,
}

impl NodeReport {
    /// Neither the volume nor the container knows it.
    pub const UNDEFINED: Self =
        Self { state: NodeState::Undefined, pid: None, start_time: None, ended: None, since_seconds: 0, crashes: 0 };
}

/// How a program is run in a container: its command line, and what it reads. Standard input is to stay open until it ends.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Invocation {
    /// The program and its arguments.
    pub argv: Vec<String>,
    /// What it reads on standard input.
    pub input: Vec<u8>,
}

/// Reads files from standard input, each behind 24 letters with its name and length, up to 24 blanks, and becomes the first.
const READER: &str = r#"sub get { my ($n, $t) = ($_[0], ""); while (length $t < $n) { sysread(STDIN, $t, $n - length $t, length $t) or exit 4 } $t } while (get(24) =~ /^(\w+) +(\d+)/) { my $name = $1; $files{$name} = get($2) } $caller = shift; eval $files{nodes}; die $@ if $@"#;

/// How a call for these nodes of a group is carried out, to be executed in the group's container as root, without a
/// terminal. Its standard output goes to [`parse`]; exit code 0 says only that the call was carried out, 3 that the container
/// has not booted within half a minute (its standard error says so). A call during the boot of the container waits for its
/// end. What was left in the container by another caller than this one is ended before anything is changed.
///
/// # Errors
/// [`ManagerError::Unusable`] for a group or a node that is not named like `a1` and `antnode0001`.
pub fn invocation<N: AsRef<str>>(
    call: Call,
    caller: &str,
    group: &str,
    names: &[N],
) -> Result<Invocation, ManagerError> {
    if !is_numbered(group, "a", 1) || group.starts_with("a0") {
        return unusable(format!("the container group {group:?}"), "groups are named a1, a2 and so on");
    }
    if let Some(name) = names.iter().map(AsRef::as_ref).find(|name| !is_numbered(name, "antnode", 4)) {
        return unusable(format!("the node {name:?}"), "in containers nodes are named antnode0001 and so on");
    }
    let (verb, first, second) = match call {
        Call::Status => ("status", Duration::ZERO, Duration::ZERO),
        Call::Start { wait, settle } => ("start", wait, settle),
        Call::Stop { grace } => ("stop", grace, Duration::ZERO),
        Call::Unload { grace } => ("unload", grace, Duration::ZERO),
        Call::Load { pause } => ("load", pause, Duration::ZERO),
    };
    let words = ["perl", "-e", READER, caller, verb, group].map(str::to_owned);
    let times = [first, second].map(|time| time.as_millis().to_string());
    let names = names.iter().map(AsRef::as_ref).collect::<Vec<_>>().join(" ");
    let files = PROGRAM.into_iter().chain([("names", names.as_str())]);
    let input = files.map(|(name, text)| format!("{name:<12}{:<12}{text}", text.len())).collect::<String>();
    let input = format!("{input}{:24}", "").into_bytes();
    Ok(Invocation { argv: words.into_iter().chain(times).collect(), input })
}

/// Whether a name is this prefix and a number of at least so many digits.
fn is_numbered(name: &str, prefix: &str, digits: usize) -> bool {
    let number = name.strip_prefix(prefix).unwrap_or_default();
    (digits..=10).contains(&number.len()) && number.bytes().all(|byte| byte.is_ascii_digit())
}

fn unusable<T>(what: String, reason: &str) -> Result<T, ManagerError> {
    Err(ManagerError::Unusable { what, reason: reason.to_owned() })
}

/// What the script printed, by node.
///
/// # Errors
/// [`ManagerError::Failed`] when the output is not complete: then nothing in it can be relied on. The error holds the
/// line that is wrong.
pub fn parse(printed: &str) -> Result<BTreeMap<String, NodeReport>, ManagerError> {
    let mut reports = BTreeMap::new();
    for line in printed.lines().filter(|line| !line.starts_with(AT_WORK)) {
        if let Some(count) = line.strip_prefix("end\t") {
            return if count.parse() == Ok(reports.len()) { Ok(reports) } else { broken(line, "lines are missing") };
        }
        match parse_line(line) {
            Some((name, report)) => reports.insert(name.to_owned(), report),
            None => return broken(line, "it is not the report of a node"),
        };
    }
    broken(printed.lines().last().unwrap_or_default(), "its end is missing")
}

/// Before the name of a caller whose call was still at work when others looked.
const AT_WORK: &str = "at work\t";

/// Whose call was at work in the container when it was looked at, if any was.
#[must_use]
pub fn at_work(printed: &str) -> Option<&str> {
    printed.lines().find_map(|line| line.strip_prefix(AT_WORK))
}

fn broken<T>(line: &str, reason: &str) -> Result<T, ManagerError> {
    let shown: String = line.chars().take(200).collect();
    Err(ManagerError::Failed(format!(
        "cannot read what the container reports about its nodes: {reason} (at {shown:?})"
    )))
}

fn parse_line(line: &str) -> Option<(&str, NodeReport)> {
    let words: Vec<&str> = line.split('\t').collect();
    let [name, state, pid, start_time, ended, since_seconds, crashes] = words[..] else { return None };
    let state = match state {
        "up" => NodeState::Up,
        "waiting" => NodeState::Waiting,
        "down" => NodeState::Down,
        "failed" => NodeState::Failed,
        "unloaded" => NodeState::Unloaded,
        "undefined" => NodeState::Undefined,
        _ => return None,
    };
    let report = NodeReport {
        state,
        pid: optional(pid, |word| word.parse().ok())?,
        start_time: optional(start_time, |word| word.parse().ok())?,
        ended: optional(ended, parse_ended)?,
        since_seconds: since_seconds.parse().ok()?,
        crashes: crashes.parse().ok()?,
    };
    is_numbered(name, "antnode", 4).then_some((name, report))
}

fn parse_ended(word: &str) -> Option<Ended> {
    match word.split_once(':')? {
        ("code", code) => code.parse().ok().map(Ended::Code),
        ("signal", number) => number.parse().ok().map(Ended::Signal),
        _ => None,
    }
}

/// A word that is `-` for nothing; none when it is broken.
fn optional<T>(word: &str, read: impl FnOnce(&str) -> Option<T>) -> Option<Option<T>> {
    if word == "-" { Some(None) } else { read(word).map(Some) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_call_is_a_short_command_line_and_what_it_reads() {
        let start = Call::Start { wait: Duration::from_secs(5), settle: Duration::from_millis(300) };
        let called = invocation(start, "1:2", "a12", &["antnode0001", "antnode12345"]).unwrap();
        assert_eq!(called.argv[..2], ["perl", "-e"]);
        assert_eq!(called.argv[3..], ["1:2", "start", "a12", "5000", "300"]);
        let input = String::from_utf8(called.input).unwrap();
        assert!(input.starts_with("nodes       "), "{}", &input[..100]);
        let end = format!("names       24          antnode0001 antnode12345{:24}", "");
        assert!(input.ends_with(&end), "{}", &input[input.len() - 100..]);
        let line: usize = called.argv.iter().map(String::len).sum();
        assert!(line < 1_000, "what is in the engine's events is short: {line}");
    }

    #[test]
    fn names_of_neither_groups_nor_nodes_are_refused() {
        for group in ["", "a", "a0", "a01", "b1", "a1/..", "a1 ", "a١", "a-1"] {
            assert!(invocation(Call::Status, "1:2", group, &["antnode0001"]).is_err(), "{group:?}");
        }
        for name in ["", "antnode1", "antnode001", "antnode0001 ", "antnode0001/..", "antnode0001\n", "-x", "$(id)"] {
            assert!(invocation(Call::Status, "1:2", "a1", &[name]).is_err(), "{name:?}");
        }
        let error = invocation(Call::Status, "1:2", "a1", &["node; rm -rf /"]).unwrap_err();
        insta::assert_snapshot!(error, @r#"the node "node; rm -rf /" cannot be used: in containers nodes are named antnode0001 and so on"#);
    }

    #[test]
    fn reports_are_read() {
        let printed = "antnode0001\tup\t114\t246858\t-\t12\t0\n\
             antnode0002\twaiting\t-\t-\tcode:101\t3\t2\n\
             antnode0003\tfailed\t-\t-\tsignal:9\t70\t20\nend\t3\n";
        insta::assert_debug_snapshot!(parse(printed).unwrap(), @r#"
        {
            "antnode0001": NodeReport {
                state: Up,
                pid: Some(
                    114,
                ),
                start_time: Some(
                    246858,
                ),
                ended: None,
                since_seconds: 12,
                crashes: 0,
            },
            "antnode0002": NodeReport {
                state: Waiting,
                pid: None,
                start_time: None,
                ended: Some(
                    Code(
                        101,
                    ),
                ),
                since_seconds: 3,
                crashes: 2,
            },
            "antnode0003": NodeReport {
                state: Failed,
                pid: None,
                start_time: None,
                ended: Some(
                    Signal(
                        9,
                    ),
                ),
                since_seconds: 70,
                crashes: 20,
            },
        }
        "#);
        assert!(parse("end\t0\n").unwrap().is_empty());
    }

    #[test]
    fn incomplete_output_is_refused() {
        let said = |printed: &str| parse(printed).unwrap_err().to_string();
        let all = [
            said(""),
            said("antnode0001\tup\t114\t246858\t-\t12\t0\n"),
            said("antnode0001\tup\t114\t246858\t-\t12\t0\nend\t2\n"),
            said("antnode0001\tgone\t-\t-\t-\t12\t0\nend\t1\n"),
            said("OCI runtime exec failed: exec failed: \"sh\": not found\n"),
        ];
        insta::assert_snapshot!(all.join("\n"), @r#"
        cannot read what the container reports about its nodes: its end is missing (at "")
        cannot read what the container reports about its nodes: its end is missing (at "antnode0001\tup\t114\t246858\t-\t12\t0")
        cannot read what the container reports about its nodes: lines are missing (at "end\t2")
        cannot read what the container reports about its nodes: it is not the report of a node (at "antnode0001\tgone\t-\t-\t-\t12\t0")
        cannot read what the container reports about its nodes: it is not the report of a node (at "OCI runtime exec failed: exec failed: \"sh\": not found")
        "#);
    }

    #[test]
    fn endings_are_put_into_words() {
        let texts = [Ended::Code(101), Ended::Signal(9), Ended::Signal(64)].map(|ended| ended.to_string());
        assert_eq!(texts, ["exit code 101", "killed by SIGKILL", "killed by signal 64"]);
    }

    proptest! {
        #[test]
        fn no_output_breaks_the_reader(printed in "(antnode000[0-9]|\t|\n|end|up|-|code:|[0-9]{1,20}|.){0,40}") {
            let _ = parse(&printed);
        }
    }
}
