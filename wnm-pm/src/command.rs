//! Programs are run through one door, so that none can hang wnm, and none is given a shell.

#![expect(clippy::disallowed_methods, reason = "this is the door, and it waits for programs on a thread of its own")]

use std::ffi::OsString;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process_group};

use crate::hint::{Hint, Hinted};
use crate::interpreter::why_not_started;

/// A program to run: no shell stands between it and its arguments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Command {
    /// The program: a path, or a name looked up in `PATH`.
    pub program: OsString,
    /// Its arguments.
    pub arguments: Vec<OsString>,
    /// Environment on top of ours.
    pub environment: Vec<(OsString, OsString)>,
    /// Where it runs; ours when none.
    pub directory: Option<PathBuf>,
    /// What it reads; nothing when empty.
    pub input: Vec<u8>,
    /// It is killed when it takes longer.
    pub timeout: Duration,
}

impl Command {
    /// A program with a timeout of 60 seconds.
    pub fn new(program: impl Into<OsString>) -> Self {
        Self {
            program: program.into(),
            arguments: Vec::new(),
            environment: Vec::new(),
            directory: None,
            input: Vec::new(),
            timeout: Duration::from_secs(60),
        }
    }

    /// With one more argument.
    #[must_use]
    pub fn arg(mut self, argument: impl Into<OsString>) -> Self {
        self.arguments.push(argument.into());
        self
    }

    /// With more arguments.
    #[must_use]
    pub fn args<A: Into<OsString>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        self.arguments.extend(arguments.into_iter().map(Into::into));
        self
    }

    /// With an environment variable on top of ours.
    #[must_use]
    pub fn env(mut self, name: impl Into<OsString>, value: impl Into<OsString>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// With something to read.
    #[must_use]
    pub fn input(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.input = input.into();
        self
    }

    /// With another timeout.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// The command line as a person would read it.
    #[must_use]
    pub fn display(&self) -> String {
        std::iter::once(&self.program)
            .chain(&self.arguments)
            .map(|word| word.to_string_lossy())
            .collect::<Vec<_>>()
            .join(" ")
    }
}

/// What a program said.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Output {
    /// Its exit code; none when a signal ended it.
    pub code: Option<i32>,
    /// What it wrote to its standard output, 16 MiB at most; bytes that are no UTF-8 are replaced.
    pub stdout: String,
    /// What it wrote to its standard error, as much at most.
    pub stderr: String,
}

impl Output {
    /// Whether it ended with exit code 0.
    #[must_use]
    pub fn success(&self) -> bool {
        self.code == Some(0)
    }

    /// That this is what a program said that failed.
    #[must_use]
    pub fn failure(&self, command: &Command) -> CommandError {
        let said = if self.stderr.trim().is_empty() { &self.stdout } else { &self.stderr };
        CommandError::Failed {
            command: command.display(),
            how: self.code.map_or("ended by a signal".to_owned(), |code| format!("exit code {code}")),
            said: one_line(said),
        }
    }
}

/// A program that could not be run, did not end in time, or failed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommandError {
    /// It is not there, or may not be executed.
    #[error("cannot run `{command}`: {reason}")]
    NotRun {
        /// The command line.
        command: String,
        /// Why not.
        reason: String,
    },
    /// It took too long and was killed.
    #[error("`{command}` did not finish within {seconds} s and was killed")]
    TimedOut {
        /// The command line.
        command: String,
        /// The limit.
        seconds: u64,
    },
    /// It ended with another code than 0.
    #[error("`{command}` failed ({how}): {}", if said.is_empty() { "it said nothing" } else { said })]
    Failed {
        /// The command line.
        command: String,
        /// Exit code, or that a signal ended it.
        how: String,
        /// What it said about it.
        said: String,
    },
}

impl Hinted for CommandError {
    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::NotRun { .. } => vec![Hint::text("is the program installed, and on the PATH of this user?")],
            Self::TimedOut { .. } | Self::Failed { .. } => vec![],
        }
    }
}

/// The door through which programs are run.
#[async_trait]
pub trait CommandRunner: Send + Sync {
    /// Runs a program to its end, whatever its exit code.
    async fn run(&self, command: &Command) -> Result<Output, CommandError>;

