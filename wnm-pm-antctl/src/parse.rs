//! What antctl says, read: its registry as JSON, its complaints as plain text.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Deserializer, Value};
use wnm_pm::command::Output;
use wnm_pm::flavour::CommandLine;
use wnm_pm::last_words::without_escapes;
use wnm_pm::node::{NodeId, Ports};
use wnm_pm::process_manager::{FoundNode, ProcessState};

/// antctl's registry, as `status --json` prints it.
#[derive(Debug, Clone, Default, PartialEq, Deserialize)]
pub(crate) struct Registry {
    /// In the order in which they were added; the next is called `antnode` and one more than there are.
    pub nodes: Vec<Entry>,
}

/// What antctl knows of one node. Its `pid` is left out: it is that of a thread.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub(crate) struct Entry {
    pub service_name: String,
    pub number: u32,
    pub status: Status,
    pub antnode_path: PathBuf,
    pub data_dir_path: PathBuf,
    pub log_dir_path: PathBuf,
    pub node_port: Option<u16>,
    pub metrics_port: Option<u16>,
    pub rpc_socket_addr: SocketAddr,
    pub rewards_address: String,
    pub evm_network: Value,
    pub auto_restart: bool,
    pub no_upnp: bool,
}

/// antctl's word for what a node does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Status {
    /// It was never started.
    Added,
    Running,
    Stopped,
    /// It is gone, and its entry and its ports stay taken until a reset.
    Removed,
}

impl Registry {
    /// The node of this name, when it is still there and lies where it is said to lie. A name alone proves nothing:
    /// after a reset antctl gives the same names to other nodes.
    pub(crate) fn find(&self, service: &str, root_dir: &Path) -> Option<&Entry> {
        self.present().find(|entry| entry.service_name == service && entry.data_dir_path == root_dir)
    }

    /// All that were not removed.
    pub(crate) fn present(&self) -> impl Iterator<Item = &Entry> {
        self.nodes.iter().filter(|entry| entry.status != Status::Removed)
    }
}

impl Entry {
    /// What antctl starts it with, as far as a command line is read back: the ports that it was not given are missing.
    pub(crate) fn command_line(&self) -> CommandLine {
        let mut words: Vec<String> =
            vec![self.antnode_path.display().to_string(), format!("--rpc={}", self.rpc_socket_addr)];
        let ports = [("--port", self.node_port), ("--metrics-server-port", self.metrics_port)];
        words.extend(ports.into_iter().filter_map(|(option, port)| Some(format!("{option}={}", port?))));
        words.push(format!("--root-dir={}", self.data_dir_path.display()));
        words.push(format!("--log-output-dest={}", self.log_dir_path.display()));
        words.push(format!("--rewards-address={}", self.rewards_address));
        words.extend(self.no_upnp.then(|| "--no-upnp".to_owned()));
        words.push(self.network());
        CommandLine::new(words)
    }

    /// Its ports, as far as antctl reports them.
    pub(crate) fn ports(&self) -> Ports {
        self.command_line().ports()
    }

    /// The node, as a survey reports it.
    pub(crate) fn found(&self, state: ProcessState) -> FoundNode {
        FoundNode::named(&self.service_name, Some(NodeId(self.number)), state).told(&self.command_line())
    }

    /// Its payment network, in the words of the settings.
    fn network(&self) -> String {
        let word = match &self.evm_network {
            Value::String(word) => word.as_str(),
            Value::Object(_) => "Custom",
            _ => "",
        };
        match word {
            "ArbitrumOne" => "evm-arbitrum-one".to_owned(),
            "ArbitrumSepoliaTest" => "evm-arbitrum-sepolia-test".to_owned(),
            "Custom" => "evm-custom".to_owned(),
            other => other.to_owned(),
        }
    }
}

/// The registry in what `status --json` printed: the first JSON that is one, whatever else stands around it. None when
/// there is none, as antctl prints for an empty registry.
///
/// # Errors
/// What is wrong with the text that looks like a registry.
pub(crate) fn registry(printed: &str) -> Result<Option<Registry>, serde_json::Error> {
    let beginnings =
        printed.match_indices('{').map(|(at, _)| at).filter(|at| *at == 0 || printed[..*at].ends_with('\n'));
    let mut damage = None;
    for at in beginnings {
        let text = &printed[at..];
        match Deserializer::from_str(text).into_iter().next() {
            Some(Ok(registry)) => return Ok(Some(registry)),
            Some(Err(error)) if text.contains("\"nodes\"") => damage = Some(error),
            _ => {}
        }
    }
    damage.map_or(Ok(None), Err)
}

/// Whether the text of a registry's file is one without nodes.
pub(crate) fn holds_no_node(text: &str) -> bool {
    let registry: Option<Value> = serde_json::from_str(text).ok();
    registry.and_then(|registry| registry.get("nodes")?.as_array().map(Vec::is_empty)).unwrap_or(false)
}

/// The form of node that antctl 0.14 writes down.
pub(crate) const SCHEMA: u64 = 2;

/// The form of the nodes in the text of a registry's file; none where it says none, or is damaged.
pub(crate) fn schema(text: &str) -> Option<u64> {
    let registry: Value = serde_json::from_str(text).ok()?;
    registry["nodes"].as_array()?.iter().filter_map(|node| node["schema_version"].as_u64()).max()
}

