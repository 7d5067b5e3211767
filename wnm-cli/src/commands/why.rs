//! `wnm why` shows the reasons of the last cycles, or what happened to one node and why.

use serde::Serialize;
use wnm_core::decide::Refusal;
use wnm_core::node::NodeId;
use wnm_core::store::{EventKind, HistoryEntry, HistoryFilter, Store};

use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::Given;

#[derive(Serialize)]
struct Answer {
    entries: Vec<HistoryEntry>,
}

pub(crate) fn why(output: Output, given: &Given, name: Option<&str>, last: u32) -> Result<Exit, Failure> {
    let store = Store::open_read_only(&given.database())?;
    let filter = match name {
        None => HistoryFilter { kind: Some(EventKind::Decided), limit: Some(last), ..HistoryFilter::default() },
        Some(name) => {
            HistoryFilter { node: Some(number(&store, name)?), limit: Some(last), ..HistoryFilter::default() }
        }
    };
    let entries = store.history(&filter)?;
    let answer = Answer { entries };
    output.answer(&answer, || {
        if answer.entries.is_empty() {
            return "Nothing is recorded yet.\n".to_owned();
        }
        answer.entries.iter().rev().map(entry_text).collect()
    })?;
    Ok(Exit::Done)
}

/// The number of a node that is recorded now, or was once.
fn number(store: &Store, name: &str) -> Result<NodeId, Failure> {
    let nodes = store.load()?.nodes;
    if let Some(node) = nodes.iter().find(|node| node.is_called(name)) {
        return Ok(node.id());
    }
    let digits = name.strip_prefix("antnode").unwrap_or(name);
    digits.parse().map(NodeId).map_err(|_| Failure::Refused(Refusal::UnknownNames(vec![name.to_owned()])))
}

/// The word that JSON uses, too.
fn kind(kind: EventKind) -> String {
    serde_json::to_value(kind).ok().and_then(|word| word.as_str().map(str::to_owned)).unwrap_or_default()
}

fn entry_text(entry: &HistoryEntry) -> String {
    let at = jiff::Timestamp::from_second(entry.at).map(|at| at.to_string()).unwrap_or_default();
    let Some(decision) = &entry.decision else {
        let verb = entry.verb.map(|verb| format!(" {verb}")).unwrap_or_default();
        let text = if entry.text.is_empty() { String::new() } else { format!(": {}", entry.text) };
        let status = entry.status.map(|status| format!(" [{status}]")).unwrap_or_default();
        return format!("{at} {}{verb}{status}{text}\n", kind(entry.kind));
    };
    let mut text = format!("{at} cycle {}: {}\n", entry.cycle, decision.actions.join(", "));
    for reason in &decision.reasons {
        text.push_str(&format!("  {} {}: {}\n", reason.effect.as_str(), reason.rule, reason.text));
    }
    text
}