    /// Runs a program and takes any exit code but 0 for a failure.
    async fn succeed(&self, command: &Command) -> Result<Output, CommandError> {
        let output = self.run(command).await?;
        if output.success() {
            return Ok(output);
        }
        Err(output.failure(command))
    }
}

/// What a program said, in one line: an error has no more.
#[must_use]
pub fn one_line(said: &str) -> String {
    said.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join("; ")
}

/// Runs programs on this machine.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemRunner;

#[async_trait]
impl CommandRunner for SystemRunner {
    async fn run(&self, command: &Command) -> Result<Output, CommandError> {
        let owned = command.clone();
        let task = tokio::task::spawn_blocking(move || run_blocking(&owned));
        task.await
            .unwrap_or_else(|panic| Err(CommandError::NotRun { command: command.display(), reason: panic.to_string() }))
    }
}

/// A program that somebody is still writing (an installer, a copy that a forked process holds open) is waited for.
fn start(expression: &duct::Expression) -> std::io::Result<duct::Handle> {
    const PATIENCE: Duration = Duration::from_secs(2);
    let began = Instant::now();
    loop {
        match expression.start() {
            Err(error) if error.kind() == ErrorKind::ExecutableFileBusy && began.elapsed() < PATIENCE => {
                std::thread::sleep(Duration::from_millis(20));
            }
            other => return other,
        }
    }
}

/// What is kept of each stream: more than any program says that wnm runs, of ten thousand nodes.
const KEPT_BYTES: u64 = 16 << 20;

/// Reads a stream to its end, and keeps its beginning: a program that floods must not fill the memory.
fn drain(mut stream: std::io::PipeReader) -> Receiver<String> {
    let (done, kept) = channel();
    std::thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = stream.by_ref().take(KEPT_BYTES).read_to_end(&mut bytes);
        let _ = std::io::copy(&mut stream, &mut std::io::sink());
        let _ = done.send(String::from_utf8_lossy(&bytes).into_owned());
    });
    kept
}

fn run_blocking(command: &Command) -> Result<Output, CommandError> {
    let not_run =
        |error: std::io::Error| CommandError::NotRun { command: command.display(), reason: error.to_string() };
    let (stdout, stdout_end) = std::io::pipe().map_err(not_run)?;
    let (stderr, stderr_end) = std::io::pipe().map_err(not_run)?;
    let mut expression = duct::cmd(&command.program, &command.arguments)
        .stdin_bytes(command.input.clone())
        .stdout_file(stdout_end)
        .stderr_file(stderr_end)
        .unchecked()
        // A Ctrl-C at the terminal is for wnm alone: it finishes what is in hand.
        .before_spawn(|command| {
            std::os::unix::process::CommandExt::process_group(command, 0);
            Ok(())
        });
    for (name, value) in &command.environment {
        expression = expression.env(name, value);
    }
    if let Some(directory) = &command.directory {
        expression = expression.dir(directory);
    }
    let began = Instant::now();
    let handle = start(&expression).map_err(|error| {
        let reason = why_not_started(Path::new(&command.program), &error);
        CommandError::NotRun { command: command.display(), reason }
    })?;
    // It holds the ends that only the program shall hold.
    drop(expression);
    let (stdout, stderr) = (drain(stdout), drain(stderr));
    let ended = handle.wait_timeout(command.timeout).map_err(not_run)?;
    let left = || command.timeout.saturating_sub(began.elapsed());
    let said = ended.and_then(|output| {
        // Who has left the group may keep the streams open.
        Some((output.status.code(), stdout.recv_timeout(left()).ok()?, stderr.recv_timeout(left()).ok()?))
    });
    if let Some((code, stdout, stderr)) = said {
        return Ok(Output { code, stdout, stderr });
    }
    // With all that it started, or that would go on unseen. Who left the group on purpose does.
    for pid in handle.pids() {
        if let Some(group) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
    // A killed program is gone at once.
    let _ = handle.wait_timeout(Duration::from_secs(1));
    Err(CommandError::TimedOut { command: command.display(), seconds: command.timeout.as_secs() })
}
