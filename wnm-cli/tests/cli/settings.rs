//! Settings on the command line: flags for one run, `config set` for good.

use insta::assert_snapshot;

use crate::{bare, machine, steady};

fn all_that_is_wrong_is_told_at_once_and_nothing_is_written() {
    let colony = bare();
    let run = colony.wnm(&[
        "init",
        "--rewards_address",
        "0x00455d78f850b0358E8cea5be24d415E01E107Cf",
        "--node_cap=-1",
        "--hd_less_than=95",
    ]);
    assert_eq!(run.code, 2);
    assert_snapshot!(run.stderr, @r#"
    error: 3 invalid settings:
    - node_cap = "-1" (flag --node_cap): must be a whole number from 0 to 65535 (nodes)
    - rewards_address = "0x00455d78f850b0358E8cea5be24d415E01E107Cf" (flag --rewards_address): 0x00455d78f850b0358E8cea5be24d415E01E107Cf has a wrong checksum, so some character in it is wrong (with these digits it would be 0x00455d78f850b0358E8cea5be24d415E01E107CF)
      hint: copy the address again: what is earned for a mistyped address is lost
    - hd_less_than = "95" (flag --hd_less_than): must be below hd_remove = 90 (default), or wnm would keep adding and removing nodes
    "#);
    assert!(!colony.database().exists());
}

fn f44_a_flag_counts_in_this_run_and_only_in_this_run() {
    let colony = machine(&["--node_cap=1"]);
    let address = "0x52908400098527886E0F7030069857D2E4169EE7";
    colony.done(&["add", "--rewards_address", address]);
    assert_eq!(colony.stored().nodes[0].spec().wallet, address);
    assert_eq!(colony.stored().settings["rewards_address"], "faucet");
}

fn f45_reports_change_no_setting_and_wait_for_nobody() {
    let colony = machine(&[]);
    let _lock = wnm_core::lock::Lock::acquire(&colony.database(), "somebody else").expect("the lock is free");
    let before = colony.stored();
    for words in
        [["status", "--node_cap=77"], ["plan", "--node_cap=77"], ["why", "--node_cap=77"], ["config", "--node_cap=77"]]
    {
        colony.done(&words);
    }
    assert_eq!(colony.stored(), before);
}

fn config_set_changes_for_good_and_shows_where_values_come_from() {
    let colony = machine(&["--node_cap=1"]);
    let set = colony.done(&["config", "set", "node_cap", "7"]);
    assert_snapshot!(set.stdout, @"node_cap = 7  # database");
    let shown = colony.done(&["config", "--cpu_remove=103"]).stdout;
    assert!(shown.contains("node_cap = 7  # database\n"), "{shown}");
    assert!(shown.contains("cpu_remove = 103  # flag --cpu_remove\n"), "{shown}");
    assert!(shown.contains("delay_upgrade = 0  # database\n"), "{shown}");
    colony.done(&["config", "unset", "node_cap"]);
    assert!(colony.done(&["config", "show"]).stdout.contains("node_cap = 20  # default\n"));
}

fn f57_what_config_shows_can_be_given_back_as_a_config_file() {
    let colony = machine(&["--start_args=--first 'a  b'", "--environment=A='$(touch /tmp/never)'"]);
    let shown = colony.done(&["config"]).stdout;
    let file = colony.path().join("wnm.toml");
    std::fs::write(&file, &shown).expect("the file is written");
    let path = file.to_str().expect("temporary paths are UTF-8");
    let again = colony.done(&["config", "--config", path]).stdout;
    let values =
        |text: &str| text.lines().map(|line| line.split("  #").next().unwrap_or("").to_owned()).collect::<Vec<_>>();
    assert_eq!(values(&again), values(&shown));
}

fn what_is_fixed_at_init_says_so() {
    let colony = machine(&[]);
    let run = colony.wnm(&["config", "set", "max_node_per_container", "100"]);
    assert_eq!(run.code, 2);
    assert_snapshot!(steady(&colony, &run.stderr), @r#"
    error: invalid setting: max_node_per_container = "100" (flag --max_node_per_container): is fixed once the machine is initialised: here it is "200"
    hint: leave it out; it can only change with a teardown and a new init
    "#);
    for name in ["port_start", "process_manager"] {
        let run = colony.wnm(&["config", "unset", name]);
        assert_eq!(run.code, 2, "{run:?}");
        assert!(run.stderr.contains("is fixed once the machine is initialised"), "{run:?}");
    }
}

fn settings_that_contradict_each_other_are_refused_when_set() {
    let colony = machine(&[]);
    let run = colony.wnm(&["config", "set", "cpu_remove=50"]);
    assert_eq!(run.code, 2);
    assert_snapshot!(steady(&colony, &run.stderr), @r#"error: invalid setting: cpu_less_than = "101" (database): must be below cpu_remove = 50 (flag --cpu_remove), or wnm would keep adding and removing nodes"#);
    let run = colony.wnm(&["config", "set", "nod_cap=50"]);
    assert_eq!(run.code, 2);
    assert_snapshot!(run.stderr, @"
    error: nod_cap is not a setting
    hint: `wnm config` to list all settings
    ");
}

fn f53_variables_of_common_names_mean_nothing() {
    let colony = machine(&[]);
    let mut command = colony.command(&["config", "--json"]);
    command.env("HOST", "example").env("ENVIRONMENT", "A=1").env("COUNT", "many").env("INTERVAL", "5m");
    let output = command.output().expect("wnm can be run");
    assert!(output.status.success());
    let mut command = colony.command(&["config"]);
    let output = command.env("WNM_NODE_CAP", "33").output().expect("wnm can be run");
    assert!(
        String::from_utf8_lossy(&output.stdout).contains("node_cap = 33  # environment variable WNM_NODE_CAP"),
        "{output:?}"
    );
    let mut command = colony.command(&["config"]);
    let output = command.env("WNM_NODE_CAPP", "33").output().expect("wnm can be run");
    assert_eq!(output.status.code(), Some(2), "{output:?}");
}

wnm_testing::trials! {
    &[] =>
        all_that_is_wrong_is_told_at_once_and_nothing_is_written,
        f44_a_flag_counts_in_this_run_and_only_in_this_run,
        f45_reports_change_no_setting_and_wait_for_nobody,
        config_set_changes_for_good_and_shows_where_values_come_from,
        f57_what_config_shows_can_be_given_back_as_a_config_file,
        what_is_fixed_at_init_says_so,
        settings_that_contradict_each_other_are_refused_when_set,
        f53_variables_of_common_names_mean_nothing;
}
