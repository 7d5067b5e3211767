//! The board holds what wnm is at, and says it in words. It knows nothing of terminals.

use std::time::Instant;

use wnm_core::execute::StepResult;
use wnm_core::node::{NodeId, Verb};
use wnm_core::progress::{Moment, Work};
use wnm_core::report::{counted, names, thousands};

/// What is shown at a moment.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Line {
    /// Words alone, as long as no steps are counted; empty for a moment in which nothing is waited for.
    Words(String),
    /// Steps that are counted.
    Steps {
        done: usize,
        of: usize,
        /// `352/1,000, 41/s, 2 failed`.
        figures: String,
        words: String,
    },
}

/// What wnm is at.
#[derive(Debug, Default)]
pub(super) struct Board {
    /// What is waited for, oldest first, and how far each has come.
    works: Vec<(Work, usize)>,
    steps: Option<Steps>,
    in_hand: Option<Batch>,
}

#[derive(Debug)]
struct Steps {
    of: usize,
    begun_at: Instant,
    done: usize,
    failed: usize,
}

#[derive(Debug)]
struct Batch {
    verb: Verb,
    nodes: Vec<NodeId>,
    moment: Moment,
    since: Instant,
}

impl Board {
    pub(super) fn begins(&mut self, work: Work) {
        self.works.push((work, 0));
    }

    pub(super) fn advances(&mut self, work: Work, finished: usize) {
        if let Some((_, so_far)) = self.works.iter_mut().find(|(known, _)| *known == work) {
            *so_far = finished;
        }
    }

    pub(super) fn ends(&mut self, work: Work) {
        if let Some(place) = self.works.iter().position(|(known, _)| *known == work) {
            self.works.remove(place);
        }
    }

    pub(super) fn planned(&mut self, steps: usize, now: Instant) {
        self.steps = (steps > 0).then_some(Steps { of: steps, begun_at: now, done: 0, failed: 0 });
    }

    pub(super) fn at(&mut self, verb: Verb, nodes: &[NodeId], moment: Moment, now: Instant) {
        self.in_hand = Some(Batch { verb, nodes: nodes.to_vec(), moment, since: now });
    }

    pub(super) fn ended(&mut self, results: &[StepResult]) {
        self.in_hand = None;
        if let Some(steps) = &mut self.steps {
            steps.done += results.len();
            steps.failed += results.iter().filter(|result| result.error.is_some()).count();
        }
    }

    /// What to show now.
    pub(super) fn line(&self, now: Instant, interrupted: bool) -> Line {
        let works = self.works.iter().filter_map(|(work, finished)| work_words(*work, *finished));
        let batch = self.in_hand.as_ref().map(|batch| batch.words(now));
        let words: Vec<String> = batch.into_iter().chain(works).collect();
        let words = if interrupted {
            format!("stopping after this (Ctrl-C again: at once): {}", words.join(", "))
        } else {
            words.join(", ")
        };
        match &self.steps {
            None => Line::Words(words),
            Some(steps) => Line::Steps { done: steps.done, of: steps.of, figures: steps.figures(now), words },
        }
    }
}

impl Steps {
    fn figures(&self, now: Instant) -> String {
        let Self { of, begun_at, done, failed } = *self;
        let mut figures = format!("{}/{}", thousands(done), thousands(of));
        let seconds = now.saturating_duration_since(begun_at).as_secs_f64();
        if done > 0 && seconds > 0.0 {
            #[expect(clippy::cast_precision_loss, reason = "nodes are far fewer than 2^52")]
            let rate = done as f64 / seconds;
            figures += &if rate < 10.0 { format!(", {rate:.1}/s") } else { format!(", {rate:.0}/s") };
        }
        if failed > 0 {
            figures += &format!(", {} failed", thousands(failed));
        }
        figures
    }
}

impl Batch {
    /// What is done to which nodes, and how long it has taken once that is worth saying: a container group takes all its
    /// nodes in one call.
    fn words(&self, now: Instant) -> String {
        const WORTH_SAYING: u64 = 2;
        let doing = match (self.moment, self.verb) {
            (Moment::Done | Moment::Recorded, _) => "recording",
            (Moment::Created, _) | (_, Verb::Start) => "starting",
            (_, Verb::Add) => "creating",
            (_, Verb::Stop) => "stopping",
            (_, Verb::Restart) => "restarting",
            (_, Verb::Upgrade) => "upgrading",
            (_, Verb::Revert) => "reverting",
            (_, Verb::Remove) => "removing",
            (_, Verb::Disable) => "disabling",
            (_, Verb::Enable) => "enabling",
        };
        let time = match now.saturating_duration_since(self.since).as_secs() {
            0..WORTH_SAYING => String::new(),
            seconds => format!(" ({seconds} s)"),
        };
        match self.nodes.as_slice() {
            [only] => format!("{doing} {}{time}", only.name()),
            nodes => format!("{doing} {}{time}: {}", counted(nodes.len(), "node"), names(nodes)),
        }
    }
}

