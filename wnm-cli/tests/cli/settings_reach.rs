//! Settings that change reach the nodes that are there: with their next start, restart or upgrade, and not before.

use std::fs;

use insta::assert_snapshot;
use wnm_testing::{Colony, test_node};

use crate::fleet::lose_record;
use crate::{machine, running, steady};

fn command_line(colony: &Colony, number: u32) -> Vec<String> {
    let words = fs::read(format!("/proc/{}/cmdline", colony.pid(number))).expect("the node runs");
    String::from_utf8_lossy(&words).split('\0').map(str::to_owned).collect()
}

fn has(colony: &Colony, number: u32, word: &str) -> bool {
    command_line(colony, number).iter().any(|known| known == word)
}

fn environment(colony: &Colony, number: u32) -> String {
    let variables = fs::read(format!("/proc/{}/environ", colony.pid(number))).expect("the node runs");
    String::from_utf8_lossy(&variables).replace('\0', "\n")
}

fn a_restart_a_start_and_an_upgrade_use_todays_settings() {
    let colony = running(3);
    assert!(has(&colony, 1, "--no-upnp"));
    colony.done(&["config", "set", "no_upnp", "false"]);
    colony.done(&["config", "set", "environment", "A=today"]);
    colony.done(&["config", "set", "start_args=--relay"]);
    let born = [1, 2, 3].map(|number| colony.pid(number));
    colony.done(&["run"]);
    assert_eq!([1, 2, 3].map(|number| colony.pid(number)), born, "a cycle restarts no healthy node for that");

    let status = colony.done(&["status"]);
    let outdated = status.stdout.lines().find(|line| line.starts_with("outdated")).unwrap_or_default();
    assert_snapshot!(outdated, @"outdated arguments (no_upnp, environment, start_args): 3 nodes (antnode0001–0003); a restart applies today's settings");
    assert!(colony.done(&["survey"]).stdout.contains(outdated));
    let details = colony.done(&["status", "1", "--details"]);
    assert!(details.stdout.contains("arguments (no_upnp, environment, start_args): a restart applies"), "{details:?}");
    let rows = colony.done(&["status", "--json"]).json();
    assert_eq!(rows["nodes"][0]["outdated"], serde_json::json!(["no_upnp", "environment", "start_args"]));

    colony.done(&["restart", "1"]);
    colony.done(&["stop", "2"]);
    colony.done(&["start", "2"]);
    colony.install(&test_node("0.4.18"));
    colony.done(&["upgrade", "3"]);
    for number in [1, 2, 3] {
        assert!(!has(&colony, number, "--no-upnp") && has(&colony, number, "--relay"), "antnode000{number}");
        assert!(environment(&colony, number).lines().any(|line| line == "A=today"), "antnode000{number}");
    }
    assert!(!colony.done(&["status"]).stdout.contains("outdated arguments"));
    let rows = colony.done(&["status", "--json"]).json();
    assert_eq!(rows["nodes"][2]["outdated"], serde_json::json!([]));
}

fn another_log_directory_reaches_a_node_with_its_restart() {
    let colony = running(2);
    colony.leave_storage_to_the_database();
    let logs = colony.path().join("other-logs");
    let run = colony.done(&["config", "set", &format!("log_dir={}", logs.display())]);
    assert!(run.stderr.contains("2 nodes keep what they were started with"), "{run:?}");
    colony.done(&["restart", "--all", "--outdated"]);
    for number in [1, 2] {
        let own = logs.join(format!("antnode000{number}"));
        assert!(
            own.is_dir() && has(&colony, number, &own.display().to_string()),
            "{:?}",
            command_line(&colony, number)
        );
    }
    assert!(!colony.done(&["status"]).stdout.contains("outdated arguments"));
    colony.done(&["remove", "2", "--confirm"]);
    assert!(!logs.join("antnode0002").exists(), "its logs go with it");
}

fn arguments_that_kept_a_node_from_starting_can_be_taken_back() {
    let colony = machine(&["--node_cap=1"]);
    colony.done(&["config", "set", "start_args=--no-such-option"]);
    let run = colony.wnm(&["add"]);
    assert_eq!(run.code, 3, "{run:?}");
    colony.done(&["config", "set", "start_args="]);
    colony.done(&["start", "1"]);
    colony.cycle_until_running(1);
    assert!(!has(&colony, 1, "--no-such-option"));
}

fn another_wallet_reaches_a_node_and_one_that_is_still_in_the_list_stays() {
    let colony = running(1);
    let other = "0x03B770D9cD32077cC0bF330c13C114a87643B124";
    colony.done(&["config", "set", "rewards_address", &format!("faucet:1,{other}:1")]);
    assert!(!colony.done(&["status"]).stdout.contains("outdated"), "its wallet is one of them");
    colony.done(&["config", "set", "rewards_address", other]);
    assert!(colony.done(&["status"]).stdout.contains("outdated arguments (rewards_address)"));
    colony.done(&["restart", "1"]);
    assert!(has(&colony, 1, other));
}

