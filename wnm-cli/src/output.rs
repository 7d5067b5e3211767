//! Output is the one place that prints: answers on the standard output, what is said beside them on the standard error.
//! A closed pipe is not an error.

#![expect(clippy::disallowed_methods, reason = "this module prints")]

use std::io::{self, IsTerminal, Write};

use serde::Serialize;
use wnm_core::report::Detail;

use crate::arguments::Common;
use crate::exit::{Failure, FailureRow};

/// Where answers go, and in which form.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Output {
    json: bool,
    quiet: bool,
    detail: Detail,
}

impl Output {
    pub(crate) fn new(common: &Common) -> Self {
        let detail = if common.details || common.verbose > 0 { Detail::Each } else { Detail::Summary };
        Self { json: common.json, quiet: common.quiet, detail }
    }

    /// For what is said before the arguments could be read.
    pub(crate) fn json() -> Self {
        Self { json: true, quiet: false, detail: Detail::Summary }
    }

    pub(crate) fn is_json(self) -> bool {
        self.json
    }

    /// Whether answers go to a terminal, for a person to read.
    pub(crate) fn is_terminal(self) -> bool {
        !self.json && io::stdout().is_terminal()
    }

    /// How much a person wants to read.
    pub(crate) fn detail(self) -> Detail {
        self.detail
    }

    /// An answer: as JSON when that was asked for, else in words.
    pub(crate) fn answer(self, value: &impl Serialize, words: impl FnOnce() -> String) -> Result<(), Failure> {
        if self.json {
            let text = serde_json::to_string_pretty(value).map_err(|error| Failure::Other(error.to_string()))?;
            print(&format!("{text}\n"))
        } else if self.quiet {
            Ok(())
        } else {
            print(&words())
        }
    }

    /// One of many answers to the same question, as it changes: on a terminal in the place of the one before. Answers whether
    /// anybody is left to read the next one.
    pub(crate) fn frame(self, value: &impl Serialize, words: impl FnOnce() -> String) -> Result<bool, Failure> {
        const CLEAR: &str = "\x1b[2J\x1b[H";
        if self.json {
            let text = serde_json::to_string(value).map_err(|error| Failure::Other(error.to_string()))?;
            return written(&format!("{text}\n"));
        }
        let clear = if io::stdout().is_terminal() { CLEAR } else { "" };
        written(&format!("{clear}{}", words()))
    }

    /// Lines one after the other, for as long as anybody reads them.
    pub(crate) fn stream(self) -> Stream {
        Stream { json: self.json, text: String::new(), result: Ok(true) }
    }

    /// Text that is the same in every form (a completion script, a config file).
    pub(crate) fn raw(self, text: &str) -> Result<(), Failure> {
        print(text)
    }

    /// Something beside the answer.
    pub(crate) fn remark(self, text: &str) {
        if !self.quiet {
            say(text);
        }
    }

    /// Something that keeps nodes from working: reported also with `--quiet`.
    pub(crate) fn warn(self, warnings: &[String]) {
        warnings.iter().for_each(|warning| say(&format!("warning: {warning}")));
    }

    /// What the answer reports among other things, and nobody may miss: where nobody reads the answer it is said beside it.
    pub(crate) fn alert(self, lines: &[String]) {
        let is_read = self.answers() && outputs_are_one();
        if !is_read && !lines.is_empty() {
            say(&lines.join("\n"));
        }
    }

    /// Whether answers are printed.
    pub(crate) fn answers(self) -> bool {
        self.json || !self.quiet
    }

    /// What went wrong.
    pub(crate) fn failure(self, failure: &Failure) {
        if self.json {
            let row = FailureRow::from(failure);
            let _ = serde_json::to_string_pretty(&row).map(|text| print(&format!("{text}\n")));
        }
        say(&failure.lines().join("\n"));
    }

    /// Asks a person yes or no; nobody there is a no.
    pub(crate) fn ask(self, question: &str) -> bool {
        if !io::stdin().is_terminal() || !io::stderr().is_terminal() {
            return false;
        }
        let _ = write!(io::stderr(), "{question} [y/N] ");
        let mut answer = String::new();
        io::stdin().read_line(&mut answer).is_ok() && matches!(answer.trim(), "y" | "Y" | "yes")
    }
}

/// Lines that are printed one after the other; they are written when there are many, or when [`Stream::flush`] says so.
pub(crate) struct Stream {
    json: bool,
    text: String,
    result: Result<bool, Failure>,
}

impl Stream {
    pub(crate) fn is_json(&self) -> bool {
        self.json
    }

    /// Whether somebody is left to read the next line.
    pub(crate) fn is_read(&self) -> bool {
        matches!(self.result, Ok(true))
    }

    /// Prints a line; answers whether somebody is left to read the next one.
    pub(crate) fn line(&mut self, line: &str) -> bool {
        const MANY_BYTES: usize = 64 << 10;
        self.text.push_str(line);
        self.text.push('\n');
        if self.text.len() >= MANY_BYTES {
            self.flush();
        }
        self.is_read()
    }

    /// Prints a value as a line of JSON.
    pub(crate) fn json(&mut self, value: &impl Serialize) -> bool {
        match serde_json::to_string(value) {
            Ok(line) => self.line(&line),
            Err(error) => {
                self.result = Err(Failure::Other(error.to_string()));
                false
            }
        }
    }

    pub(crate) fn flush(&mut self) {
        let text = std::mem::take(&mut self.text);
        if self.is_read() && !text.is_empty() {
            self.result = written(&text);
        }
    }

    /// A closed pipe is not an error.
    pub(crate) fn end(mut self) -> Result<(), Failure> {
        self.flush();
        self.result.map(|_| ())
    }
}

fn print(text: &str) -> Result<(), Failure> {
    written(text).map(|_| ())
}

/// Writes an answer, and tells whether anybody reads it: a closed pipe is not an error.
fn written(text: &str) -> Result<bool, Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(Failure::Other(format!("cannot write the answer: {error}"))),
        Ok(()) => Ok(true),
    }
}

/// Whether both standard outputs lead to the same place, a terminal or a file: whoever reads one reads the other.
fn outputs_are_one() -> bool {
    let place = |stat: rustix::fs::Stat| (stat.st_dev, stat.st_ino, stat.st_rdev);
    match (rustix::fs::fstat(io::stdout()), rustix::fs::fstat(io::stderr())) {
        (Ok(stdout), Ok(stderr)) => place(stdout) == place(stderr),
        _ => false,
    }
}

fn say(text: &str) {
    // Nobody is left to be told when even this fails.
    let _ = writeln!(io::stderr(), "{text}");
}
