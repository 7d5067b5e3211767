//! `wnm why` shows the reasons of the last cycles, or what happened to one node and why.

use serde::Serialize;
use wnm_core::decide::Refusal;
use wnm_core::node::NodeId;
use wnm_core::report::history_text;
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
    output.answer(&answer, || history_text(&answer.entries, output.detail()))?;
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
