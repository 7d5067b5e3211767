//! Nodes of the v2 network: they answer no questions, have a second port where the settings give them one, and upgrade
//! themselves.

#![expect(clippy::disallowed_methods, reason = "a test takes the time")]

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;
use std::time::{Duration, Instant};

use insta::assert_snapshot;
use serde_json::{Value, json};
use wnm_testing::{Colony, test_node, test_node_of_v2};

/// A machine with this program of v2, whose delays are as long as by default.
fn colony(program: &Path, more: &[&str]) -> Colony {
    let colony = Colony::new(env!("CARGO_BIN_EXE_wnm"));
    colony.install(program);
    colony.init(&[], &[&["--delay_start=300", "--delay_upgrade=300"], more].concat());
    colony
}

fn nodes(colony: &Colony) -> Vec<Value> {
    colony.done(&["status", "--json"]).json()["nodes"].as_array().cloned().unwrap_or_default()
}

/// Cycles until something is so of all nodes.
fn until(what: &str, colony: &Colony, is_so: impl Fn(&[Value]) -> bool) -> Vec<Value> {
    let deadline = Instant::now() + Duration::from_mins(1);
    loop {
        colony.done(&["run"]);
        let nodes = nodes(colony);
        if is_so(&nodes) {
            return nodes;
        }
        assert!(Instant::now() < deadline, "{what}: {nodes:#?}");
        std::thread::sleep(Duration::from_millis(100));
    }
}

fn all(nodes: &[Value], field: &str, value: &Value) -> bool {
    nodes.iter().all(|node| node[field] == *value)
}

