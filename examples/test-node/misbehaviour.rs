//! Misbehaviour is what a test node does other than antnode would: words, separated by commas.
//!
//! | word | what it does |
//! | --- | --- |
//! | `slow_start:2s` | opens its ports only after 2 s |
//! | `exit:7:0.5s` | ends with exit code 7 after half a second |
//! | `ignore_term` | does not end on SIGTERM |
//! | `slow_term:1s` | ends 1 s after SIGTERM, with exit code 0 |
//! | `no_metrics` | opens no metrics port |
//! | `hang` | takes questions and never answers |
//! | `drip` | answers a byte a second, for ever |
//! | `flood` | answers without end |
//! | `half` | breaks off in the middle of its answer |
//! | `garbage` | answers bytes that mean nothing |
//! | `http404` | answers that there is nothing here |
//! | `wrong_peer` | answers in the name of another peer |
//! | `no_peers` | never finds a peer |
//! | `eat:200M` | takes 200 MB of memory, and reports them |
//! | `upgrade:0.23.2:2s` | of v2: after 2 s replaces its own program by this version and ends with exit code 0 |
//! | `record` | writes its command line and environment to `seen.json` in its root directory |

use std::path::Path;
use std::time::Duration;

use crate::program::Program;

/// How a node misbehaves.
#[derive(Debug, Default)]
pub struct Misbehaviour {
    pub slow_start: Duration,
    pub exit: Option<(i32, Duration)>,
    pub ignore_term: bool,
    pub slow_term: Option<Duration>,
    pub no_metrics: bool,
    pub wrong_peer: bool,
    pub upgrade: Option<(String, Duration)>,
    pub record: bool,
    pub no_peers: bool,
    /// In megabytes.
    pub eat: usize,
    pub answer: Answer,
}

/// How a node answers questions.
#[derive(Debug, Default, Clone, Copy)]
pub enum Answer {
    #[default]
    Well,
    Hang,
    Drip,
    Flood,
    Half,
    Garbage,
    Http404,
}

impl Misbehaviour {
    /// What the program, the environment and the file in the root directory say together; a word that means nothing
    /// ends the node, so that no test believes in a misbehaviour that never was.
    pub fn of(program: &Program, root_dir: &Path) -> Self {
        let environment = std::env::var("WNM_TEST_NODE").unwrap_or_default();
        let file = std::fs::read_to_string(root_dir.join("misbehave")).unwrap_or_default();
        let mut found = Self::default();
        for words in [&program.misbehaviour, &environment, &file] {
            for word in words.split(',').map(str::trim).filter(|word| !word.is_empty()) {
                if found.add(word).is_none() {
                    eprintln!("a test node cannot misbehave by {word:?}");
                    crate::end(2);
                }
            }
        }
        found
    }

    fn add(&mut self, word: &str) -> Option<()> {
        let mut parts = word.split(':');
        match parts.next()? {
            "slow_start" => self.slow_start = seconds(parts.next()?)?,
            "exit" => self.exit = Some((parts.next()?.parse().ok()?, seconds(parts.next()?)?)),
            "ignore_term" => self.ignore_term = true,
            "slow_term" => self.slow_term = Some(seconds(parts.next()?)?),
            "no_metrics" => self.no_metrics = true,
            "wrong_peer" => self.wrong_peer = true,
            "upgrade" => self.upgrade = Some((parts.next()?.to_owned(), seconds(parts.next()?)?)),
            "record" => self.record = true,
            "no_peers" => self.no_peers = true,
            "eat" => self.eat = parts.next()?.strip_suffix('M')?.parse().ok()?,
            "hang" => self.answer = Answer::Hang,
            "drip" => self.answer = Answer::Drip,
            "flood" => self.answer = Answer::Flood,
            "half" => self.answer = Answer::Half,
            "garbage" => self.answer = Answer::Garbage,
            "http404" => self.answer = Answer::Http404,
            _ => return None,
        }
        parts.next().is_none().then_some(())
    }
}

/// `2`, `2s` or `0.5s`.
fn seconds(text: &str) -> Option<Duration> {
    let number: f64 = text.strip_suffix('s').unwrap_or(text).parse().ok()?;
    Duration::try_from_secs_f64(number).ok()
}
