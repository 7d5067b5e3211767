//! The host is what nodes and groups have in common: the settings, the machine's id, and the engine.

use std::sync::Arc;

use tokio::sync::Mutex;

use crate::container::engine::Engine;
use crate::settings::{MachineId, S6Settings};

/// What nodes and groups have in common.
#[derive(Debug)]
pub struct Host {
    /// The settings, shared with what works on a disk in the background.
    pub settings: Arc<S6Settings>,
    /// The machine's id.
    pub machine: MachineId,
    /// The engine. It is connected when it is first needed, so that a host can be made, and can say what is wrong,
    /// without one.
    pub engine: Engine,
    /// Groups are opened and closed one call at a time: they share a network and a table of rules.
    pub turn: Mutex<()>,
}

impl Host {
    /// The host with these settings.
    #[must_use]
    pub fn new(settings: S6Settings) -> Self {
        Self {
            machine: settings.machine(),
            engine: Engine::new(settings.engine_address.clone()),
            turn: Mutex::new(()),
            settings: Arc::new(settings),
        }
    }
}

/// A caller is a wnm as containers know it: its process and when that started.
pub mod caller {
    use wnm_pm::process::start_time;

    /// This wnm.
    #[must_use]
    pub fn this() -> String {
        let pid = std::process::id();
        format!("{pid}:{}", start_time(pid).unwrap_or_default())
    }

    /// Whether a wnm does not live on this machine any more.
    #[must_use]
    pub fn is_gone(caller: &str) -> bool {
        let process = caller.split_once(':').and_then(|(pid, born)| Some((pid.parse().ok()?, born.parse().ok()?)));
        process.is_some_and(|(pid, born): (u32, u64)| start_time(pid) != Some(born))
    }
}
