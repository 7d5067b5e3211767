//! Units are written when they are not what a node's specification says: a unit of an older wnm, one that was deleted by
//! hand and one whose node got other settings are put right by the next start.

use std::collections::HashMap;
use std::fs;

use wnm_pm::process_manager::ManagerError;

use crate::Systemd;
use crate::batch::{Batch, Item};
use crate::files;
use crate::parse::Unit;
use crate::paths::SLICE;
use crate::render;
use crate::systemctl::Systemctl;

/// Renders the units of a batch, writes those that differ from what is there, and has systemd read them: also what
/// somebody else changed without telling systemd.
pub(crate) async fn settle(manager: &Systemd, batch: &mut Batch<'_>, known: &HashMap<String, Unit>) {
    let Some(version) = batch.all(manager.systemctl.version().await) else { return };
    batch.check(|item| refuse_link(manager, item));
    let mut changed = Vec::new();
    for item in batch.good() {
        match render::unit(item.spec, manager.scope(), version) {
            Ok(text) => changed.push((item.unit.clone(), text)),
            Err(error) => item.fail(error),
        }
    }
    changed.push((SLICE.to_owned(), render::slice()));
    changed.retain(|(name, text)| !is_written(&manager.systemctl, name, text));
    let is_outdated = batch.units().iter().any(|unit| known.get(unit).is_some_and(|unit| unit.is_outdated));
    if batch.units().is_empty() || (changed.is_empty() && !is_outdated) {
        return;
    }
    if !changed.is_empty() {
        batch.all(files::write_units(&manager.systemctl, &changed).await);
    }
    if !batch.units().is_empty() {
        batch.all(manager.systemctl.reload().await);
    }
}

/// Whoever masks a unit, or links it elsewhere, wants wnm to keep off it.
fn refuse_link(manager: &Systemd, item: &Item<'_>) -> Result<(), ManagerError> {
    let path = manager.systemctl.places.unit(&item.unit);
    let Ok(target) = fs::read_link(&path) else { return Ok(()) };
    let reason = if target.as_os_str() == "/dev/null" {
        let systemctl = manager.systemctl.typed("systemctl");
        format!("it is masked, so that nobody starts it\nhint: `{systemctl} unmask {}` allows it again", item.unit)
    } else {
        format!("it is a link to {}, which wnm did not make", target.display())
    };
    Err(ManagerError::NotOurs { path, reason })
}

fn is_written(systemctl: &Systemctl, name: &str, text: &str) -> bool {
    fs::read_to_string(systemctl.places.unit(name)).is_ok_and(|there| there == text)
}

/// Takes wnm's slice away, unless somebody else wrote it.
pub(crate) async fn remove_slice(systemctl: &Systemctl) -> Result<(), ManagerError> {
    if !is_written(systemctl, SLICE, &render::slice()) {
        return Ok(());
    }
    let path = systemctl.places.unit(SLICE);
    systemctl.succeed(systemctl.privilege.command("rm").args(["--force", "--"]).arg(path)).await?;
    systemctl.reload().await
}
