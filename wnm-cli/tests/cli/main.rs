//! The whole program, with real node processes, on an operator's good and bad days.

mod ant_node;
mod antnode;
mod backups;
mod backups_cut_short;
mod backups_elsewhere;
mod backups_spoiled;
mod bad_days;
mod containers;
mod desired;
mod doctor;
mod documents;
mod errors;
mod failings;
mod fleet;
mod foreseen;
mod hangs;
mod help;
mod in_container;
mod inherited;
mod interruptions;
mod keys;
mod killed;
mod limits;
mod logs;
mod migrations;
mod migrations_elsewhere;
mod ownership;
mod pauses;
mod plans;
mod programs;
mod rolling;
mod rollout;
mod schedule;
mod settings;
mod settings_reach;
mod status;
mod storages;
mod storages_in_containers;
mod storages_moved;
mod systemd;
mod terminal;
mod uninstalls;
mod unusable;
mod v2;
mod waves;

use wnm_testing::Colony;

/// The program under test.
const WNM: &str = env!("CARGO_BIN_EXE_wnm");

/// A place that is not initialised.
fn bare() -> Colony {
    Colony::new(WNM)
}

/// An initialised machine without nodes.
fn machine(settings: &[&str]) -> Colony {
    Colony::initialised(WNM, settings)
}

/// An initialised machine with so many running nodes, and a cap of that many.
fn running(count: usize) -> Colony {
    let cap = format!("--node_cap={count}");
    let colony = machine(&[&cap]);
    colony.cycle_until_running(count);
    colony
}

/// What was printed, with the places and ports of this run replaced by words that stay.
fn steady(colony: &Colony, text: &str) -> String {
    let ports = colony.ports();
    let mut text = text.replace(&colony.path().display().to_string(), "[DIR]");
    for (start, word) in [(ports.port_start, "[NODE]"), (ports.metrics_port_start, "[METRICS]")] {
        for number in 1..10 {
            text = text.replace(&format!(" {}", u32::from(start) * 1000 + number), &format!(" {word}{number:03}"));
        }
    }
    text
}

fn main() -> std::process::ExitCode {
    wnm_testing::run_trials([
        ant_node::trials(),
        antnode::trials(),
        backups::trials(),
        backups_elsewhere::trials(),
        backups_cut_short::trials(),
        backups_spoiled::trials(),
        bad_days::trials(),
        containers::trials(),
        desired::trials(),
        doctor::trials(),
        documents::trials(),
        errors::trials(),
        failings::trials(),
        fleet::trials(),
        foreseen::trials(),
        hangs::trials(),
        help::trials(),
        in_container::trials(),
        inherited::trials(),
        interruptions::trials(),
        killed::trials(),
        limits::trials(),
        logs::trials(),
        migrations::trials(),
        migrations_elsewhere::trials(),
        ownership::trials(),
        pauses::trials(),
        plans::trials(),
        keys::trials(),
        rolling::trials(),
        rollout::trials(),
        programs::trials(),
        schedule::trials(),
        settings::trials(),
        settings_reach::trials(),
        status::trials(),
        storages::trials(),
        storages_in_containers::trials(),
        storages_moved::trials(),
        systemd::trials(),
        terminal::trials(),
        uninstalls::trials(),
        unusable::trials(),
        v2::trials(),
        waves::trials(),
    ])
}
