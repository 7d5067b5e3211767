//! The whole program with nodes as units, on machines with a systemd of their own.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use wnm_testing::Need::{SystemdImage, Tool};
use wnm_testing::{on_machine, on_machine_that_restarts, test_node, tool};

/// Settings under which nothing has to be waited for and nothing presses.
const INIT: &str = "--rewards_address faucet --no_upnp --node_cap 3 --delay_start 0 --delay_restart 0 --delay_upgrade 0 \
    --delay_remove 0 --max_concurrent_operations 3 --max_concurrent_starts 3 --max_concurrent_upgrades 3 \
    --cpu_less_than 101 --cpu_remove 102 --mem_less_than 101 --mem_remove 102 --hd_less_than 101 --hd_remove 102 \
    --desired_load_average 9999 --max_load_average_allowed 10000";

/// The node program that the settings name.
const PROGRAM: &str = "/var/tmp/antnode";

/// Runs wnm as whoever runs the test.
fn try_wnm(words: &str) -> Output {
    let test = std::env::current_exe().expect("a test knows its own program");
    let wnm = test.ancestors().nth(2).expect("it lies in a build directory").join("wnm");
    Command::new(wnm).args(words.split_whitespace()).output().expect("wnm can be run")
}

/// Runs wnm, wants it to succeed, and answers what it answered.
fn wnm(words: &str) -> String {
    let output = try_wnm(words);
    let (answer, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "wnm {words}: {answer}{said}");
    answer.into_owned()
}

fn run(program: &str, words: &str) {
    let output = Command::new(program).args(words.split_whitespace()).output().expect("it can be run");
    assert!(output.status.success(), "{program} {words}: {output:?}");
}

/// Status and version of each recorded node.
fn nodes() -> Vec<(String, String)> {
    nodes_in("")
}

/// Those of a record that is named by a flag.
fn nodes_in(record: &str) -> Vec<(String, String)> {
    let status = wnm(&format!("status --json {record}"));
    let status: serde_json::Value = serde_json::from_str(&status).expect("it is JSON");
    let text = |value: &serde_json::Value| value.as_str().unwrap_or_default().to_owned();
    let nodes = status["nodes"].as_array().expect("nodes are a list");
    nodes.iter().map(|node| (text(&node["status"]), text(&node["version"]))).collect()
}

/// Cycles until all is as it should be.
fn cycle_until(wanted: [(&str, &str); 3]) {
    cycle_in("", &wanted);
}

fn cycle_in(record: &str, wanted: &[(&str, &str)]) {
    let deadline = Instant::now() + Duration::from_mins(2);
    let owned = |(status, version): &(&str, &str)| (status.to_string(), version.to_string());
    let wanted: Vec<(String, String)> = wanted.iter().map(owned).collect();
    let mut told = String::new();
    while nodes_in(record) != wanted {
        assert!(Instant::now() < deadline, "{:?} after {told}", nodes_in(record));
        told = wnm(&format!("run {record}"));
    }
}

fn before_restart(kind: &str) {
    run("cp", &format!("{} {PROGRAM}", test_node("0.4.17").display()));
    wnm(&format!("init --process_manager {kind} --antnode_path {PROGRAM} {INIT}"));
    let running = ("RUNNING", "0.4.17");
    cycle_until([running; 3]);
    wnm("stop antnode0002");
    cycle_until([running, ("STOPPED", "0.4.17"), running]);
    let findings = String::from_utf8_lossy(&try_wnm("doctor").stdout).into_owned();
    for of_systemd in
        ["node-storage-closed", "manager-unavailable", "lingering-off", "nodes-not-started", "nodes-failed"]
    {
        assert!(!findings.contains(of_systemd), "{findings}");
    }
}

fn after_restart() {
    run("cp", &format!("{} {PROGRAM}", test_node("0.4.18").display()));
    let upgraded = ("RUNNING", "0.4.18");
    cycle_until([upgraded, ("STOPPED", "0.4.17"), upgraded]);
    wnm("start antnode0002");
    wnm("upgrade antnode0002");
    cycle_until([upgraded; 3]);
    wnm("teardown --confirm");
    assert_eq!(nodes(), []);
}

fn root_keeps_units_of_the_machine() {
    on_machine_that_restarts(
        "root",
        "systemd::root_keeps_units_of_the_machine",
        async || before_restart("systemd+sudo"),
        async || after_restart(),
    );
}

fn a_user_with_sudo_keeps_units_of_the_machine() {
    on_machine_that_restarts(
        "keeper",
        "systemd::a_user_with_sudo_keeps_units_of_the_machine",
        async || {
            run("sudo", "install --directory --owner keeper /var/antctl /var/antctl/services");
            before_restart("systemd+sudo");
        },
        async || after_restart(),
    );
}

fn a_user_without_rights_keeps_units_of_their_own() {
    on_machine_that_restarts(
        "resident",
        "systemd::a_user_without_rights_keeps_units_of_their_own",
        async || before_restart("systemd+user"),
        async || after_restart(),
    );
}

fn root_keeps_nodes_of_antctl_and_takes_over_those_of_antctl_alone() {
    let test = "systemd::root_keeps_nodes_of_antctl_and_takes_over_those_of_antctl_alone";
    on_machine("root", test, async || {
        let antctl = tool("antctl").expect("this test needs it");
        let antctl = antctl.display().to_string();
        run("cp", &format!("{} {PROGRAM}", test_node("0.4.17").display()));
        let init = INIT.replace("--node_cap 3", "--node_cap 2");
        let init = format!("init --process_manager antctl+sudo --antctl_path {antctl} --antnode_path {PROGRAM} {init}");
        let (running, stopped) = (("RUNNING", "0.4.17"), ("STOPPED", "0.4.17"));

        wnm(&init);
        wnm("add --count 2");
        cycle_in("", &[running; 2]);
        wnm("stop antnode0002");
        cycle_in("", &[running, stopped]);
        let findings = String::from_utf8_lossy(&try_wnm("doctor").stdout).into_owned();
        for of_antctl in ["manager-unavailable", "node-storage-closed", "forgotten-nodes", "node-incomplete"] {
            assert!(!findings.contains(of_antctl), "{findings}");
        }
        wnm("teardown --confirm");
        assert_eq!(nodes(), []);

        // What an owner of antctl has, who has heard of wnm.
        let wallet = "0x03B770D9cD32077cC0bF330c13C114a87643B124";
        run(
            &antctl,
            &format!(
                "add --count 2 --node-port 55001-55002 --metrics-port 13001-13002 --rpc-port 30001-30002 --path {PROGRAM} \
                --rewards-address {wallet} --no-upnp evm-arbitrum-one"
            ),
        );
        let record = "--database /var/antctl/second.db";
        let told = wnm(&format!("{init} --import {record}"));
        assert!(told.contains("Took over 2 nodes: antnode0001–0002."), "{told}");
        cycle_in(record, &[running; 2]);
        wnm(&format!("teardown --confirm {record}"));
        assert_eq!(nodes_in(record), []);
        for gone in ["/var/antctl/services/antnode1", "/etc/systemd/system/antnode2.service"] {
            assert!(!std::path::Path::new(gone).exists(), "{gone} is gone");
        }
    });
}

wnm_testing::trials! {
    &[SystemdImage] =>
        root_keeps_units_of_the_machine,
        a_user_with_sudo_keeps_units_of_the_machine,
        a_user_without_rights_keeps_units_of_their_own;
    &[SystemdImage, Tool("antctl")] => root_keeps_nodes_of_antctl_and_takes_over_those_of_antctl_alone;
}
