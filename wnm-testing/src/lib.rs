//! Testing is what the tests of all parts share: test nodes to run, ports that no other test uses, a process manager and a
//! program runner that live in memory, and the one contract that every process manager passes.

#[cfg(feature = "machines")]
mod colony;
#[cfg(feature = "machines")]
mod config;
mod contract;
mod machine;
mod memory;
#[cfg(feature = "machines")]
mod node;
mod ports;
mod program;
mod runner;

#[cfg(feature = "machines")]
pub use colony::{Colony, Run};
#[cfg(feature = "machines")]
pub use config::config;
pub use contract::{ContractWorld, HostWorld, contract};
pub use machine::{on_machine, on_machine_that_restarts, tool};
pub use memory::{Call, MemoryManager, MemoryWorld, Operation};
#[cfg(feature = "machines")]
pub use node::alter;
pub use ports::PortBlock;
pub use program::{test_node, test_node_that};
pub use runner::RecordedRunner;

/// Says loudly that something is not tested on this machine and why; where `CI` is set nothing may be left out.
///
/// # Panics
/// Where the environment has `CI`.
#[expect(clippy::print_stderr, reason = "a skipped test has to be seen")]
pub fn skip(what: &str, why: &str) {
    assert!(std::env::var_os("CI").is_none(), "CI may not skip {what}: {why}");
    eprintln!("SKIPPED {what}: {why}");
}
