//! Managers are picked here, by the setting; nothing else knows more than one.

use std::sync::Arc;

use wnm_core::settings::Config;
use wnm_pm::command::CommandRunner;
use wnm_pm::process_manager::{ManagerError, ProcessManager, Supervisor};
use wnm_pm_antctl::{Antctl, AntctlSettings};
use wnm_pm_launchd::Launchd;
use wnm_pm_s6overlay::{RulesBy, S6Overlay, S6Settings};
use wnm_pm_setsid::Setsid;
use wnm_pm_systemd::Systemd;

/// What is logged without being asked for: to pull an image takes minutes, and it says how far it is.
pub(crate) const LONG_WORK: &str = "wnm_pm_s6overlay::container::images=info";

/// The process manager that the settings name.
pub(crate) fn manager(
    config: &Config,
    runner: &Arc<dyn CommandRunner>,
) -> Result<Box<dyn ProcessManager>, ManagerError> {
    let kind = config.process_manager;
    Ok(match kind.supervisor {
        Supervisor::Setsid => Box::new(Setsid::new(kind, config.node_storage.clone())),
        Supervisor::Antctl => Box::new(antctl(config, runner)?),
        Supervisor::S6overlay => Box::new(s6overlay(config)?),
        Supervisor::Systemd => Box::new(Systemd::new(kind, config.node_storage.clone(), Arc::clone(runner))),
        Supervisor::Launchd => Box::new(Launchd::new(kind.mode, config.node_storage.clone(), Arc::clone(runner))?),
    })
}

fn antctl(config: &Config, runner: &Arc<dyn CommandRunner>) -> Result<Antctl, ManagerError> {
    let settings = AntctlSettings {
        mode: config.process_manager.mode,
        antctl_path: config.antctl_path.clone(),
        antctl_debug: config.antctl_debug,
        antctl_version: config.antctl_version.clone(),
        rust_backtrace: config.rust_backtrace.clone(),
        node_storage: config.node_storage.clone(),
        log_dir: config.log_dir.clone(),
    };
    Antctl::new(settings, Arc::clone(runner))
}

fn s6overlay(config: &Config) -> Result<S6Overlay, ManagerError> {
    S6Overlay::connect(S6Settings {
        node_storage: config.node_storage.clone(),
        log_dir: config.log_dir.clone(),
        bootstrap_cache_dir: config.bootstrap_cache_dir.clone(),
        docker_image: config.docker_image.clone(),
        container_network: config.container_network,
        max_node_per_container: config.max_node_per_container,
        engine_address: None,
        rules_by: RulesBy::default(),
    })
}

/// The Dockerfile of the image that container groups are made of.
pub(crate) fn dockerfile() -> Result<String, ManagerError> {
    wnm_pm_s6overlay::dockerfile::dockerfile(&wnm_pm_s6overlay::dockerfile::DockerfileOptions::default())
}
