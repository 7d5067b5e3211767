//! What would not work on this machine, and what fixes it.

mod firewall;
mod kernel;
mod network;
mod packet;
mod ruleset;

use bollard::models::SystemInfo;
use wnm_pm::container_host::GroupState;
use wnm_pm::hint::{Advice, Hint};
use wnm_pm::process_manager::Finding;

use crate::container::containers::Container;
use crate::container::contract::IMAGE_LABEL;
use crate::container::error::EngineError;
use crate::container::labels;
use crate::host::Host;
use crate::owner;

/// Everything that is found, the worst first.
pub async fn findings(host: &Host) -> Vec<Finding> {
    let mut findings = storage_findings(host);
    findings.extend(context_finding(std::env::var("DOCKER_CONTEXT").ok().as_deref()));
    match engine_findings(host).await {
        Ok(found) => findings.extend(found),
        Err(error) => findings.push(unreachable(&error)),
    }
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.severity));
    findings
}

/// A storage that does not exist yet is made when wnm is set up.
fn storage_findings(host: &Host) -> Vec<Finding> {
    let storage = &host.settings.node_storage;
    let what = format!("node_storage {} belongs to root, and nodes run as its owner", storage.display());
    let fix = owner::chown_command(storage);
    let found = Finding::error("storage-of-root", what, "no container is opened", fix);
    owner::of(storage).is_ok_and(owner::is_root).then_some(found).into_iter().collect()
}

/// A context may be that of another user or machine; only the `docker` command follows it.
fn context_finding(context: Option<&str>) -> Option<Finding> {
    let context = context.filter(|context| !["", "default"].contains(context))?;
    let what = format!("DOCKER_CONTEXT is {context}, which only the `docker` command follows");
    let consequence = "what you see and build with `docker` may be on another engine than the nodes";
    Some(Finding::warning(
        "docker-context",
        what,
        consequence,
        "unset DOCKER_CONTEXT; DOCKER_HOST names an engine to both",
    ))
}

async fn engine_findings(host: &Host) -> Result<Vec<Finding>, EngineError> {
    let info = host.engine.info().await?;
    let containers = host.engine.containers(&host.machine).await?;
    let mut findings = image_findings(host, &containers).await?;
    findings.extend(containers.iter().filter_map(group_finding));
    findings.extend(engine_finding(&info));
    findings.extend(kernel::findings(&host.settings, containers.len()));
    findings.extend(network::findings(host, &info, &containers).await);
    Ok(findings)
}

async fn image_findings(host: &Host, containers: &[Container]) -> Result<Vec<Finding>, EngineError> {
    let image = &host.settings.docker_image;
    let build = format!("pipe the Dockerfile that wnm prints into `docker build --tag {image} -`");
    let Some(found) = host.engine.image(image).await? else {
        let what = format!("the image {image} is not on this engine");
        let consequence = "it is pulled when it is first needed";
        return Ok(vec![Finding::warning("image-missing", what, consequence, build)]);
    };
    let mut findings = Vec::new();
    let (label, value) = IMAGE_LABEL;
    if found.labels.get(label).map(String::as_str) != Some(value) {
        let what = format!("the image {image} is not labelled {label}={value}");
        let consequence = "nodes may not come back with their container, or run as somebody other than the operator";
        findings.push(Finding::warning("image-unknown", what, consequence, build));
    }
    let is_old =
        |container: &&Container| container.labels.get(labels::IMAGE) == Some(image) && container.image_id != found.id;
    let old: Vec<&str> = containers.iter().filter(is_old).map(|container| container.name.as_str()).collect();
    if let Some(first) = old.first() {
        let what = format!("made of an older build of {image}: {}", old.join(", "));
        let consequence = "what the newer build fixes is not fixed there";
        let fix =
            format!("docker rm --force {first}, one after the other; the next cycle makes it again with its nodes");
        findings.push(Finding::warning("image-outdated", what, consequence, fix));
    }
    Ok(findings)
}

fn unreachable(error: &EngineError) -> Finding {
    let what = error.to_string();
    let (code, fix) = match error {
        EngineError::Unreachable { hint, .. } if what.contains("ermission denied") => {
            ("engine-forbidden", in_words(hint))
        }
        EngineError::Unreachable { hint, .. } => ("engine-unreachable", in_words(hint)),
        EngineError::Refused { .. } => ("engine-refuses", "see the engine's own log".to_owned()),
    };
    Finding::error(code, what, "nothing is known of any node, and nothing is changed", fix)
}

/// A container that does not run is one finding, however many nodes it has.
fn group_finding(container: &Container) -> Option<Finding> {
    if container.state == GroupState::Running {
        return None;
    }
    let what = format!("the container {} does not run ({})", container.name, container.said);
    Some(Finding::error("group-down", what, "none of its nodes runs", "the next cycle restarts it"))
}

fn engine_finding(info: &SystemInfo) -> Vec<Finding> {
    let mut findings = Vec::new();
    if info.live_restore_enabled != Some(true) {
        findings.push(Finding::warning(
            "live-restore-off",
            "the engine does not keep containers running while it restarts",
            "an update of Docker restarts all nodes",
            "\"live-restore\": true in /etc/docker/daemon.json, then `sudo systemctl reload docker`",
        ));
    }
    if info.pids_limit == Some(false) {
        findings.push(Finding::warning(
            "no-pids-limit",
            "the engine cannot limit the number of processes in a container",
            "a runaway node can take down the whole machine",
            "a kernel with the pids controller, and cgroup v2",
        ));
    }
    findings
}

/// A hint as the fix of a finding: a sentence, or a command of the machine.
fn in_words(hint: &Hint) -> String {
    let advice = match &hint.advice {
        Advice::Set { setting, value: Some(value) } => format!("set {setting} to {value}"),
        Advice::Set { setting, value: None } => format!("change {setting}"),
        Advice::Shell(command) => format!("`{command}`"),
        Advice::Text(text) => text.to_string(),
        // All that the engine's errors have wnm do is to try again.
        _ => return "the next cycle tries again".to_owned(),
    };
    match &hint.purpose {
        Some(purpose) => format!("{advice}, to {purpose}"),
        None => advice,
    }
}

#[cfg(test)]
mod tests {
    use wnm_pm::hint::Task;

    use super::*;

    #[test]
    fn a_context_that_only_the_docker_command_follows_is_named() {
        let found = context_finding(Some("bobs")).expect("it is found").what;
        assert_eq!(found, "DOCKER_CONTEXT is bobs, which only the `docker` command follows");
        assert!([None, Some(""), Some("default")].into_iter().all(|context| context_finding(context).is_none()));
    }

    #[test]
    fn hints_are_put_into_words_without_commands_of_wnm() {
        let hints = [
            Hint::set("container_network", "docker").to("let Docker publish the ports"),
            Hint::change("docker_image"),
            Hint::shell("sudo systemctl start docker").to("start it"),
            Hint::text("check DOCKER_HOST"),
            Hint::run(Task::Cycle).to("try again"),
        ];
        insta::assert_snapshot!(hints.map(|hint| in_words(&hint)).join("\n"), @"
        set container_network to docker, to let Docker publish the ports
        change docker_image
        `sudo systemctl start docker`, to start it
        check DOCKER_HOST
        the next cycle tries again
        ");
    }
}
