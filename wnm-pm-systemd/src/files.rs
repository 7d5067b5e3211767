//! The files that wnm makes for nodes, each kind in one step for a whole batch, in the name of whom they belong to.

use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use wnm_pm::command::Command;
use wnm_pm::node::NodeSpec;
use wnm_pm::path_policy;
use wnm_pm::process_manager::ManagerError;

use crate::batch::{Batch, Item};
use crate::parse;
use crate::paths::{NODE_USER, Scope};
use crate::systemctl::Systemctl;

/// What stands next to a node's directory while its program is made or replaced. Inside, the node's own user could put
/// something else in its place while root works on it.
const STAGES: [&str; 2] = ["new", "previous"];

/// Copying the programs of a whole batch to a slow disk takes its time.
const COPYING: Duration = Duration::from_mins(10);

/// User and group that nodes run as; none when they run as whoever calls.
pub(crate) type Owner = Option<(u32, u32)>;

/// Who nodes run as. The machine's own systemd runs them as a user of their own, who is made when there is none.
pub(crate) async fn owner(systemctl: &Systemctl) -> Result<Owner, ManagerError> {
    if systemctl.places.scope == Scope::User {
        return Ok(None);
    }
    let find = async || {
        let command = Command::new("getent").args(["passwd", NODE_USER]);
        Ok::<_, ManagerError>(parse::owner(&systemctl.run(command).await?.stdout))
    };
    if let owner @ Some(_) = find().await? {
        return Ok(owner);
    }
    // Cron does not look where programs of root's lie.
    let path = std::env::var("PATH").unwrap_or_default() + ":/usr/sbin:/sbin";
    let make = systemctl.privilege.command("useradd").env("PATH", path);
    let make = make.args(["--system", "--user-group", "--no-create-home", "--home-dir", "/nonexistent"]);
    systemctl.succeed(make.args(["--shell", "/usr/sbin/nologin", "--comment", "Autonomi nodes", NODE_USER])).await?;
    match find().await? {
        Some(owner) => Ok(Some(owner)),
        None => Err(ManagerError::Failed(format!("there is no user {NODE_USER}, although useradd made it"))),
    }
}

/// Makes nodes' directories.
pub(crate) async fn make_directories(systemctl: &Systemctl, batch: &mut Batch<'_>, owner: Owner) {
    let command = |items: &[&Item<'_>]| {
        let directories = items.iter().flat_map(|item| {
            let NodeSpec { root_dir, log_dir, bootstrap_cache_dir, .. } = item.spec;
            [root_dir, log_dir, bootstrap_cache_dir]
        });
        // Under sudo wnm itself has to see what is in there, though not to list it. Keys are the node's own, 0600.
        let mode = if owner.is_some() { "0711" } else { "0700" };
        let command = systemctl.privilege.command("install").args(["--directory", "--mode", mode]);
        command.args(owner_words(owner)).arg("--").args(unique(directories))
    };
    batch.step(systemctl, command).await;
}

/// The nodes' own user has to get through the storage to a node's directory.
pub(crate) async fn open_storage(systemctl: &Systemctl, storage: &Path, owner: Owner) -> Result<(), ManagerError> {
    let closed = fs::metadata(storage).is_ok_and(|found| found.permissions().mode() & 0o001 == 0);
    if owner.is_some() && closed {
        systemctl.succeed(systemctl.privilege.command("chmod").args(["o+x", "--"]).arg(storage)).await?;
    }
    Ok(())
}

/// Copies programs next to the nodes' directories: `from` tells each node's.
pub(crate) async fn stage_programs(
    systemctl: &Systemctl,
    batch: &mut Batch<'_>,
    owner: Owner,
    from: impl Fn(&NodeSpec) -> PathBuf,
) {
    let install = |items: &[&Item<'_>]| {
        let mut command = vec!["install".to_owned(), "--mode=0755".to_owned()];
        command.extend(owner_words(owner));
        for_pairs(systemctl, &command, items, |spec| (from(spec), beside(spec, "new"))).timeout(COPYING)
    };
    batch.step(systemctl, install).await;
    for item in batch.good() {
        // So that a loss of power leaves the old program or the new one.
        if let Ok(file) = fs::File::open(beside(item.spec, "new")) {
            let _ = file.sync_all();
        }
    }
}

/// Keeps a copy of each node's present program.
pub(crate) async fn keep_programs(systemctl: &Systemctl, batch: &mut Batch<'_>) {
    let copy = |items: &[&Item<'_>]| {
        let command = ["cp", "--no-dereference", "--preserve=mode,ownership", "--remove-destination", "--reflink=auto"];
        let pair = |spec: &NodeSpec| (spec.binary.clone(), beside(spec, "previous"));
        for_pairs(systemctl, &command.map(str::to_owned), items, pair).timeout(COPYING)
    };
    batch.step(systemctl, copy).await;
}

