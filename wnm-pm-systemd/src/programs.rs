//! Nodes' own copies of the program. While one is made or replaced, the new and the previous one lie beside the node's
//! directory: inside, the node's own user could put something else in their place while root works on them. And they are
//! copied and renamed by programs, not by [`wnm_pm::program`], since only a program can be run through sudo.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use wnm_pm::batch::Batch;
use wnm_pm::command::Command;
use wnm_pm::node::{NodeId, NodeRef};
use wnm_pm::path_policy::check_program;
use wnm_pm::process_manager::ManagerError;
use wnm_pm::program;

use crate::files::{DISK, owner, owner_words};
use crate::paths::{NEW, PREVIOUS, STAMP, beside, copies};
use crate::sharing;
use crate::step::is_gone;
use crate::systemctl::Systemctl;

/// Gives nodes that have none their own copy of a program; `from` says which.
pub(crate) async fn copy<'a, T: Clone>(
    systemctl: &Systemctl,
    batch: Batch<'a, T>,
    from: impl Fn(&NodeRef) -> PathBuf,
) -> Batch<'a, T> {
    let staged = stage(systemctl, batch, &from).await;
    let noted = note(systemctl, staged, from).await;
    put_in_place(systemctl, noted, NEW, &[NEW]).await
}

/// Puts this program in the place of the nodes' own and keeps the one before it. The nodes may be running. Where that fails,
/// the node's program stays as it was.
pub(crate) async fn replace<'a, T: Clone>(systemctl: &Systemctl, batch: Batch<'a, T>, to: &Path) -> Batch<'a, T> {
    let staged = stage(systemctl, batch, |_| to.to_owned()).await;
    let noted = note(systemctl, staged, |_| to.to_owned()).await;
    let kept = keep(systemctl, noted).await;
    // Where this fails, what was kept is a copy of the program that the node still has.
    put_in_place(systemctl, kept, NEW, &[NEW, PREVIOUS]).await
}

/// Puts the previous programs back in their places. The nodes may be running.
pub(crate) async fn restore<'a, T>(systemctl: &Systemctl, batch: Batch<'a, T>) -> Batch<'a, T> {
    put_in_place(systemctl, batch, PREVIOUS, &[]).await
}

/// Deletes the copies of these nodes' programs.
pub(crate) async fn forget<'a, T>(systemctl: &Systemctl, batch: Batch<'a, T>) -> Batch<'a, T> {
    let remove = |nodes: &[&NodeRef]| remove_all(systemctl, nodes.iter().flat_map(|node| copies(&node.spec)));
    systemctl.step(batch, remove).await
}

/// Copies a program next to each node's directory; `from` says which.
async fn stage<'a, T: Clone>(
    systemctl: &Systemctl,
    batch: Batch<'a, T>,
    from: impl Fn(&NodeRef) -> PathBuf,
) -> Batch<'a, T> {
    let (batch, owner) = owner(systemctl, batch).await;
    let install = |nodes: &[&NodeRef]| {
        let command = [vec!["install".to_owned(), "--mode=0755".to_owned()], owner_words(owner)].concat();
        for_pairs(systemctl, &command, nodes, |node| (from(node), beside(&node.spec, NEW))).timeout(DISK)
    };
    let tried = ids(&batch);
    sharing::link(systemctl, &batch, owner, &from).await;
    let single = batch.part(|node, _| !sharing::is_linked(node, &from(node)));
    let staged = batch.join_part(systemctl.step(single, install).await);
    discard(systemctl, staged, &tried, &[NEW]).await
}

/// Notes what is about to be put in the place of each node's program, for [`check_own`].
async fn note<'a, T>(systemctl: &Systemctl, batch: Batch<'a, T>, from: impl Fn(&NodeRef) -> PathBuf) -> Batch<'a, T> {
    let tried = ids(&batch);
    if tried.is_empty() {
        return batch;
    }
    let directory = tempfile::tempdir().map_err(|source| ManagerError::io("write in", &std::env::temp_dir(), source));
    let (batch, directory) = batch.all(directory);
    let Some(directory) = directory else { return discard(systemctl, batch, &tried, &[NEW]).await };
    let noted = |node: &NodeRef| beside(&node.spec, STAMP);
    let written = |node: &NodeRef| directory.path().join(noted(node).file_name().unwrap_or_default());
    let batch = batch.check(|node, _| {
        let text = program::note(&noted(node), &node.spec.binary, &beside(&node.spec, NEW), &from(node))?;
        fs::write(written(node), text).map_err(|source| ManagerError::io("write", &written(node), source))
    });
    let install = |nodes: &[&NodeRef]| {
        let storages: BTreeSet<Option<&Path>> = nodes.iter().map(|node| node.spec.root_dir.parent()).collect();
        let Some((Some(storage), 1)) = storages.first().map(|storage| (*storage, storages.len())) else {
            let command = ["install", "--mode=0644"].map(str::to_owned);
            return for_pairs(systemctl, &command, nodes, |node| (written(node), noted(node)));
        };
        // As a rule all lie in one storage, and one program does for all.
        let command = systemctl.privilege.command("install").args(["--mode=0644", "--target-directory"]);
        command.arg(storage).arg("--").args(nodes.iter().map(|node| written(node)))
    };
    discard(systemctl, systemctl.step(batch, install).await, &tried, &[NEW]).await
}

