//! What is shown can be given back, whatever it holds.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::Command;

use proptest::prelude::*;
use wnm_core::settings::{Config, Layers, Origins, lookup, rows, show, show_environment, to_record};

use super::{at_init, flags, good};

/// Texts that break naive writers: quotes, blanks, line breaks, comment signs, shell and TOML syntax.
fn hostile() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("'".to_owned()),
        Just("\"".to_owned()),
        Just("'''".to_owned()),
        Just("\"\"\"".to_owned()),
        Just("\n".to_owned()),
        Just("\r\n".to_owned()),
        Just("\\".to_owned()),
        Just("#".to_owned()),
        Just(" ".to_owned()),
        Just(",".to_owned()),
        Just("=".to_owned()),
        Just("$(touch pwned)`id`".to_owned()),
        Just("]\nnode_cap = 1".to_owned()),
        "[a-z]{0,3}",
        any::<char>().prop_filter("no process can be given a NUL", |c| *c != '\0').prop_map(String::from),
    ];
    prop::collection::vec(piece, 0..6).prop_map(|pieces| pieces.concat())
}

fn path() -> impl Strategy<Value = String> {
    hostile().prop_map(|text| {
        let text: String = text.chars().filter(|c| !c.is_control() && *c != '.').collect();
        format!("/data/{text}")
    })
}

fn quote(words: &[String]) -> String {
    let quoted: Vec<String> = words.iter().map(|word| format!("'{}'", word.replace('\'', r"'\''"))).collect();
    quoted.join(" ")
}

/// A configuration with something hostile wherever it can be.
fn configuration() -> impl Strategy<Value = (Config, Origins)> {
    let words = prop::collection::vec(hostile(), 0..4);
    let environment = prop::collection::btree_map("[A-Za-z_][A-Za-z0-9_]{0,5}", hostile(), 0..4);
    let numbers = (0_u32..10_000, 0.0..40.0_f64, 60.0..100.0_f64, 0_u64..1_000_000_000_000_000);
    let rest = (any::<bool>(), prop::option::of(0_u32..10_000), prop::option::of("[0-9.]{1,5}"), path(), path());
    (words, environment, numbers, rest).prop_map(|(words, environment, numbers, rest)| {
        let environment: Vec<String> = environment.into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        let (cap, less_than, remove, bytes) = numbers;
        let (no_upnp, highest, version, storage, log_dir) = rest;
        let optional = |number: Option<u32>| number.map_or(String::new(), |number| number.to_string());
        let given = [
            ("rewards_address", "faucet:3,donate:2".to_owned()),
            ("start_args", quote(&words)),
            ("environment", quote(&environment)),
            ("node_cap", cap.to_string()),
            ("cpu_less_than", less_than.to_string()),
            ("cpu_remove", remove.to_string()),
            ("crisis_bytes", bytes.to_string()),
            ("no_upnp", no_upnp.to_string()),
            ("highest_node_id_used", optional(highest)),
            ("antctl_version", version.unwrap_or_default()),
            ("node_storage", storage),
            ("log_dir", log_dir),
        ];
        let made = at_init(&Layers::default().flags(given)).expect("all of it is in order");
        assert_eq!(made.0.start_args, words);
        made
    })
}

