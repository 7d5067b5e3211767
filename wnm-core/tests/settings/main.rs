//! Settings and wallets, as their users meet them.

mod bad_input;
mod directories;
mod layers;
mod reference;
mod round_trip;
mod wallets;

use wnm_core::settings::{Config, Facts, Layers, Occasion, OperatingSystem, Origins, Problems, overlay};
use wnm_testing::told;

/// An ordinary Linux machine with two processors.
fn machine() -> Facts {
    Facts { cpu_count: 2, home: "/home/ant".to_owned(), euid: 1000, os: OperatingSystem::Linux, systemd_runs: true }
}

/// Flags, with the one that must be given.
fn flags(flags: &[(&str, &str)]) -> Layers {
    let all = [("rewards_address", "faucet")].iter().chain(flags);
    Layers::default().flags(all.copied())
}

fn at_init(layers: &Layers) -> Result<(Config, Origins), Problems> {
    overlay(&machine(), Occasion::Change, layers)
}

fn in_use(layers: &Layers) -> Result<(Config, Origins), Problems> {
    overlay(&machine(), Occasion::Use, layers)
}

/// The configuration of layers that are in order.
fn good(layers: &Layers) -> Config {
    match at_init(layers) {
        Ok((config, _)) => config,
        Err(problems) => panic!("{problems}"),
    }
}

/// What is wrong with layers, as a person reads it.
fn bad(layers: &Layers) -> String {
    told(&at_init(layers).expect_err("something is wrong here"))
}
