//! v2: `ant-node`, without a metrics server, upgrades itself.

use super::network::of_v2;
use super::{Line, Owned, Table};
use crate::node::{NodeSpec, PortKind};

pub(super) const TABLE: Table = Table {
    word: "v2",
    program: "ant-node",
    key_file: "node_identity.key",
    log: ("ant-node.", ".log"),
    has_metrics: false,
    upgrades_itself: true,
    replaces_program_by_rename: true,
    ports: &[PortKind::Node, PortKind::WebRtc],
    version_prefix: "ant-node ",
    arguments,
    owned: &[
        ("--log-dir", Owned::By("log_dir")),
        ("--log-max-files", Owned::ByWnm("it keeps one log file of each node")),
        ("--enable-logging", Owned::ByWnm("it has each node write its log")),
        ("--evm-network", Owned::By("network")),
        ("--metrics-port", Owned::ByWnm("nothing listens there")),
        ("--webrtc-direct-port", Owned::By("webrtc_port_start")),
        ("--disable-webrtc-direct", Owned::By("webrtc_port_start")),
        ("--config", Owned::ByWnm("such a file could set what wnm sets")),
    ],
};

fn arguments(spec: &NodeSpec) -> Vec<String> {
    let mut line = Line::default();
    line.option("--root-dir", spec.root_dir.display());
    line.port("--port", spec.ports.node());
    match spec.ports.get(PortKind::WebRtc) {
        Some(port) => line.option("--webrtc-direct-port", port),
        // Otherwise it would take any port that is free, so also another node's.
        None => line.switch("--disable-webrtc-direct"),
    }
    // It replaces its own program; without this it would also start its successor by itself, unseen.
    line.switch("--stop-on-upgrade");
    line.switch("--enable-logging");
    line.option("--log-dir", spec.log_dir.display());
    line.option("--log-max-files", 1);
    line.option("--rewards-address", &spec.wallet);
    line.option("--evm-network", of_v2(&spec.network));
    line.0.extend(spec.start_args.iter().cloned());
    line.0
}
