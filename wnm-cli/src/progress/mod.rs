//! Progress shows a person at a terminal what wnm is at, and takes Ctrl-C for "finish what is in hand".

#![expect(clippy::disallowed_methods, reason = "this module draws at the terminal")]

mod board;
mod screen;

use std::io::IsTerminal;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver, RecvTimeoutError, Sender};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use wnm_core::execute::StepResult;
use wnm_core::node::{NodeId, Verb};
use wnm_core::progress::{Moment, Progress, Work};

use crate::exit::Exit;
use board::Board;
pub(crate) use screen::LogWriter;
use screen::Screen;

/// What is over sooner than this is not worth a word.
const FIRST_WORD: Duration = Duration::from_millis(300);
const BETWEEN_WORDS: Duration = Duration::from_millis(100);

/// Watches what wnm does, and shows it for as long as this lives.
pub(crate) struct Watch {
    board: Arc<Mutex<Board>>,
    interrupted: Arc<AtomicBool>,
    listener: Arc<dyn Progress>,
    /// Ends the painter by being dropped; none where nobody is watching.
    painter: Option<(Sender<()>, JoinHandle<()>)>,
}

impl Watch {
    /// Tells `listener` all there is to tell, and shows it on the standard error where that is a terminal, unless wnm is
    /// to be `silent`.
    pub(crate) fn begin(silent: bool, listener: &Arc<dyn Progress>) -> Self {
        let (board, interrupted) = (Arc::new(Mutex::new(Board::default())), Arc::new(AtomicBool::new(false)));
        let painter = (!silent && std::io::stderr().is_terminal()).then(|| {
            let (end, ended) = mpsc::channel();
            let (board, interrupted) = (Arc::clone(&board), Arc::clone(&interrupted));
            (end, std::thread::spawn(move || paint(&board, &interrupted, &ended)))
        });
        Self { board, interrupted, listener: Arc::clone(listener), painter }
    }

    /// From now on, a first Ctrl-C (or SIGTERM, SIGHUP) asks to stop and a second one ends wnm at once.
    pub(crate) fn finish_when_interrupted(&self) {
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let code = Exit::Interrupted as i32;
            // The order matters: the second signal finds the flag set by the first.
            let _ = signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(&self.interrupted));
            let _ = signal_hook::flag::register(signal, Arc::clone(&self.interrupted));
        }
    }

    fn board(&self) -> MutexGuard<'_, Board> {
        lock(&self.board)
    }
}

/// A painter that panicked is no reason to end.
fn lock(board: &Mutex<Board>) -> MutexGuard<'_, Board> {
    board.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Shows what is on the board until the other end of the channel is gone, and leaves nothing on the screen.
fn paint(board: &Mutex<Board>, interrupted: &AtomicBool, ended: &Receiver<()>) {
    let waits = |time| matches!(ended.recv_timeout(time), Err(RecvTimeoutError::Timeout));
    if !waits(FIRST_WORD) {
        return;
    }
    let screen = Screen::of_standard_error();
    loop {
        let line = lock(board).line(Instant::now(), interrupted.load(Ordering::Relaxed));
        screen.show(&line);
        if !waits(BETWEEN_WORDS) {
            return;
        }
    }
}

impl Progress for Watch {
    fn at(&self, verb: Verb, nodes: &[NodeId], moment: Moment) {
        self.listener.at(verb, nodes, moment);
        tracing::debug!(%verb, nodes = %wnm_core::report::names(nodes), ?moment, "carrying out");
        self.board().at(verb, nodes, moment, Instant::now());
    }

    fn begins(&self, work: Work) {
        self.listener.begins(work);
        self.board().begins(work);
    }

    fn advances(&self, work: Work, finished: usize) {
        self.listener.advances(work, finished);
        self.board().advances(work, finished);
    }

    fn ends(&self, work: Work) {
        self.listener.ends(work);
        self.board().ends(work);
    }

    fn planned(&self, steps: usize) {
        self.listener.planned(steps);
        self.board().planned(steps, Instant::now());
    }

    fn ended(&self, results: &[StepResult]) {
        self.listener.ended(results);
        self.board().ended(results);
    }

    fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed) || self.listener.interrupted()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        if let Some((end, painter)) = self.painter.take() {
            drop(end);
            let _ = painter.join();
        }
    }
}
