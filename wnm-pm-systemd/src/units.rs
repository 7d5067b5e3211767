//! A unit is rewritten at a node's start when it differs from what the node's launch says: one of an older wnm, one that was
//! deleted or edited by hand, one whose node got other settings.

use std::fs;

use tempfile::TempDir;
use wnm_pm::batch::Batch;
use wnm_pm::command::Command;
use wnm_pm::hint::Hint;
use wnm_pm::node::NodeRef;
use wnm_pm::node_files;
use wnm_pm::process_manager::ManagerError;

use crate::Systemd;
use crate::mark::{self, is_one_of};
use crate::parse::Unit;
use crate::paths::{SLICE, Scope, unit_name};
use crate::render;
use crate::systemctl::Systemctl;

impl Systemd {
    /// Renders the units of a batch, writes those that differ from what is there, and has systemd read them, along with
    /// what somebody else changed without a `daemon-reload`.
    pub(crate) async fn reload_units<'a>(&self, batch: Batch<'a, Unit>) -> Batch<'a, Unit> {
        if batch.is_done() {
            return batch;
        }
        let (batch, version) = batch.all(self.systemctl.version().await);
        let version = version.unwrap_or_default();
        let rendered = batch.check(|node, _| refuse_link(&self.systemctl, node)).then(|node, unit| {
            let text = render::unit(node, &self.node_storage, self.scope(), version)?;
            Ok((unit, text))
        });
        write_changed(&self.systemctl, rendered).await.then(|_, (unit, _)| Ok(unit))
    }
}

impl Systemd {
    /// Deletes wnm's slice, unless somebody else wrote it or nodes of another database are in it.
    pub(crate) async fn remove_slice(&self) -> Result<(), ManagerError> {
        let systemctl = &self.systemctl;
        let is_needed = node_files::entries(&systemctl.places.units)?.iter().any(|file| {
            let text = fs::read_to_string(file.path()).unwrap_or_default();
            mark::marked(&text).is_some_and(|storage| !is_one_of(&storage, &self.node_storage))
        });
        if is_needed || !is_written(systemctl, SLICE, &render::slice()) {
            return Ok(());
        }
        let path = systemctl.places.unit(SLICE);
        systemctl.succeed(systemctl.privilege.command("rm").args(["--force", "--"]).arg(path)).await?;
        systemctl.reload().await
    }
}

/// A node's unit as systemd knows it, and the text that its file should have.
type Rendered<'a> = Batch<'a, (Unit, String)>;

async fn write_changed<'a>(systemctl: &Systemctl, rendered: Rendered<'a>) -> Rendered<'a> {
    let has_slice = is_written(systemctl, SLICE, &render::slice());
    let is_ready = has_slice || rendered.is_done();
    let rendered = if is_ready { rendered } else { rendered.all(write_slice(systemctl).await).0 };
    let changed = rendered.part(|node, (_, text)| !is_written(systemctl, &unit_name(node), text));
    let is_stale = !has_slice || !changed.is_done() || rendered.good().any(|(_, (unit, _))| unit.is_outdated);
    if rendered.is_done() || !is_stale {
        return rendered;
    }
    let written = rendered.join_part(write_units(systemctl, changed).await);
    if written.is_done() { written } else { written.all(systemctl.reload().await).0 }
}

/// A unit that somebody masked, or linked elsewhere, is not wnm's to touch.
pub(crate) fn refuse_link(systemctl: &Systemctl, node: &NodeRef) -> Result<(), ManagerError> {
    let unit = unit_name(node);
    let path = systemctl.places.unit(&unit);
    let Ok(target) = fs::read_link(&path) else { return Ok(()) };
    if target.as_os_str() != "/dev/null" {
        let reason = format!("it is a link to {}, which wnm did not make", target.display());
        return Err(ManagerError::NotOurs { path, reason });
    }
    let unmask = Hint::shell(format!("{} unmask {unit}", systemctl.typed("systemctl")));
    let hint = unmask.to(format!("let {} start", node.spec.name));
    Err(ManagerError::advised(format!("{} is left alone: it is masked", path.display()), hint))
}

fn is_written(systemctl: &Systemctl, name: &str, text: &str) -> bool {
    fs::read_to_string(systemctl.places.unit(name)).is_ok_and(|there| there == text)
}

async fn write_slice(systemctl: &Systemctl) -> Result<(), ManagerError> {
    let staged = stage(systemctl, &[(SLICE.to_owned(), render::slice())])?;
    systemctl.succeed(install(systemctl, &staged, [SLICE.to_owned()])).await.map(drop)
}

/// Writes unit files, all in one step.
async fn write_units<'a>(systemctl: &Systemctl, batch: Rendered<'a>) -> Rendered<'a> {
    if batch.is_done() {
        return batch;
    }
    let files: Vec<(String, String)> = batch.good().map(|(node, (_, text))| (unit_name(node), text.clone())).collect();
    let (batch, staged) = batch.all(stage(systemctl, &files));
    let Some(staged) = staged else { return batch };
    let write = |nodes: &[&NodeRef]| install(systemctl, &staged, nodes.iter().map(|node| unit_name(node)));
    systemctl.step(batch, write).await
}

/// Writes files to a temporary directory, from where `install` can copy them as root.
fn stage(systemctl: &Systemctl, files: &[(String, String)]) -> Result<TempDir, ManagerError> {
    let units = &systemctl.places.units;
    if systemctl.places.scope == Scope::User {
        fs::create_dir_all(units).map_err(|source| ManagerError::io("make the directory", units, source))?;
    }
    let write = || {
        let directory = tempfile::tempdir()?;
        for (name, text) in files {
            fs::write(directory.path().join(name), text)?;
        }
        Ok(directory)
    };
    write().map_err(|source| ManagerError::io("write unit files in", &std::env::temp_dir(), source))
}

fn install(systemctl: &Systemctl, staged: &TempDir, names: impl IntoIterator<Item = String>) -> Command {
    let command = systemctl.privilege.command("install").args(["--mode", "0644", "--target-directory"]);
    let paths = names.into_iter().map(|name| staged.path().join(name));
    command.arg(&systemctl.places.units).arg("--").args(paths)
}