/// antctl's reasons, a node each: `✕ antnode1: reason`, which may go on over several lines.
pub(crate) fn reasons(stdout: &str) -> Vec<(String, String)> {
    let mut reasons: Vec<(String, String)> = Vec::new();
    for line in without_escapes(stdout).lines() {
        if let Some((name, reason)) = line.strip_prefix("✕ ").and_then(|rest| rest.split_once(": ")) {
            reasons.push((name.to_owned(), reason.to_owned()));
        } else if let Some((_, reason)) = reasons.last_mut()
            && !line.trim().is_empty()
        {
            reason.push_str("; ");
            reason.push_str(line.trim());
        }
    }
    reasons
}

/// Why antctl failed, in one line: each node's reason, else the head of its error report.
pub(crate) fn complaint(output: &Output) -> String {
    let reasons = reasons(&output.stdout);
    if !reasons.is_empty() {
        let lines = reasons.iter().map(|(name, reason)| format!("{name}: {reason}"));
        return lines.collect::<Vec<_>>().join("; ");
    }
    let plain = without_escapes(&output.stderr);
    let report = plain.split("\n\nLocation:").next().unwrap_or_default();
    let numbered = report.lines().filter_map(|line| {
        let (number, message) = line.trim().split_once(": ")?;
        number.parse::<u8>().is_ok().then(|| message.to_owned())
    });
    let messages: Vec<_> = numbered.collect();
    if !messages.is_empty() {
        return messages.join("; ");
    }
    let first = plain.split("\n\n").next().unwrap_or_default();
    let lines: Vec<_> = first.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    if lines.is_empty() { "it said nothing".to_owned() } else { lines.join("; ") }
}

/// The port in antctl's refusal `Port 55001 is being used by another service`.
pub(crate) fn refused_port(complaint: &str) -> Option<u16> {
    let (_, rest) = complaint.split_once("Port ")?;
    let (port, _) = rest.split_once(" is being used by another service")?;
    port.parse().ok()
}

#[cfg(test)]
mod tests {
    use wnm_pm::node::PortKind;

    use super::*;

    #[test]
    fn a_registry_is_found_inside_debug_output() {
        let json = include_str!("../tests/data/status_json_running.stdout");
        let noisy = format!("[2026-11-22 DEBUG] Loading node registry\n{{not json}}\n{json}\n{{\"other\": 1}}\n");
        let expected = registry(json).expect("antctl wrote it").expect("it is one");
        assert_eq!(expected.nodes.len(), 1);
        assert_eq!(registry(&noisy).expect("it is in there"), Some(expected));
        assert_eq!(registry("").expect("nothing is not an error"), None);
        assert!(registry("{\n  \"nodes\": [ {").is_err(), "half a registry is not one");
    }

    #[test]
    fn a_found_node_is_reported_in_the_words_of_the_settings() {
        let running = include_str!("../tests/data/status_json_running.stdout");
        let registry = registry(running).expect("antctl wrote it").expect("it is one");
        let found = |network: Value| {
            let entry = Entry { evm_network: network, metrics_port: None, ..registry.nodes[0].clone() };
            entry.found(ProcessState::Absent)
        };
        let custom = serde_json::json!({ "Custom": { "rpc_url_http": "http://127.0.0.1:8545" } });
        let networks = ["ArbitrumOne".into(), "ArbitrumSepoliaTest".into(), custom, "Another".into()];
        assert_eq!(
            networks.clone().map(|network| found(network).network.unwrap_or_default()),
            ["evm-arbitrum-one", "evm-arbitrum-sepolia-test", "evm-custom", ""]
        );
        for network in networks {
            let found = found(network);
            assert_eq!(found.flavour.map(|flavour| flavour.program_name()), Some("antnode"));
            assert_eq!(found.ports, Ports::default().with(PortKind::Node, 56001).with(PortKind::Rpc, 14101));
            assert_eq!(found.root_dir.as_deref(), Some(Path::new("/var/antctl/services/antnode1")));
        }
    }

    #[test]
    fn the_form_of_a_registry_is_told_from_damage() {
        let running = include_str!("../tests/data/status_json_running.stdout");
        assert_eq!(schema(running), Some(SCHEMA));
        assert_eq!(schema(&running.replace("\"schema_version\": 2", "\"schema_version\": 9")), Some(9));
        assert_eq!([&running[..400], "{\"nodes\": [ ]}", "{}"].map(schema), [None; 3]);
    }

    #[test]
    fn a_complaint_of_several_lines_becomes_one() {
        let stderr = "error: the following required arguments were not provided:\n  --rewards-address <ADDRESS>\n\nUsage: antctl";
        let output = Output { code: Some(2), stdout: String::new(), stderr: stderr.to_owned() };
        assert_eq!(
            complaint(&output),
            "error: the following required arguments were not provided:; --rewards-address <ADDRESS>"
        );
    }

    #[test]
    fn a_removed_node_is_not_found_and_neither_is_another_of_its_name() {
        let removed = include_str!("../tests/data/root_status_json_removed.stdout");
        let removed = registry(removed).expect("antctl wrote it").expect("it is one");
        assert_eq!(removed.nodes.len(), 1, "antctl keeps its entry for ever");
        assert_eq!(removed.present().count(), 0);
        let running = include_str!("../tests/data/status_json_running.stdout");
        let running = registry(running).expect("antctl wrote it").expect("it is one");
        let lies = Path::new("/var/antctl/services/antnode1");
        assert!(running.find("antnode1", lies).is_some());
        assert!(running.find("antnode1", Path::new("/elsewhere")).is_none());
        assert!(removed.find("antnode1", lies).is_none());
    }
}
