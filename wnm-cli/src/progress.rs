//! Progress shows a watching person how far a plan has come, and takes Ctrl-C for "finish what is in hand".

use std::io::IsTerminal;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use wnm_core::node::{NodeId, Verb};
use wnm_core::progress::{Moment, Progress};

use crate::exit::Exit;

/// Watches a plan being carried out.
pub(crate) struct Watch {
    bar: ProgressBar,
    interrupted: Arc<AtomicBool>,
    listener: Arc<dyn Progress>,
}

impl Watch {
    /// Tells `listener` all there is to tell. From now on, a first Ctrl-C (or SIGTERM, SIGHUP) asks to stop and a second one ends wnm at once.
    pub(crate) fn begin(quiet: bool, listener: &Arc<dyn Progress>) -> Self {
        let interrupted = Arc::new(AtomicBool::new(false));
        for signal in [SIGINT, SIGTERM, SIGHUP] {
            let code = Exit::Interrupted as i32;
            // The order matters: the second signal finds the flag set by the first.
            let _ = signal_hook::flag::register_conditional_shutdown(signal, code, Arc::clone(&interrupted));
            let _ = signal_hook::flag::register(signal, Arc::clone(&interrupted));
        }
        let bar = if quiet || !std::io::stderr().is_terminal() {
            ProgressBar::hidden()
        } else {
            ProgressBar::new_spinner().with_style(ProgressStyle::default_spinner())
        };
        bar.enable_steady_tick(Duration::from_millis(100));
        Self { bar, interrupted, listener: Arc::clone(listener) }
    }
}

impl Progress for Watch {
    fn at(&self, verb: Verb, nodes: &[NodeId], moment: Moment) {
        self.listener.at(verb, nodes, moment);
        let doing = match moment {
            Moment::BeforeIntention | Moment::Intended => "begun",
            Moment::Created => "created",
            Moment::Done | Moment::Recorded => "done",
        };
        let names = match nodes {
            [] => String::new(),
            [only] => only.name(),
            [first, .., last] => format!("{} to {} ({} nodes)", first.name(), last.name(), nodes.len()),
        };
        tracing::debug!(%verb, %names, ?moment, "carrying out");
        self.bar.set_message(format!("{verb} {names}: {doing}"));
    }

    fn interrupted(&self) -> bool {
        self.interrupted.load(Ordering::Relaxed) || self.listener.interrupted()
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.bar.finish_and_clear();
    }
}
