//! Help as people look for it: `help`, manual pages, and what each setting may be.

use std::fs;

use insta::assert_snapshot;
use wnm_core::settings::{DefaultValue, Shape, TABLE};

use crate::{WNM, bare, machine, steady};

#[expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]
fn help_is_a_command_too() {
    let help = |words: &[&str]| {
        let output = std::process::Command::new(WNM).args(words).output().expect("wnm can be run");
        (output.status.code(), String::from_utf8_lossy(&output.stdout).into_owned())
    };
    for words in [&["help"] as &[&str], &["help", "status"], &["help", "config", "set"], &["config", "help", "set"]] {
        let (code, text) = help(words);
        assert!(code == Some(0) && text.contains("Usage: wnm"), "{words:?}: {text}");
    }
    assert_eq!(help(&["help", "pause"]), help(&["pause", "--help"]));
    assert_eq!(help(&["help", "nothing"]).0, Some(2));
}

fn each_setting_says_what_it_may_be_and_what_it_is_when_nobody_says() {
    let help = bare().done(&["--help"]).stdout;
    let help = help.split_whitespace().collect::<Vec<_>>().join(" ");
    for setting in TABLE {
        let variable = setting.variable();
        assert!(help.contains(&format!("[env: {variable}]")), "{variable}");
        assert!(help.contains(&setting.expects()), "{}", setting.name);
        if let Shape::Choice(words) = setting.shape {
            assert!(words.iter().all(|word| help.contains(word)), "{}", setting.name);
        }
        if let DefaultValue::Always(text) = setting.default {
            let default = if text.is_empty() { "empty" } else { text };
            assert!(help.contains(&format!("[default: {default}] [env: {variable}]")), "{}", setting.name);
        }
    }
}

fn exit_codes_stand_on_a_line_each_and_logging_is_explained() {
    let help = bare().done(&["--help"]).stdout;
    let (_, more) = help.split_once("Exit codes:\n").expect("they are explained");
    let codes: Vec<&str> = more.lines().take_while(|line| !line.is_empty()).collect();
    let starts: Vec<&str> = codes.iter().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(starts, ["0", "1", "2", "3", "4", "5", "6", "7", "8", "130"]);
    assert!(help.contains("WNM_LOG") && help.contains("-v info, -vv debug"), "{help}");
}

