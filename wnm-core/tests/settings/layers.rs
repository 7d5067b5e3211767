//! Which layer counts, and when a setting may change.

use std::ffi::OsString;
use std::path::Path;

use wnm_core::settings::{Layers, Origin, TABLE, lookup, to_record};

use super::{at_init, bad, flags, good, in_use, machine};

fn variables(variables: &[(&str, &str)]) -> Vec<(OsString, OsString)> {
    variables.iter().map(|(name, text)| (OsString::from(name), OsString::from(text))).collect()
}

#[test]
fn the_highest_layer_counts_and_is_named() {
    let names = ["delay_start", "delay_restart", "delay_upgrade", "delay_remove", "survey_delay"];
    let file = "delay_start = 3\ndelay_restart = 3\n\ndelay_upgrade = 3\n";
    let layers = flags(&[("delay_start", "1")])
        .database([("delay_start", "4"), ("delay_restart", "4"), ("delay_upgrade", "4"), ("delay_remove", "4")])
        .file(Path::new("/etc/wnm/config.toml"), file)
        .environment(variables(&[("WNM_DELAY_START", "2"), ("WNM_DELAY_RESTART", "2")]), &[]);
    let (config, origins) = in_use(&layers).expect("all of it is in order");
    let delays =
        [config.delay_start, config.delay_restart, config.delay_upgrade, config.delay_remove, config.survey_delay];
    assert_eq!(delays, [1, 2, 3, 4, 0]);
    insta::assert_snapshot!(names.map(|name| origins.of(name).to_string()).join("\n"), @"
    flag --delay_start
    environment variable WNM_DELAY_RESTART
    file /etc/wnm/config.toml line 4
    database
    default
    ");
}

#[test]
fn of_two_files_the_later_counts() {
    let layers = flags(&[]).file(Path::new("/a"), "node_cap = 1").file(Path::new("/b"), "node_cap = 2");
    assert_eq!(good(&layers).node_cap, 2);
}

#[test]
fn a_flag_helps_out_of_a_bad_value_below_it() {
    let layers = flags(&[("node_cap", "5")]).database([("node_cap", "-5")]);
    assert_eq!(good(&layers).node_cap, 5);
}

#[test]
fn files_hold_every_kind_of_value() {
    let text = r#"
        node_cap = 30            # a number
        cpu_remove = 75.5
        no_upnp = true
        port_start = "54"        # a text that is a number
        start_args = ["--log-format", "two words", ""]
        environment = "A=1 'B=two words' C="
    "#;
    let config = good(&flags(&[]).file(Path::new("/f"), text));
    assert_eq!((config.node_cap, config.cpu_remove, config.no_upnp, config.port_start), (30, 75.5, true, 54));
    assert_eq!(config.start_args, ["--log-format", "two words", ""]);
    let environment = [("A", "1"), ("B", "two words"), ("C", "")];
    assert_eq!(config.environment, environment.map(|(name, value)| (name.to_owned(), value.to_owned())));
}

#[test]
fn f44_a_flag_counts_in_the_run_that_is_given_it() {
    let recorded = [("rewards_address", "donate"), ("cpu_remove", "70")];
    let layers = flags(&[("cpu_remove", "80")]).database(recorded);
    let (config, _) = in_use(&layers).expect("both may change");
    assert_eq!((config.rewards_address.to_string().as_str(), config.cpu_remove), ("faucet", 80.0));
}

#[test]
fn f53_common_environment_variables_are_none_of_our_business() {
    let common = [
        ("HOST", "far.example"),
        ("ENVIRONMENT", "production"),
        ("COUNT", "many"),
        ("REPORT", "daily"),
        ("INTERVAL", "5m"),
        ("NODE_CAP", "3"),
    ];
    let layers = flags(&[]).environment(variables(&common), &[]);
    assert_eq!(good(&layers), good(&flags(&[])));
}

#[test]
fn f55_switching_off_twice_leaves_it_off() {
    for text in ["false", "no", "0", "False", "NO"] {
        assert!(!good(&flags(&[("no_upnp", text)])).no_upnp);
        assert!(!good(&flags(&[("no_upnp", text)]).database([("no_upnp", "false")])).no_upnp);
        assert!(!good(&flags(&[("no_upnp", text)]).database([("no_upnp", "true")])).no_upnp);
    }
    for text in ["true", "yes", "1", "TRUE"] {
        assert!(good(&flags(&[("no_upnp", text)]).database([("no_upnp", "true")])).no_upnp);
    }
}

#[test]
fn f56_what_was_set_can_be_changed_and_cleared() {
    let recorded =
        [("host", "127.0.0.1"), ("start_args", "--verbose"), ("environment", "A=1"), ("antctl_version", "0.14.2")];
    let given = [("host", "::1"), ("start_args", ""), ("environment", ""), ("antctl_version", "")];
    let (config, _) = in_use(&flags(&given).database(recorded)).expect("all of these may change");
    assert_eq!(config.host.to_string(), "::1");
    assert_eq!((config.start_args, config.environment, config.antctl_version), (vec![], vec![], None));
}

#[test]
fn f67_the_environment_counts_whatever_the_flags_are() {
    let layers = flags(&[("process_manager", "setsid+user")]).environment(variables(&[("WNM_NODE_CAP", "7")]), &[]);
    assert_eq!(good(&layers).node_cap, 7);
}

#[test]
fn f07_one_rate_threshold_leaves_the_others_off() {
    let config = good(&flags(&[("hdio_read_less_than", "100000000")]));
    let others = [
        config.hdio_read_remove,
        config.hdio_write_less_than,
        config.hdio_write_remove,
        config.netio_read_less_than,
        config.netio_read_remove,
        config.netio_write_less_than,
        config.netio_write_remove,
    ];
    assert_eq!((config.hdio_read_less_than, others), (100_000_000, [0; 7]));
}

#[test]
fn what_is_fixed_at_init_is_refused_with_another_value_and_taken_with_the_same() {
    let recorded = [("port_start", "55"), ("process_manager", "setsid+user"), ("max_node_per_container", "100")];
    let same = flags(&[("port_start", " 055"), ("max_node_per_container", "100")]).database(recorded);
    assert!(in_use(&same).is_ok());
    let other = flags(&[("port_start", "54")])
        .environment(variables(&[("WNM_PROCESS_MANAGER", "systemd+user")]), &[])
        .database(recorded);
    insta::assert_snapshot!(wnm_testing::told(&in_use(&other).expect_err("both are fixed")), @r#"
    2 invalid settings: port_start = "54" (flag --port_start): is fixed once the machine is initialised: here it is "55"; process_manager = "systemd+user" (environment variable WNM_PROCESS_MANAGER): is fixed once the machine is initialised: here it is "setsid+user"
    hint: leave it out; it can only change with a teardown and a new init
    hint: leave it out; it can only change with a teardown and a new init
    "#);
    assert!(at_init(&other).is_err(), "config set cannot change it either");
}

#[test]
fn the_number_floor_changes_only_when_asked_to() {
    let layers = flags(&[("highest_node_id_used", "7")]);
    insta::assert_snapshot!(wnm_testing::told(&in_use(&layers).expect_err("not in passing")), @r#"
    invalid setting: highest_node_id_used = "7" (flag --highest_node_id_used): changes only when asked to: here it is ""
    hint: set highest_node_id_used …
    "#);
    assert_eq!(good(&layers).highest_node_id_used, Some(7));
    let (config, _) = in_use(&layers.database([("highest_node_id_used", "7")])).expect("it is that already");
    assert_eq!(config.highest_node_id_used, Some(7));
}

#[test]
fn what_is_recorded_at_init_holds_whoever_calls_next() {
    let (config, origins) = at_init(&flags(&[("node_cap", "3")])).expect("in order");
    let record = to_record(&config, &origins);
    let names: Vec<&str> = record.iter().map(|(name, _)| name.as_str()).collect();
    insta::assert_snapshot!(names.join(" "), @"node_cap port_start metrics_port_start rpc_port_start webrtc_port_start process_manager max_node_per_container node_storage log_dir bootstrap_cache_dir antnode_path antctl_path rewards_address");
    let elsewhere = wnm_core::settings::Facts { home: "/root".to_owned(), systemd_runs: false, euid: 0, ..machine() };
    let layers = Layers::default().database(record);
    let (later, origins) =
        wnm_core::settings::overlay(&elsewhere, wnm_core::settings::Occasion::Use, &layers).expect("in order");
    assert_eq!(later, config);
    assert_eq!(*origins.of("node_cap"), Origin::Database);
}

#[test]
fn every_setting_can_be_given_in_every_layer() {
    let (config, _) = at_init(&flags(&[("start_args", "-a 'b c'"), ("environment", "A=1")])).expect("in order");
    for (name, text) in config.texts() {
        let setting = lookup(name).expect("texts are those of the table");
        let variables = variables(&[(&setting.variable(), &text)]);
        assert_eq!(good(&flags(&[]).environment(variables, &[])).texts().len(), TABLE.len());
        let file = format!("{name} = {}", toml_edit::Value::from(text.as_str()));
        for layers in
            [flags(&[(name, &text)]), flags(&[]).file(Path::new("/f"), &file), flags(&[]).database([(name, &text)])]
        {
            let read = good(&layers).texts().into_iter().find(|(known, _)| *known == name);
            assert_eq!(read, Some((name, text.clone())));
        }
    }
}

#[test]
fn variables_that_mean_something_else_are_let_through() {
    let config = variables(&[("WNM_CONFIG", "/f")]);
    assert!(at_init(&flags(&[]).environment(config.clone(), &["WNM_CONFIG"])).is_ok());
    assert!(bad(&flags(&[]).environment(config, &[])).contains("WNM_CONFIG"));
}
