//! What would not work with systemd on this machine, and what fixes it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use wnm_pm::hint::{Advice, Hint};
use wnm_pm::node::NodeId;
use wnm_pm::process_manager::{Finding, ManagerError};
use wnm_pm::shell;
use wnm_pm::user::{Owner, User};

use crate::parse::Unit;
use crate::paths::{NODE_USER, Scope, enable_linger};
use crate::{Systemd, files};

/// Where systemd notes whose systemd runs without a login.
const LINGER: &str = "/var/lib/systemd/linger";

pub(crate) async fn examine(manager: &Systemd) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Err(ManagerError::Unavailable { reason, hint, .. }) = usable(manager).await {
        findings.push(Finding::unavailable(manager.kind, &reason, fix_of(&hint)));
    }
    match manager.scope() {
        Scope::User => findings.extend(lingering(Path::new(LINGER), &User::own_name())),
        Scope::System => findings.extend(closed_storage(manager)),
    }
    findings.extend(of_units(manager).await);
    findings
}

/// A hint as a text for a person at the machine.
fn fix_of(hint: &Hint) -> String {
    match &hint.advice {
        Advice::Shell(command) => command.clone(),
        Advice::Text(text) => text.to_string(),
        _ => "boot this machine with a systemd that can be used, or use another process manager".to_owned(),
    }
}

async fn usable(manager: &Systemd) -> Result<(), ManagerError> {
    manager.systemctl.refuse_unavailable()?;
    manager.systemctl.version().await?;
    manager.systemctl.succeed(manager.systemctl.privilege.command("true")).await.map(drop)
}

fn lingering(notes: &Path, user: &str) -> Option<Finding> {
    let consequence = format!("{user}'s nodes end with the last session of {user}, and none starts at boot");
    let finding =
        || Finding::error("lingering-off", format!("lingering is off for {user}"), consequence, enable_linger(user));
    (!notes.join(user).exists()).then(finding)
}

/// Nodes of the machine's own systemd run as a user of their own, who has to get to their files.
fn closed_storage(manager: &Systemd) -> Option<Finding> {
    let user = files::find_node_user().ok().flatten()?;
    // The storage itself is opened when a node is created.
    let closed = manager.node_storage.iter().find_map(|storage| closed_to(user, storage.parent()?))?;
    let what = format!("{NODE_USER} cannot pass through {}, and the node storage lies below it", closed.display());
    let consequence = format!("nodes run as {NODE_USER}, so none can reach its files");
    Some(Finding::error("node-storage-closed", what, consequence, format!("sudo chmod o+x {}", shell::word(&closed))))
}

/// The first directory on the way to a path that a user may not pass.
fn closed_to(user: Owner, path: &Path) -> Option<PathBuf> {
    let mut way: Vec<&Path> = path.ancestors().collect();
    way.reverse();
    let closed = way.into_iter().find(|directory| {
        fs::metadata(directory).is_ok_and(|found| {
            let bit = match (found.uid() == user.uid, found.gid() == user.gid) {
                (true, _) => 0o100,
                (_, true) => 0o010,
                _ => 0o001,
            };
            found.permissions().mode() & bit == 0
        })
    });
    closed.map(Path::to_owned)
}

async fn of_units(manager: &Systemd) -> Vec<Finding> {
    let Ok(mut names) = manager.systemctl.names().await else { return vec![] };
    names.retain(|name| NodeId::of_name(name.trim_end_matches(".service")).is_some());
    let Ok(units) = manager.systemctl.units(&names).await else { return vec![] };
    let own = units.iter().filter(|(name, unit)| manager.foreign(name, unit).is_none());
    let mut units: Vec<(&str, &Unit)> = own.map(|(name, unit)| (name.as_str(), unit)).collect();
    units.sort_by_key(|(name, _)| *name);
    let which = |wanted: fn(&Unit) -> bool| -> Vec<&str> {
        units.iter().filter(|(_, unit)| wanted(unit)).map(|(name, _)| *name).collect()
    };
    [
        unlisted(&which(|unit| unit.is_up() && unit.file_state != "enabled")),
        masked(&which(|unit| unit.load == "masked"), &manager.systemctl.typed("systemctl")),
        failed(&units, &manager.systemctl.typed("journalctl")),
    ]
    .into_iter()
    .flatten()
    .collect()
}

fn unlisted(names: &[&str]) -> Option<Finding> {
    let what = match names {
        [] => return None,
        [one] => format!("{one} is running but not enabled in systemd"),
        many => format!("{} running nodes are not enabled in systemd: {}", many.len(), many.join(", ")),
    };
    let consequence = "after a reboot they stay down until wnm's next cycle";
    let fix = "restart these nodes: a start writes the unit anew and enables it";
    Some(Finding::warning("nodes-not-started-at-boot", what, consequence, fix))
}

