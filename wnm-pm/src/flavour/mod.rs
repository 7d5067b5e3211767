//! A flavour is which program a node is: v1 `antnode` or v2 `ant-node`. Here is what each is told on its command line.

use std::path::Path;

use crate::node::{Flavour, NodeSpec};
use crate::process_manager::ManagerError;

/// The command line of a node, without the program itself: a word each, quoted for nothing.
///
/// What the owner adds (`start_args`) stands behind wnm's own options and before the payment network.
#[must_use]
pub fn arguments(spec: &NodeSpec) -> Vec<String> {
    match spec.flavour {
        Flavour::V1 => v1_arguments(spec),
        Flavour::V2 => v2_arguments(spec),
    }
}

fn v1_arguments(spec: &NodeSpec) -> Vec<String> {
    let mut line = Line::default();
    line.option("--bootstrap-cache-dir", &text(&spec.bootstrap_cache_dir));
    line.option("--root-dir", &text(&spec.root_dir));
    line.option("--port", &spec.ports.node.to_string());
    line.switch("--enable-metrics-server");
    line.option("--metrics-server-port", &spec.ports.metrics.to_string());
    line.option("--log-output-dest", &text(&spec.log_dir));
    line.option("--max-log-files", "1");
    line.option("--max-archived-log-files", "1");
    if spec.no_upnp {
        line.switch("--no-upnp");
    }
    line.option("--rewards-address", &spec.wallet);
    line.0.extend(spec.start_args.iter().cloned());
    line.switch(&spec.network);
    line.0
}

fn v2_arguments(spec: &NodeSpec) -> Vec<String> {
    let mut line = Line::default();
    line.option("--root-dir", &text(&spec.root_dir));
    line.option("--port", &spec.ports.node.to_string());
    // Its second UDP port would be any that is free, so also another node's.
    line.switch("--disable-webrtc-direct");
    // It replaces its own program; without this it would also start its successor by itself, unseen.
    line.switch("--stop-on-upgrade");
    line.switch("--enable-logging");
    line.option("--log-dir", &text(&spec.log_dir));
    line.option("--log-max-files", "1");
    line.option("--rewards-address", &spec.wallet);
    line.option("--evm-network", v2_network(&spec.network));
    line.0.extend(spec.start_args.iter().cloned());
    line.0
}

/// v2's word for a payment network that the settings name in v1's words.
fn v2_network(network: &str) -> &str {
    match network {
        "evm-arbitrum-one" => "arbitrum-one",
        "evm-arbitrum-sepolia-test" => "arbitrum-sepolia",
        other => other,
    }
}

/// Refuses what no process could be given, whatever starts it: a zero byte, a variable without a proper name, a path that
/// means something else from another directory or is no text.
///
/// # Errors
/// [`ManagerError::Unusable`] names the value and what is wrong with it.
pub fn check(spec: &NodeSpec) -> Result<(), ManagerError> {
    let paths = [
        ("root_dir", &spec.root_dir),
        ("binary", &spec.binary),
        ("log_dir", &spec.log_dir),
        ("bootstrap_cache_dir", &spec.bootstrap_cache_dir),
    ];
    for (name, path) in paths {
        if path.to_str().is_none() {
            return Err(unusable(format!("{name} {path:?}"), "it is no UTF-8 text"));
        }
        if !path.is_absolute() {
            return Err(unusable(format!("{name} {path:?}"), "it is not absolute"));
        }
    }
    for (name, value) in &spec.environment {
        if name.is_empty() || name.contains(['=', '\0']) {
            let what = format!("the environment variable {name:?}");
            return Err(unusable(what, "a name is not empty and holds neither `=` nor a zero byte"));
        }
        if value.contains('\0') {
            let what = format!("the value {value:?} of the environment variable {name}");
            return Err(unusable(what, ZERO));
        }
    }
    match arguments(spec).into_iter().find(|word| word.contains('\0')) {
        Some(word) => Err(unusable(format!("the argument {word:?}"), ZERO)),
        None => Ok(()),
    }
}

