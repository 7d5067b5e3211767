//! The whole program with nodes as units, on machines with a systemd of their own.

#![expect(clippy::disallowed_methods, reason = "tests start programs and wait for them")]

use std::process::{Command, Output};
use std::time::{Duration, Instant};

use wnm_testing::Need::{SystemdImage, Tool};
use wnm_testing::{on_machine, on_machine_that_restarts, test_node, tool};

/// Settings under which nothing has to be waited for and nothing presses.
pub const INIT: &str = "--rewards_address faucet --no_upnp --node_cap 3 --delay_start 0 --delay_restart 0 --delay_upgrade 0 \
    --delay_remove 0 --upgrade_settle_seconds 0 --max_concurrent_operations 3 --max_concurrent_starts 3 --max_concurrent_upgrades 3 \
    --cpu_less_than 101 --cpu_remove 102 --mem_less_than 101 --mem_remove 102 --hd_less_than 101 --hd_remove 102 \
    --desired_load_average 9999 --max_load_average_allowed 10000";

/// The node program that the settings name.
pub const PROGRAM: &str = "/var/tmp/antnode";

/// Runs wnm as whoever runs the test.
pub fn try_wnm(words: &str) -> Output {
    let test = std::env::current_exe().expect("a test knows its own program");
    let wnm = test.ancestors().nth(2).expect("it lies in a build directory").join("wnm");
    Command::new(wnm).args(words.split_whitespace()).output().expect("wnm can be run")
}

/// Runs wnm, wants it to succeed, and answers what it answered.
pub fn wnm(words: &str) -> String {
    let output = try_wnm(words);
    let (answer, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "wnm {words}: {answer}{said}");
    answer.into_owned()
}

