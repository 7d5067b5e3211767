//! wnm that is killed at a moment of one's choice: `cargo run --example dies-at -- add:intended:1 add --count 2`.
//!
//! The first argument names verb, moment (`before`, `intended`, `created`, `done`, `recorded`) and the how-manieth time;
//! all others are wnm's. At that moment the program ends by SIGKILL, as a power cut would end it: it is how the tests
//! find out that nothing is lost and nothing is done twice.

use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Signal, getpid, kill_process};
use wnm_core::node::{NodeId, Verb};
use wnm_core::progress::{Moment, Progress};

struct Death {
    verb: String,
    moment: Moment,
    left: AtomicU32,
}

impl Death {
    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split(':');
        let verb = words.next()?.to_owned();
        let moment = match words.next()? {
            "before" => Moment::BeforeIntention,
            "intended" => Moment::Intended,
            "created" => Moment::Created,
            "done" => Moment::Done,
            "recorded" => Moment::Recorded,
            _ => return None,
        };
        Some(Self { verb, moment, left: AtomicU32::new(words.next()?.parse().ok()?) })
    }
}

impl Progress for Death {
    fn at(&self, verb: Verb, _: &[NodeId], moment: Moment) {
        if verb.as_str() == self.verb && moment == self.moment && self.left.fetch_sub(1, Ordering::SeqCst) == 1 {
            let _ = kill_process(getpid(), Signal::KILL);
        }
    }
}

fn main() -> ExitCode {
    let mut arguments = std::env::args_os();
    let program = arguments.next();
    let Some(death) = arguments.next().and_then(|word| Death::parse(word.to_str()?)) else {
        return ExitCode::from(2);
    };
    let listener: Arc<dyn Progress> = Arc::new(death);
    ExitCode::from(wnm_cli::run_watched(program.into_iter().chain(arguments), &listener) as u8)
}
