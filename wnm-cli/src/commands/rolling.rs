//! Restarts and upgrades of many nodes go in batches.

use serde::Serialize;
use wnm::{BatchEnd, NodeId, Pace, Rolled, Selection, Verb, roll, roll_plan};
use wnm_core::decide::Request;
use wnm_core::machine::Trigger;
use wnm_core::report::{by_reason, counted, names};

use super::cycle;
use crate::arguments::{Common, Many};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::Given;

#[derive(Serialize)]
struct Answer {
    dry_run: bool,
    verb: Verb,
    /// Nodes in a batch.
    batch: usize,
    #[serde(flatten)]
    rolled: Rolled,
}

/// Restarts or upgrades nodes: a few that are named at once, many in batches.
pub(crate) async fn many(
    output: Output,
    common: &Common,
    given: &Given,
    verb: Verb,
    options: Many,
) -> Result<Exit, Failure> {
    let pace = Pace {
        batch: options.batch,
        pause_seconds: options.pause.unwrap_or(0),
        max_failures: options.max_failures.unwrap_or(1),
    };
    let is_paced = options.batch.is_some() || options.pause.is_some() || options.max_failures.is_some();
    let selection: Selection = options.nodes.try_into()?;
    let is_named = !selection.words.is_empty() && selection.words.iter().all(|word| super::removed::is_node(word));
    if !is_paced && (is_named || selection.count.is_some()) {
        let request = if verb == Verb::Upgrade { Request::Upgrade(selection) } else { Request::Restart(selection) };
        return cycle::act(output, common, given, &Trigger::Request(request)).await;
    }
    let watch = given.watch();
    let plan = roll_plan(&given.options, verb, &selection, &pace, &watch).await?;
    let rolled = if common.dry_run || plan.nodes.is_empty() {
        let (done, failed) = (Vec::new(), Vec::new());
        Rolled { done_before: plan.done_before, done, failed, left: plan.nodes, interrupted: false }
    } else {
        watch.finish_when_interrupted();
        if plan.done_before > 0 {
            output.remark(&format!("Going on with what was left: {} done before.", counted(plan.done_before, "node")));
        }
        let tell = |batch: &BatchEnd| output.remark(&batch_text(verb, batch));
        roll(&given.options, verb, &selection, &pace, &watch, &tell).await?
    };
    drop(watch);
    let answer = Answer { dry_run: common.dry_run, verb, batch: plan.batch, rolled };
    output.answer(&answer, || text(&answer))?;
    output.alert(&failures(&answer.rolled));
    Ok(match &answer.rolled {
        _ if common.dry_run => Exit::Done,
        Rolled { interrupted: true, .. } => Exit::Interrupted,
        Rolled { failed, left, .. } if failed.is_empty() && left.is_empty() => Exit::Done,
        _ => Exit::NodeFailed,
    })
}

/// "batch 2 of 10: restarted antnode0007–0012, 3 s"
fn batch_text(verb: Verb, batch: &BatchEnd) -> String {
    let (place, all) = batch.place;
    format!("batch {place} of {all}: {} {}, {} s", past(verb), names(&batch.nodes), batch.took.as_secs())
}

fn past(verb: Verb) -> &'static str {
    if verb == Verb::Upgrade { "upgraded" } else { "restarted" }
}

fn text(answer: &Answer) -> String {
    let Answer { dry_run, verb, batch, rolled } = answer;
    let left = counted(rolled.left.len(), "node");
    if *dry_run {
        let batches = counted(rolled.left.len().div_ceil(*batch), "batch").replace("batchs", "batches");
        return match rolled.left.len() {
            0 => "Nothing to do.\n".to_owned(),
            _ => format!(
                "Would {verb} {left} ({}) in {batches} of {batch}.\nNothing was changed.\n",
                names(&rolled.left)
            ),
        };
    }
    if rolled.done.is_empty() && rolled.failed.is_empty() && rolled.left.is_empty() {
        return "Nothing to do.\n".to_owned();
    }
    let mut text = format!("{} {}, healthy again.\n", capital(past(*verb)), counted(rolled.done.len(), "node"));
    text.extend(failures(rolled).into_iter().map(|line| line + "\n"));
    if !rolled.left.is_empty() {
        text += &format!("Left as they were: {left} ({}). The same command goes on with them.\n", names(&rolled.left));
    }
    text
}

fn capital(word: &str) -> String {
    let mut letters = word.chars();
    letters.next().map(|first| first.to_uppercase().chain(letters).collect()).unwrap_or_default()
}

/// A line for each cause.
fn failures(rolled: &Rolled) -> Vec<String> {
    let errors = rolled.failed.iter().map(|(id, why): &(NodeId, String)| (*id, why.as_str()));
    by_reason(errors).into_iter().map(|shared| format!("failed: {}: {}", names(&shared.nodes), shared.text)).collect()
}
