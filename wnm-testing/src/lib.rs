//! Testing is what the tests of all parts share: test nodes to run, ports that no other test uses, a process manager and a
//! program runner that live in memory, and the one contract that every process manager passes.

#[cfg(feature = "machines")]
mod colony;
#[cfg(feature = "machines")]
mod config;
mod contract;
mod machine;
mod memory;
mod nobody;
#[cfg(feature = "machines")]
mod node;
mod ports;
mod program;
mod runner;
#[cfg(feature = "machines")]
mod simulation;
mod told;
mod traces;
mod trials;

#[cfg(feature = "machines")]
pub use colony::{Colony, Run};
#[cfg(feature = "machines")]
pub use config::config;
pub use contract::{ContractWorld, HostWorld, contract, eventually, metrics_port, node_port, only};
pub use machine::{on_machine, on_machine_that_restarts, program_on_machine, tool};
pub use memory::{Call, MemoryManager, MemoryWorld, Operation};
pub use nobody::as_nobody;
#[cfg(feature = "machines")]
pub use node::alter;
pub use ports::PortBlock;
pub use program::{test_node, test_node_of_v2, test_node_that};
pub use runner::RecordedRunner;
#[cfg(feature = "machines")]
pub use simulation::Simulation;
pub use told::told;
pub use traces::{NotedEngine, NotedMachine, docker_label};
pub use trials::{Asynchronous, Body, Need, Plain, Trial, run_trials, s6_image};

/// Runs a future to its end, as `#[tokio::test]` does.
///
/// # Panics
/// When the machine has no room for a runtime.
pub fn block_on<T>(future: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime starts");
    runtime.block_on(future)
}
