//! `wnm move-storage` moves the nodes of a storage to another disk.

use std::path::{Path, PathBuf};

use serde::Serialize;
use wnm::{Relocated, Relocation};
use wnm_core::node::NodeId;
use wnm_core::report::{Shared, by_reason, counted, names};

use crate::arguments::{Common, MoveStorage};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::{Access, Given};

#[derive(Serialize)]
struct Answer {
    from: PathBuf,
    to: PathBuf,
    /// The nodes that were moved, or would be.
    nodes: Vec<NodeId>,
    /// All nodes that were stopped and started again, or would be.
    stopped: Vec<NodeId>,
    bytes: u64,
    batch: usize,
    /// Nodes that were not moved, and why.
    left: Vec<Left>,
    interrupted: bool,
    /// What is to be deleted still, and why it is not.
    undeleted: Vec<String>,
    /// What else lies in the old place.
    remains: Vec<PathBuf>,
    node_storage: Vec<PathBuf>,
    dry_run: bool,
}

#[derive(Serialize)]
struct Left {
    number: NodeId,
    error: String,
}

impl Answer {
    fn new(relocated: Relocated, dry_run: bool) -> Self {
        let Relocated { from, to, nodes, stopped, bytes, batch, left, interrupted, undeleted, remains, storages } =
            relocated;
        let left = left.into_iter().map(|(number, error)| Left { number, error }).collect();
        let node_storage = storages.iter().map(Path::to_owned).collect();
        Self { from, to, nodes, stopped, bytes, batch, left, interrupted, undeleted, remains, node_storage, dry_run }
    }
}

pub(crate) async fn move_storage(
    output: Output,
    common: &Common,
    given: &Given,
    options: &MoveStorage,
) -> Result<Exit, Failure> {
    let relocation = Relocation {
        from: options.from.as_deref().map(absolute).transpose()?,
        to: absolute(&options.to)?,
        batch: options.batch as usize,
        every_byte: options.verify,
    };
    let watch = given.watch();
    let access = if common.dry_run { Access::Read } else { Access::Change };
    let mut machine = given.open(access, &watch)?;
    watch.finish_when_interrupted();
    let relocated = machine.move_storage(&relocation, common.dry_run, &watch).await?;
    drop(watch);
    let answer = Answer::new(relocated, common.dry_run);
    output.answer(&answer, || text(&answer))?;
    output.alert(&left_lines(&answer));
    Ok(match (answer.interrupted, answer.left.is_empty() && answer.undeleted.is_empty()) {
        (true, _) => Exit::Interrupted,
        (false, true) => Exit::Done,
        (false, false) => Exit::NodeFailed,
    })
}

/// A directory as it is typed at a shell.
fn absolute(path: &Path) -> Result<PathBuf, Failure> {
    let failed = |error: std::io::Error| Failure::usage(format!("{:?} is not a directory: {error}", path.display()));
    Ok(std::path::absolute(path).map_err(failed)?.components().collect())
}

fn text(answer: &Answer) -> String {
    let (from, to) = (answer.from.display(), answer.to.display());
    let (would, what) = if answer.dry_run { ("Would move", "Would be stopped") } else { ("Moved", "Stopped") };
    let (nodes, megabytes) = (counted(answer.nodes.len(), "node"), answer.bytes / 1_000_000);
    let named = if answer.nodes.is_empty() { String::new() } else { format!(" ({})", names(&answer.nodes)) };
    let mut text = format!("{would} {nodes}{named} from {from} to {to}, {megabytes} MB.\n");
    if !answer.stopped.is_empty() {
        let (count, at_once) = (counted(answer.stopped.len(), "node"), answer.batch);
        text += &format!("{what} and started again: {count} ({}), {at_once} at a time.\n", names(&answer.stopped));
    }
    let storages: Vec<String> = answer.node_storage.iter().map(|path| path.display().to_string()).collect();
    let becomes = if answer.dry_run { "would be" } else { "is" };
    text += &format!("node_storage {becomes} {}.\n", storages.join(","));
    text.extend(left_lines(answer).into_iter().map(|line| line + "\n"));
    if !answer.remains.is_empty() {
        let remains: Vec<String> = answer.remains.iter().take(5).map(|path| path.display().to_string()).collect();
        text += &format!("Left where it is, since it is no node's: {}.\n", remains.join(", "));
    }
    if !answer.dry_run && (answer.interrupted || !answer.left.is_empty()) {
        text += "The same command goes on with the others.\n";
    }
    text
}

fn left_lines(answer: &Answer) -> Vec<String> {
    let left = answer.left.iter().map(|left| (left.number, left.error.as_str()));
    let line = |Shared { nodes, text }: Shared| format!("error: {}: {text}", names(&nodes));
    let undeleted = answer.undeleted.iter().map(|text| format!("error: {text}"));
    by_reason(left).into_iter().map(line).chain(undeleted).collect()
}
