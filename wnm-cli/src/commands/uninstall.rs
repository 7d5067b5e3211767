//! `wnm uninstall` removes what wnm has put on this machine: its schedule, what process managers made beside nodes, and the
//! marks of storages. Never nodes: while one is recorded it is refused.

use serde::Serialize;
use wnm::{Execution, Machine, Uninstalled};
use wnm_core::report::counted;

use super::schedule::{self, State};
use crate::arguments::Common;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::{Access, Given};

#[derive(Serialize)]
struct Answer {
    dry_run: bool,
    /// What ran wnm every minute; none where nothing did.
    schedule: Option<State>,
    /// The marks of storages.
    marks: Vec<String>,
    /// Untracked nodes, for which everything but the schedule stays.
    untracked: Vec<String>,
    /// What was done, and what could not be, a sentence each.
    notes: Vec<String>,
    failures: Vec<String>,
    kept: Kept,
}

/// What stays.
#[derive(Serialize)]
struct Kept {
    database: String,
    program: Option<String>,
    node_storage: Vec<String>,
    /// How many removed nodes have their keys in the database.
    removed_nodes: usize,
}

pub(crate) async fn uninstall(output: Output, common: &Common, given: &Given) -> Result<Exit, Failure> {
    let watch = given.watch();
    let access = if common.dry_run { Access::Read } else { Access::Change };
    let mut machine = given.open(access, &watch)?;
    watch.finish_when_interrupted();
    // What is refused is refused before the schedule goes.
    let mut done = machine.uninstall(true, &watch).await?;
    let mut failures = Vec::new();
    let ended =
        if common.dry_run { schedule::present(common, given).await } else { schedule::remove(common, given).await };
    let schedule = ended.unwrap_or_else(|failure| {
        failures.push(format!("the schedule stays: {}", failure.text()));
        None
    });
    if !common.dry_run {
        done = machine.uninstall(false, &watch).await?;
    }
    drop(watch);
    let answer = answer(common.dry_run, &machine, done, schedule, failures)?;
    output.answer(&answer, || text(&answer))?;
    output.alert(&answer.failures.iter().map(|failure| format!("error: {failure}")).collect::<Vec<_>>());
    Ok(if answer.failures.is_empty() { Exit::Done } else { Exit::Failed })
}

fn answer(
    dry_run: bool,
    machine: &Machine,
    done: Uninstalled,
    schedule: Option<State>,
    mut failures: Vec<String>,
) -> Result<Answer, Failure> {
    let Execution { notes, group_errors, .. } = done.report.map(|report| report.execution).unwrap_or_default();
    failures.extend(group_errors);
    failures.extend(done.obstacle.map(|why| format!("what the process manager has on this machine stays: {why}")));
    let config = machine.config();
    let kept = Kept {
        database: machine.database().display().to_string(),
        program: std::env::current_exe().ok().map(|path| path.display().to_string()),
        node_storage: config.node_storage.iter().map(|storage| storage.display().to_string()).collect(),
        removed_nodes: machine.removed()?.len(),
    };
    let marks = done.marks.iter().map(|mark| mark.display().to_string()).collect();
    Ok(Answer { dry_run, schedule, marks, untracked: done.untracked, notes, failures, kept })
}

fn text(answer: &Answer) -> String {
    let removed = if answer.dry_run { "Would remove" } else { "Removed" };
    let mut lines = Vec::new();
    lines.extend(answer.schedule.as_ref().map(|State { by, at, .. }| format!("{removed} the schedule ({by}: {at}).")));
    lines.extend(answer.marks.iter().map(|mark| format!("{removed} {mark}.")));
    lines.extend(answer.notes.clone());
    if lines.is_empty() {
        lines.push("Nothing of wnm's own is on this machine but what is kept.".to_owned());
    }
    if !answer.untracked.is_empty() {
        let nodes = counted(answer.untracked.len(), "untracked node");
        lines.push(format!(
            "{nodes} of this process manager stay, and all that they may need: `wnm survey` lists them."
        ));
    }
    lines.extend(answer.failures.iter().map(|failure| format!("error: {failure}")));
    let Kept { database, program, node_storage, removed_nodes } = &answer.kept;
    let keys = match removed_nodes {
        0 => "its settings and history".to_owned(),
        count => format!("its settings, its history and the keys of {} that were removed", counted(*count, "node")),
    };
    lines.push("Kept; delete by hand what is no longer needed:".to_owned());
    lines.push(format!("  {database}, with {keys}"));
    lines.extend(node_storage.iter().map(|storage| format!("  {storage}")));
    lines.extend(program.iter().map(|program| format!("  {program}")));
    if answer.dry_run {
        lines.push("Nothing was changed.".to_owned());
    }
    lines.iter().map(|line| format!("{line}\n")).collect()
}
