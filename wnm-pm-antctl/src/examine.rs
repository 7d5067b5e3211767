//! Examining: what would not work with antctl on this machine, and what fixes it.

use std::path::Path;

use wnm_pm::hint::{Advice, Hinted, chain};
use wnm_pm::process_manager::{Finding, ManagerError, Mode};
use wnm_pm::user::User;

use crate::observation::last_failure;
use crate::parse::{Entry, Registry, complaint};
use crate::start::{WITHOUT_ROUTER, found_no_router};
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
            findings.push(Finding::error(
                "node-storage-closed",
                access::refusal(&closed),
                "no node can reach its files, so none starts",
                format!(
                    "`{}`, or initialise another database with node_storage and log_dir elsewhere",
                    access::opening(&closed)
                ),
            ));
        }
        if self.settings.antctl_version.is_some() && self.settings.mode != Mode::Zen {
            findings.push(Finding::warning(
                "antctl-version-unused",
                "antctl_version is set, and nodes are made from antnode_path",
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
            Err(error) => findings.push(Finding::error(
                "antctl-registry",
                error.text(),
                "wnm sees no node and touches none",
                self.way_out(&error),
            )),
        }
        findings
    }

    /// What the error itself advises, or else what helps against damage.
    fn way_out(&self, error: &ManagerError) -> String {
        let texts = error.hints().into_iter().filter_map(|hint| match hint.advice {
            Advice::Text(text) => Some(text.into_owned()),
            _ => None,
        });
        texts.into_iter().next().unwrap_or_else(|| self.caller.restore_registry())
    }

    async fn find_antctl(&self) -> Option<Finding> {
        let said = match self.caller.run(vec!["--version".into()], 30).await {
            Ok(output) if output.success() => output.stdout,
            other => {
                let reason = other.map_or_else(|error| chain(&error), |output| complaint(&output));
                return Some(Finding::error(
                    "antctl-missing",
                    format!("{} cannot be run: {reason}", self.caller.antctl.display()),
                    "no node can be added, started, stopped or removed",
                    "install antctl, or set antctl_path",
                ));
            }
        };
        let version = said.lines().next().and_then(|line| line.rsplit_once(" v")).map(|(_, version)| version.trim());
        let what = match version {
            Some(version) if version.starts_with("0.14.") => return None,
            Some(version) => format!("antctl is version {version}"),
            None => "antctl reports no version that wnm can read".to_owned(),
        };
        let consequence = "wnm was tested with antctl 0.14.2; another version may answer differently";
        Some(Finding::warning("antctl-unknown-version", what, consequence, "install antctl 0.14.2"))
    }

    fn find_systemd(&self) -> Option<Finding> {
        if !cfg!(target_os = "linux") {
            return None;
        }
        if !self.systemd.booted {
            return Some(Finding::error(
                "no-systemd",
                "this machine was not booted with systemd",
                "antctl adds and removes nodes, and none of them starts",
                "boot with systemd, or initialise another database with process_manager setsid+user",
            ));
        }
        if self.places().system {
            return None;
        }
        if !self.places().has_session {
            return Some(Finding::error(
                "no-user-session",
                "this user has no systemd of its own (there is no directory of its session)",
                "antctl cannot start nodes (`Failed to connect to bus`)",
                LINGER,
            ));
        }
        (!Path::new("/var/lib/systemd/linger").join(User::own_name()).exists()).then(|| {
            Finding::warning(
                "lingering-off",
                "lingering is off for this user",
                "its nodes end when it logs out",
                LINGER,
            )
        })
    }

    fn find_in(&self, registry: &Registry) -> Vec<Finding> {
        let mut findings: Vec<Finding> = registry.present().flat_map(|entry| self.find_of(entry)).collect();
        let forgotten = self.forgotten(registry);
        if !forgotten.is_empty() {
            let names: Vec<_> = forgotten.iter().map(|left| left.service.as_str()).collect();
            let path = self.places().registry();
            findings.push(Finding::warning(
                "forgotten-nodes",
                format!("antctl does not know nodes that have unit files ({}): {}", names.len(), names.join(", ")),
                "they run, or take directories, and antctl gives their names to other nodes",
                format!(
                    "restore {} from a backup that holds them (wnm puts back what it has a copy of, at its next cycle); \
                     let nothing but wnm run antctl on this machine",
                    path.display()
                ),
            ));
        }
        let removed = registry.nodes.len() - registry.present().count();
        if removed >= MANY_REMOVED {
            findings.push(Finding::warning(
                "many-removed-nodes",
                format!("antctl keeps {removed} removed nodes in its registry"),
                "each makes every call slower and blocks its ports",
                "leave them until you tear everything down: only that clears them, and it deletes all nodes and keys",
            ));
        }
        findings
    }

    /// What is wrong with one node.
    fn find_of(&self, entry: &Entry) -> Vec<Finding> {
        let name = &entry.service_name;
        let incomplete = self.missing(entry).map(|missing| {
            Finding::error(
                "node-incomplete",
                format!("{missing} of {name} is missing"),
                "antctl can neither start nor remove it, and its reset fails",
                "start the node: that restores it",
            )
        });
        let failed = last_failure(&entry.log_dir_path).filter(|said| found_no_router(said, entry));
        let without_router = failed.map(|said| {
            Finding::error(
                "upnp-without-gateway",
                format!("{name} asks the router for its port and ended: {said}"),
                "a node with UPnP ends within seconds where no router answers",
                WITHOUT_ROUTER,
            )
        });
        incomplete.into_iter().chain(without_router).collect()
    }
}

const LINGER: &str = "sudo loginctl enable-linger \"$USER\"";
