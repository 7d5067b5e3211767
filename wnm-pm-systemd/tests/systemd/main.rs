//! The process manager under a real systemd, with test nodes for nodes.

mod antnode;
mod batches;
mod contract;
mod damage;
mod others;
mod refusals;
mod replacing;
mod sharing;
mod takeover;
mod units;
mod world;

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([
        antnode::trials(),
        batches::trials(),
        contract::trials(),
        damage::trials(),
        others::trials(),
        refusals::trials(),
        replacing::trials(),
        sharing::trials(),
        takeover::trials(),
        units::trials(),
    ])
}
