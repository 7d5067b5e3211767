//! A dry run that needs no machine: `cargo run --example plan`.
//!
//! Prints the container groups with their ports, then what a first cycle on this machine would do and why, and what it
//! would not do and why. Nothing is changed, and nothing but the machine's load is read.

#![expect(clippy::disallowed_methods, reason = "what is tried here is started and waited for as by anybody")]

use std::io::Write;
use std::path::Path;
use std::process::ExitCode;
use std::time::{SystemTime, UNIX_EPOCH};

use clap::Parser;
use serde::Serialize;
use wnm_allocator::{Blocks, Group, Layout};
use wnm_core::decide::{Request, decide, decide_request};
use wnm_core::node::{Flavour, Node, PortKind, Status, StoredNode, UnixSeconds};
use wnm_core::observe;
use wnm_core::plan::{Action, Plan};
use wnm_core::report::{Detail, plan_text};
use wnm_core::settings::Config;
use wnm_core::settings::{Facts, Layers, Occasion, overlay};
use wnm_core::snapshot::{HostLoad, NodeSnapshot, Snapshot};
use wnm_pm::container_host::{self, GroupState};
use wnm_pm::process_manager::{Binary, NumberingKind};

/// Shows the container groups, and what a first cycle on this machine would do and why. Changes nothing.
#[derive(Parser)]
struct Options {
    /// Nodes in one container
    #[arg(long = "max_node_per_container", default_value_t = 200)]
    max_node_per_container: u32,
    /// Container groups from the start
    #[arg(long = "min_container_count", default_value_t = 5)]
    min_container_count: u32,
    /// Most nodes on this machine
    #[arg(long = "node_cap", default_value_t = 1000)]
    node_cap: u32,
    /// Which program the nodes are: v1 (antnode) or v2 (ant-node)
    #[arg(long = "node_flavour", default_value = "v1", value_parser = ["v1", "v2"])]
    node_flavour: String,
    /// Where the ports begin that browsers reach nodes of v2 at, in thousands
    #[arg(long = "webrtc_port_start")]
    webrtc_port_start: Option<u16>,
    /// Pretend that so many nodes run already
    #[arg(long, default_value_t = 0)]
    nodes: u32,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

#[derive(Serialize)]
struct Answer {
    groups: Vec<GroupRow>,
    host: HostLoad,
    plan: Plan,
}

#[derive(Serialize)]
struct GroupRow {
    group: String,
    metrics_ports: Option<String>,
    node_ports: String,
    webrtc_ports: Option<String>,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "error: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<(), Box<dyn std::error::Error>> {
    let config = config(options)?;
    let groups = group_rows(&config)?;
    let snapshot = snapshot(&config, options.nodes).await?;
    let plan = decide(&config, &snapshot);
    let answer = Answer { groups, host: snapshot.host, plan };
    let text = if options.json { serde_json::to_string_pretty(&answer)? + "\n" } else { words(&answer, options.nodes) };
    print(&text)?;
    Ok(())
}

/// The defaults of this machine, with nodes in containers, and what the options say.
fn config(options: &Options) -> Result<Config, Box<dyn std::error::Error>> {
    let layers = Layers::default().flags([
        ("process_manager", "s6overlay+user".to_owned()),
        ("rewards_address", "faucet".to_owned()),
        ("max_node_per_container", options.max_node_per_container.to_string()),
        ("min_container_count", options.min_container_count.to_string()),
        ("node_cap", options.node_cap.to_string()),
        ("max_concurrent_starts", options.min_container_count.to_string()),
        ("max_concurrent_operations", options.min_container_count.to_string()),
        ("node_flavour", options.node_flavour.clone()),
        ("webrtc_port_start", options.webrtc_port_start.map(|start| start.to_string()).unwrap_or_default()),
    ]);
    Ok(overlay(&Facts::gather()?, Occasion::Change, &layers)?.0)
}

fn group_rows(config: &Config) -> Result<Vec<GroupRow>, Box<dyn std::error::Error>> {
    let layout = Layout {
        port_start: config.port_start,
        metrics_port_start: config.metrics_port_start,
        rpc_port_start: config.rpc_port_start,
        webrtc_port_start: config.webrtc_port_start,
    };
    let blocks = Blocks::new(config.max_node_per_container, config.min_container_count)?;
    let kinds = port_kinds(config);
    let has = |kind| kinds.contains(&kind);
    let row = |number| {
        let group = Group::new(number)?;
        let ports = blocks.ports_of(group, &layout)?;
        Ok(GroupRow {
            group: group.to_string(),
            metrics_ports: has(PortKind::Metrics).then(|| ports.metrics.to_string()),
            node_ports: ports.node.to_string(),
            webrtc_ports: ports.webrtc.filter(|_| has(PortKind::WebRtc)).map(|ports| ports.to_string()),
        })
    };
    (1..=config.min_container_count).map(row).collect()
}

fn flavour(config: &Config) -> Flavour {
    config.node_flavour.wanted().unwrap_or_default()
}

/// The last version of each program that is known here: a dry run needs no program.
fn version(config: &Config) -> semver::Version {
    match flavour(config) {
        Flavour::V1 => semver::Version::new(0, 4, 17),
        Flavour::V2 => semver::Version::new(0, 23, 1),
    }
}

/// The kinds of ports that nodes have, of which the last hangs on the settings.
fn port_kinds(config: &Config) -> Vec<PortKind> {
    let has_range = |kind: &PortKind| *kind != PortKind::WebRtc || config.webrtc_port_start.is_some();
    flavour(config).ports().iter().copied().filter(has_range).collect()
}

/// This machine's load, and so many nodes that the engine itself placed.
async fn snapshot(config: &Config, nodes: u32) -> Result<Snapshot, Box<dyn std::error::Error>> {
    let now = UnixSeconds::try_from(SystemTime::now().duration_since(UNIX_EPOCH)?.as_secs())?;
    let observed = observe::host(None, existing(config.node_storage.first()), now).await?;
    let boot_time = observed.counters.boot_time;
    let mut snapshot = Snapshot {
        now,
        boot_time,
        last_surveyed_boot: boot_time,
        seed: 0,
        host: observed.load,
        disks: Vec::new(),
        available: Some(Binary { path: config.antnode_path.clone(), version: version(config) }),
        flavour: flavour(config),
        numbering: NumberingKind::Blocks,
        port_kinds: port_kinds(config),
        highest_number_used: 0,
        groups: Vec::new(),
        nodes: Vec::new(),
        rollouts: None,
        pause: None,
        torn_down: false,
        blocked: Vec::new(),
    };
    let roomy = Config { node_cap: nodes.max(1), ..config.clone() };
    let placed = decide_request(&roomy, &snapshot, &Request::Add(nodes))?;
    for action in placed.actions {
        let Action::Add { node } = action else { continue };
        let node = StoredNode { status: Status::Running, has_run: true, ..StoredNode::new(*node, now) };
        let node = Node::restore(node)?;
        snapshot.highest_number_used = snapshot.highest_number_used.max(node.id().0);
        snapshot.nodes.push(NodeSnapshot { node, seen: None });
    }
    snapshot.groups = placed.groups.into_iter().map(standing).collect();
    Ok(snapshot)
}

fn standing(spec: container_host::GroupSpec) -> container_host::Group {
    container_host::Group {
        container_id: String::new(),
        container_name: spec.name.clone(),
        address: None,
        state: GroupState::Running,
        spec,
    }
}

fn existing(path: &Path) -> &Path {
    path.ancestors().find(|above| above.exists()).unwrap_or(Path::new("/"))
}

fn words(answer: &Answer, nodes: u32) -> String {
    let mut text = table(&answer.groups);
    let host = &answer.host;
    text.push_str(&format!(
        "\nThis machine, with {nodes} nodes: CPU {:.1} %, memory {:.1} %, disk {:.1} %, load {:.2}.\n\n{}",
        host.used_cpu_percent,
        host.used_mem_percent,
        host.used_hd_percent,
        host.load_average_1,
        plan_text(&answer.plan, Detail::Summary)
    ));
    text
}

/// The groups with those kinds of ports that they have.
fn table(groups: &[GroupRow]) -> String {
    type Cell = fn(&GroupRow) -> Option<&str>;
    let columns: [(&str, Cell); 4] = [
        ("group", |row| Some(&row.group)),
        ("metrics ports", |row| row.metrics_ports.as_deref()),
        ("node ports", |row| Some(&row.node_ports)),
        ("webrtc ports", |row| row.webrtc_ports.as_deref()),
    ];
    let is_used = |column: &&(&str, Cell)| groups.iter().any(|row| column.1(row).is_some());
    let used: Vec<_> = columns.iter().filter(is_used).collect();
    let line = |cells: Vec<&str>| format!("| {} |\n", cells.join(" | "));
    let head = line(used.iter().map(|(name, _)| *name).collect()) + &line(vec!["---"; used.len()]);
    let rows = groups.iter().map(|row| line(used.iter().map(|(_, cell)| cell(row).unwrap_or("-")).collect()));
    head + &rows.collect::<String>()
}

/// A closed pipe is not an error.
fn print(text: &str) -> std::io::Result<()> {
    match std::io::stdout().write_all(text.as_bytes()) {
        Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}
