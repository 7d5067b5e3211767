//! Observation is everything that is read from the machine before a decision: its load, what its nodes answer, and which
//! version of the node program lies on it. It changes nothing.
//!
//! Parsing stands apart from reading and is pure ([`openmetrics`], [`rates`], [`version::parse_node_version`]).

pub mod host;
pub mod means;
pub mod nodes;
mod observer;
pub mod openmetrics;
pub mod rates;
pub mod signs;
pub mod version;

#[cfg(target_os = "linux")]
pub mod cgroup;
#[cfg(target_os = "linux")]
pub mod linux;
#[cfg(any(test, not(target_os = "linux")))]
mod portable;

pub use host::{HostError, Observed, host};
pub use nodes::{Limits, ask, ask_counted, in_turn};
pub use observer::{Observer, ThisMachine};
pub use version::{Program, VersionCache, VersionError, program_version};
