//! The directories that wnm makes for nodes and deletes again, on behalf of the user that they belong to.

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use wnm_pm::batch::Batch;
use wnm_pm::node::{NodeId, NodeRef, NodeSpec};
use wnm_pm::node_files;
use wnm_pm::process_manager::ManagerError;
use wnm_pm::storages::Storages;
use wnm_pm::user::{Owner, User};

use crate::paths::{NODE_USER, STAMP, Scope, beside, copies, unit_name};
use crate::systemctl::Systemctl;

/// Enough to copy or delete the files of a whole batch on a slow disk.
pub(crate) const DISK: Duration = Duration::from_mins(10);

/// The user that the nodes' files belong to; none when that is whoever calls wnm.
pub(crate) async fn owner<'a, T>(systemctl: &Systemctl, batch: Batch<'a, T>) -> (Batch<'a, T>, Option<Owner>) {
    if batch.is_done() {
        return (batch, None);
    }
    let (batch, owner) = batch.all(owner_of_nodes(systemctl).await);
    (batch, owner.flatten())
}

/// The same where no node is at hand.
pub(crate) async fn owner_of_nodes(systemctl: &Systemctl) -> Result<Option<Owner>, ManagerError> {
    match systemctl.places.scope {
        Scope::User => Ok(None),
        Scope::System => node_user(systemctl).await.map(Some),
    }
}

/// The user that nodes of the machine's own systemd run as; made when there is none.
async fn node_user(systemctl: &Systemctl) -> Result<Owner, ManagerError> {
    if let Some(owner) = find_node_user()? {
        return Ok(owner);
    }
    systemctl.succeed(User::making(NODE_USER, systemctl.privilege).map_err(unknown)?).await?;
    find_node_user()?
        .ok_or_else(|| ManagerError::Failed(format!("there is no user {NODE_USER}, although useradd made it")))
}

pub(crate) fn find_node_user() -> Result<Option<Owner>, ManagerError> {
    Ok(User::named(NODE_USER).map_err(unknown)?.map(|user| user.owner))
}

fn unknown(error: std::io::Error) -> ManagerError {
    ManagerError::Failed(format!("cannot look up the user {NODE_USER}: {error}"))
}

/// Makes nodes' directories.
pub(crate) async fn make_directories<'a, T>(systemctl: &Systemctl, batch: Batch<'a, T>) -> Batch<'a, T> {
    let (batch, owner) = owner(systemctl, batch).await;
    // Under sudo wnm itself must be able to stat what is in there, but not to list it. Keys are the node's own, 0600.
    let mode = if owner.is_some() { "0711" } else { "0700" };
    let install = |nodes: &[&NodeRef]| {
        let directories = nodes.iter().flat_map(|node| {
            let NodeSpec { root_dir, log_dir, bootstrap_cache_dir, .. } = &node.spec;
            [root_dir, log_dir, bootstrap_cache_dir]
        });
        let command = systemctl.privilege.command("install").args(["--directory", "--mode", mode]);
        command.args(owner_words(owner)).arg("--").args(unique(directories))
    };
    systemctl.step(batch, install).await
}

/// Lets the nodes' user pass through the storages to nodes' directories.
pub(crate) async fn open_storages<'a, T>(
    systemctl: &Systemctl,
    batch: Batch<'a, T>,
    storages: &Storages,
) -> Batch<'a, T> {
    let is_closed = |path: &&Path| fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o001 == 0);
    let closed: Vec<&Path> = storages.iter().filter(is_closed).collect();
    if systemctl.places.scope == Scope::User || batch.is_done() || closed.is_empty() {
        return batch;
    }
    let open = systemctl.privilege.command("chmod").args(["o+x", "--"]).args(closed);
    batch.all(systemctl.succeed(open).await).0
}

/// Deletes all that nodes had, in one step: their units too, where these are told to be theirs.
pub(crate) async fn delete<'a>(systemctl: &Systemctl, batch: Batch<'a, bool>) -> Batch<'a, bool> {
    let with_units: BTreeSet<NodeId> = batch.good().filter(|(_, own)| **own).map(|(node, _)| node.id()).collect();
    let remove = |nodes: &[&NodeRef]| {
        let command = systemctl.privilege.command("rm").args(["--recursive", "--force", "--one-file-system", "--"]);
        let own = |node: &&NodeRef| belongings(systemctl, node, with_units.contains(&node.id()));
        command.args(nodes.iter().flat_map(own)).timeout(DISK)
    };
    systemctl.step(batch, remove).await
}

/// All that is a node's alone.
fn belongings(systemctl: &Systemctl, node: &NodeRef, with_unit: bool) -> Vec<PathBuf> {
    let (unit, spec) = (unit_name(node), &node.spec);
    let mut paths: Vec<PathBuf> = node_files::own_directories(spec).into_iter().map(Path::to_owned).collect();
    paths.extend(copies(spec));
    paths.push(beside(spec, STAMP));
    if !with_unit {
        return paths;
    }
    paths.push(systemctl.places.wanted(&unit));
    let unit = systemctl.places.unit(&unit);
    // A link in the unit's place was put there by the machine's owner, who masked it.
    if !unit.is_symlink() {
        paths.push(unit);
    }
    paths
}

/// The arguments that give files of `install` their owner.
pub(crate) fn owner_words(owner: Option<Owner>) -> Vec<String> {
    owner.map_or(vec![], |Owner { uid, gid }| vec![format!("--owner={uid}"), format!("--group={gid}")])
}

fn unique<'p>(paths: impl Iterator<Item = &'p PathBuf>) -> Vec<&'p PathBuf> {
    let mut unique = Vec::new();
    for path in paths {
        if !unique.contains(&path) {
            unique.push(path);
        }
    }
    unique
}
