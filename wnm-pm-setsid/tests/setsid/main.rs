//! Setsid with test nodes for nodes.

#![expect(clippy::disallowed_methods, reason = "a test runs programs itself, and waits by the clock on the wall")]

mod contract;
mod failings;
mod machine;
mod processes;
mod refusals;

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([contract::trials(), failings::trials(), processes::trials(), refusals::trials()])
}
