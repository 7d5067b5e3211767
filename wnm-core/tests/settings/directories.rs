//! Where things lie, on every system and in every mode.

use std::path::Path;

use wnm_core::settings::{Facts, Layers, Occasion, OperatingSystem, TABLE, base_dir, base_dirs, config_file, overlay};
use wnm_pm::process_manager::{ManagerKind, Mode};

use super::machine;

fn manager(facts: &Facts, word: &str) -> String {
    let layers = Layers::default().flags([("process_manager", word), ("rewards_address", "faucet")]);
    let (config, _) = overlay(facts, Occasion::Change, &layers).expect("in order");
    let base = base_dir(facts, config.process_manager.mode);
    let all = [base.as_path(), config.node_storage.first(), &config.log_dir, &config.bootstrap_cache_dir];
    all.map(|path| path.display().to_string()).join("\n")
}

#[test]
fn they_are_those_of_the_python_wnm() {
    let mac = Facts { os: OperatingSystem::MacOs, ..machine() };
    let other = Facts { os: OperatingSystem::Other, ..machine() };
    insta::assert_snapshot!(manager(&machine(), "systemd+sudo"), @"
    /var/antctl
    /var/antctl/services
    /var/log/antnode
    /var/antctl/bootstrap-cache
    ");
    insta::assert_snapshot!(manager(&machine(), "systemd+user"), @"
    /home/ant/.local/share/autonomi
    /home/ant/.local/share/autonomi/node
    /home/ant/.local/share/autonomi/logs
    /home/ant/.local/share/autonomi/bootstrap-cache
    ");
    insta::assert_snapshot!(manager(&mac, "launchd+sudo"), @"
    /Library/Application Support/autonomi
    /Library/Application Support/autonomi/node
    /Library/Logs/autonomi
    /Library/Caches/autonomi/bootstrap-cache
    ");
    insta::assert_snapshot!(manager(&mac, "launchd+user"), @"
    /home/ant/Library/Application Support/autonomi
    /home/ant/Library/Application Support/autonomi/node
    /home/ant/Library/Logs/autonomi
    /home/ant/Library/Caches/autonomi/bootstrap-cache
    ");
    insta::assert_snapshot!(manager(&other, "antctl+zen"), @"
    /home/ant/autonomi
    /home/ant/autonomi/node
    /home/ant/autonomi/logs
    /home/ant/autonomi/bootstrap-cache
    ");
}

#[test]
fn f63_f64_they_follow_the_process_manager_and_not_who_calls() {
    let root = Facts { euid: 0, home: "/root".to_owned(), ..machine() };
    assert!(manager(&root, "setsid+user").starts_with("/root/.local/share/autonomi\n"));
    assert_eq!(manager(&root, "setsid+sudo"), manager(&machine(), "setsid+sudo"));

    let by_default = overlay(&root, Occasion::Change, &Layers::default().flags([("rewards_address", "faucet")]));
    let (config, _) = by_default.expect("in order");
    let made = base_dir(&root, config.process_manager.mode);
    assert!(base_dirs(&root, None).contains(&made), "the next run looks where init with defaults wrote");
    assert_eq!(base_dirs(&root, None), [Path::new("/var/antctl"), Path::new("/root/.local/share/autonomi")]);
    assert_eq!(base_dirs(&machine(), None)[0], Path::new("/home/ant/.local/share/autonomi"));
    assert_eq!(base_dirs(&machine(), Some(Mode::Sudo)), [Path::new("/var/antctl")]);
    assert_eq!(config_file(&root), Path::new("/etc/wnm/config.toml"));
    assert_eq!(config_file(&machine()), Path::new("/home/ant/.config/wnm/config.toml"));
}

#[test]
fn the_default_process_manager_is_one_that_runs_there() {
    let default = |facts: &Facts| {
        let (config, _) = overlay(facts, Occasion::Change, &Layers::default().flags([("rewards_address", "faucet")]))
            .expect("in order");
        config.process_manager.to_string()
    };
    assert_eq!(default(&machine()), "systemd+user");
    assert_eq!(default(&Facts { systemd_runs: false, ..machine() }), "setsid+user");
    assert_eq!(default(&Facts { os: OperatingSystem::MacOs, ..machine() }), "launchd+user");
}

#[test]
fn every_default_and_stand_in_reads_on_every_machine() {
    for os in [OperatingSystem::Linux, OperatingSystem::MacOs, OperatingSystem::Other] {
        for (word, _) in ManagerKind::ALL {
            for cpu_count in [1, 3, 4096] {
                let facts = Facts { os, cpu_count, home: "/".to_owned(), ..machine() };
                let layers = Layers::default().flags([("process_manager", word)]);
                let problems = overlay(&facts, Occasion::Use, &layers).expect_err("no address to earn for");
                assert_eq!(problems.0.len(), 1, "{problems}");
            }
        }
    }
}

#[test]
fn every_stand_in_is_used_when_everything_is_wrong() {
    let flags = TABLE.iter().map(|setting| (setting.name, "'"));
    let problems = overlay(&machine(), Occasion::Use, &Layers::default().flags(flags)).expect_err("all of it is wrong");
    assert_eq!(problems.0.len(), TABLE.len(), "{problems}");
}

#[test]
fn this_machine_can_be_asked() {
    let facts = Facts::gather().expect("whoever tests has a home");
    assert!(facts.cpu_count > 0 && Path::new(&facts.home).is_absolute());
}
