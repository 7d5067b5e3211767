//! The screen is one line at the foot of the terminal. Log lines go above it.

#![expect(clippy::disallowed_methods, reason = "this module draws at the terminal")]

use std::io::{self, Write};
use std::sync::{Mutex, PoisonError};

use indicatif::style::TemplateError;
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::board::Line;

/// Each change of the line is drawn, and there are three at most for each time it is shown: were one left out, the bar
/// and the words would say different things until the next time.
const DRAWN_PER_SECOND: u8 = 100;

/// The line that is shown now: a process has one standard error.
static SHOWN: Mutex<Option<ProgressBar>> = Mutex::new(None);

fn shown() -> std::sync::MutexGuard<'static, Option<ProgressBar>> {
    SHOWN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A line that is drawn over and over again, and leaves nothing behind.
pub(super) struct Screen {
    bar: ProgressBar,
}

impl Screen {
    pub(super) fn of_standard_error() -> Self {
        let screen = Self::on(ProgressDrawTarget::stderr_with_hz(DRAWN_PER_SECOND));
        *shown() = Some(screen.bar.clone());
        screen
    }

    fn on(target: ProgressDrawTarget) -> Self {
        Self { bar: ProgressBar::with_draw_target(None, target) }
    }

    pub(super) fn show(&self, line: &Line) {
        let style = match line {
            Line::Words(_) => ProgressStyle::with_template("{spinner} {wide_msg}"),
            Line::Steps { .. } => steps_style(),
        };
        if let Ok(style) = style {
            self.bar.set_style(style);
        }
        match line {
            Line::Words(words) => self.bar.set_message(words.clone()),
            Line::Steps { done, of, figures, words } => {
                self.bar.update(|state| {
                    state.set_len(*of as u64);
                    state.set_pos(*done as u64);
                });
                self.bar.set_message(format!("{figures}  {words}"));
            }
        }
        self.bar.tick();
    }
}

fn steps_style() -> Result<ProgressStyle, TemplateError> {
    Ok(ProgressStyle::with_template("{spinner} [{bar:16}] {wide_msg}")?.progress_chars("=> "))
}

impl Drop for Screen {
    fn drop(&mut self) {
        *shown() = None;
        self.bar.finish_and_clear();
    }
}

/// Writes log lines to the standard error, above what is shown there.
#[derive(Debug, Clone, Copy)]
pub(crate) struct LogWriter;

impl Write for LogWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &*shown() {
            Some(bar) => bar.println(String::from_utf8_lossy(bytes).trim_end()),
            None => io::stderr().write_all(bytes)?,
        }
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().flush()
    }
}

#[cfg(test)]
mod tests {
    use indicatif::InMemoryTerm;

    use super::*;

    fn steps(done: usize) -> Line {
        Line::Steps {
            done,
            of: 1_000,
            figures: format!("{done}/1,000, 41/s, 2 failed"),
            words: "creating 32 nodes: antnode0353–0384".to_owned(),
        }
    }

    fn screen(columns: u16) -> (InMemoryTerm, Screen) {
        let terminal = InMemoryTerm::new(10, columns);
        let target = ProgressDrawTarget::term_like_with_hz(Box::new(terminal.clone()), DRAWN_PER_SECOND);
        (terminal, Screen::on(target))
    }

    fn seen(terminal: &InMemoryTerm) -> String {
        let text = terminal.contents();
        // The spinner turns.
        text.chars().skip(2).collect()
    }

    #[test]
    fn a_line_fits_80_and_120_columns() {
        let words = Line::Words(
            "measuring the machine, checking 1,000 nodes, asking 5 container groups, asking the node program for its version"
                .to_owned(),
        );
        let (terminal, narrow) = screen(80);
        narrow.show(&words);
        assert_eq!(seen(&terminal), "measuring the machine, checking 1,000 nodes, asking 5 container groups, asking");
        narrow.show(&steps(352));
        assert_eq!(seen(&terminal), "[=====>          ] 352/1,000, 41/s, 2 failed  creating 32 nodes: antnode0353–0");
        let (terminal, wide) = screen(120);
        wide.show(&words);
        assert_eq!(
            seen(&terminal),
            "measuring the machine, checking 1,000 nodes, asking 5 container groups, asking the node program for its version"
        );
        wide.show(&steps(352));
        assert_eq!(
            seen(&terminal),
            "[=====>          ] 352/1,000, 41/s, 2 failed  creating 32 nodes: antnode0353–0384"
        );
    }

    #[test]
    fn nothing_is_left_behind() {
        let (terminal, screen) = screen(80);
        screen.show(&steps(0));
        screen.show(&Line::Words("reading the database".to_owned()));
        assert_eq!(seen(&terminal), "reading the database");
        drop(screen);
        assert_eq!(terminal.contents(), "");
    }
}
