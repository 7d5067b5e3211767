//! `wnm backup` and `wnm restore`: what cannot be made again of a machine, put aside and back.

use std::path::Path;

use serde::Serialize;
use wnm::{BackupError, Flaw, Machine, Manifest, Restore, WhichRemoved, read_backup};
use wnm_core::backup::Form;
use wnm_core::node::NodeId;
use wnm_core::report::{counted, names};

use super::removed::{bring_back, is_node};
use crate::arguments::{self, Common};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::{Access, Given};

#[derive(Serialize)]
struct Answer<'a> {
    path: &'a Path,
    archive: bool,
    made_at: i64,
    nodes: Vec<NodeId>,
    keys: usize,
    /// Nodes that have no key yet, since they never ran.
    without_key: Vec<NodeId>,
    bytes: u64,
    dry_run: bool,
}

pub(crate) fn backup(
    output: Output,
    common: &Common,
    given: &Given,
    options: &arguments::Backup,
) -> Result<Exit, Failure> {
    let watch = given.watch();
    if options.verify {
        return verify(output, &options.path, given);
    }
    let access = if common.dry_run { Access::Read } else { Access::Change };
    let machine = given.open(access, &watch)?;
    let made = machine.back_up(&options.path, common.dry_run, &watch)?;
    drop(watch);
    let manifest = &made.manifest;
    let answer = Answer {
        path: &made.path,
        archive: made.form == Form::Archive,
        made_at: manifest.made_at,
        nodes: manifest.nodes.iter().map(|node| node.number).collect(),
        keys: manifest.keys(),
        without_key: without_key(manifest),
        bytes: manifest.files.iter().map(|file| file.bytes).sum(),
        dry_run: common.dry_run,
    };
    output.answer(&answer, || text(&answer))?;
    if !common.dry_run {
        output
            .remark("note: whoever has this backup can impersonate these nodes: keep it where nobody else can read it");
    }
    Ok(Exit::Done)
}

fn without_key(manifest: &Manifest) -> Vec<NodeId> {
    manifest.nodes.iter().filter(|node| node.key.is_none()).map(|node| node.number).collect()
}

fn text(answer: &Answer<'_>) -> String {
    let what = if answer.dry_run { "Would back up" } else { "Backed up" };
    let mut text = format!("{what} {} to {}.\n", held(&answer.nodes, answer.keys), answer.path.display());
    if !answer.without_key.is_empty() {
        text += &format!("Without a key, since never started: {}.\n", names(&answer.without_key));
    }
    text
}

/// `3 nodes (antnode0001–0003), 3 keys and the database`
fn held(nodes: &[NodeId], keys: usize) -> String {
    let listed = if nodes.is_empty() { String::new() } else { format!(" ({})", names(nodes)) };
    format!("{}{listed}, {} and the database", counted(nodes.len(), "node"), counted(keys, "key"))
}

#[derive(Serialize)]
struct Verified<'a> {
    path: &'a Path,
    whole: bool,
    nodes: Vec<NodeId>,
    keys: usize,
    made_at: Option<i64>,
    host: Option<String>,
    flaws: Vec<String>,
}

/// A damaged backup is an answer, and a failure.
fn verify(output: Output, path: &Path, given: &Given) -> Result<Exit, Failure> {
    let watch = given.watch();
    let read = read_backup(path, &watch);
    drop(watch);
    let (manifest, flaws) = match read {
        Ok(backup) => (Some(backup.manifest), vec![]),
        Err(BackupError::Damaged { flaws, .. }) => (None, flaws),
        Err(error) => return Err(error.into()),
    };
    let answer = Verified {
        path,
        whole: manifest.is_some(),
        nodes: manifest.iter().flat_map(|manifest| manifest.nodes.iter().map(|node| node.number)).collect(),
        keys: manifest.as_ref().map_or(0, Manifest::keys),
        made_at: manifest.as_ref().map(|manifest| manifest.made_at),
        host: manifest.and_then(|manifest| manifest.machine.host),
        flaws: flaws.iter().map(Flaw::to_string).collect(),
    };
    output.answer(&answer, || verified_text(&answer))?;
    let lines = answer.flaws.iter().map(|flaw| format!("error: {}: {flaw}", path.display()));
    output.alert(&lines.collect::<Vec<_>>());
    Ok(if answer.whole { Exit::Done } else { Exit::Failed })
}

fn verified_text(answer: &Verified<'_>) -> String {
    if answer.whole {
        return format!("{} is whole: {}.\n", answer.path.display(), held(&answer.nodes, answer.keys));
    }
    let flaws = answer.flaws.iter().map(|flaw| format!("- {flaw}\n"));
    format!("{} is damaged:\n{}", answer.path.display(), flaws.collect::<String>())
}

#[derive(Serialize)]
struct Answered<'a> {
    path: &'a Path,
    database: &'a Path,
    nodes: Vec<NodeId>,
    keys: usize,
    dry_run: bool,
}

pub(crate) async fn restore(
    output: Output,
    common: &Common,
    given: &Given,
    options: &arguments::Restore,
) -> Result<Exit, Failure> {
    if let Some(which) = nodes(options)? {
        return bring_back(output, common, given, &which).await;
    }
    let path = Path::new(&options.what[0]);
    let watch = given.watch();
    let restore = Restore { from_other_machine: options.from_other_machine, dry_run: common.dry_run };
    let restored = Machine::restore(&given.options, path, restore, &watch).await?;
    drop(watch);
    let answer = Answered {
        path,
        database: &restored.database,
        nodes: restored.nodes.iter().map(|node| node.id()).collect(),
        keys: restored.keys,
        dry_run: common.dry_run,
    };
    output.answer(&answer, || restored_text(&answer))?;
    Ok(Exit::Done)
}

/// The removed nodes that are meant; none where it is a backup.
fn nodes(options: &arguments::Restore) -> Result<Option<Vec<WhichRemoved>>, Failure> {
    if !options.id.is_empty() {
        return Ok(Some(options.id.iter().map(|id| WhichRemoved::Id(*id)).collect()));
    }
    let (nodes, paths): (Vec<_>, Vec<_>) =
        options.what.iter().cloned().partition(|word| is_node(word) && !Path::new(word).exists());
    match (nodes.is_empty(), paths.as_slice()) {
        (true, [_]) => Ok(None),
        (false, []) => Ok(Some(nodes.into_iter().map(WhichRemoved::Named).collect())),
        _ => Err(Failure::usage("name removed nodes, or one backup")),
    }
}

fn restored_text(answer: &Answered<'_>) -> String {
    let what = if answer.dry_run { "Would restore" } else { "Restored" };
    format!(
        "{what} {} from {} to {}.\nNext: `wnm run` starts the nodes.\n",
        held(&answer.nodes, answer.keys),
        answer.path.display(),
        answer.database.display()
    )
}
