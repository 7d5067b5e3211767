//! Managers are picked here, by the setting; nothing else knows more than one.

use std::sync::Arc;

use wnm_core::settings::Config;
use wnm_pm::command::CommandRunner;
use wnm_pm::process_manager::{ManagerError, ProcessManager, Supervisor};

/// The process manager that the settings name.
pub(crate) fn manager(
    config: &Config,
    runner: &Arc<dyn CommandRunner>,
) -> Result<Box<dyn ProcessManager>, ManagerError> {
    let storage = config.node_storage.clone();
    let (kind, runner) = (config.process_manager, Arc::clone(runner));
    Ok(match kind.supervisor {
        #[cfg(feature = "setsid")]
        Supervisor::Setsid => Box::new(wnm_pm_setsid::Setsid::new(kind, storage)),
        #[cfg(feature = "systemd")]
        Supervisor::Systemd => Box::new(wnm_pm_systemd::Systemd::new(kind, storage, runner)),
        #[cfg(feature = "launchd")]
        Supervisor::Launchd => Box::new(wnm_pm_launchd::Launchd::new(kind.mode, storage, runner)?),
        #[cfg(feature = "antctl")]
        Supervisor::Antctl => Box::new(wnm_pm_antctl::Antctl::new(antctl(config), runner)?),
        #[cfg(feature = "s6overlay")]
        Supervisor::S6overlay => Box::new(wnm_pm_s6overlay::S6Overlay::connect(s6overlay(config))?),
        #[cfg(not(all(
            feature = "setsid",
            feature = "systemd",
            feature = "launchd",
            feature = "antctl",
            feature = "s6overlay"
        )))]
        _ => {
            let hint =
                wnm_pm::hint::Hint::text("build it with the feature of that name, or choose another process manager");
            return Err(ManagerError::unavailable(kind, "this program was built without it", hint));
        }
    })
}

/// The Dockerfile of the image that container groups are made of.
///
/// # Errors
/// When it cannot be put together.
#[cfg(feature = "s6overlay")]
pub fn dockerfile() -> Result<String, ManagerError> {
    wnm_pm_s6overlay::dockerfile::dockerfile(&wnm_pm_s6overlay::dockerfile::DockerfileOptions::default())
}

#[cfg(feature = "antctl")]
fn antctl(config: &Config) -> wnm_pm_antctl::AntctlSettings {
    wnm_pm_antctl::AntctlSettings {
        mode: config.process_manager.mode,
        antctl_path: config.antctl_path.clone(),
        antctl_debug: config.antctl_debug,
        antctl_version: config.antctl_version.clone(),
        rust_backtrace: config.rust_backtrace.clone(),
        node_storage: config.node_storage.first().to_owned(),
        log_dir: config.log_dir.clone(),
    }
}

#[cfg(feature = "s6overlay")]
fn s6overlay(config: &Config) -> wnm_pm_s6overlay::S6Settings {
    wnm_pm_s6overlay::S6Settings {
        node_storage: config.node_storage.first().to_owned(),
        more_storages: config.node_storage.more().to_vec(),
        log_dir: config.log_dir.clone(),
        bootstrap_cache_dir: config.bootstrap_cache_dir.clone(),
        docker_image: config.docker_image.clone(),
        container_network: config.container_network,
        max_node_per_container: config.max_node_per_container,
        engine_address: None,
        rules_by: wnm_pm_s6overlay::RulesBy::default(),
    }
}
