//! Examining: what would not work with antctl on this machine, and what fixes it.

use std::path::Path;

use wnm_pm::hint::chain;
use wnm_pm::process_manager::{Finding, Mode, Severity};
use wnm_pm::user::User;

use crate::observation::last_failure;
use crate::parse::Registry;
use crate::start::found_no_router;
use crate::{Antctl, access};

/// antctl looks through all processes for each entry, removed ones too.
const MANY_REMOVED: usize = 100;

impl Antctl {
    /// All findings; reads only.
    pub(crate) async fn findings(&self) -> Vec<Finding> {
        let mut findings = Vec::new();
        findings.extend(self.find_antctl().await);
        findings.extend(self.find_systemd());
        if let Some(closed) = self.closed() {
            findings.push(finding(
                "node-storage-closed",
                Severity::Error,
                access::refusal(&closed),
                "no node can reach its files, so none starts",
                &format!(
                    "`{}`, or initialise another database with node_storage and log_dir elsewhere",
                    access::opening(&closed)
                ),
            ));
        }
        if self.settings.antctl_version.is_some() && self.settings.mode != Mode::Zen {
            findings.push(finding(
                "antctl-version-unused",
                Severity::Warning,
                "antctl_version is set, and nodes are made from antnode_path".to_owned(),
                "antctl_version has no effect",
                "unset antctl_version: only antctl+zen has antctl bring the program",
            ));
        }
        // Without antctl there is nothing to read its registry with.
        if findings.iter().any(|finding| finding.code == "antctl-missing") {
            return findings;
        }
        let registry = match self.caller.lock().await {
            Ok(_lock) => self.caller.registry().await,
            Err(error) => Err(error),
        };
        match registry {
            Ok(registry) => findings.extend(self.find_in(&registry)),
            Err(error) => findings.push(finding(
                "antctl-registry",
                Severity::Error,
                error.text(),
                "wnm sees no node and touches none",
                &self.caller.restore_registry(),
            )),
        }
        findings
    }

    async fn find_antctl(&self) -> Option<Finding> {
        match self.caller.run(vec!["--version".into()], 30).await {
            Ok(output) if output.success() => {
                let version = output
                    .stdout
                    .lines()
                    .next()
                    .and_then(|line| line.rsplit_once(" v"))
                    .map(|(_, version)| version.trim());
                let known = version.is_some_and(|version| version.starts_with("0.14."));
                (!known).then(|| {
                    finding(
                        "antctl-unknown-version",
                        Severity::Warning,
                        format!("antctl says it is {}", version.unwrap_or("no version that wnm can read")),
                        "wnm was tried with antctl 0.14.2; another version may answer differently",
                        "install antctl 0.14.2",
                    )
                })
            }
            other => {
                let reason = other.map_or_else(|error| chain(&error), |output| crate::parse::complaint(&output));
                Some(finding(
                    "antctl-missing",
                    Severity::Error,
                    format!("{} cannot be run: {reason}", self.caller.antctl.display()),
                    "no node can be added, started, stopped or removed",
                    "install antctl, or set antctl_path",
                ))
            }
        }
    }

    fn find_systemd(&self) -> Option<Finding> {
        if !cfg!(target_os = "linux") {
            return None;
        }
        if !self.systemd.booted {
            return Some(finding(
                "no-systemd",
                Severity::Error,
                "this machine was not booted with systemd".to_owned(),
                "antctl adds and removes nodes, and none of them starts",
                "boot with systemd, or initialise another database with process_manager setsid+user",
            ));
        }
        if self.places().system {
            return None;
        }
        if std::env::var_os("XDG_RUNTIME_DIR").is_none() && self.places().runtime_dir.is_none() {
            return Some(finding(
                "no-user-session",
                Severity::Error,
                "this user has no systemd of its own (no XDG_RUNTIME_DIR)".to_owned(),
                "antctl cannot start nodes (`Failed to connect to bus`)",
                LINGER,
            ));
        }
        (!Path::new("/var/lib/systemd/linger").join(User::own_name()).exists()).then(|| {
            finding(
                "lingering-off",
                Severity::Warning,
                "lingering is off for this user".to_owned(),
                "its nodes end when it logs out",
                LINGER,
            )
        })
    }

    fn find_in(&self, registry: &Registry) -> Vec<Finding> {
        let mut findings = Vec::new();
        for entry in registry.present() {
            let name = &entry.service_name;
            if let Some(missing) = self.missing(entry) {
                findings.push(finding(
                    "node-incomplete",
                    Severity::Error,
                    format!("{missing} of {name} is missing"),
                    "antctl can neither start nor remove it, and its reset fails",
                    "start the node: that restores it",
                ));
            }
            let failed = last_failure(&entry.log_dir_path);
            if let Some(said) = failed.filter(|said| found_no_router(said, entry)) {
                findings.push(finding(
                    "upnp-without-gateway",
                    Severity::Error,
                    format!("{name} asks the router for its port and ended: {said}"),
                    "a node with UPnP ends within seconds where no router answers",
                    &self.without_router(entry),
                ));
            }
        }
        let forgotten = self.forgotten(registry);
        if !forgotten.is_empty() {
            let names: Vec<_> = forgotten.iter().map(|left| left.service.as_str()).collect();
            findings.push(finding(
                "forgotten-nodes",
                Severity::Warning,
                format!("antctl does not know nodes that have unit files ({}): {}", names.len(), names.join(", ")),
                "they run, or take directories, and antctl gives their names to other nodes",
                &format!(
                    "restore {} from a backup that holds them; let nothing but wnm run antctl on this machine",
                    self.places().registry().display()
                ),
            ));
        }
        let removed = registry.nodes.len() - registry.present().count();
        if removed >= MANY_REMOVED {
            findings.push(finding(
                "many-removed-nodes",
                Severity::Warning,
                format!("antctl keeps {removed} removed nodes in its registry"),
                "each makes every call slower and blocks its ports",
                "leave them until you tear everything down: only that clears them, and it deletes all nodes with their keys",
            ));
        }
        findings
    }
}

const LINGER: &str = "sudo loginctl enable-linger \"$USER\"";

fn finding(code: &str, severity: Severity, what: String, consequence: &str, fix: &str) -> Finding {
    Finding { code: code.to_owned(), severity, what, consequence: consequence.to_owned(), fix: fix.to_owned() }
}
