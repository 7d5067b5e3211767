//! The host is what nodes and groups have in common: the settings, the machine's id, and the engine.

use std::sync::Arc;

use tokio::sync::Mutex;
use wnm_pm::process::start_time;

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
    /// Which wnm this is, to the containers: its process and when that started.
    pub caller: String,
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
            caller: caller(),
            turn: Mutex::new(()),
            settings: Arc::new(settings),
        }
    }
}

fn caller() -> String {
    let pid = std::process::id();
    format!("{pid}:{}", start_time(pid).unwrap_or_default())
}
