//! Single actions and what became of them in words, for programs that show each by itself.

use std::fmt;

use super::count::counted;
use super::kind::{Kind, Tense};
use super::names::names;
use crate::execute::StepResult;
use crate::plan::Action;

impl fmt::Display for Action {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = match (Kind::of(self), self) {
            (Some((kind, id)), _) => kind.line(Tense::ToDo, &[id]),
            (None, Self::Resurvey) => "check all nodes after a restart of the machine".to_owned(),
            (None, Self::ForgetPrevious { numbers }) => format!("delete the previous program of {}", names(numbers)),
            (None, Self::Teardown { numbers, .. }) => {
                format!("take everything down: {}", counted(numbers.len(), "node"))
            }
            (None, _) => "check all nodes".to_owned(),
        };
        formatter.write_str(&words)
    }
}

impl fmt::Display for StepResult {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.error {
            None => formatter.write_str(&Kind::Plain(self.verb).line(Tense::Done, &[self.number])),
            Some(error) => write!(formatter, "failed to {} {}: {error}", self.verb, self.name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{NodeId, Verb};

    #[test]
    fn each_says_what_is_done_and_what_became_of_it() {
        let number = NodeId(7);
        let actions = [
            Action::Start { number },
            Action::Stop { number, by_owner: true },
            Action::Remove { number, now: false },
            Action::ForgetPrevious { numbers: vec![NodeId(1), NodeId(2)] },
            Action::Teardown { numbers: vec![number], groups: vec![] },
            Action::Survey,
            Action::Resurvey,
        ];
        let result = |error: Option<&str>| StepResult {
            verb: Verb::Restart,
            number,
            name: number.name(),
            error: error.map(str::to_owned),
            hints: vec![],
        };
        let mut words: Vec<String> = actions.iter().map(ToString::to_string).collect();
        words.extend([result(None), result(Some("its port is in use"))].iter().map(ToString::to_string));
        insta::assert_snapshot!(words.join("\n"), @"
        start antnode0007
        stop antnode0007 until it is started by hand
        stop antnode0007 and remove it after delay_remove
        delete the previous program of antnode0001–0002
        take everything down: 1 node
        check all nodes
        check all nodes after a restart of the machine
        restarted antnode0007
        failed to restart antnode0007: its port is in use
        ");
    }
}