fn a_node_is_up_as_soon_as_it_shows_it() {
    let colony = colony(&test_node_of_v2("", "0.23.1"), &["--node_cap=2", "--webrtc_port_start=50"]);
    colony.done(&["add", "--count", "2"]);
    let nodes = until("they are up", &colony, |nodes| all(nodes, "status", &json!("RUNNING")));
    assert!(all(&nodes, "health_from", &json!("peers")) && all(&nodes, "flavour", &json!("v2")), "{nodes:#?}");
    let first = &nodes[0];
    let ports = first["ports"].as_object().expect("it has ports");
    assert_eq!(ports.keys().collect::<Vec<_>>(), ["node", "webrtc"]);
    assert_eq!(ports["webrtc"], json!(50_001));
    let (peer_id, metrics) = (first["peer_id"].as_str().unwrap_or_default(), &first["metrics"]);
    assert_eq!((peer_id.len(), &first["version"]), (64, &json!("0.23.1")));
    assert_eq!((&metrics["peers_in_routing_table"], &metrics["records"]), (&json!(5), &json!(0)));
    assert!(metrics["memory_megabytes"].as_f64().is_some_and(|memory| memory > 0.5), "{metrics}");
    assert!(
        metrics["connected_peers"].is_null() && metrics["shunned"].is_null(),
        "what is unknown is not 0: {metrics}"
    );
    let table = colony.done(&["status", "--wide"]).stdout;
    let row: Vec<&str> = table
        .lines()
        .find(|line| line.contains("antnode0001"))
        .map(|line| line.split_whitespace().collect())
        .unwrap_or_default();
    assert_eq!(row[5..8], ["-", "5", "0"], "nothing listens on a metrics port: {table}");
    let details = colony.done(&["status", "1", "--details"]).stdout;
    let shown: Vec<&str> = details.lines().filter(|line| line.contains("port") || line.contains("from")).collect();
    let shown = shown.join("\n").replace(&first["ports"]["node"].to_string(), "[port]");
    assert_snapshot!(shown, @"
    Health from     peers
    Node port       [port]
    Metrics port    -
    WebRTC port     50001
    ");
    let why = colony.done(&["why", "1"]).stdout;
    assert!(why.contains("it is running and knows peers"), "{why}");
}

fn an_upgrade_of_its_own_is_followed_verified_and_told() {
    let colony = colony(&test_node_of_v2("", "0.23.1"), &["--node_cap=2", "--cpu_less_than=0.001"]);
    colony.done(&["add", "--count", "2"]);
    until("they are up", &colony, |nodes| all(nodes, "status", &json!("RUNNING")));
    fs::write(colony.node_dir(2).join("misbehave"), "upgrade:0.23.2:4s").expect("it is written");
    colony.done(&["restart", "2"]);
    fs::remove_file(colony.node_dir(2).join("misbehave")).expect("it was there");
    let upgraded = |nodes: &[Value]| nodes[1]["version"] == json!("0.23.2") && nodes[1]["status"] == json!("RUNNING");
    let nodes = until("it is back as another version", &colony, upgraded);
    assert_eq!(nodes[1]["health_from"], json!("peers"));
    let status = colony.done(&["status"]).stdout;
    assert!(status.contains("Versions: 0.23.1 (1), 0.23.2 (1)\n"), "{status}");
    let why = colony.done(&["why", "2"]).stdout;
    assert!(why.contains("it upgraded itself from 0.23.1 and ended, to be started again"), "{why}");
    assert!(why.contains("upgraded itself and ended; starting it again"), "whatever the limits: {why}");
    let watched = colony.done(&["rollout", "--json"]).json()["rollout"].take();
    assert_eq!((&watched["version"], &watched["digest"]), (&json!("0.23.2"), &Value::Null));
    assert_eq!((&watched["phase"], &watched["waiting"]), (&json!("batches"), &json!(1)), "{watched}");
    let refused = colony.wnm(&["rollout", "abort"]);
    assert_snapshot!(refused.stderr, @"
    error: nodes upgrade themselves to 0.23.2, and wnm cannot keep them from it
    hint: `wnm rollout status` to see what there is
    ");
}

fn an_upgrade_that_does_not_come_back_is_told() {
    let colony = colony(&test_node_of_v2("", "0.23.1"), &["--node_cap=1"]);
    colony.done(&["add"]);
    until("it is up", &colony, |nodes| all(nodes, "status", &json!("RUNNING")));
    fs::write(colony.node_dir(1).join("misbehave"), "upgrade:0.23.2:4s").expect("it is written");
    colony.done(&["restart", "1"]);
    until("it is up", &colony, |nodes| all(nodes, "status", &json!("RUNNING")) || colony.processes().is_empty());
    fs::write(colony.node_dir(1).join("misbehave"), "exit:1:0").expect("it is written");
    let deadline = Instant::now() + Duration::from_mins(1);
    while !colony.wnm(&["run"]).stderr.contains("its process is gone") && nodes(&colony)[0]["failures"] == json!(0) {
        assert!(Instant::now() < deadline, "{:#?}", nodes(&colony));
        std::thread::sleep(Duration::from_millis(100));
    }
    let node = &nodes(&colony)[0];
    assert_eq!(node["status"], json!("STOPPED"));
    assert!(node["last_error"].is_string() && node["retry_at"].is_number(), "{node:#?}");
}

fn a_program_of_the_other_flavour_is_refused_by_name() {
    let colony = colony(&test_node_of_v2("", "0.23.1"), &["--node_cap=1", "--node_flavour=v1"]);
    let run = colony.wnm(&["run"]);
    let said = run.stderr.replace(&colony.path().display().to_string(), "DIR");
    assert_snapshot!(said, @"warning: node_flavour is v1, and DIR/antnode is ant-node 0.23.1, a program of v2");
    assert!(colony.stored().nodes.is_empty());
    colony.done(&["config", "set", "node_flavour=v2"]);
    colony.done(&["run"]);
    assert_eq!(colony.stored().nodes.len(), 1);
    colony.install(&test_node("0.4.18"));
    let run = colony.wnm(&["run"]);
    let said = run.stderr.replace(&colony.path().display().to_string(), "DIR");
    assert_snapshot!(said, @"warning: node_flavour is v2, and DIR/antnode is antnode 0.4.18, a program of v1");
    assert_eq!(colony.processes().len(), 1, "and the node runs on");
}

fn a_nodes_own_files_are_neither_followed_nor_believed() {
    let colony = colony(&test_node_of_v2("", "0.23.1"), &["--node_cap=1"]);
    colony.done(&["add"]);
    until("it is up", &colony, |nodes| all(nodes, "status", &json!("RUNNING")));
    let snapshot = colony.node_dir(1).join("routing_snapshot.json");
    fs::File::create(&snapshot).and_then(|file| file.set_len(2 << 30)).expect("it grows");
    let said = colony.done(&["status"]).stderr.replace(&colony.path().display().to_string(), "DIR");
    assert_snapshot!(said, @"warning: antnode0001: DIR/nodes/antnode0001/routing_snapshot.json has 2147483648 bytes, more than a node writes there: it is left unread");
    fs::remove_file(&snapshot).expect("it was there");
    let logs = colony.path().join("logs/antnode0001");
    fs::rename(&logs, colony.path().join("elsewhere")).expect("they are moved");
    symlink("/etc", &logs).expect("a link is made");
    let run = colony.done(&["run"]);
    let said = run.stderr.replace(&colony.path().display().to_string(), "DIR");
    assert_snapshot!(said, @"
    warning: cannot check antnode0001: DIR/logs/antnode0001 is left alone: it is a symbolic link, not the node's own directory
    warning: antnode0001: DIR/logs/antnode0001 is not a directory: it is left unread
    ");
    assert!(all(&nodes(&colony), "status", &json!("RUNNING")));
}

wnm_testing::trials! {
    &[] => a_node_is_up_as_soon_as_it_shows_it, an_upgrade_of_its_own_is_followed_verified_and_told,
        an_upgrade_that_does_not_come_back_is_told, a_program_of_the_other_flavour_is_refused_by_name,
        a_nodes_own_files_are_neither_followed_nor_believed;
}
