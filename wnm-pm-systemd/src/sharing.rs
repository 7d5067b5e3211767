//! Nodes that replace their program by rename are given names of one file, instead of a copy each. What cannot be shared is
//! copied as any other.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use wnm_pm::batch::Batch;
use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::ManagerError;
use wnm_pm::program::shared;
use wnm_pm::user::Owner;

use crate::files::{DISK, owner_words};
use crate::paths::{NEW, beside};
use crate::programs::for_pairs;
use crate::step::is_gone;
use crate::systemctl::Systemctl;

/// Gives nodes another name of the first copy of their program, beside their directories.
pub(crate) async fn link<T>(
    systemctl: &Systemctl,
    batch: &Batch<'_, T>,
    owner: Option<Owner>,
    from: impl Fn(&NodeRef) -> PathBuf,
) {
    let mut pairs: Vec<(&NodeRef, PathBuf)> = Vec::new();
    for (node, _) in batch.good() {
        if let Some(first) = first_copy(node, &from(node)) {
            pairs.push((node, first));
        }
    }
    let mut firsts: Vec<(PathBuf, PathBuf)> = pairs.iter().map(|(node, first)| (from(node), first.clone())).collect();
    firsts.dedup();
    for (from, first) in firsts.iter().filter(|(_, first)| !shared::is_whole(first, owner)) {
        if let Err(error) = make_first(systemctl, from, first, owner).await {
            tracing::debug!("{} is not shared: {}", from.display(), error.text());
            return;
        }
    }
    if pairs.is_empty() {
        return;
    }
    let nodes: Vec<&NodeRef> = pairs.iter().map(|(node, _)| *node).collect();
    let first_of =
        |node: &NodeRef| pairs.iter().find(|(each, _)| each.id() == node.id()).map(|(_, first)| first.clone());
    let pair = |node: &NodeRef| (first_of(node).unwrap_or_default(), beside(&node.spec, NEW));
    let command = ["ln", "--force"].map(str::to_owned);
    // Whoever got none is given a copy.
    if let Err(error) = systemctl.succeed(for_pairs(systemctl, &command, &nodes, pair)).await {
        tracing::debug!("some programs are not shared: {}", error.text());
    }
}

/// Whether the program that waits beside a node's directory is another name of the first copy of this one.
pub(crate) fn is_linked(node: &NodeRef, from: &Path) -> bool {
    let Some(first) = first_copy(node, from) else { return false };
    let file =
        |path: &Path| path.symlink_metadata().ok().filter(Metadata::is_file).map(|file| (file.dev(), file.ino()));
    file(&first).is_some_and(|first| file(&beside(&node.spec, NEW)) == Some(first))
}

/// Deletes first copies that no node has a name of any more.
pub(crate) async fn sweep(systemctl: &Systemctl, storage: &Path) {
    let directory = storage.join(shared::DIRECTORY);
    if is_gone(&directory) {
        return;
    }
    let unused = shared::unused(storage);
    let remove = systemctl.privilege.command("rm").args(["--force", "--"]).args(&unused);
    if !unused.is_empty() && systemctl.succeed(remove).await.is_err() {
        return;
    }
    let empty = fs::read_dir(&directory).is_ok_and(|mut entries| entries.next().is_none());
    if empty {
        let _ = systemctl.succeed(systemctl.privilege.command("rmdir").arg("--").arg(&directory)).await;
    }
}

fn first_copy(node: &NodeRef, from: &Path) -> Option<PathBuf> {
    shared::first_copy(shared::storage(&node.spec)?, from).ok()
}

/// Copies a program to its place among the nodes; one that is there and was altered is left to those that have it.
async fn make_first(
    systemctl: &Systemctl,
    from: &Path,
    first: &Path,
    owner: Option<Owner>,
) -> Result<(), ManagerError> {
    let directory = first.parent().unwrap_or(first);
    if directory.symlink_metadata().is_ok_and(|found| !found.is_dir()) {
        let reason = "it is a link or a file where wnm keeps a directory".to_owned();
        return Err(ManagerError::NotOurs { path: directory.to_owned(), reason });
    }
    let unfinished = first.with_extension(NEW);
    let install = || systemctl.privilege.command("install").args(owner_words(owner)).timeout(DISK);
    // Under sudo wnm itself must be able to list it.
    let mode = if owner.is_some() { "0755" } else { "0700" };
    systemctl.succeed(install().args(["--directory", "--mode", mode, "--"]).arg(directory)).await?;
    systemctl.succeed(install().args(["--mode=0755", "--"]).arg(from).arg(&unfinished)).await?;
    let suffix = format!("--suffix=.{}", shared::ALTERED);
    let rename =
        systemctl.privilege.command("mv").args(["--force", "--backup=simple", &suffix, "--no-target-directory", "--"]);
    systemctl.succeed(rename.arg(&unfinished).arg(first)).await.map(drop)
}
