//! What antctl says, read: its registry as JSON, its complaints as plain text.

use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Deserialize;
use serde_json::{Deserializer, Value};
use wnm_pm::command::Output;
use wnm_pm::node::Ports;

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
    pub status: Standing,
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

/// antctl's word for what becomes of a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Standing {
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
        self.nodes.iter().filter(|entry| entry.status != Standing::Removed)
    }
}

impl Entry {
    /// Its ports; 0 where antctl does not tell.
    pub(crate) fn ports(&self) -> Ports {
        Ports {
            node: self.node_port.unwrap_or_default(),
            metrics: self.metrics_port.unwrap_or_default(),
            rpc: self.rpc_socket_addr.port(),
        }
    }

    /// Its payment network, in the words of the settings.
    pub(crate) fn network(&self) -> String {
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
    let mut trouble = None;
    for at in beginnings {
        let text = &printed[at..];
        match Deserializer::from_str(text).into_iter().next() {
            Some(Ok(registry)) => return Ok(Some(registry)),
            Some(Err(error)) if text.contains("\"nodes\"") => trouble = Some(error),
            _ => {}
        }
    }
    trouble.map_or(Ok(None), Err)
}

/// Text without the colours that antctl gives it, terminal or not.
pub(crate) fn without_colours(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let mut rest = text.chars();
    while let Some(character) = rest.next() {
        if character != '\u{1b}' {
            plain.push(character);
        } else if rest.next() == Some('[') {
            // ESC [ parameters letter
            rest.by_ref().find(|character| ('\u{40}'..='\u{7e}').contains(character));
        }
    }
    plain
}

/// antctl's reasons, a node each: `✕ antnode1: reason`, which may go on over several lines.
pub(crate) fn reasons(stdout: &str) -> Vec<(String, String)> {
    let mut reasons: Vec<(String, String)> = Vec::new();
    for line in without_colours(stdout).lines() {
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

/// Why antctl failed, in a sentence: each node's reason, else the head of its error report.
pub(crate) fn complaint(output: &Output) -> String {
    let reasons = reasons(&output.stdout);
    if !reasons.is_empty() {
        let lines = reasons.iter().map(|(name, reason)| format!("{name}: {reason}"));
        return lines.collect::<Vec<_>>().join("; ");
    }
    let plain = without_colours(&output.stderr);
    let report = plain.split("\n\nLocation:").next().unwrap_or_default();
    let numbered = report.lines().filter_map(|line| {
        let (number, message) = line.trim().split_once(": ")?;
        number.parse::<u8>().is_ok().then(|| message.to_owned())
    });
    let messages: Vec<_> = numbered.collect();
    if messages.is_empty() {
        plain.split("\n\n").next().unwrap_or_default().trim().to_owned()
    } else {
        messages.join("; ")
    }
}

/// The port in antctl's refusal `Port 55001 is being used by another service`.
pub(crate) fn refused_port(complaint: &str) -> Option<u16> {
    let (_, rest) = complaint.split_once("Port ")?;
    let (port, _) = rest.split_once(" is being used by another service")?;
    port.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_registry_is_found_inside_debug_output() {
        let json = include_str!("../tests/data/status_json_running.stdout");
        let noisy = format!("[2026-11-22 DEBUG] Loading node registry\n{{not json}}\n{json}\n{{\"other\": 1}}\n");
        let expected = registry(json).expect("antctl wrote it").expect("it is one");
        assert_eq!(expected.nodes.len(), 1);
        assert_eq!(registry(&noisy).expect("it is in there"), Some(expected));
        assert_eq!(registry("").expect("nothing is no error"), None);
        assert!(registry("{\n  \"nodes\": [ {").is_err(), "half a registry is none");
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
