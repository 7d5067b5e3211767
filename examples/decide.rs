//! Tries wnm's judgement without a machine: `cargo run --release --example decide < cases.jsonl`.
//!
//! Reads one case a line: `config`, `host`, `available_version`, `numbering`, `highest_number_used`, `nodes` (number,
//! status, born, version, since) and `now`. Answers each with `{"id": …, "actions": [{"verb": "stop", "number": 12}]}`;
//! `survey` and `resurvey` carry no number. Unknown keys are ignored, and what a case leaves out has wnm's default.
//! A line that cannot be read is answered `{"id": …, "error": "…"}`, and the exit code is then 1.

#![expect(clippy::disallowed_methods, reason = "what is tried here is started and waited for as by anybody")]

use std::io::{BufRead, ErrorKind, Write};
use std::path::Path;
use std::process::ExitCode;

use serde::Deserialize;
use serde_json::{Map, Value, json};
use wnm_core::decide::decide;
use wnm_core::node::{Desired, Flavour, Node, NodeId, NodeSpec, PortKind, Ports, Status, StoredNode, UnixSeconds};
use wnm_core::plan::Action;
use wnm_core::settings::Config;
use wnm_core::snapshot::{HostLoad, NodeSnapshot, Snapshot};
use wnm_pm::container_host::{Group, GroupSpec, GroupState};
use wnm_pm::process_manager::{Binary, NumberingKind};

#[derive(Deserialize)]
struct Case {
    now: UnixSeconds,
    #[serde(default)]
    config: Map<String, Value>,
    host: Map<String, Value>,
    available_version: Option<semver::Version>,
    numbering: NumberingCase,
    #[serde(default)]
    highest_number_used: u32,
    nodes: Vec<NodeCase>,
}

#[derive(Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum NumberingCase {
    FillGaps,
    NeverReuse,
    Blocks { max_node_per_container: u32, min_container_count: u32, active_groups: u32 },
}

#[derive(Deserialize)]
struct NodeCase {
    number: u32,
    status: Status,
    born: UnixSeconds,
    version: Option<semver::Version>,
    since: UnixSeconds,
}

