//! The decision engine and the database of wnm: what a node is, what should happen next and why, and what happened.
//!
//! The flow of a cycle is *observe → decide → execute → record*. [`wnm_pm::process_manager::ProcessManager`] is the door to
//! whatever keeps the processes alive; a process manager never sees the store.

pub mod backup;
pub mod clock;
pub mod decide;
pub mod event;
pub mod execute;
pub mod host;
mod identity;
pub mod lock;
pub mod machine;
pub mod migration;
pub mod node;
pub mod observe;
pub mod pause;
pub mod plan;
pub mod progress;
pub mod relocation;
pub mod removed;
pub mod renewal;
pub mod report;
pub mod rolling;
pub mod rollout;
pub mod settings;
pub mod snapshot;
pub mod storage;
pub mod store;
pub mod wallet;