fn manual_pages_are_shown_and_written_for_every_command() {
    let colony = bare();
    let page = colony.done(&["man", "config", "set"]).stdout;
    assert!(page.contains(".TH wnm-config-set 1") && page.contains(".SH SYNOPSIS"), "{page}");
    assert!(!page.contains("cpu\\_remove"), "settings are on the first page only: {page}");
    assert_eq!(colony.done(&["man", "config set"]).stdout, page);
    let first = colony.done(&["man"]).stdout;
    assert!(first.contains("node_cap") && first.contains("Exit codes"), "{first}");
    let run = colony.wnm(&["man", "nothing"]);
    assert_eq!(run.code, 2);
    assert_snapshot!(run.stderr, @"
    error: there is no command nothing
    hint: `wnm --help` lists the commands
    ");
    let directory = colony.path().join("man1");
    let path = directory.to_str().expect("temporary paths are UTF-8");
    assert!(colony.done(&["man", "--out", path, "--dry-run"]).stdout.starts_with("Would write "));
    assert!(!directory.exists());
    let wrote = colony.done(&["man", "--out", path, "--json"]).json();
    let pages: Vec<&str> = wrote["pages"].as_array().expect("names").iter().filter_map(|name| name.as_str()).collect();
    assert!(["wnm.1", "wnm-status.1", "wnm-rollout-abort.1"].iter().all(|page| pages.contains(page)), "{pages:?}");
    for page in &pages {
        let text = fs::read_to_string(directory.join(page)).expect("it was written");
        assert!(text.contains(&format!(".TH {} 1", page.trim_end_matches(".1"))), "{page}: {text}");
    }
    let run = colony.wnm(&["man", "--out", "/proc/nowhere"]);
    assert_eq!(run.code, 1, "{run:?}");
}

fn config_shows_the_settings_that_are_named() {
    let colony = machine(&["--start_args=--first"]);
    let shown = colony.done(&["config", "show", "start_args", "node_cap", "no-upnp"]).stdout;
    assert_snapshot!(shown, @r#"
    start_args = "--first"  # database
    node_cap = 10  # database
    no_upnp = true  # database
    "#);
    let json = colony.done(&["config", "show", "node_cap", "--json"]).json();
    assert_eq!((json.as_array().map(Vec::len), json[0]["name"].as_str()), (Some(1), Some("node_cap")));
    assert_eq!(colony.done(&["config", "show", "--env", "node_cap"]).stdout, "export WNM_NODE_CAP='10'\n");
    let run = colony.wnm(&["config", "show", "node_cup"]);
    assert_eq!(run.code, 2);
    assert_snapshot!(run.stderr, @"
    error: there is no setting node_cup
    hint: `wnm config` to list all settings
    ");
}

fn a_value_may_begin_with_a_hyphen() {
    let colony = machine(&[]);
    let set = colony.done(&["config", "set", "start_args", "--first"]).stdout;
    assert_eq!(set, "start_args = \"--first\"  # database\n");
    assert_eq!(colony.done(&["config", "show", "start_args"]).stdout, set, "one form for all");
    colony.done(&["--json", "config", "set", "start_args", "--first --relay"]);
    assert_eq!(colony.stored().settings["start_args"], "--first --relay");
    let negative = colony.wnm(&["config", "set", "node_cap", "-1"]);
    assert_eq!(negative.code, 2);
    assert!(negative.stderr.contains("node_cap = \"-1\""), "{negative:?}");
    // What is no setting, or comes behind the value, is an option.
    colony.done(&["config", "set", "node_cap", "7", "--dry-run"]);
    assert_eq!(colony.stored().settings["node_cap"], "10");
    assert_eq!(colony.wnm(&["config", "set", "--first"]).code, 2);
}

fn what_outranks_the_database_is_said_when_a_setting_is_changed() {
    let colony = machine(&[]);
    let file = colony.path().join("wnm.toml");
    fs::write(&file, "node_cap = 30\n").expect("it is written");
    let path = file.to_str().expect("temporary paths are UTF-8");
    let set = colony.done(&["config", "set", "node_cap=40", "--config", path]);
    assert_snapshot!(steady(&colony, &(set.stdout + &set.stderr)), @"
    node_cap = 30  # file [DIR]/wnm.toml line 1
    note: node_cap is recorded, but file [DIR]/wnm.toml line 1 outranks the database: 30 stays
    ");
    assert_eq!(colony.stored().settings["node_cap"], "40");
    let unset = colony.done(&["config", "unset", "node_cap", "--config", path]);
    assert_snapshot!(steady(&colony, &unset.stderr), @"note: node_cap is no longer recorded, but file [DIR]/wnm.toml line 1 sets it: 30 stays");
    let mut command = colony.command(&["config", "set", "cpu_remove=103"]);
    let output = command.env("WNM_CPU_REMOVE", "102").output().expect("wnm can be run");
    assert_snapshot!(String::from_utf8_lossy(&output.stderr), @"note: cpu_remove is recorded, but environment variable WNM_CPU_REMOVE outranks the database: 102 stays");
}

wnm_testing::trials! {
    &[] =>
        help_is_a_command_too,
        each_setting_says_what_it_may_be_and_what_it_is_when_nobody_says,
        exit_codes_stand_on_a_line_each_and_logging_is_explained,
        manual_pages_are_shown_and_written_for_every_command,
        config_shows_the_settings_that_are_named,
        a_value_may_begin_with_a_hyphen,
        what_outranks_the_database_is_said_when_a_setting_is_changed;
}