/// Puts what stands next to each node's directory (`new`, `previous`) in its program's place, at one stroke each.
pub(crate) async fn place_programs(systemctl: &Systemctl, batch: &mut Batch<'_>, which: &str) {
    let rename = |items: &[&Item<'_>]| {
        let command = ["mv", "--force"].map(str::to_owned);
        for_pairs(systemctl, &command, items, |spec| (beside(spec, which), spec.binary.clone()))
    };
    batch.step(systemctl, rename).await;
}

/// Takes away what may still stand next to the directories of these nodes. That it does not go harms nobody.
pub(crate) async fn forget_programs(systemctl: &Systemctl, specs: impl Iterator<Item = &NodeSpec>) {
    let leftovers: Vec<PathBuf> = specs.flat_map(|spec| STAGES.map(|what| beside(spec, what))).collect();
    if !leftovers.is_empty() {
        let command = systemctl.privilege.command("rm").args(["--force", "--"]).args(leftovers);
        if let Err(error) = systemctl.succeed(command).await {
            tracing::warn!("cannot delete what an upgrade left: {error}");
        }
    }
}

/// Writes unit files, all in one step.
pub(crate) async fn write_units(systemctl: &Systemctl, files: &[(String, String)]) -> Result<(), ManagerError> {
    let staged = stage_units(files).map_err(|source| ManagerError::Io {
        doing: "write unit files in",
        path: std::env::temp_dir(),
        source,
    })?;
    let units = &systemctl.places.units;
    if systemctl.places.scope == Scope::User {
        let made = fs::create_dir_all(units);
        made.map_err(|source| ManagerError::Io { doing: "make the directory", path: units.clone(), source })?;
    }
    let command = systemctl.privilege.command("install").args(["--mode", "0644", "--target-directory"]);
    let paths = files.iter().map(|(name, _)| staged.path().join(name));
    systemctl.succeed(command.arg(units).arg("--").args(paths)).await.map(drop)
}

fn stage_units(files: &[(String, String)]) -> std::io::Result<tempfile::TempDir> {
    let directory = tempfile::tempdir()?;
    for (name, text) in files {
        fs::write(directory.path().join(name), text)?;
    }
    Ok(directory)
}

/// Deletes all that nodes had, in one step.
pub(crate) async fn delete(systemctl: &Systemctl, batch: &mut Batch<'_>) {
    let remove = |items: &[&Item<'_>]| {
        let paths = items.iter().flat_map(|item| {
            let mut paths = vec![systemctl.places.wanted(&item.unit), item.spec.root_dir.clone()];
            paths.extend(STAGES.map(|what| beside(item.spec, what)));
            let unit = systemctl.places.unit(&item.unit);
            // A link in the unit's place was put there by the machine's owner, who masked it.
            if !unit.is_symlink() {
                paths.push(unit);
            }
            if path_policy::owns_log_dir(item.spec) {
                paths.push(item.spec.log_dir.clone());
            } else if !item.spec.log_dir.starts_with(&item.spec.root_dir) {
                tracing::warn!(
                    "{} is left alone: it is not named after {}",
                    item.spec.log_dir.display(),
                    item.spec.name
                );
            }
            paths
        });
        let command = systemctl.privilege.command("rm").args(["--recursive", "--force", "--one-file-system", "--"]);
        command.args(paths).timeout(COPYING)
    };
    batch.step(systemctl, remove).await;
}

/// A program that takes two paths, run for the pair of each node, in one step. No shell takes part.
fn for_pairs(
    systemctl: &Systemctl,
    command: &[String],
    items: &[&Item<'_>],
    pair: impl Fn(&NodeSpec) -> (PathBuf, PathBuf),
) -> Command {
    let mut input = Vec::new();
    for item in items {
        let (from, to) = pair(item.spec);
        for path in [from, to] {
            input.extend_from_slice(path.as_os_str().as_bytes());
            input.push(0);
        }
    }
    let xargs = systemctl.privilege.command("xargs").args(["--null", "--max-args", "2", "--"]);
    xargs.args(command).args(["--no-target-directory", "--"]).input(input)
}

/// What tells `install` whom its files belong to.
fn owner_words(owner: Owner) -> Vec<String> {
    owner.map_or(vec![], |(user, group)| vec![format!("--owner={user}"), format!("--group={group}")])
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

/// `node_storage/.antnode0007.new`
fn beside(spec: &NodeSpec, what: &str) -> PathBuf {
    let name = spec.root_dir.file_name().unwrap_or_default().to_string_lossy();
    spec.root_dir.with_file_name(format!(".{name}.{what}"))
}
