//! What would not work on this machine, and what mends it.

mod kernel;
mod network;

use bollard::models::SystemInfo;
use wnm_pm::container_host::GroupState;
use wnm_pm::process_manager::{Finding, ManagerError, Severity};

use crate::containers::Container;
use crate::engine::{Doing, EngineError};
use crate::storage::Owner;
use crate::{S6Overlay, script};

impl S6Overlay {
    /// Everything that is found, the worst first.
    pub(crate) async fn findings(&self) -> Vec<Finding> {
        let mut findings = self.storage_findings();
        match self.engine_findings().await {
            Ok(found) => findings.extend(found),
            Err(error) => findings.push(unreachable(&error)),
        }
        findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
        findings
    }

    /// A storage that is not there yet is made when wnm is set up.
    fn storage_findings(&self) -> Vec<Finding> {
        let storage = &self.settings.node_storage;
        let Err(ManagerError::Unusable { what, .. }) = Owner::of(storage) else {
            return Vec::new();
        };
        let fix = format!("chown USER:GROUP {}", storage.display());
        let found = format!("{what} belongs to root, and nodes run as its owner");
        vec![finding("storage-of-root", Severity::Error, &found, "no container is opened", &fix)]
    }

    async fn engine_findings(&self) -> Result<Vec<Finding>, EngineError> {
        let info = self.engine.docker().await?.info().await.doing(|| "ask what it is".to_owned())?;
        let containers = self.engine.containers(&self.machine).await?;
        let mut findings = self.image_findings(&containers).await?;
        findings.extend(containers.iter().filter_map(group_finding));
        findings.extend(engine_finding(&info));
        findings.extend(kernel::findings(&self.settings, containers.len()));
        findings.extend(network::findings(self, &info).await);
        Ok(findings)
    }

    async fn image_findings(&self, containers: &[Container]) -> Result<Vec<Finding>, EngineError> {
        let image = &self.settings.docker_image;
        let build = format!("wnm dockerfile | docker build --tag {image} -");
        let Some(found) = self.engine.image(image).await? else {
            let what = format!("the image {image} is not on this engine");
            return Ok(vec![finding(
                "image-missing",
                Severity::Warning,
                &what,
                "it is pulled when it is first needed",
                &build,
            )]);
        };
        let mut findings = Vec::new();
        let (label, value) = script::IMAGE_LABEL;
        if found.labels.get(label).map(String::as_str) != Some(value) {
            let what = format!("the image {image} is not labelled {label}={value}");
            let consequence = "nodes may not come back with their container, or not run in the operator's name";
            findings.push(finding("image-unknown", Severity::Warning, &what, consequence, &build));
        }
        let is_old =
            |container: &&Container| container.labels.get("wnm.image") == Some(image) && container.image_id != found.id;
        let old: Vec<&str> = containers.iter().filter(is_old).map(|container| container.name.as_str()).collect();
        if !old.is_empty() {
            let what = format!("made of an older build of {image}: {}", old.join(", "));
            let fix = format!(
                "docker rm --force {}, one after the other; the next cycle makes it again with its nodes",
                old[0]
            );
            findings.push(finding(
                "image-outdated",
                Severity::Warning,
                &what,
                "what the newer build mends is not mended there",
                &fix,
            ));
        }
        Ok(findings)
    }
}

fn unreachable(error: &EngineError) -> Finding {
    let what = error.to_string();
    let (code, fix) = match error {
        EngineError::Unreachable { hint, .. } if what.contains("ermission denied") => {
            ("engine-forbidden", hint.as_str())
        }
        EngineError::Unreachable { hint, .. } => ("engine-unreachable", hint.as_str()),
        EngineError::Refused { .. } => ("engine-refuses", "see the engine's own log"),
    };
    finding(code, Severity::Error, &what, "nothing is known of any node, and nothing is changed", fix)
}

/// A container that does not run is one finding, however many nodes it has.
fn group_finding(container: &Container) -> Option<Finding> {
    if container.state == GroupState::Running {
        return None;
    }
    let what = format!("the container {} does not run ({})", container.name, container.said);
    Some(finding("group-down", Severity::Error, &what, "none of its nodes runs", "the next cycle puts it right"))
}

fn engine_finding(info: &SystemInfo) -> Vec<Finding> {
    let mut findings = Vec::new();
    if info.live_restore_enabled != Some(true) {
        findings.push(finding(
            "live-restore-off",
            Severity::Warning,
            "the engine does not keep containers while it restarts",
            "an update of Docker restarts all nodes",
            "\"live-restore\": true in /etc/docker/daemon.json, then `sudo systemctl reload docker`",
        ));
    }
    if info.pids_limit == Some(false) {
        findings.push(finding(
            "no-pids-limit",
            Severity::Warning,
            "the engine cannot limit the processes of a container",
            "nodes that run away take the machine with them",
            "a kernel with the pids controller, and cgroup v2",
        ));
    }
    findings
}

/// A finding in one line of code.
fn finding(code: &str, severity: Severity, what: &str, consequence: &str, fix: &str) -> Finding {
    Finding {
        code: code.to_owned(),
        severity,
        what: what.to_owned(),
        consequence: consequence.to_owned(),
        fix: fix.to_owned(),
    }
}
