//! What is refused, and what is said about it.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::Path;

use wnm_core::settings::{Layers, lookup};

use super::{at_init, bad, flags, good, machine};

#[test]
fn f58_all_problems_are_reported_at_once_with_bounds_and_origin() {
    let variables = [("WNM_CPU_LESS_THAN", "500"), ("WNM_DELAY_STRAT", "1")];
    let file = "port_start = 70\n# a comment\ndelay_start = -1\ncpu_remove = 10\ndonate_address = \"bogus\"\n";
    let layers = Layers::default()
        .flags([("node_cap", "-5"), ("mem_less_than", "ten"), ("process_manager", "docker"), ("node-cap", "3")])
        .environment(variables.map(|(name, text)| (name.into(), text.into())), &[])
        .file(Path::new("/etc/wnm/config.toml"), file)
        .database([("hd_remove", "70.5"), ("hd_less_than", "70.5")]);
    insta::assert_snapshot!(bad(&layers), @r#"
    11 invalid settings: node-cap = "3" (flag --node-cap): there is no such setting; WNM_DELAY_STRAT = "1" (environment variable WNM_DELAY_STRAT): there is no such setting; node_cap = "-5" (flag --node_cap): must be a whole number from 0 to 65535 (nodes); cpu_less_than = "500" (environment variable WNM_CPU_LESS_THAN): must be a number from 0 to 200 (percent); mem_less_than = "ten" (flag --mem_less_than): must be a number from 0 to 200 (percent); delay_start = "-1" (file /etc/wnm/config.toml line 3): must be a whole number from 0 to 31536000 (seconds); port_start = "70" (file /etc/wnm/config.toml line 1): must be a whole number from 2 to 65 (thousands); process_manager = "docker" (flag --process_manager): must be one of setsid+user, setsid+sudo, systemd+user, systemd+sudo, launchd+user, launchd+sudo, antctl+user, antctl+sudo, antctl+zen, s6overlay+user; donate_address = "bogus" (file /etc/wnm/config.toml line 5): "bogus" is not a valid address: it must be 0x and 40 hexadecimal digits; rewards_address is not set, and has no default; hd_less_than = "70.5" (database): must be below hd_remove = 70.5 (database), or wnm would keep adding and removing nodes
    hint: did you mean node_cap?
    hint: did you mean WNM_DELAY_START?
    hint: give an address, faucet, donate, or a list of them with weights, for example with --rewards_address
    "#);
}

#[test]
fn f58_percentages_take_decimals() {
    assert_eq!(good(&flags(&[("cpu_less_than", "40.5"), ("cpu_remove", "70.25")])).cpu_remove, 70.25);
}

#[test]
fn figures_end_at_their_bounds() {
    let bounded = [
        "node_cap",
        "cpu_remove",
        "delay_start",
        "survey_delay",
        "port_start",
        "crisis_bytes",
        "max_concurrent_starts",
    ];
    for name in bounded {
        let (lowest, highest) = lookup(name).and_then(|setting| setting.bounds).expect("it has bounds");
        for outside in [lowest - 1.0, highest + 1.0, f64::NAN, f64::INFINITY] {
            let said = bad(&flags(&[(name, &outside.to_string())]));
            assert!(said.contains(name) && said.contains(&format!("from {lowest} to {highest}")), "{said}");
        }
    }
    for text in ["", " ", "1 2", "0x10", "1e3", "1_000", "99999999999999999999999"] {
        assert!(bad(&flags(&[("node_cap", text)])).contains("must be a whole number from 0 to"), "{text:?}");
    }
}

#[test]
fn f19_f20_names_are_whole_names() {
    for name in ["node_ca", "node_capp", "node", "", "NODE_CAP", "cpu remove"] {
        let said = bad(&flags(&[(name, "3")]));
        assert!(said.contains("there is no such setting") || name.is_empty(), "{said}");
    }
    insta::assert_snapshot!(bad(&flags(&[("node_capp", "3")])), @r#"
    invalid setting: node_capp = "3" (flag --node_capp): there is no such setting
    hint: did you mean node_cap?
    "#);
    insta::assert_snapshot!(bad(&flags(&[("colour", "red")])), @r#"
    invalid setting: colour = "red" (flag --colour): there is no such setting
    hint: Run(ShowSettings) to list all settings
    "#);
}

#[test]
fn only_a_likely_name_is_proposed() {
    let variable = |name: &str| bad(&flags(&[]).environment([(name.into(), "1".into())], &[]));
    assert!(variable("WNM_NODECAP").contains("did you mean WNM_NODE_CAP?"));
    assert!(!variable("WNM_TEST_MODE").contains("did you mean"));
    assert!(!variable("WNM_").contains("did you mean"));
}

#[test]
fn f46_the_node_program_is_a_path_and_not_a_name_to_look_up() {
    insta::assert_snapshot!(bad(&flags(&[("antnode_path", "antnode")])), @r#"invalid setting: antnode_path = "antnode" (flag --antnode_path): must be an absolute path (or begin with ~/)"#);
    assert_eq!(good(&flags(&[])).antnode_path, Path::new("/home/ant/.local/bin/antnode"));
}

#[test]
fn a_missing_reward_address_is_said_with_the_other_problems() {
    insta::assert_snapshot!(bad(&Layers::default().flags([("cpu_remove", "40")])), @r#"
    2 invalid settings: rewards_address is not set, and has no default; cpu_less_than = "50" (default): must be below cpu_remove = 40 (flag --cpu_remove), or wnm would keep adding and removing nodes
    hint: give an address, faucet, donate, or a list of them with weights, for example with --rewards_address
    "#);
}

#[test]
fn growing_must_end_before_shrinking_begins() {
    for (low, high) in [("cpu_less_than", "cpu_remove"), ("mem_less_than", "mem_remove"), ("hd_less_than", "hd_remove")]
    {
        assert!(bad(&flags(&[(low, "60"), (high, "60")])).contains(&format!("must be below {high}")));
        good(&flags(&[(low, "59.9"), (high, "60")]));
        assert!(bad(&flags(&[(low, "0"), (high, "0")])).contains(high), "0 is a percentage like any other");
    }
    let loads = |low, high| flags(&[("desired_load_average", low), ("max_load_average_allowed", high)]);
    assert!(bad(&loads("2", "2")).contains("must be below max_load_average_allowed"));
    for rate in ["hdio_read", "hdio_write", "netio_read", "netio_write"] {
        let (low, high) = (format!("{rate}_less_than"), format!("{rate}_remove"));
        assert!(bad(&flags(&[(&low, "5"), (&high, "5")])).contains(&format!("must be below {high}")));
        for (less_than, remove) in [("5", "0"), ("0", "5"), ("0", "0"), ("4", "5")] {
            good(&flags(&[(&low, less_than), (&high, remove)]));
        }
    }
}

#[test]
fn port_ranges_must_fit() {
    good(&flags(&[("node_cap", "10535")]));
    insta::assert_snapshot!(bad(&flags(&[("node_cap", "10536")])), @r#"
    invalid setting: port_start = "55" (default): node numbers up to 10536 do not fit: node ports 55001-65536 (port_start 55) pass 65535
    hint: numbers up to 10535 fit; allow no more, or lower port_start
    "#);
    insta::assert_snapshot!(bad(&flags(&[("metrics_port_start", "54"), ("node_cap", "1001")])), @r#"
    invalid setting: metrics_port_start = "54" (flag --metrics_port_start): node numbers up to 1001 do not fit: metrics ports 54001-55001 (metrics_port_start 54) overlap node ports 55001-56001 (port_start 55)
    hint: numbers up to 1000 fit; allow no more, or set metrics_port_start and port_start further apart
    "#);
    assert!(bad(&flags(&[("metrics_port_start", "55")])).contains("overlap"));
    assert!(bad(&flags(&[("highest_node_id_used", "20000")])).contains("65535"));
    let containers =
        [("process_manager", "s6overlay+user"), ("max_node_per_container", "200"), ("metrics_port_start", "54")];
    let with = |more: (&'static str, &'static str)| {
        let all: Vec<_> = containers.into_iter().chain([more]).collect();
        flags(&all)
    };
    good(&with(("min_container_count", "5")));
    assert!(bad(&with(("min_container_count", "6"))).contains("up to 1200"), "six whole containers");
    assert!(bad(&with(("node_cap", "1001"))).contains("up to 1200"), "the last container is whole, too");
}

#[test]
fn node_storage_has_a_place_of_its_own() {
    for text in ["/", "//", "~", "~/", "/home/ant", "/home/ant/.", "/home", "/home//ant/"] {
        assert!(bad(&flags(&[("node_storage", text)])).contains("must not be the home directory"), "{text}");
    }
    for text in
        ["", "node", "./node", "~other/node", "$HOME/node", "/data/../home/ant", "~/..", "/data/\nnode", "/data/\0"]
    {
        assert!(bad(&flags(&[("node_storage", text)])).contains("node_storage = "), "{text}");
    }
    assert_eq!(
        good(&flags(&[("node_storage", "~//nodes/./of mine/")])).node_storage.first().to_str(),
        Some("/home/ant/nodes/of mine")
    );
    assert_eq!(good(&flags(&[("node_storage", "/home/anton")])).node_storage.first().to_str(), Some("/home/anton"));
}

#[test]
fn texts_that_reach_other_programs_are_words_and_never_options() {
    for name in ["network", "docker_image", "antctl_version", "rust_backtrace"] {
        for text in ["--help", "a b", "a;b", "$(id)", "a\nb", "\u{e4}"] {
            assert!(bad(&flags(&[(name, text)])).contains("must be a short text"), "{name} {text:?}");
        }
    }
    good(&flags(&[("docker_image", "localhost:5000/wnm/node:1.0@sha256:00ff")]));
}

#[test]
fn lists_say_what_is_wrong_with_them() {
    for (name, text, reason) in [
        ("start_args", "a 'b", "never finished"),
        ("start_args", "a\0", "NUL"),
        ("environment", "A=1 'B", "never finished"),
        ("environment", "A", "not of the form NAME=value"),
        ("environment", "1A=1", "not the name of an environment variable"),
        ("environment", "=1", "not the name of an environment variable"),
        ("environment", "A=1 A=2", "A is set twice"),
    ] {
        assert!(bad(&flags(&[(name, text)])).contains(reason), "{name} = {text}");
    }
}

#[test]
fn files_say_where_they_are_wrong() {
    let file = |text: &str| bad(&flags(&[]).file(Path::new("/f"), text));
    insta::assert_snapshot!(file("node_cap = 3\nhost = far away\n"), @r#"
    invalid setting: file /f line 2: is not TOML: string values must be quoted, expected literal string
    hint: a config file has a name = value a line, with "…" around a text
    "#);
    insta::assert_snapshot!(file("node_cap=3\n\nnode_cap=4\n"), @r#"
    invalid setting: file /f line 3: is not TOML: duplicate key
    hint: a config file has a name = value a line, with "…" around a text
    "#);
    insta::assert_snapshot!(file("\n[environment]\nA = \"1\"\n"), @r#"invalid setting: environment = "A = \"1\"" (file /f line 2): must be a text, a number, true or false, or, where words or paths are expected, a list of texts"#);
    assert!(
        file("[wnm]\nnode_cap = 3\n").contains("wnm = \"node_cap = 3\" (file /f line 1): there is no such setting")
    );
    insta::assert_snapshot!(file("start_args = [1]\nnode_cap = [3]\nhost = 2026-01-01\n"), @r#"3 invalid settings: start_args = "[1]" (file /f line 1): must be a text, a number, true or false, or, where words or paths are expected, a list of texts; node_cap = "[3]" (file /f line 2): must be a text, a number, true or false, or, where words or paths are expected, a list of texts; host = "2026-01-01" (file /f line 3): must be a text, a number, true or false, or, where words or paths are expected, a list of texts"#);
}

#[test]
fn a_variable_that_is_not_utf_8_is_named() {
    let bytes = OsString::from_vec(b"/data/\xff".to_vec());
    let layers = flags(&[]).environment([("WNM_NODE_STORAGE".into(), bytes)], &[]);
    insta::assert_snapshot!(bad(&layers), @r#"invalid setting: node_storage = "/data/�" (environment variable WNM_NODE_STORAGE): must be UTF-8"#);
}

#[test]
fn a_bad_home_is_a_message_and_not_a_panic() {
    for home in ["", "home", "/home/../x", "/home/\n"] {
        let facts = wnm_core::settings::Facts { home: home.to_owned(), ..machine() };
        let said =
            wnm_core::settings::overlay(&facts, wnm_core::settings::Occasion::Use, &flags(&[])).expect_err("no home");
        assert!(said.to_string().contains("HOME"), "{said}");
    }
}

#[test]
fn problems_are_data_too() {
    let problems = at_init(&flags(&[("node_cap", "x")])).expect_err("no number");
    let json = serde_json::to_value(&problems).expect("problems are plain data");
    insta::assert_snapshot!(json, @r#"[{"hint":null,"origin":{"flag":"--node_cap","from":"flag"},"reason":"must be a whole number from 0 to 65535 (nodes)","setting":"node_cap","value":"x"}]"#);
}

#[test]
fn several_storages_lie_beside_one_another_and_are_the_nodes_own() {
    let storages = |text: &str| good(&flags(&[("node_storage", text)])).node_storage.to_string();
    assert_eq!(storages("/disk1/nodes, ~/nodes,/disk3//"), "/disk1/nodes,/home/ant/nodes,/disk3");
    assert_eq!(
        storages("/disk1/a,b"),
        "/disk1/a,b",
        "a comma is a part of a path unless another path begins behind it"
    );
    let refused = |text: &str| bad(&flags(&[("node_storage", text)]));
    insta::assert_snapshot!(refused("/disk1,/disk1/below"), @r#"
    invalid setting: node_storage = "/disk1,/disk1/below" (flag --node_storage): /disk1/below must not lie in /disk1
    hint: name directories that lie beside one another, each on a disk of its own
    "#);
    insta::assert_snapshot!(refused("/disk1,/home"), @r#"
    invalid setting: node_storage = "/disk1,/home" (flag --node_storage): must not be the home directory /home/ant or lie above it
    hint: name a directory that holds nothing but nodes
    "#);
    insta::assert_snapshot!(refused("/disk1,/disk2/.."), @r#"invalid setting: node_storage = "/disk1,/disk2/.." (flag --node_storage): must be a path without .."#);
    let antctl = [("node_storage", "/disk1,/disk2"), ("process_manager", "antctl+user")];
    insta::assert_snapshot!(bad(&flags(&antctl)), @r#"
    invalid setting: node_storage = "/disk1,/disk2" (flag --node_storage): must be one directory: antctl+user places its nodes by itself
    hint: name one directory
    "#);
}
