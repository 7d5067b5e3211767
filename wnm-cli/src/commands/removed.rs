//! `wnm removed` lists the removed nodes whose keys are kept, and `wnm restore NODE` brings one back.

use comfy_table::Table;
use comfy_table::presets::NOTHING;
use serde::Serialize;
use wnm::{Machine, Removed, Request, Selection, Silent, Trigger, WhichRemoved};
use wnm_core::node::NodeId;
use wnm_core::report::time_text;

use super::cycle;
use crate::arguments::Common;
use crate::durations::short;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::{Access, Given};

/// A removed node as programs read it. Its key is shown to nobody.
#[derive(Debug, Serialize)]
struct Row<'a> {
    id: i64,
    number: NodeId,
    name: &'a str,
    flavour: String,
    wallet: &'a str,
    peer_id: Option<&'a str>,
    created_at: i64,
    removed_at: i64,
    /// When the key is deleted.
    kept_until: i64,
}

#[derive(Serialize)]
struct Answer<'a> {
    keep_removed_days: u32,
    removed: Vec<Row<'a>>,
}

pub(crate) fn removed(output: Output, given: &Given) -> Result<Exit, Failure> {
    let machine = given.open(Access::Read, &Silent)?;
    let (kept, days) = (machine.removed()?, machine.config().keep_removed_days);
    let rows = kept.iter().map(|removed| row(removed, days)).collect();
    let answer = Answer { keep_removed_days: days, removed: rows };
    output.answer(&answer, || text(&answer))?;
    Ok(Exit::Done)
}

fn row(removed: &Removed, days: u32) -> Row<'_> {
    let node = &removed.node;
    Row {
        id: removed.id,
        number: node.id(),
        name: node.name(),
        flavour: node.spec().flavour.to_string(),
        wallet: &node.spec().wallet,
        peer_id: node.peer_id(),
        created_at: node.created_at(),
        removed_at: removed.removed_at,
        kept_until: removed.kept_until(days),
    }
}

fn text(answer: &Answer<'_>) -> String {
    if answer.removed.is_empty() {
        return match answer.keep_removed_days {
            0 => "Nothing is kept of removed nodes (keep_removed_days = 0).\n".to_owned(),
            days => format!("No node was removed in the last {days} days.\n"),
        };
    }
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_header(["ID", "NODE", "REMOVED", "AGE", "KEPT UNTIL", "PEER"]);
    for row in &answer.removed {
        table.add_row([
            row.id.to_string(),
            row.name.to_owned(),
            time_text(row.removed_at),
            short(row.removed_at.saturating_sub(row.created_at)),
            time_text(row.kept_until),
            row.peer_id.map_or_else(|| "-".to_owned(), |peer| peer.chars().take(12).collect()),
        ]);
    }
    let lines: String = table.lines().map(|line| line.trim_end().to_owned() + "\n").collect();
    format!("{lines}`wnm restore NODE` brings one back; `wnm restore --id ID` where several had its number.\n")
}

/// Whether a word names a node rather than a backup.
pub(super) fn is_node(word: &str) -> bool {
    let name = word.strip_suffix(".service").unwrap_or(word);
    NodeId::of_name(name).is_some() || word.parse::<u32>().is_ok()
}

#[derive(Serialize)]
struct Restored {
    dry_run: bool,
    restored: Vec<Back>,
}

#[derive(Serialize)]
struct Back {
    /// What it was called.
    was: String,
    number: NodeId,
    name: String,
}

/// Brings nodes back, and starts them.
pub(super) async fn bring_back(
    output: Output,
    common: &Common,
    given: &Given,
    which: &[WhichRemoved],
) -> Result<Exit, Failure> {
    let watch = given.watch();
    let access = if common.dry_run { Access::Read } else { Access::Change };
    let mut machine = given.open(access, &watch)?;
    let mut restored = Vec::new();
    for which in which {
        restored.push(back(&mut machine, which, common.dry_run, &watch).await?);
    }
    drop((machine, watch));
    let names: Vec<String> = restored.iter().map(|back| back.name.clone()).collect();
    let answer = Restored { dry_run: common.dry_run, restored };
    if common.dry_run {
        output.answer(&answer, || back_text(&answer))?;
        return Ok(Exit::Done);
    }
    if !output.is_json() {
        output.answer(&answer, || back_text(&answer))?;
    }
    let trigger = Trigger::Request(Request::Start(Selection::names(names)));
    cycle::act(output, common, given, &trigger).await
}

async fn back(
    machine: &mut Machine,
    which: &WhichRemoved,
    dry_run: bool,
    progress: &dyn wnm::Progress,
) -> Result<Back, Failure> {
    let (removed, node) = machine.bring_back(which, dry_run, progress).await?;
    Ok(Back { was: removed.node.name().to_owned(), number: node.id(), name: node.name().to_owned() })
}

fn back_text(answer: &Restored) -> String {
    let would = if answer.dry_run { "Would restore" } else { "Restored" };
    let line = |back: &Back| match back.was == back.name {
        true => format!("{would} {} with its key, wallet and ports.\n", back.name),
        false => {
            format!("{would} {} with its key and wallet, as {}: its number is another node's.\n", back.was, back.name)
        }
    };
    answer.restored.iter().map(line).collect()
}