fn main() -> ExitCode {
    let mut output = std::io::stdout().lock();
    let mut all_read = true;
    for line in std::io::stdin().lock().lines() {
        let (answer, read) = match line {
            Ok(line) if line.trim().is_empty() => continue,
            Ok(line) => answer(&line),
            // A line that is no text; anything else would come again with the next line.
            Err(error) if error.kind() == ErrorKind::InvalidData => {
                (json!({"id": null, "error": error.to_string()}), false)
            }
            Err(error) => {
                let _ = writeln!(output, "{}", json!({"id": null, "error": error.to_string()}));
                return ExitCode::FAILURE;
            }
        };
        all_read &= read;
        match writeln!(output, "{answer}") {
            Err(error) if error.kind() == ErrorKind::BrokenPipe => return ExitCode::SUCCESS,
            Err(_) => return ExitCode::FAILURE,
            Ok(()) => {}
        }
    }
    if all_read { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}

/// The answer to one line, and whether the line could be read.
fn answer(line: &str) -> (Value, bool) {
    let value: Value = match serde_json::from_str(line) {
        Ok(value) => value,
        Err(error) => return (json!({"id": null, "error": error.to_string()}), false),
    };
    let id = value.get("id").cloned().unwrap_or(Value::Null);
    match actions(value) {
        Ok(actions) => (json!({"id": id, "actions": actions}), true),
        Err(error) => (json!({"id": id, "error": error}), false),
    }
}

fn actions(value: Value) -> Result<Vec<Value>, String> {
    let case: Case = serde_json::from_value(value).map_err(|error| error.to_string())?;
    let (config, snapshot) = read(case)?;
    Ok(decide(&config, &snapshot).actions.iter().map(action).collect())
}

fn action(action: &Action) -> Value {
    match action.step() {
        Some((verb, id)) => json!({"verb": verb.as_str(), "number": id.0}),
        None => json!({"verb": action.verb()}),
    }
}

fn read(case: Case) -> Result<(Config, Snapshot), String> {
    let mut config = config(&case.config)?;
    let (numbering, active_groups) = match case.numbering {
        NumberingCase::FillGaps => (NumberingKind::FillGaps, 0),
        NumberingCase::NeverReuse => (NumberingKind::NeverReuse, 0),
        NumberingCase::Blocks { max_node_per_container, min_container_count, active_groups } => {
            config.max_node_per_container = max_node_per_container;
            config.min_container_count = min_container_count;
            (NumberingKind::Blocks, active_groups)
        }
    };
    let boot_time = integer(&case.host, "boot_time")?.unwrap_or(0);
    let available = case.available_version.map(|version| Binary { path: config.antnode_path.clone(), version });
    let nodes = case.nodes.into_iter().map(|case| Ok(NodeSnapshot { node: node(case, &config)?, seen: None }));
    let nodes: Vec<NodeSnapshot> = nodes.collect::<Result<_, String>>()?;
    let snapshot = Snapshot {
        now: case.now,
        boot_time,
        last_surveyed_boot: integer(&case.config, "last_stopped_at")?.unwrap_or(boot_time),
        seed: 0,
        host: host(case.host)?,
        disks: Vec::new(),
        available,
        flavour: Flavour::V1,
        numbering,
        port_kinds: vec![PortKind::Node, PortKind::Metrics],
        highest_number_used: case.highest_number_used,
        groups: (1..=active_groups).map(group).collect(),
        nodes,
        rollouts: None,
        pause: None,
        torn_down: false,
        blocked: Vec::new(),
    };
    Ok((config, snapshot))
}

fn integer(object: &Map<String, Value>, key: &str) -> Result<Option<i64>, String> {
    let value =
        object.get(key).map(|value| value.as_i64().ok_or_else(|| format!("{key} is {value}, not a whole number")));
    value.transpose()
}

/// wnm's defaults, and what the case says on top of them.
fn config(given: &Map<String, Value>) -> Result<Config, String> {
    merged(&wnm_testing::config(Path::new("/node")), given)
}

fn host(given: Map<String, Value>) -> Result<HostLoad, String> {
    merged(&HostLoad::default(), &given)
}

fn merged<T: serde::Serialize + serde::de::DeserializeOwned>(
    defaults: &T,
    given: &Map<String, Value>,
) -> Result<T, String> {
    let mut value = serde_json::to_value(defaults).map_err(|error| error.to_string())?;
    if let Value::Object(fields) = &mut value {
        fields.extend(given.clone());
    }
    serde_json::from_value(value).map_err(|error| error.to_string())
}

fn node(case: NodeCase, config: &Config) -> Result<Node, String> {
    let id = NodeId(case.number);
    let root_dir = config.node_storage.first().join(id.name());
    let spec = NodeSpec {
        id,
        name: id.name(),
        flavour: Flavour::V1,
        program: config.antnode_path.clone(),
        version: case.version,
        binary: root_dir.join("antnode"),
        log_dir: root_dir.join("logs"),
        root_dir,
        bootstrap_cache_dir: config.bootstrap_cache_dir.clone(),
        ports: Ports::default(),
        wallet: String::new(),
        network: config.network.clone(),
        no_upnp: config.no_upnp,
        environment: Vec::new(),
        start_args: Vec::new(),
        group: None,
    };
    let stored = StoredNode {
        status: case.status,
        status_since: case.since,
        desired: if case.status == Status::Disabled { Desired::Unmanaged } else { Desired::Run },
        has_run: case.status != Status::Starting,
        ..StoredNode::new(spec, case.born)
    };
    Node::restore(stored).map_err(|contradiction| contradiction.to_string())
}

fn group(number: u32) -> Group {
    Group {
        spec: GroupSpec {
            group: number,
            name: format!("a{number}"),
            image: String::new(),
            ports: std::collections::BTreeMap::new(),
        },
        container_id: String::new(),
        container_name: String::new(),
        address: None,
        state: GroupState::Running,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn answers_every_case_as_expected() {
        for line in include_str!("tests/data/decisions.jsonl").lines() {
            let case: Value = serde_json::from_str(line).expect("the cases are JSON");
            let (answer, read) = answer(line);
            assert!(read, "{answer}");
            assert_eq!(answer["actions"], case["expect"], "case {}", case["id"]);
        }
    }

    #[test]
    fn a_broken_line_is_answered_with_its_id_where_it_has_one() {
        assert_eq!(answer("{").0["id"], Value::Null);
        let (answer, read) = answer(r#"{"id": 7, "now": "yesterday"}"#);
        assert!(!read);
        assert_eq!(answer["id"], 7);
        assert!(answer["error"].as_str().is_some_and(|error| error.contains("yesterday")), "{answer}");
    }
}
