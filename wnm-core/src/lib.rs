//! The decision engine and the record of wnm: what a node is, what should happen next and why, and what happened.
//!
//! The flow of a cycle is *observe → decide → execute → record*. [`process_manager::ProcessManager`] is the door to
//! whatever keeps the processes alive; a process manager never sees the store.

pub mod clock;
pub mod command;
pub mod config;
pub mod container_host;
pub mod cycle;
pub mod decide;
pub mod doctor;
pub mod event;
pub mod execute;
pub mod firewall;
pub mod flavour;
pub mod guard;
pub mod last_words;
pub mod lock;
pub mod node;
pub mod observe;
pub mod plan;
pub mod port_use;
pub mod privilege;
pub mod process;
pub mod process_manager;
pub mod progress;
pub mod report;
pub mod schedule;
pub mod settings;
pub mod snapshot;
pub mod store;
#[cfg(feature = "testing")]
pub mod testing;
pub mod unit_file;
pub mod wallet;
