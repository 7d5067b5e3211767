//! What became of a plan, as a person reads it: what was done, what failed and why, what was not begun, and the plan's
//! reasons.

use super::failures::{Shared, by_reason};
use super::kind::{Kind, Tense, by_kind, each, kinds_of};
use super::names::{all_names, names};
use super::plan::{added, names_in_groups, of_all};
use super::{Detail, counted, reasons_text, section, shorten};
use crate::execute::{Execution, StepResult};
use crate::node::{NodeId, Verb};
use crate::plan::{Action, Plan};
use wnm_pm::hint::Hint;

/// How many reasons for failures, and how many notes, a summary shows.
const FAILURES_MAX: usize = 4;
const NOTES_MAX: usize = 5;

/// What became of a plan in words, several lines. `advice` words hints in one line, as whoever shows them has to: only
/// they know their commands.
#[must_use]
pub fn execution_text(
    plan: &Plan,
    execution: &Execution,
    detail: Detail,
    advice: &dyn Fn(&[Hint]) -> Option<String>,
) -> String {
    let mut lines = done(plan, execution, detail);
    lines.extend(shorten(execution.notes.clone(), NOTES_MAX, detail, |left| format!("… and {left} more notes")));
    lines.extend(failure_lines(execution, detail, advice));
    let left = step_lines(plan, execution.left.iter().copied(), Tense::ToDo, detail);
    let left = section("Interrupted, not begun:", &left);
    let actions = match lines.as_slice() {
        [] if left.is_empty() => "Nothing to do.\n".to_owned(),
        lines => section("Actions:", lines),
    };
    actions + &left + &reasons_text(plan, detail)
}

/// What failed, a text for each cause, however many nodes share it; empty where nothing did. `advice` is as above.
#[must_use]
pub fn failure_lines(execution: &Execution, detail: Detail, advice: &dyn Fn(&[Hint]) -> Option<String>) -> Vec<String> {
    let mut lines =
        shorten(execution.port_errors.clone(), NOTES_MAX, detail, |left| format!("… and {left} more ports"));
    let groups = group_failures(execution, detail);
    lines.extend(shorten(groups, FAILURES_MAX, detail, |left| format!("… and {left} more like these")));
    let failed = shorten(failures(execution, detail, advice), FAILURES_MAX, detail, |left| {
        format!("… and nodes failed for {left} more reasons")
    });
    lines.extend(failed);
    lines.extend(advice(&execution.hints).map(|hint| format!("hint: {hint}")));
    lines
}

/// What succeeded.
fn done(plan: &Plan, execution: &Execution, detail: Detail) -> Vec<String> {
    let succeeded = execution.results.iter().filter(|result| result.error.is_none());
    let mut lines = step_lines(plan, succeeded.map(|result| (result.verb, result.number)), Tense::Done, detail);
    lines.extend(plan.actions.iter().flat_map(|action| of_whole(action, execution)));
    lines
}

/// Steps in one line for each kind, or each in a line of its own.
fn step_lines(plan: &Plan, steps: impl Iterator<Item = (Verb, NodeId)>, tense: Tense, detail: Detail) -> Vec<String> {
    let (kinds, specs) = (kinds_of(&plan.actions), added(plan));
    let steps = steps.map(|(verb, id)| {
        // The steps of a teardown are not in the plan; they are removals.
        let teardown = if verb == Verb::Remove { Kind::Remove } else { Kind::Plain(verb) };
        (kinds.get(&id).copied().unwrap_or(teardown), id)
    });
    let line = |(kind, nodes): (Kind<'_>, Vec<NodeId>)| match kind {
        Kind::Add(_) => kind.line_with(tense, &nodes, &names_in_groups(&nodes, &specs)),
        kind => kind.line(tense, &nodes),
    };
    let lines = match detail {
        Detail::Summary => by_kind(steps),
        Detail::Each => each(steps),
    };
    lines.into_iter().map(line).collect()
}

/// What was done to all at once and has no result of its own.
fn of_whole(action: &Action, execution: &Execution) -> Vec<String> {
    let whole = execution.succeeded() && execution.left.is_empty();
    match action {
        Action::Resurvey | Action::ForgetPrevious { .. } => of_all(action, Tense::Done),
        Action::Teardown { numbers, groups } if whole => {
            // The results name the nodes, unless the process manager took them down in one go.
            let numbers = if execution.results.is_empty() { numbers.clone() } else { Vec::new() };
            of_all(&Action::Teardown { numbers, groups: groups.clone() }, Tense::Done)
        }
        _ => Vec::new(),
    }
}

/// What failed, by verb and reason.
fn failures(execution: &Execution, detail: Detail, advice: &dyn Fn(&[Hint]) -> Option<String>) -> Vec<String> {
    let with_hint = |result: &StepResult, error: &str| match advice(&result.hints) {
        Some(hint) => format!("{error}\nhint: {hint}"),
        None => error.to_owned(),
    };
    let failed = execution.results.iter().filter_map(|result| Some((result, result.error.as_deref()?)));
    let failed: Vec<(&StepResult, String)> = failed.map(|(result, error)| (result, with_hint(result, error))).collect();
    if detail == Detail::Each {
        return failed.iter().map(|(result, text)| failure(result.verb, &result.name, text)).collect();
    }
    let mut verbs: Vec<(Verb, Vec<(NodeId, &str)>)> = Vec::new();
    for (StepResult { verb, number, .. }, error) in &failed {
        match verbs.iter_mut().find(|(known, _)| known == verb) {
            Some((_, errors)) => errors.push((*number, error)),
            None => verbs.push((*verb, vec![(*number, error)])),
        }
    }
    let lines = verbs.into_iter().flat_map(|(verb, errors)| {
        by_reason(errors).into_iter().map(move |Shared { nodes, text }| match nodes.as_slice() {
            [id] => failure(verb, &id.name(), &text),
            _ => {
                let named = if verb == Verb::Remove { all_names(&nodes) } else { names(&nodes) };
                format!("failed to {verb} {} ({named}):\n{text}", counted(nodes.len(), "node"))
            }
        })
    });
    lines.collect()
}

/// What became of container groups, by reason.
fn group_failures(execution: &Execution, detail: Detail) -> Vec<String> {
    if detail == Detail::Each {
        return execution.group_errors.clone();
    }
    let shared = by_reason(execution.group_errors.iter().map(|error| ((), error.as_str())));
    let line = |Shared { nodes, text }| match nodes.len() {
        1 => text,
        count => format!("{}: {text}", counted(count, "container group")),
    };
    shared.into_iter().map(line).collect()
}

fn failure(verb: Verb, name: &str, error: &str) -> String {
    format!("failed to {verb} {name}: {error}")
}
