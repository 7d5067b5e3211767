//! `wnm remove` takes nodes away with their files: asked for by name, and confirmed, since what they earned their places with
//! goes with them.

use serde::Serialize;
use wnm::Observation;
use wnm_core::decide::{Request, Selection};
use wnm_core::machine::Trigger;
use wnm_core::node::NodeId;
use wnm_core::plan::{Action, Plan};
use wnm_core::report::{counted, thousands};
use wnm_pm::hint::Hint;

use super::cycle;
use crate::arguments::{Common, Remove};
use crate::durations;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::{Access, Given};

/// A node that is about to be removed.
#[derive(Debug, Serialize)]
pub(super) struct Going {
    number: NodeId,
    name: String,
    /// Seconds since it was created.
    age_seconds: i64,
    /// Records that it holds, where it says so.
    records: Option<u64>,
}

pub(crate) async fn remove(output: Output, common: &Common, given: &Given, options: Remove) -> Result<Exit, Failure> {
    let selection: Selection = options.nodes.try_into()?;
    let trigger = Trigger::Request(Request::Remove(selection.clone()));
    let watch = given.watch();
    let machine = given.open(Access::Read, &watch)?;
    let observation = machine.observe(&watch).await?;
    drop(watch);
    let plan = machine.plan(&observation, &trigger)?;
    let (going, config) = (going(&plan, &observation), machine.config().clone());
    drop(machine);
    let left = observation.snapshot.nodes.len() - going.len();
    if common.dry_run {
        return cycle::show_plan(output, &config, &plan, &observation, &going);
    }
    if !options.confirm && !going.is_empty() {
        confirm(output, &going)?;
    }
    // What was shown is what goes.
    let names = Selection::names(going.iter().map(|node| node.name.clone()).collect());
    let trigger = if going.is_empty() { trigger } else { Trigger::Request(Request::Remove(names)) };
    let exit = cycle::act(output, common, given, &trigger).await?;
    if going.is_empty() || exit != Exit::Done {
        return Ok(exit);
    }
    after(output, given, left, config.node_cap, options.lower_cap)?;
    Ok(exit)
}

/// Asks whether these nodes may go.
fn confirm(output: Output, going: &[Going]) -> Result<(), Failure> {
    let nodes = counted(going.len(), "node");
    let list: String = going.iter().map(|node| format!("  {}\n", going_text(node))).collect();
    let question = format!("{list}Remove {nodes} with their files and keys?");
    if output.ask(&question) {
        return Ok(());
    }
    let named: Vec<String> = going.iter().take(3).map(going_text).collect();
    let more = going.len() - named.len();
    let more = if more > 0 { format!(" and {} more", thousands(more)) } else { String::new() };
    Err(Failure::NotConfirmed {
        what: format!(
            "this removes {nodes} with their files and keys, and was not confirmed: {}{more}",
            named.join(", ")
        ),
        hint: Hint::text("the same with `--dry-run` to see all of them, with `--confirm` to do it"),
    })
}

/// Says that cycles would add nodes again, or keeps them from it.
fn after(output: Output, given: &Given, left: usize, cap: u32, lower_cap: bool) -> Result<(), Failure> {
    let missing = (cap as usize).saturating_sub(left);
    if missing == 0 {
        return Ok(());
    }
    if !lower_cap {
        let nodes = counted(missing, "node");
        output.remark(&format!(
            "While the machine has room, the next cycles add {nodes} again (node_cap = {cap}); `--lower-cap` keeps them from it."
        ));
        return Ok(());
    }
    let mut machine = given.open(Access::Change, &wnm::Silent)?;
    // Somebody may have added or removed nodes meanwhile.
    let left = machine.nodes()?.len();
    let change = ("node_cap".to_owned(), Some(left.to_string()));
    let (config, _) = machine.change_settings(&[change], false)?;
    output.remark(&format!("node_cap = {} (was {cap})", config.node_cap));
    Ok(())
}

fn going(plan: &Plan, observation: &Observation) -> Vec<Going> {
    let snapshot = &observation.snapshot;
    let goes =
        |id: NodeId| plan.actions.iter().any(|action| matches!(action, Action::Remove { number, .. } if *number == id));
    let nodes = snapshot.nodes.iter().map(|each| &each.node).filter(|node| goes(node.id()));
    let going = nodes.map(|node| Going {
        number: node.id(),
        name: node.name().to_owned(),
        age_seconds: snapshot.now.saturating_sub(node.created_at()).max(0),
        records: node.metrics().and_then(|metrics| metrics.records),
    });
    going.collect()
}

/// `antnode0003 (5d 2h old, 1,204 records)`
fn going_text(node: &Going) -> String {
    let records = match node.records {
        Some(records) => counted(usize::try_from(records).unwrap_or(usize::MAX), "record"),
        None => "records unknown".to_owned(),
    };
    format!("{} ({} old, {records})", node.name, durations::short(node.age_seconds))
}

/// The lines of a dry run.
pub(super) fn going_lines(going: &[Going]) -> String {
    let lines: String = going.iter().map(|node| format!("  {}\n", going_text(node))).collect();
    if lines.is_empty() { lines } else { format!("With their files and keys:\n{lines}") }
}
