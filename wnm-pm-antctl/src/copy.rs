//! A copy of antctl's registry: antctl writes over it without a lock, so entries get lost while their nodes live. What is
//! lost is put back as antctl itself wrote it; nothing is made up.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use wnm_pm::process_manager::Outcome;
use wnm_pm::program::write_whole;

use crate::Antctl;

impl Antctl {
    /// Puts entries back that antctl lost while their nodes are there: their unit files and directories are. Answers their
    /// services. Whatever else the registry holds is remembered for the next time.
    ///
    /// # Errors
    /// When something is lost and the registry cannot be written.
    pub(crate) fn put_back_lost(&self) -> Outcome<Vec<String>> {
        let (registry, copy) = (self.places().registry(), self.places().registry_copy());
        // Of a damaged one nothing is known; its owner is told.
        let Some(current) = read(&registry) else { return Ok(vec![]) };
        let known = read(&copy).unwrap_or(Value::Null);
        let (merged, lost) =
            merge(&current, &known, |service, root_dir| root_dir.is_dir() && self.unit_runs(service, root_dir));
        if keys(&merged) != keys(&known)
            && let Err(error) = write_whole(&copy, merged.to_string().as_bytes(), 0o600, None)
        {
            tracing::warn!(error = error.text(), "no copy of antctl's registry is kept");
        }
        if !lost.is_empty() {
            let mode = fs::metadata(&registry).map_or(0o644, |found| found.permissions().mode() & 0o777);
            write_whole(&registry, merged.to_string().as_bytes(), mode, None)?;
            tracing::warn!("antctl had lost {}, which {} holds again", lost.join(", "), registry.display());
        }
        Ok(lost)
    }
}

/// The registry in a file; an empty one where there is none, and none where it cannot be read.
fn read(path: &Path) -> Option<Value> {
    match fs::read_to_string(path) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Some(Value::Null),
        Ok(text) if text.trim().is_empty() => Some(Value::Null),
        text => serde_json::from_str(&text.ok()?).ok().filter(|registry: &Value| registry["nodes"].is_array()),
    }
}

/// What the registry holds and what it lost of what was known, in the order in which antctl counts nodes; and the services
/// that it lost. With those, removed nodes come back as well: antctl names its next node by how many it ever had.
fn merge(current: &Value, known: &Value, is_there: impl Fn(&str, &Path) -> bool) -> (Value, Vec<String>) {
    let held = nodes(current);
    let is_held = |node: &Value| {
        let same = |name: &str, other: &Value| other[name] == node[name];
        held.iter().any(|other| ["number", "service_name", "data_dir_path"].iter().any(|name| same(name, other)))
    };
    let missing: Vec<&Value> = nodes(known).iter().filter(|node| !is_held(node)).collect();
    let lost = |node: &Value| {
        let (service, root_dir) = (node["service_name"].as_str()?, PathBuf::from(node["data_dir_path"].as_str()?));
        (!is_removed(node) && is_there(service, &root_dir)).then(|| service.to_owned())
    };
    let services: Vec<String> = missing.iter().filter_map(|node| lost(node)).collect();
    if services.is_empty() {
        return (current.clone(), services);
    }
    let back = missing.into_iter().filter(|node| is_removed(node) || lost(node).is_some());
    let mut all: Vec<Value> = held.iter().chain(back).cloned().collect();
    all.sort_by_key(|node| node["number"].as_u64());
    let mut merged = if current.is_null() { known.clone() } else { current.clone() };
    merged["nodes"] = json!(all);
    (merged, services)
}

fn nodes(registry: &Value) -> &[Value] {
    registry["nodes"].as_array().map_or(&[], Vec::as_slice)
}

fn is_removed(node: &Value) -> bool {
    node["status"] == "Removed"
}

/// What of a registry is worth a copy: peers come and go.
fn keys(registry: &Value) -> Vec<[String; 3]> {
    let key = |node: &Value| {
        [node["service_name"].to_string(), node["data_dir_path"].to_string(), is_removed(node).to_string()]
    };
    nodes(registry).iter().map(key).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn node(number: u32, status: &str) -> Value {
        let name = format!("antnode{number}");
        json!({ "number": number, "service_name": name, "data_dir_path": format!("/n/{name}"), "status": status })
    }

    fn registry(nodes: &[Value]) -> Value {
        json!({ "nodes": nodes, "nat_status": null })
    }

    /// What is there after a merge, while these nodes are there.
    fn merged(current: &Value, known: &Value, there: &[&str]) -> String {
        let (merged, lost) = merge(current, known, |service, root_dir| {
            there.contains(&service) && root_dir == Path::new("/n").join(service)
        });
        let all: Vec<String> = nodes(&merged)
            .iter()
            .map(|node| format!("{}{}", node["number"], if is_removed(node) { " (removed)" } else { "" }))
            .collect();
        format!("{} lost [{}]", all.join(" "), lost.join(" "))
    }

    #[test]
    fn what_antctl_lost_of_nodes_that_are_there_comes_back_in_its_place() {
        let known = registry(&[node(1, "Running"), node(2, "Removed"), node(3, "Stopped"), node(4, "Running")]);
        let all = ["antnode1", "antnode3", "antnode4"];
        let cut = registry(&[node(1, "Running"), node(4, "Running")]);
        let cases = [
            merged(&known, &known, &all),
            merged(&cut, &known, &all),
            merged(&Value::Null, &known, &all),
            merged(&Value::Null, &known, &["antnode4"]),
            merged(&Value::Null, &known, &[]),
            merged(&registry(&[node(1, "Added")]), &known, &["antnode1"]),
            merged(&cut, &Value::Null, &all),
        ];
        insta::assert_snapshot!(cases.join("\n"), @"
        1 2 (removed) 3 4 lost []
        1 2 (removed) 3 4 lost [antnode3]
        1 2 (removed) 3 4 lost [antnode1 antnode3 antnode4]
        2 (removed) 4 lost [antnode4]
         lost []
        1 lost []
        1 4 lost []
        ");
        let (merged, _) = merge(&Value::Null, &known, |_, _| true);
        assert_eq!(merged, known, "nothing else of the registry is lost either");
    }

    #[test]
    fn a_name_that_antctl_gave_to_another_node_stays_with_that_one() {
        let known = registry(&[node(1, "Running"), node(2, "Running")]);
        let mut other = node(2, "Running");
        other["data_dir_path"] = "/elsewhere/antnode2".into();
        assert_eq!(merged(&registry(&[node(1, "Running"), other]), &known, &["antnode1", "antnode2"]), "1 2 lost []");
    }

    #[test]
    fn a_damaged_registry_is_not_taken_for_an_empty_one() {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let path = directory.path().join("node_registry.json");
        assert_eq!(read(&path), Some(Value::Null));
        let is_read = |text: &str| {
            fs::write(&path, text).expect("it is written");
            read(&path).is_some()
        };
        assert!(is_read("") && is_read("{\"nodes\": [ ]}"));
        assert!(!is_read("{\"nodes\": [") && !is_read("{}") && !is_read("[]"));
    }
}
