//! v1: `antnode`, with a metrics server, upgraded by wnm.

use super::{Line, Owned, Table};
use crate::node::{NodeSpec, PortKind};

pub(super) const TABLE: Table = Table {
    word: "v1",
    program: "antnode",
    key_file: "secret-key",
    log: ("antnode.log", ""),
    has_metrics: true,
    upgrades_itself: false,
    replaces_program_by_rename: false,
    ports: &[PortKind::Node, PortKind::Metrics],
    version_prefix: "Autonomi Node v",
    arguments,
    owned: &[
        ("--root-dir", Owned::By("node_storage")),
        ("--bootstrap-cache-dir", Owned::By("bootstrap_cache_dir")),
        ("--log-output-dest", Owned::By("log_dir")),
        ("--port", Owned::By("port_start")),
        ("--metrics-server-port", Owned::By("metrics_port_start")),
        ("--enable-metrics-server", Owned::By("metrics_port_start")),
        ("--rpc", Owned::By("rpc_port_start")),
        ("--rewards-address", Owned::By("rewards_address")),
        ("--no-upnp", Owned::By("no_upnp")),
        ("--max-log-files", Owned::ByWnm("it keeps one log file of each node")),
        ("--max-archived-log-files", Owned::ByWnm("it keeps one log file of each node")),
        ("--stop-on-upgrade", Owned::ByWnm("it upgrades these nodes itself")),
        ("evm-arbitrum-one", Owned::By("network")),
        ("evm-arbitrum-sepolia-test", Owned::By("network")),
        ("evm-custom", Owned::By("network")),
        ("evm-local", Owned::By("network")),
        ("--help", ENDS),
        ("-h", ENDS),
        ("--version", ENDS),
        ("-V", ENDS),
        ("--crate-version", ENDS),
        ("--package-version", ENDS),
        ("--protocol-version", ENDS),
        ("--", Owned::ByWnm("what follows it would not be options any more")),
    ],
};

/// Such a node would say something and end.
const ENDS: Owned = Owned::ByWnm("a node that is given it ends at once");

fn arguments(spec: &NodeSpec) -> Vec<String> {
    let mut line = Line::default();
    line.option("--bootstrap-cache-dir", spec.bootstrap_cache_dir.display());
    line.option("--root-dir", spec.root_dir.display());
    line.port("--port", spec.ports.node());
    line.switch("--enable-metrics-server");
    line.port("--metrics-server-port", spec.ports.metrics());
    line.option("--log-output-dest", spec.log_dir.display());
    line.option("--max-log-files", 1);
    line.option("--max-archived-log-files", 1);
    if spec.no_upnp {
        line.switch("--no-upnp");
    }
    line.option("--rewards-address", &spec.wallet);
    line.0.extend(spec.start_args.iter().cloned());
    line.switch(&spec.network);
    line.0
}
