//! `wnm migrate-flavour` moves all nodes from v1 to v2, or back.

use serde::Serialize;
use wnm::{Direction, Migration};
use wnm_core::node::NodeId;
use wnm_core::report::{Shared, by_reason, counted, names};

use crate::arguments::Common;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::{Access, Given};

#[derive(Serialize)]
struct Answer {
    to: String,
    version: Option<String>,
    nodes: Vec<NodeId>,
    stopped: Vec<NodeId>,
    /// Nodes whose files could not be moved, and why.
    left: Vec<Left>,
    dry_run: bool,
}

#[derive(Serialize)]
struct Left {
    number: NodeId,
    error: String,
}

impl Answer {
    fn new(migration: Migration, dry_run: bool) -> Self {
        let Migration { to, version, nodes, stopped, left } = migration;
        let left = left.into_iter().map(|(number, error)| Left { number, error }).collect();
        Self { to: to.to_string(), version: version.map(|version| version.to_string()), nodes, stopped, left, dry_run }
    }
}

pub(crate) async fn migrate(output: Output, common: &Common, given: &Given, undo: bool) -> Result<Exit, Failure> {
    let watch = given.watch();
    let access = if common.dry_run { Access::Read } else { Access::Change };
    let mut machine = given.open(access, &watch)?;
    let direction = if undo { Direction::Undo } else { Direction::Forward };
    let migration = machine.migrate_flavour(direction, common.dry_run, &watch).await?;
    drop(watch);
    let answer = Answer::new(migration, common.dry_run);
    output.answer(&answer, || text(&answer, undo))?;
    output.alert(&left_lines(&answer));
    Ok(if answer.left.is_empty() { Exit::Done } else { Exit::NodeFailed })
}

fn text(answer: &Answer, undo: bool) -> String {
    if answer.nodes.is_empty() {
        return format!("Nothing to do: no node is of another flavour than {}.\n", answer.to);
    }
    let (nodes, to) = (counted(answer.nodes.len(), "node"), &answer.to);
    let version = answer.version.as_ref().map(|version| format!(" ({version})")).unwrap_or_default();
    let what = if answer.dry_run { "Would move" } else { "Moved" };
    let mut text = format!("{what} {nodes} ({}) to {to}{version}.\n", names(&answer.nodes));
    if !answer.stopped.is_empty() {
        let stops = if answer.dry_run { "Would stop" } else { "Stopped" };
        text += &format!("{stops} {} that ran ({}).\n", counted(answer.stopped.len(), "node"), names(&answer.stopped));
    }
    text.extend(left_lines(answer).into_iter().map(|line| line + "\n"));
    if !undo {
        let (is, until) = if answer.dry_run { ("would be", "could be undone") } else { ("is", "can be undone") };
        text += &format!(
            "What each node was {is} set aside in its own directory (.v1); it {until} (`wnm migrate-flavour --undo`) until the first node was started as {to}.\n"
        );
    }
    text + "Next: `wnm run` starts the nodes.\n"
}

fn left_lines(answer: &Answer) -> Vec<String> {
    let left = answer.left.iter().map(|left| (left.number, left.error.as_str()));
    let line = |Shared { nodes, text }: Shared| format!("error: {}: {text}", names(&nodes));
    by_reason(left).into_iter().map(line).collect()
}