const ZERO: &str = "it holds a zero byte, which no process can be given";

fn unusable(what: String, reason: &str) -> ManagerError {
    let reason = reason.to_owned();
    ManagerError::Unusable { what, reason }
}

/// Paths of nodes are text ([`check`] sees to it).
fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}

#[derive(Default)]
struct Line(Vec<String>);

impl Line {
    fn option(&mut self, name: &str, value: &str) {
        self.0.extend([name.to_owned(), value.to_owned()]);
    }

    fn switch(&mut self, name: &str) {
        self.0.push(name.to_owned());
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::{NodeId, Ports};

    fn spec() -> NodeSpec {
        NodeSpec {
            id: NodeId(7),
            name: NodeId(7).name(),
            flavour: Flavour::V1,
            program: "/usr/local/bin/antnode".into(),
            version: None,
            root_dir: "/srv/my nodes/antnode0007".into(),
            binary: "/srv/my nodes/antnode0007/antnode".into(),
            log_dir: "/var/log/antnode/antnode0007".into(),
            bootstrap_cache_dir: "/srv/bootstrap-cache".into(),
            ports: Ports { node: 55007, metrics: 13007, rpc: 30007 },
            wallet: "0x03B770D9cD32077cC0bF330c13C114a87643B124".to_owned(),
            network: "evm-arbitrum-one".to_owned(),
            no_upnp: true,
            environment: vec![("A".to_owned(), "1 B=2".to_owned())],
            start_args: vec!["--peer".to_owned(), "/ip4/10.0.0.1/udp/1".to_owned()],
            group: None,
        }
    }

    #[test]
    fn f52_start_args_are_part_of_the_v1_command_line() {
        insta::assert_snapshot!(arguments(&spec()).join("\n"), @"
        --bootstrap-cache-dir
        /srv/bootstrap-cache
        --root-dir
        /srv/my nodes/antnode0007
        --port
        55007
        --enable-metrics-server
        --metrics-server-port
        13007
        --log-output-dest
        /var/log/antnode/antnode0007
        --max-log-files
        1
        --max-archived-log-files
        1
        --no-upnp
        --rewards-address
        0x03B770D9cD32077cC0bF330c13C114a87643B124
        --peer
        /ip4/10.0.0.1/udp/1
        evm-arbitrum-one
        ");
    }

    #[test]
    fn a_v2_node_has_one_port_and_does_not_start_its_successor() {
        let spec = NodeSpec { flavour: Flavour::V2, start_args: vec![], ..spec() };
        insta::assert_snapshot!(arguments(&spec).join(" "), @"--root-dir /srv/my nodes/antnode0007 --port 55007 --disable-webrtc-direct --stop-on-upgrade --enable-logging --log-dir /var/log/antnode/antnode0007 --log-max-files 1 --rewards-address 0x03B770D9cD32077cC0bF330c13C114a87643B124 --evm-network arbitrum-one");
    }

    #[test]
    fn what_no_process_can_be_given_is_refused_by_name() {
        let with = |change: fn(&mut NodeSpec)| {
            let mut spec = spec();
            change(&mut spec);
            check(&spec).expect_err("it cannot be used").to_string()
        };
        check(&spec()).expect("nothing is wrong with it");
        insta::assert_snapshot!(with(|spec| spec.environment[0].0 = "A=B".to_owned()), @r#"the environment variable "A=B" cannot be used: a name is not empty and holds neither `=` nor a zero byte"#);
        insta::assert_snapshot!(with(|spec| spec.environment[0].1 = "a\0b".to_owned()), @r#"the value "a\0b" of the environment variable A cannot be used: it holds a zero byte, which no process can be given"#);
        insta::assert_snapshot!(with(|spec| spec.start_args.push("\0".to_owned())), @r#"the argument "\0" cannot be used: it holds a zero byte, which no process can be given"#);
        insta::assert_snapshot!(with(|spec| spec.root_dir = "antnode0007".into()), @r#"root_dir "antnode0007" cannot be used: it is not absolute"#);
    }
}
