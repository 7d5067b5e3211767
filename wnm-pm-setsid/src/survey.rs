//! A survey finds this manager's nodes by what the kernel and the node storage tell, recorded or not.

use std::collections::HashMap;
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use wnm_pm::node::{NodeId, Ports};
use wnm_pm::path_policy;
use wnm_pm::process_manager::{FoundNode, ManagerError, ProcessState};

use crate::files::io;
use crate::processes::{self, Process};

/// What the node programs are called, v1 and v2.
const PROGRAMS: [&str; 2] = ["antnode", "ant-node"];

/// Every node whose program lies below the node storage: those with a process, and those with a directory only. Ordered
/// by directory.
pub(crate) fn survey(node_storage: &Path) -> Result<Vec<FoundNode>, ManagerError> {
    let storage = path_policy::resolve(node_storage);
    let mut found: HashMap<PathBuf, FoundNode> = HashMap::new();
    for process in processes::running(|program| program.starts_with(&storage)) {
        if let Some(node) = running(&process) {
            found.entry(process.program.clone()).or_insert(node);
        }
    }
    for directory in directories(node_storage)? {
        let name = name_of(&directory);
        let program = PROGRAMS.iter().find(|program| directory.join(program).is_file());
        // One that wnm could make must not be taken for a free place: it may hold the key of a node that was.
        if program.is_some() || NodeId::of_name(&name).is_some() {
            let resolved = storage.join(&name).join(program.unwrap_or(&PROGRAMS[0]));
            found.entry(resolved).or_insert_with(|| without_process(&directory, name, program));
        }
    }
    let mut nodes: Vec<_> = found.into_values().collect();
    nodes.sort_by(|one, other| one.root_dir.cmp(&other.root_dir));
    Ok(nodes)
}

fn directories(node_storage: &Path) -> Result<Vec<PathBuf>, ManagerError> {
    let entries = match fs::read_dir(node_storage) {
        Ok(entries) => entries,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(vec![]),
        Err(error) => return Err(io("read the node storage", node_storage, error)),
    };
    let real = entries.flatten().filter(|entry| entry.file_type().is_ok_and(|kind| kind.is_dir()));
    Ok(real.map(|entry| entry.path()).collect())
}

/// What a process tells by its command line; none when it is no node's (`antnode --version`).
fn running(process: &Process) -> Option<FoundNode> {
    let root_dir = PathBuf::from(process.option("--root-dir")?);
    let port = |name| process.option(name).and_then(|text| text.parse().ok()).unwrap_or(0);
    let ports = Ports { node: port("--port"), metrics: port("--metrics-server-port"), rpc: 0 };
    let log_dir = process.option("--log-output-dest").or_else(|| process.option("--log-dir"));
    // v1 names the network by its last word, v2 by an option.
    let last = process.arguments.last().filter(|word| word.starts_with("evm-"));
    let name = name_of(&root_dir);
    Some(FoundNode {
        id: NodeId::of_name(&name),
        service: name,
        binary: Some(process.program.clone()),
        log_dir: log_dir.map(PathBuf::from),
        ports: Some(ports),
        wallet: process.option("--rewards-address").map(str::to_owned),
        network: last.cloned().or_else(|| process.option("--evm-network").map(|network| format!("evm-{network}"))),
        group: None,
        state: ProcessState::Running { process: Some(process.id) },
        root_dir: Some(root_dir),
    })
}

fn without_process(root_dir: &Path, name: String, program: Option<&&str>) -> FoundNode {
    FoundNode {
        id: NodeId::of_name(&name),
        service: name,
        root_dir: Some(root_dir.to_owned()),
        binary: program.map(|program| root_dir.join(program)),
        log_dir: None,
        ports: None,
        wallet: None,
        network: None,
        group: None,
        state: match program {
            Some(_) => ProcessState::Stopped { reason: None },
            None => ProcessState::Incomplete { missing: "its program".to_owned() },
        },
    }
}

fn name_of(root_dir: &Path) -> String {
    root_dir.file_name().unwrap_or_default().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;
    use wnm_pm::node::ProcessId;

    #[test]
    fn only_a_name_that_wnm_gives_tells_a_number() {
        assert_eq!(NodeId::of_name("antnode0007"), Some(NodeId(7)));
        assert_eq!(NodeId::of_name("antnode12345"), Some(NodeId(12345)));
        for name in ["antnode7", "antnode00007", "antnode0002xyz", "antnode+007", "node0007"] {
            assert_eq!(NodeId::of_name(name), None, "{name}");
        }
    }

    #[test]
    fn a_v2_node_is_read_from_its_command_line() {
        let line =
            "--root-dir /n/antnode0003 --port 55003 --log-dir /l --rewards-address 0xA --evm-network arbitrum-one";
        let process = Process {
            id: ProcessId { pid: 5, start_time: 6 },
            program: "/n/antnode0003/ant-node".into(),
            arguments: line.split(' ').map(str::to_owned).collect(),
        };
        let node = running(&process).expect("it is a node");
        assert_eq!(node.network.as_deref(), Some("evm-arbitrum-one"));
        assert_eq!(node.ports.map(|ports| (ports.node, ports.metrics)), Some((55003, 0)));
        assert_eq!((node.id, node.wallet.as_deref()), (Some(NodeId(3)), Some("0xA")));
        let asking = Process { arguments: vec!["--version".to_owned()], ..process };
        assert_eq!(running(&asking), None);
    }
}