/// None for work on nothing.
fn work_words(work: Work, finished: usize) -> Option<String> {
    let words = match work {
        Work::CheckNodes(0) | Work::AskNodes(0) | Work::MeasureGroups(0) | Work::CloseGroups(0) => return None,
        Work::ReadDatabase => "reading the database".to_owned(),
        Work::WriteDatabase => "writing to the database".to_owned(),
        Work::MeasureMachine => "measuring the machine".to_owned(),
        Work::ReadProgramVersion => "asking the node program for its version".to_owned(),
        Work::CheckNodes(nodes) => format!("checking {}", counted(nodes, "node")),
        Work::AskGroups(0) => "asking the container engine".to_owned(),
        Work::AskGroups(groups) => format!("asking {}", counted(groups, "container group")),
        Work::AskNodes(nodes) => {
            format!("asking {} over HTTP ({} done)", counted(nodes, "node"), thousands(finished))
        }
        Work::MeasureGroups(groups) => format!("measuring {}", counted(groups, "container group")),
        Work::FindUntracked => "looking for untracked nodes".to_owned(),
        Work::Examine => "examining the machine".to_owned(),
        Work::OpenGroups(groups) => format!("bringing up {}", counted(groups, "container group")),
        Work::CloseGroups(groups) => format!("removing {}", counted(groups, "container group")),
        Work::TearDown => "taking everything down".to_owned(),
        Work::MoveNodes(nodes) => format!("moving {} to another flavour", counted(nodes, "node")),
        Work::MoveToDisk(nodes) => {
            format!("moving {} to another disk ({} done)", counted(nodes, "node"), thousands(finished))
        }
        Work::ReadBackup => "reading the backup".to_owned(),
        Work::WriteBackup => "writing the backup".to_owned(),
        Work::RestoreBackup => "restoring the backup".to_owned(),
        Work::AwaitHealth(count) => format!("waiting until {} are healthy", counted(count, "node")),
        Work::Pause => "waiting (action_delay)".to_owned(),
        _ => return None,
    };
    Some(words)
}

#[cfg(test)]
#[expect(clippy::disallowed_methods, reason = "a test says when something began")]
mod tests {
    use std::time::Duration;

    use super::*;

    fn ids(numbers: impl IntoIterator<Item = u32>) -> Vec<NodeId> {
        numbers.into_iter().map(NodeId).collect()
    }

    fn results(nodes: &[NodeId], failed: &[u32]) -> Vec<StepResult> {
        let error = |id: &NodeId| failed.contains(&id.0).then(|| "it failed".to_owned());
        let result = |id: &NodeId| StepResult {
            verb: Verb::Add,
            number: *id,
            name: id.name(),
            error: error(id),
            hints: Vec::new(),
        };
        nodes.iter().map(result).collect()
    }

    fn words(board: &Board) -> String {
        match board.line(Instant::now(), false) {
            Line::Words(words) => words,
            steps @ Line::Steps { .. } => panic!("{steps:?}"),
        }
    }

    #[test]
    fn everything_that_is_waited_for_is_named_until_it_ends() {
        let mut board = Board::default();
        assert_eq!(words(&board), "");
        board.begins(Work::ReadDatabase);
        assert_eq!(words(&board), "reading the database");
        board.ends(Work::ReadDatabase);
        for work in [Work::MeasureMachine, Work::CheckNodes(1_000), Work::AskGroups(5), Work::AskGroups(0)] {
            board.begins(work);
        }
        assert_eq!(
            words(&board),
            "measuring the machine, checking 1,000 nodes, asking 5 container groups, asking the container engine"
        );
        board.ends(Work::MeasureMachine);
        board.ends(Work::AskGroups(5));
        board.ends(Work::AskGroups(0));
        assert_eq!(words(&board), "checking 1,000 nodes");
        board.ends(Work::CheckNodes(1_000));
        board.begins(Work::AskNodes(1_000));
        board.advances(Work::AskNodes(1_000), 999);
        assert_eq!(words(&board), "asking 1,000 nodes over HTTP (999 done)");
        board.begins(Work::CheckNodes(0));
        assert_eq!(words(&board), "asking 1,000 nodes over HTTP (999 done)", "nothing is checked");
    }

    #[test]
    fn steps_are_counted_with_what_failed() {
        let (mut board, begin) = (Board::default(), Instant::now());
        board.planned(64, begin);
        let line = |board: &Board, seconds| match board.line(begin + Duration::from_secs(seconds), false) {
            Line::Steps { done, of, figures, words } => (done, of, figures, words),
            words @ Line::Words(_) => panic!("{words:?}"),
        };
        assert_eq!(line(&board, 1), (0, 64, "0/64".to_owned(), String::new()));
        let first = ids(1..=32);
        board.at(Verb::Add, &first, Moment::Intended, begin);
        assert_eq!(line(&board, 1).3, "creating 32 nodes: antnode0001–0032");
        board.at(Verb::Add, &first, Moment::Created, begin);
        assert_eq!(line(&board, 1).3, "starting 32 nodes: antnode0001–0032");
        assert_eq!(line(&board, 12).3, "starting 32 nodes (12 s): antnode0001–0032");
        board.at(Verb::Add, &first, Moment::Done, begin);
        assert_eq!(line(&board, 1).2, "0/64", "what is not recorded yet does not count");
        board.ended(&results(&first, &[3, 4]));
        assert_eq!(line(&board, 2), (32, 64, "32/64, 16/s, 2 failed".to_owned(), String::new()));
        board.at(Verb::Remove, &ids([7]), Moment::Intended, begin + Duration::from_secs(64));
        assert_eq!(line(&board, 64).2, "32/64, 0.5/s, 2 failed");
        assert_eq!(line(&board, 64).3, "removing antnode0007");
    }

    #[test]
    fn a_plan_without_steps_has_no_bar() {
        let mut board = Board::default();
        board.planned(0, Instant::now());
        board.begins(Work::OpenGroups(1));
        assert_eq!(words(&board), "bringing up 1 container group");
    }

    #[test]
    fn an_interruption_is_answered_at_once() {
        let mut board = Board::default();
        board.planned(4, Instant::now());
        board.at(Verb::Add, &ids([2]), Moment::Intended, Instant::now());
        let Line::Steps { words, .. } = board.line(Instant::now(), true) else { panic!("steps are counted") };
        assert_eq!(words, "stopping after this (Ctrl-C again: at once): creating antnode0002");
    }
}