/// Refuses a node's own program that cannot be run, or that is not what was copied to its place.
pub(crate) fn check_own(node: &NodeRef) -> Result<(), ManagerError> {
    program::check_noted(&node.spec, &node.spec.binary, &beside(&node.spec, STAMP))
}

/// Keeps a copy of each node's present program.
async fn keep<'a, T>(systemctl: &Systemctl, batch: Batch<'a, T>) -> Batch<'a, T> {
    let copy = |nodes: &[&NodeRef]| {
        let command = ["cp", "--no-dereference", "--preserve=mode,ownership", "--remove-destination", "--reflink=auto"];
        let pair = |node: &NodeRef| (node.spec.binary.clone(), beside(&node.spec, PREVIOUS));
        for_pairs(systemctl, &command.map(str::to_owned), nodes, pair).timeout(DISK)
    };
    let tried = ids(&batch);
    discard(systemctl, systemctl.step(batch, copy).await, &tried, &[NEW, PREVIOUS]).await
}

/// Renames a copy (`NEW`, `PREVIOUS`) to the place of the node's program; where that fails, these `leftovers` are deleted.
async fn put_in_place<'a, T>(
    systemctl: &Systemctl,
    batch: Batch<'a, T>,
    copy: &str,
    leftovers: &[&str],
) -> Batch<'a, T> {
    sync(&batch, copy).await;
    let rename = |nodes: &[&NodeRef]| {
        let command = ["mv", "--force"].map(str::to_owned);
        for_pairs(systemctl, &command, nodes, |node| (beside(&node.spec, copy), node.spec.binary.clone()))
    };
    let is_placed = |node: &NodeRef| is_gone(&beside(&node.spec, copy)) && check_program(&node.spec.binary).is_ok();
    let tried = ids(&batch);
    discard(systemctl, systemctl.step_once(batch, rename, is_placed).await, &tried, leftovers).await
}

/// Those that nothing went wrong with so far.
fn ids<T>(batch: &Batch<'_, T>) -> Vec<NodeId> {
    batch.good().map(|(node, _)| node.id()).collect()
}

/// Deletes copies of the nodes that a step was tried for and went wrong with. A copy that cannot be deleted does no harm.
async fn discard<'a, T>(systemctl: &Systemctl, batch: Batch<'a, T>, tried: &[NodeId], which: &[&str]) -> Batch<'a, T> {
    let failed = batch.bad().filter(|(node, _)| tried.contains(&node.id()));
    let copies = failed.flat_map(|(node, _)| which.iter().map(|copy| beside(&node.spec, copy)));
    let copies: Vec<PathBuf> = copies.filter(|path| !is_gone(path)).collect();
    if !copies.is_empty()
        && let Err(error) = systemctl.succeed(remove_all(systemctl, copies)).await
    {
        tracing::warn!("cannot delete copies of the node program: {}", error.text());
    }
    batch
}

/// Whether a node has this program already, and the one before it is kept: an earlier replacement was interrupted.
pub(crate) fn is_replaced(node: &NodeRef, to: &Path) -> bool {
    let length = |path: &Path| fs::metadata(path).map(|found| found.len()).ok();
    let binary = &node.spec.binary;
    check_program(&beside(&node.spec, PREVIOUS)).is_ok()
        && length(binary) == length(to)
        && fs::read(binary).is_ok_and(|own| fs::read(to).is_ok_and(|new| own == new))
}

/// Refuses a node of which no previous program is kept.
pub(crate) fn check_previous(node: &NodeRef) -> Result<(), ManagerError> {
    let previous = beside(&node.spec, PREVIOUS);
    if is_gone(&previous) {
        return Err(ManagerError::Failed(format!("no previous program of {} is kept", node.spec.name)));
    }
    check_program(&previous)
}

/// A program that is replaced must survive a loss of power; a first one is simply copied again.
async fn sync<T>(batch: &Batch<'_, T>, copy: &str) {
    let replacing = batch.good().filter(|(node, _)| node.spec.binary.exists());
    let copies: Vec<PathBuf> = replacing.map(|(node, _)| beside(&node.spec, copy)).collect();
    let sync_all = move || {
        for file in copies.into_iter().filter_map(|path| fs::File::open(path).ok()) {
            let _ = file.sync_all();
        }
    };
    let _ = tokio::task::spawn_blocking(sync_all).await;
}

fn remove_all(systemctl: &Systemctl, paths: impl IntoIterator<Item = PathBuf>) -> Command {
    systemctl.privilege.command("rm").args(["--force", "--"]).args(paths)
}

/// A program that takes two paths, run for the pair of each node, in one step and without a shell. When it fails for one
/// pair, it is still run for the others.
pub(crate) fn for_pairs(
    systemctl: &Systemctl,
    command: &[String],
    nodes: &[&NodeRef],
    pair: impl Fn(&NodeRef) -> (PathBuf, PathBuf),
) -> Command {
    let mut input = Vec::new();
    for node in nodes {
        let (from, to) = pair(node);
        for path in [from, to] {
            input.extend_from_slice(path.as_os_str().as_bytes());
            input.push(0);
        }
    }
    let xargs = systemctl.privilege.command("xargs").args(["--null", "--max-args", "2", "--"]);
    xargs.args(command).args(["--no-target-directory", "--"]).input(input)
}
