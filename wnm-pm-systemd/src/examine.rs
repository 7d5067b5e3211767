//! What would not work with systemd on this machine, and what mends it.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use wnm_pm::node::NodeId;
use wnm_pm::process_manager::{Finding, ManagerError, Severity};

use crate::Systemd;
use crate::parse::{self, Unit};
use crate::paths::{NODE_USER, Scope, user_name};

/// Where systemd notes whose systemd runs without a login.
const LINGER: &str = "/var/lib/systemd/linger";

pub(crate) async fn examine(manager: &Systemd) -> Vec<Finding> {
    let mut findings = Vec::new();
    if let Err(ManagerError::Unavailable { reason, hint, .. }) = usable(manager).await {
        findings.push(Finding {
            code: "manager-unavailable".to_owned(),
            severity: Severity::Error,
            what: format!("{}: {reason}", manager.kind),
            consequence: "no node can be created, started or stopped".to_owned(),
            fix: hint,
        });
    }
    match manager.scope() {
        Scope::User => findings.extend(lingering(Path::new(LINGER), &user_name())),
        Scope::System => findings.extend(closed_storage(manager).await),
    }
    findings.extend(of_units(manager).await);
    findings
}

async fn usable(manager: &Systemd) -> Result<(), ManagerError> {
    manager.systemctl.refuse_unavailable()?;
    manager.systemctl.version().await?;
    manager.systemctl.succeed(manager.systemctl.privilege.command("true")).await.map(drop)
}

fn lingering(notes: &Path, user: &str) -> Option<Finding> {
    (!notes.join(user).exists()).then(|| Finding {
        code: "lingering-off".to_owned(),
        severity: Severity::Error,
        what: format!("lingering is off for {user}"),
        consequence: format!("{user}'s nodes end with the last session of {user}, and none starts at boot"),
        fix: format!("sudo loginctl enable-linger {user}"),
    })
}

/// Nodes of the machine's own systemd run as a user of their own, who has to get to their files.
async fn closed_storage(manager: &Systemd) -> Option<Finding> {
    let command = wnm_pm::command::Command::new("getent").args(["passwd", NODE_USER]);
    let (user, group) = parse::owner(&manager.systemctl.run(command).await.ok()?.stdout)?;
    // The storage itself is opened when a node is created.
    let closed = closed_to(user, group, manager.node_storage.parent()?)?;
    Some(Finding {
        code: "node-storage-closed".to_owned(),
        severity: Severity::Error,
        what: format!("{} does not let {NODE_USER} through, and the node storage lies below", closed.display()),
        consequence: format!("nodes run as {NODE_USER}, so none can reach its files"),
        fix: format!("sudo chmod o+x {}", closed.display()),
    })
}

/// The first directory on the way to a path that a user may not pass.
fn closed_to(user: u32, group: u32, path: &Path) -> Option<PathBuf> {
    let mut way: Vec<&Path> = path.ancestors().collect();
    way.reverse();
    let closed = way.into_iter().find(|directory| {
        fs::metadata(directory).is_ok_and(|found| {
            let bit = match (found.uid() == user, found.gid() == group) {
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
    let Ok(names) = manager.systemctl.names().await else { return vec![] };
    let is_nodes = |name: &&str| NodeId::of_name(name.trim_end_matches(".service")).is_some();
    let names: Vec<&str> = names.iter().map(String::as_str).filter(is_nodes).collect();
    let Ok(units) = manager.systemctl.show(&names).await else { return vec![] };
    let mut units: Vec<(&str, &Unit)> = units.iter().map(|(name, unit)| (name.as_str(), unit)).collect();
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
    let first = names.first()?.trim_end_matches(".service");
    Some(Finding {
        code: "nodes-not-started-at-boot".to_owned(),
        severity: Severity::Warning,
        what: format!("{} running nodes are not enabled in systemd: {}", names.len(), names.join(", ")),
        consequence: "after a restart of the machine they stay away until wnm's next cycle".to_owned(),
        fix: format!("`wnm restart {first}` writes the unit anew and enables it; so for each"),
    })
}

fn masked(names: &[&str], systemctl: &str) -> Option<Finding> {
    let first = names.first()?;
    Some(Finding {
        code: "units-masked".to_owned(),
        severity: Severity::Warning,
        what: format!("{} units of nodes are masked: {}", names.len(), names.join(", ")),
        consequence: "wnm cannot start these nodes".to_owned(),
        fix: format!("{systemctl} unmask {first}"),
    })
}

fn failed(units: &[(&str, &Unit)], journalctl: &str) -> Option<Finding> {
    let names: Vec<String> = units
        .iter()
        .filter(|(_, unit)| unit.active == "failed")
        .map(|(name, unit)| format!("{name} ({})", unit.end().unwrap_or_default()))
        .collect();
    let (first, _) = units.iter().find(|(_, unit)| unit.active == "failed")?;
    Some(Finding {
        code: "nodes-failed".to_owned(),
        severity: Severity::Warning,
        what: format!("{} nodes failed and are not started again by systemd: {}", names.len(), names.join(", ")),
        consequence: "they stand still until wnm starts them".to_owned(),
        fix: format!("look for the reason: {journalctl} --unit {first}"),
    })
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
        assert_eq!(closed_to(owner.uid() + 1, owner.gid() + 1, &below), Some(above.path().to_owned()));
        assert_eq!(closed_to(owner.uid(), owner.gid(), &below), None);
    }

    #[test]
    fn whoever_follows_the_advice_asks_the_systemd_that_is_meant() {
        let mut unit = Unit::default();
        unit.active = "failed".to_owned();
        let mends = |kind: &str| {
            let kind = kind.parse().expect("it is one");
            let manager = Systemd::new(kind, "/srv/nodes", std::sync::Arc::new(wnm_pm::command::SystemRunner));
            let masked = masked(&["antnode0001.service"], &manager.systemctl.typed("systemctl")).expect("it is masked");
            let failed = failed(&[("antnode0001.service", &unit)], &manager.systemctl.typed("journalctl"));
            format!("{}\n{}", masked.fix, failed.expect("it failed").fix)
        };
        insta::assert_snapshot!(mends("systemd+user"), @r"
        systemctl --user unmask antnode0001.service
        look for the reason: journalctl --user --unit antnode0001.service
        ");
        let sudo = if rustix::process::geteuid().is_root() { "" } else { "sudo " };
        assert!(mends("systemd+sudo").starts_with(&format!("{sudo}systemctl unmask antnode0001.service")));
    }

    #[test]
    fn units_of_the_python_wnm_are_named() {
        let finding = unlisted(&["antnode0001.service", "antnode0002.service"]).expect("they are not enabled");
        insta::assert_snapshot!(finding.what, @"2 running nodes are not enabled in systemd: antnode0001.service, antnode0002.service");
        insta::assert_snapshot!(finding.fix, @"`wnm restart antnode0001` writes the unit anew and enables it; so for each");
        assert_eq!(unlisted(&[]), None);
        assert_eq!(masked(&[], "systemctl"), None);
        assert_eq!(failed(&[("antnode0001.service", &Unit::default())], "journalctl"), None);
    }
}
