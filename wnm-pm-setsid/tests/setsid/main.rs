//! Setsid with test nodes for nodes.

mod contract;
mod failings;
mod machine;
mod processes;
mod refusals;
mod unreadable;

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([
        contract::trials(),
        failings::trials(),
        processes::trials(),
        refusals::trials(),
        unreadable::trials(),
    ])
}
