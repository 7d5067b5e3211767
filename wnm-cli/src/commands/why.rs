//! `wnm why` shows the reasons of the last cycles, or what happened to one node and why.

use serde::Serialize;
use wnm::{CyclePause, Machine, Silent};
use wnm_core::decide::Refusal;
use wnm_core::node::NodeId;
use wnm_core::report::history_text;
use wnm_core::store::{EventKind, HistoryEntry, HistoryFilter};

use super::pause;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::{Access, Given};

#[derive(Serialize)]
struct Answer {
    /// The owner's pause of the cycles, while it lasts.
    paused: Option<CyclePause>,
    entries: Vec<HistoryEntry>,
}

pub(crate) fn why(output: Output, given: &Given, name: Option<&str>, last: u32) -> Result<Exit, Failure> {
    let machine = given.open(Access::Read, &Silent)?;
    let filter = match name {
        None => HistoryFilter { kind: Some(EventKind::Decided), limit: Some(last), ..HistoryFilter::default() },
        Some(name) => {
            HistoryFilter { node: Some(number(&machine, name)?), limit: Some(last), ..HistoryFilter::default() }
        }
    };
    let entries = machine.history(&filter)?;
    let answer = Answer { paused: machine.cycle_pause()?, entries };
    output.answer(&answer, || {
        let paused = answer.paused.as_ref().map(pause::line).unwrap_or_default();
        history_text(&answer.entries, output.detail()) + &paused
    })?;
    Ok(Exit::Done)
}

/// The number of a node that is recorded now, or was once.
fn number(machine: &Machine, name: &str) -> Result<NodeId, Failure> {
    if let Some(node) = machine.nodes()?.iter().find(|node| node.is_called(name)) {
        return Ok(node.id());
    }
    let digits = name.strip_prefix("antnode").unwrap_or(name);
    digits.parse().map(NodeId).map_err(|_| Refusal::UnknownNames(vec![name.to_owned()]).into())
}