fn masked(names: &[&str], systemctl: &str) -> Option<Finding> {
    let what = match names {
        [] => return None,
        [one] => format!("the unit {one} is masked"),
        many => format!("{} units of nodes are masked: {}", many.len(), many.join(", ")),
    };
    let fix = format!("{systemctl} unmask {}", names.join(" "));
    Some(Finding::warning("units-masked", what, "wnm cannot start these nodes", fix))
}

fn failed(units: &[(&str, &Unit)], journalctl: &str) -> Option<Finding> {
    let failed: Vec<&(&str, &Unit)> = units.iter().filter(|(_, unit)| unit.active == "failed").collect();
    let (first, _) = failed.first()?;
    let names: Vec<String> =
        failed.iter().map(|(name, unit)| format!("{name} ({})", unit.end().unwrap_or_default())).collect();
    let what = match &names[..] {
        [one] => format!("{one} failed, and systemd does not restart it"),
        many => format!("{} nodes failed, and systemd does not restart them: {}", many.len(), many.join(", ")),
    };
    let fix = format!("see why: {journalctl} --unit {first}");
    Some(Finding::warning("nodes-failed", what, "they stay down until wnm starts them", fix))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lingering_is_on_when_systemd_has_noted_it() {
        let notes = tempfile::tempdir().expect("a temporary directory");
        let finding = lingering(notes.path(), "resident").expect("nobody lingers");
        assert_eq!(finding.fix, "sudo loginctl enable-linger resident");
        fs::write(notes.path().join("resident"), "").expect("it is written");
        assert_eq!(lingering(notes.path(), "resident"), None);
    }

    #[test]
    fn a_directory_that_lets_nobody_through_is_named() {
        let above = tempfile::tempdir().expect("a temporary directory");
        let below = above.path().join("below");
        fs::create_dir(&below).expect("it is made");
        fs::set_permissions(above.path(), fs::Permissions::from_mode(0o700)).expect("it is ours");
        let owner = fs::metadata(above.path()).expect("it is there");
        let user = Owner { uid: owner.uid(), gid: owner.gid() };
        let another = Owner { uid: user.uid + 1, gid: user.gid + 1 };
        assert_eq!(closed_to(another, &below), Some(above.path().to_owned()));
        assert_eq!(closed_to(user, &below), None);
    }

    #[test]
    fn every_hint_is_a_fix() {
        let without = fix_of(&crate::paths::without_systemd());
        insta::assert_snapshot!(without, @"boot this machine with a systemd that can be used, or use another process manager");
        assert_eq!(fix_of(&Hint::shell(enable_linger("o'hara")).to("stay")), r#"sudo loginctl enable-linger "o'hara""#);
        assert_eq!(fix_of(&Hint::text("set HOME")), "set HOME");
    }

    #[test]
    fn whoever_follows_the_advice_asks_the_systemd_that_is_meant() {
        let mut unit = Unit::default();
        unit.active = "failed".to_owned();
        let fixes = |kind: &str| {
            let kind = kind.parse().expect("it is one");
            let manager =
                Systemd::new(kind, Path::new("/srv/nodes"), std::sync::Arc::new(wnm_pm::command::SystemRunner));
            let masked = masked(&["antnode0001.service"], &manager.systemctl.typed("systemctl")).expect("it is masked");
            let failed = failed(&[("antnode0001.service", &unit)], &manager.systemctl.typed("journalctl"));
            format!("{}\n{}", masked.fix, failed.expect("it failed").fix)
        };
        insta::assert_snapshot!(fixes("systemd+user"), @r"
        systemctl --user unmask antnode0001.service
        see why: journalctl --user --unit antnode0001.service
        ");
        let sudo = if rustix::process::geteuid().is_root() { "" } else { "sudo " };
        assert!(fixes("systemd+sudo").starts_with(&format!("{sudo}systemctl unmask antnode0001.service")));
    }

    #[test]
    fn units_of_the_python_wnm_are_named() {
        let finding = unlisted(&["antnode0001.service", "antnode0002.service"]).expect("they are not enabled");
        insta::assert_snapshot!(finding.what, @"2 running nodes are not enabled in systemd: antnode0001.service, antnode0002.service");
        let finding = unlisted(&["antnode0001.service"]).expect("it is not enabled");
        insta::assert_snapshot!(finding.what, @"antnode0001.service is running but not enabled in systemd");
        assert_eq!(unlisted(&[]), None);
        assert_eq!(masked(&[], "systemctl"), None);
        assert_eq!(failed(&[("antnode0001.service", &Unit::default())], "journalctl"), None);
    }
}
