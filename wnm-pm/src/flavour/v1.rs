//! v1: `antnode`, with a metrics server, upgraded by wnm.

use super::{Line, Table};
use crate::node::{NodeSpec, PortKind};

pub(super) const TABLE: Table = Table {
    word: "v1",
    program: "antnode",
    key_file: "secret-key",
    has_metrics: true,
    upgrades_itself: false,
    ports: &[PortKind::Node, PortKind::Metrics],
    version_prefix: "Autonomi Node v",
    arguments,
};

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
