//! A recorded runner runs no program: it answers from a script and remembers what it was asked to run.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;

use wnm_pm::command::{Command, CommandError, CommandRunner, Output};

type Answer = Result<Output, CommandError>;

/// Answers commands by the beginning of their command line.
#[derive(Debug, Default)]
pub struct RecordedRunner {
    script: Mutex<Vec<(String, VecDeque<Answer>)>>,
    calls: Mutex<Vec<Command>>,
}

impl RecordedRunner {
    /// A runner that knows no command yet.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Answers a command line that begins with `beginning` by these answers in turn, the last of them for ever. Of
    /// several beginnings that fit, the longest counts.
    ///
    /// # Panics
    /// Without any answer.
    #[must_use]
    pub fn on(self, beginning: &str, answers: impl IntoIterator<Item = Answer>) -> Self {
        let answers: VecDeque<_> = answers.into_iter().collect();
        assert!(!answers.is_empty(), "{beginning:?} needs an answer");
        lock(&self.script).push((beginning.to_owned(), answers));
        self
    }

    /// Answers a command line that begins with `beginning` by exit code 0 and this text.
    #[must_use]
    pub fn on_success(self, beginning: &str, stdout: &str) -> Self {
        let stdout = stdout.to_owned();
        let output = Output { code: Some(0), stdout, stderr: String::new() };
        self.on(beginning, [Ok(output)])
    }

    /// Answers a command line that begins with `beginning` by this exit code and this complaint.
    #[must_use]
    pub fn on_failure(self, beginning: &str, code: i32, stderr: &str) -> Self {
        let stderr = stderr.to_owned();
        let output = Output { code: Some(code), stdout: String::new(), stderr };
        self.on(beginning, [Ok(output)])
    }

    /// What was run so far.
    #[must_use]
    pub fn calls(&self) -> Vec<Command> {
        lock(&self.calls).clone()
    }

    /// The command lines of what was run so far.
    #[must_use]
    pub fn lines(&self) -> Vec<String> {
        lock(&self.calls).iter().map(Command::display).collect()
    }
}

#[async_trait]
impl CommandRunner for RecordedRunner {
    /// # Panics
    /// When no beginning fits: a test has to say what its programs answer.
    async fn run(&self, command: &Command) -> Answer {
        lock(&self.calls).push(command.clone());
        let line = command.display();
        let mut script = lock(&self.script);
        let fitting = script.iter_mut().filter(|(beginning, _)| line.starts_with(beginning.as_str()));
        let (_, answers) = fitting
            .max_by_key(|(beginning, _)| beginning.len())
            .unwrap_or_else(|| panic!("no answer is scripted for `{line}`"));
        let next = if answers.len() > 1 { answers.pop_front() } else { answers.front().cloned() };
        next.expect("there is always an answer left")
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