pub fn run(program: &str, words: &str) {
    let directory = format!("/run/user/{}", rustix::process::getuid().as_raw());
    let mut command = Command::new(program);
    let output =
        command.args(words.split_whitespace()).env("XDG_RUNTIME_DIR", directory).output().expect("it can be run");
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
pub fn cycle_until(wanted: [(&str, &str); 3]) {
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
        let told = wnm("teardown --confirm");
        assert!(told.contains("removed") && told.contains("antnode0001") && !told.contains("Nothing to do"), "{told}");
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

/// Somebody's own service, under the name that the first node would have.
fn a_service_of_the_same_name_is_left_to_its_owner() {
    on_machine("root", "systemd::a_service_of_the_same_name_is_left_to_its_owner", async || {
        let unit = std::path::Path::new("/etc/systemd/system/antnode0001.service");
        std::fs::write(unit, "[Service]\nExecStart=/bin/sleep 1000\n").expect("it is written");
        run("systemctl", "daemon-reload");
        run("systemctl", "start antnode0001.service");
        run("cp", &format!("{} {PROGRAM}", test_node("0.4.17").display()));
        wnm(&format!("init --process_manager systemd+sudo --antnode_path {PROGRAM} {INIT}"));
        let told = wnm("run");
        let expected = "antnode0001: skipped, /etc/systemd/system/antnode0001.service is there already: it is not a unit \
                        of this database [number_taken]";
        assert!(told.contains(expected), "{told}");
        cycle_until([("RUNNING", "0.4.17"); 3]);
        let names = wnm("status");
        assert!(names.contains("antnode0004") && !names.contains("antnode0001"), "{names}");
        wnm("teardown --confirm");
        run("systemctl", "is-active antnode0001.service");
        assert!(unit.exists(), "nothing of his is deleted");
    });
}

/// Two fleets of one user, in units of one systemd.
fn two_databases_share_a_systemd_and_no_unit() {
    on_machine("resident", "systemd::two_databases_share_a_systemd_and_no_unit", async || {
        run("cp", &format!("{} {PROGRAM}", test_node("0.4.17").display()));
        let home = std::env::home_dir().expect("users have a home").display().to_string();
        let second = format!("--database {home}/two.db");
        wnm(&format!("init --process_manager systemd+user --antnode_path {PROGRAM} {INIT}"));
        let running = [("RUNNING", "0.4.17"); 3];
        cycle_until(running);
        let own = format!("--node_storage {home}/disk2 --log_dir {home}/log2 --bootstrap_cache_dir {home}/cache2");
        wnm(&format!("init {second} --process_manager systemd+user --antnode_path {PROGRAM} {INIT} {own}"));
        cycle_in(&second, &running);
        wnm(&format!("teardown --confirm {second}"));
        assert_eq!(nodes_in(&second), []);
        cycle_until(running);
    });
}

/// `mv storage/antnode0002 /elsewhere; wnm run`
fn a_directory_that_was_moved_away_kills_no_node() {
    on_machine("resident", "systemd::a_directory_that_was_moved_away_kills_no_node", async || {
        run("cp", &format!("{} {PROGRAM}", test_node("0.4.17").display()));
        let home = std::env::home_dir().expect("users have a home");
        let storage = home.join("nodes");
        let own = format!("--node_storage {}", storage.display());
        wnm(&format!("init --process_manager systemd+user --antnode_path {PROGRAM} {INIT} {own}"));
        let running = [("RUNNING", "0.4.17"); 3];
        cycle_until(running);
        std::fs::rename(storage.join("antnode0002"), home.join("elsewhere")).expect("it is ours");
        for _ in 0..3 {
            let told = wnm("run");
            let expected = "antnode0002: running, but the directory is gone: put it back, or remove the node";
            assert!(told.contains(expected), "{told}");
        }
        assert_eq!(nodes().len(), 3);
        run("systemctl", "--user is-active antnode0001.service antnode0002.service antnode0003.service");
        std::fs::rename(home.join("elsewhere"), storage.join("antnode0002")).expect("it is ours");
        cycle_until(running);
    });
}

/// `umask 027; wnm init --process_manager systemd+sudo; wnm run`, and half of the nodes' user.
fn modes_are_set_on_purpose_and_not_left_to_the_umask() {
    on_machine("root", "systemd::modes_are_set_on_purpose_and_not_left_to_the_umask", async || {
        run("/usr/sbin/groupadd", "--system ant");
        run("install", &format!("--mode=0755 {} {PROGRAM}", test_node("0.4.17").display()));
        for mask in [0o077, 0o027, 0o000] {
            rustix::process::umask(rustix::fs::Mode::from_raw_mode(mask));
            let own = "--node_storage /srv/deep/nodes --log_dir /srv/logs/nodes --bootstrap_cache_dir /srv/deep/cache";
            wnm(&format!("init --process_manager systemd+sudo --antnode_path {PROGRAM} {INIT} {own}"));
            cycle_until([("RUNNING", "0.4.17"); 3]);
            for (path, wanted) in [("/var/antctl", 0o711), ("/srv/deep", 0o711), ("/srv/deep/nodes", 0o711)] {
                use std::os::unix::fs::PermissionsExt;
                let mode = std::fs::metadata(path).expect("it is there").permissions().mode() & 0o777;
                assert_eq!(mode, wanted, "{path} with umask {mask:o}");
            }
            wnm("teardown --confirm");
            run("rm", "--recursive /var/antctl /srv/deep /srv/logs");
        }
    });
}

/// Units name the new disk, those of nodes that stay stopped as well, and nodes of user `ant` get through to it.
fn units_follow_their_nodes_to_another_disk() {
    on_machine("root", "systemd::units_follow_their_nodes_to_another_disk", async || {
        run("cp", &format!("{} {PROGRAM}", test_node("0.4.17").display()));
        wnm(&format!("init --process_manager systemd+sudo --antnode_path {PROGRAM} {INIT}"));
        let running = ("RUNNING", "0.4.17");
        cycle_until([running; 3]);
        wnm("stop antnode0002");
        let key = |storage: &str| std::fs::read(format!("{storage}/antnode0001/secret-key")).expect("it has a key");
        let before = key("/var/antctl/services");
        let told = wnm("move-storage /srv/nodes");
        assert!(told.contains("Moved 3 nodes (antnode0001–0003) from /var/antctl/services to /srv/nodes"), "{told}");
        assert_eq!(key("/srv/nodes"), before);
        for number in 1..=3 {
            let unit = format!("/etc/systemd/system/antnode000{number}.service");
            let text = std::fs::read_to_string(&unit).expect("its unit is there");
            assert!(text.contains("X-WnmNodeStorage=/srv/nodes\n") && !text.contains("/var/antctl/services"), "{text}");
        }
        assert!(!std::path::Path::new("/var/antctl/services").exists(), "nothing is left there");
        cycle_until([running, ("STOPPED", "0.4.17"), running]);
        wnm("start antnode0002");
        cycle_until([running; 3]);
        let survey = wnm("survey --json");
        let survey: serde_json::Value = serde_json::from_str(&survey).expect("it is JSON");
        assert_eq!(survey["untracked"].as_array().map(Vec::len), Some(0), "{survey}");
        let refused = try_wnm("config set node_storage /var/antctl/services");
        assert_eq!(refused.status.code(), Some(4), "{refused:?}");
    });
}

fn a_schedule_shows_no_step_that_it_did_not_come_to() {
    on_machine("resident", "systemd::a_schedule_shows_no_step_that_it_did_not_come_to", async || {
        run("cp", &format!("{} {PROGRAM}", test_node("0.4.17").display()));
        wnm(&format!("init --process_manager systemd+user --antnode_path {PROGRAM} {INIT}"));
        let units = std::env::home_dir().expect("users have a home").join(".config/systemd/user");
        std::fs::create_dir_all(&units).expect("it can be made");
        run("chmod", &format!("555 {}", units.display()));
        let output = try_wnm("schedule install");
        let (shown, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(!output.status.success() && said.contains("cannot use the systemd of this user"), "{shown}{said}");
        assert_eq!(shown.lines().filter(|line| line.starts_with("$ ")).count(), 1, "{shown}");
        run("chmod", &format!("755 {}", units.display()));
        assert!(wnm("schedule install").contains("wnm runs every minute, by systemd"));
        wnm("schedule remove");
    });
}

wnm_testing::trials! {
    &[SystemdImage] =>
        a_schedule_shows_no_step_that_it_did_not_come_to,
        units_follow_their_nodes_to_another_disk,
        modes_are_set_on_purpose_and_not_left_to_the_umask,
        a_service_of_the_same_name_is_left_to_its_owner,
        two_databases_share_a_systemd_and_no_unit,
        a_directory_that_was_moved_away_kills_no_node,
        root_keeps_units_of_the_machine,
        a_user_with_sudo_keeps_units_of_the_machine,
        a_user_without_rights_keeps_units_of_their_own;
    &[SystemdImage, Tool("antctl")] => root_keeps_nodes_of_antctl_and_takes_over_those_of_antctl_alone;
}