proptest! {
    #[test]
    fn f57_what_is_shown_is_a_config_file_of_the_same_configuration((config, origins) in configuration(), name in hostile()) {
        let shown = show(&config, &origins);
        let from_file = Layers::default().file(&PathBuf::from(name), &shown);
        let (read, origins) = at_init(&from_file).expect("it was in order before");
        prop_assert_eq!(&read, &config);
        // With a hostile file name as the origin, in comments.
        prop_assert_eq!(&good(&Layers::default().file("/again".as_ref(), &show(&read, &origins))), &config);
    }

    #[test]
    fn the_record_gives_the_same_configuration((config, origins) in configuration()) {
        prop_assert_eq!(good(&Layers::default().database(to_record(&config, &origins))), config);
    }

    #[test]
    fn json_gives_the_same_configuration((config, _) in configuration()) {
        let json = serde_json::to_string(&config).expect("a configuration is plain data");
        prop_assert_eq!(serde_json::from_str::<Config>(&json).expect("it was just written"), config);
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(32))]

    #[test]
    fn f57_a_shell_can_source_the_variables_and_runs_nothing((config, origins) in configuration()) {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let script = directory.path().join("variables");
        std::fs::write(&script, show_environment(&rows(&config, &origins))).expect("a file");
        let output = Command::new("sh")
            .args(["-c", ". ./variables && env -0"])
            .current_dir(&directory)
            .env_clear()
            .env("PATH", "/usr/bin:/bin")
            .output()
            .expect("sh runs");
        prop_assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let files = std::fs::read_dir(&directory).expect("the directory").count();
        prop_assert_eq!(files, 1, "something else was made");
        let output = String::from_utf8(output.stdout).expect("all of it is UTF-8");
        let variables: BTreeMap<&str, &str> = output.split('\0').filter_map(|line| line.split_once('=')).collect();
        for (name, text) in config.texts() {
            let variable = lookup(name).expect("texts are those of the table").variable();
            prop_assert_eq!(variables.get(variable.as_str()).copied(), Some(text.as_str()));
        }
        let variables = variables.into_iter().map(|(name, text)| (name.into(), text.into()));
        prop_assert_eq!(good(&Layers::default().environment(variables, &[])), config);
    }
}

#[test]
fn it_looks_like_this() {
    let given = [("start_args", "--log-format 'two words'"), ("environment", "'A=say \"hi\"'"), ("cpu_remove", "70.5")];
    let (config, origins) = at_init(&flags(&given)).expect("in order");
    insta::assert_snapshot!(show(&config, &origins), @r#"
    node_cap = 20  # default
    cpu_less_than = 50  # default
    cpu_remove = 70.5  # flag --cpu_remove
    mem_less_than = 60  # default
    mem_remove = 75  # default
    hd_less_than = 75  # default
    hd_remove = 90  # default
    hdio_read_less_than = 0  # default
    hdio_read_remove = 0  # default
    hdio_write_less_than = 0  # default
    hdio_write_remove = 0  # default
    netio_read_less_than = 0  # default
    netio_read_remove = 0  # default
    netio_write_less_than = 0  # default
    netio_write_remove = 0  # default
    desired_load_average = 1.2  # default
    max_load_average_allowed = 2  # default
    delay_start = 300  # default
    delay_restart = 600  # default
    delay_upgrade = 300  # default
    delay_remove = 300  # default
    survey_delay = 0  # default
    action_delay = 0  # default
    max_concurrent_upgrades = 1  # default
    upgrade_canary = 1  # default
    upgrade_settle_seconds = 300  # default
    auto_revert = true  # default
    upgrade_failure_percent = 10  # default
    max_concurrent_starts = 1  # default
    restart_pace = 5  # default
    broken_after = 10  # default
    max_concurrent_removals = 1  # default
    max_concurrent_operations = 1  # default
    crisis_bytes = 2000000000  # default
    port_start = 55  # default
    metrics_port_start = 13  # default
    rpc_port_start = 30  # default
    webrtc_port_start = ""  # default
    node_flavour = "auto"  # default
    keep_removed_days = 7  # default
    highest_node_id_used = ""  # default
    withheld_numbers = ""  # default
    process_manager = "systemd+user"  # default
    max_node_per_container = 200  # default
    min_container_count = 1  # default
    docker_image = "wnm-node:latest"  # default
    container_network = "published"  # default
    node_storage = "/home/ant/.local/share/autonomi/node"  # default
    log_dir = "/home/ant/.local/share/autonomi/logs"  # default
    bootstrap_cache_dir = "/home/ant/.local/share/autonomi/bootstrap-cache"  # default
    antnode_path = "/home/ant/.local/bin/antnode"  # default
    antctl_path = "/home/ant/.local/bin/antctl"  # default
    antctl_debug = false  # default
    antctl_version = ""  # default
    rust_backtrace = ""  # default
    host = "127.0.0.1"  # default
    network = "evm-arbitrum-one"  # default
    no_upnp = false  # default
    firewall = "auto"  # default
    donate_address = "0x00455d78f850b0358E8cea5be24d415E01E107CF"  # default
    rewards_address = "faucet"  # flag --rewards_address
    environment = """'A=say "hi"'"""  # flag --environment
    start_args = "--log-format 'two words'"  # flag --start_args
    "#);
}