fn what_wnm_decides_is_refused_in_start_args() {
    let colony = machine(&[]);
    let refused = |words: &str| {
        let run = colony.wnm(&["config", "set", &format!("start_args={words}")]);
        assert_eq!(run.code, 2, "{run:?}");
        steady(&colony, &run.stderr)
    };
    assert_snapshot!(refused("--root-dir /srv/x"), @r#"
    error: invalid setting: start_args = "--root-dir /srv/x" (flag --start_args): must not hold --root-dir: the setting node_storage decides about that
    hint: leave --root-dir out
    "#);
    assert_snapshot!(refused("--first --port=9000"), @r#"
    error: invalid setting: start_args = "--first '--port=9000'" (flag --start_args): must not hold --port: the setting port_start decides about that
    hint: leave --port out
    "#);
    for words in [
        "--rewards-address 0x03B770D9cD32077cC0bF330c13C114a87643B124",
        "--metrics-server-port 1",
        "evm-arbitrum-sepolia-test",
        "--evm-network arbitrum-sepolia",
        "--log-output-dest /x",
        "--log-dir /x",
        "--no-upnp",
        "--bootstrap-cache-dir=/x",
        "--version",
        "--",
    ] {
        assert!(refused(words).contains("must not hold"), "{words}");
    }
    assert_eq!(colony.wnm(&["run", "--start_args=--rpc 1"]).code, 2);
    colony.done(&["config", "set", "start_args=--peer /ip4/10.0.0.1/udp/1"]);
}

fn a_program_that_was_damaged_is_copied_anew_when_its_node_starts() {
    let colony = running(2);
    colony.done(&["stop", "1", "2"]);
    let whole = fs::read(colony.node_program()).expect("it is read");
    let program = |number| colony.node_dir(number).join("antnode");
    fs::write(program(1), &whole[..100_000]).expect("it is cut off");
    let mut altered = whole.clone();
    altered[whole.len() / 2] ^= 0xff;
    fs::write(program(2), &altered).expect("it is altered");
    colony.done(&["start", "1"]);
    colony.done(&["start", "2"]);
    colony.cycle_until_running(2);
    for number in [1, 2] {
        assert!(fs::read(program(number)).expect("it is read") == whole, "antnode000{number} has its program back");
    }
    // A damaged program that nobody can replace is named.
    colony.done(&["stop", "1"]);
    fs::write(program(1), &whole[..100_000]).expect("it is cut off");
    fs::remove_file(colony.node_program()).expect("it is taken away");
    let run = colony.wnm(&["start", "1"]);
    assert!(run.code == 3 && run.stdout.contains("it is damaged"), "{run:?}");
}

fn options_of_nodes_that_are_taken_over_are_told_before_a_start_drops_them() {
    let colony = machine(&["--node_cap=1", "--no_upnp", "--start_args=--first --relay"]);
    colony.cycle_until_running(1);
    lose_record(&colony);
    colony.init(&[], &["--node_cap=1", "--no_upnp=false", "--start_args=--first"]);
    let told = "the next start of antnode0001 drops --relay --no-upnp, which no setting names; \
                `wnm config set 'start_args=--first --relay' 'no_upnp=true'` keeps that for all nodes";
    let found = colony.done(&["survey"]);
    assert!(found.stdout.contains(told), "{found:?}");
    let adopted = colony.done(&["survey", "--adopt"]);
    assert!(adopted.stdout.contains(told), "{adopted:?}");
    let rows = colony.done(&["status", "--json"]).json();
    assert_eq!(rows["nodes"][0]["outdated"], serde_json::json!(["no_upnp", "start_args"]));

    lose_record(&colony);
    let settings = ["--node_cap=1", "--no_upnp=false", "--start_args=--first", "--import", "--rewards_address=faucet"];
    let imported = colony.done(&[&["init"], &settings[..]].concat());
    assert!(imported.stderr.contains(told), "{imported:?}");
    colony.done(&["config", "set", "start_args=--first --relay", "no_upnp=true"]);
    colony.done(&["restart", "1"]);
    assert!(has(&colony, 1, "--relay") && has(&colony, 1, "--no-upnp"), "{:?}", command_line(&colony, 1));
    let rows = colony.done(&["status", "--json"]).json();
    assert_eq!(rows["nodes"][0]["outdated"], serde_json::json!([]));
}

wnm_testing::trials! {
    &[] =>
        options_of_nodes_that_are_taken_over_are_told_before_a_start_drops_them,
        a_restart_a_start_and_an_upgrade_use_todays_settings, another_log_directory_reaches_a_node_with_its_restart,
        arguments_that_kept_a_node_from_starting_can_be_taken_back,
        another_wallet_reaches_a_node_and_one_that_is_still_in_the_list_stays,
        what_wnm_decides_is_refused_in_start_args,
        a_program_that_was_damaged_is_copied_anew_when_its_node_starts;
}
