//! What the kernel allows: files, threads, connections, buffers.

use super::{Facts, lift, sysctl, warning};
use crate::settings::Config;
use wnm_pm::process_manager::Finding;

/// A node has some twenty files open at rest, and its records and connections on top.
const FILES_PER_NODE: u64 = 1024;
/// A node has a thread per processor and, as measured, five others; the rest is room for those that come and go.
const OTHER_THREADS_PER_NODE: u64 = 8;
/// A node talks to hundreds of peers, and the kernel remembers each for two minutes after the last packet.
const CONNECTIONS_PER_NODE: u64 = 1000;
/// What Linux has unless somebody changed it.
const USUAL_RECEIVE_BUFFER: u64 = 212_992;
/// What the makers of QUIC programs advise.
const ADVISED_RECEIVE_BUFFER: u64 = 7_500_000;

pub(super) fn open_files(facts: &Facts) -> Option<Finding> {
    let most = facts.kernel.open_files.filter(|most| *most < FILES_PER_NODE)?;
    let what = format!("a process that is started from here may open {most} files");
    let fix = lift(facts.user, facts.schedule.as_deref(), "nofile", "LimitNOFILE", &FILES_PER_NODE.to_string());
    Some(warning("few-open-files", what, "a busy node fails with `Too many open files`", fix))
}

pub(super) fn threads(config: &Config, facts: &Facts) -> Vec<Finding> {
    let per_node = u64::from(facts.cpu_count) + OTHER_THREADS_PER_NODE;
    let needed = u64::from(config.node_cap) * per_node;
    let low = facts.kernel.thread_limits.iter().filter(|limit| limit.most < needed);
    low.map(|limit| {
        let what = format!(
            "{} allows {} threads, and {} nodes (node_cap) of {per_node} threads need {needed}",
            limit.name, limit.most, config.node_cap
        );
        warning("few-threads", what, "the nodes beyond that cannot start", limit.fix.clone())
    })
    .collect()
}

pub(super) fn connections(config: &Config, facts: &Facts) -> Option<Finding> {
    let needed = u64::from(config.node_cap) * CONNECTIONS_PER_NODE;
    let most = facts.kernel.tracked_connections.filter(|most| *most < needed)?;
    let what = format!(
        "the kernel can keep track of {most} connections, and {} nodes (node_cap) may have {needed}",
        config.node_cap
    );
    let consequence = "once the table is full, packets of all programs on this machine are dropped";
    Some(warning("few-connections", what, consequence, sysctl(&format!("net.netfilter.nf_conntrack_max = {needed}"))))
}

/// The usual size does until packets are dropped.
pub(super) fn receive_buffer(facts: &Facts) -> Option<Finding> {
    let (bytes, dropped) = (facts.kernel.receive_buffer?, facts.kernel.dropped_packets);
    let too_small = bytes < USUAL_RECEIVE_BUFFER || (dropped > 0 && bytes < ADVISED_RECEIVE_BUFFER);
    too_small.then(|| {
        let what = format!(
            "a socket may have {bytes} bytes for what comes in (net.core.rmem_max), and {dropped} UDP packets were dropped since boot for want of room"
        );
        let fix = sysctl(&format!("net.core.rmem_max = {ADVISED_RECEIVE_BUFFER}"));
        warning("small-udp-buffers", what, "nodes lose packets under load, and peers think less of them", fix)
    })
}
