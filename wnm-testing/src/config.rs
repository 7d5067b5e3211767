//! Settings for tests.

use std::path::Path;

use wnm_core::settings::{Config, Facts, Layers, Occasion, OperatingSystem, overlay};

/// The defaults of a machine with two processors, with nodes under `setsid+user` in this storage (an absolute path), logs
/// and bootstrap cache inside it, and rewards to the faucet.
///
/// # Panics
/// When the storage is no absolute path.
#[must_use]
pub fn config(node_storage: &Path) -> Config {
    let facts = Facts {
        cpu_count: 2,
        home: "/nonexistent".to_owned(),
        euid: 1000,
        os: OperatingSystem::Linux,
        systemd_runs: false,
    };
    let below = |name: &str| node_storage.join(name).to_string_lossy().into_owned();
    let layers = Layers::default().flags([
        ("node_storage", node_storage.to_string_lossy().into_owned()),
        ("log_dir", below("logs")),
        ("bootstrap_cache_dir", below("bootstrap-cache")),
        ("rewards_address", "faucet".to_owned()),
    ]);
    match overlay(&facts, Occasion::Change, &layers) {
        Ok((config, _)) => config,
        Err(problems) => panic!("{problems}"),
    }
}
