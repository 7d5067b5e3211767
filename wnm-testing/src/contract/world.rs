//! A contract world is where the nodes of a manager on trial run, seen from outside the manager.

use std::any::Any;
use std::fs;
use std::io::ErrorKind;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use rustix::process::{Pid, Signal, kill_process};
use semver::Version;

use crate::{PortBlock, test_node, test_node_that};
use wnm_pm::command::SystemRunner;
use wnm_pm::logs::{LogLine, LogPlace, LogReader};
use wnm_pm::node::{Flavour, NodeId, NodeSpec};
use wnm_pm::port_use::{Protocol, ports_in_use};

/// The place where the nodes run: this machine, a container, or memory. Paths are those of the nodes' specifications.
#[async_trait]
pub trait ContractWorld: Send + Sync {
    /// What node `number` (1 to 60) shall be: a test node 0.4.17 with `WNM_TEST_NODE=record` in its environment. Its
    /// paths and ports are its own, and nothing is there yet.
    fn spec(&self, number: u32) -> NodeSpec;

    /// A test node of this version.
    fn program(&self, version: &Version) -> PathBuf {
        test_node(&version.to_string())
    }

    /// A test node of this version that ends right after its start, wherever it is started.
    fn broken_program(&self, version: &Version) -> PathBuf {
        test_node_that("exit:7:0", &version.to_string())
    }

    /// A path where no program lies.
    fn missing_program(&self) -> PathBuf {
        "/nonexistent/antnode".into()
    }

    /// Whether somebody holds the node's UDP port where the nodes run.
    async fn listens(&self, spec: &NodeSpec) -> bool {
        if cfg!(target_os = "linux") {
            return ports_in_use(Protocol::Udp).contains(&node_port(spec));
        }
        let tried = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, node_port(spec)));
        tried.is_err_and(|error| error.kind() == ErrorKind::AddrInUse)
    }

    /// Ends the node's process as `kill -9` does.
    async fn kill(&self, spec: &NodeSpec) {
        // The node wrote its own pid down.
        let text = fs::read_to_string(spec.root_dir.join("antnode.pid")).expect("the node wrote its pid");
        let pid = text.trim().parse().ok().and_then(Pid::from_raw).expect("it is a pid");
        kill_process(pid, Signal::KILL).expect("the node lives");
    }

    /// Takes a port where the nodes run, until the answer is dropped.
    async fn occupy(&self, protocol: Protocol, port: u16) -> Box<dyn Any + Send> {
        match protocol {
            Protocol::Udp => Box::new(UdpSocket::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free")),
            Protocol::Tcp => Box::new(TcpListener::bind((Ipv4Addr::LOCALHOST, port)).expect("the port is free")),
        }
    }

    /// What a file holds; none when there is no such file.
    async fn read(&self, path: &Path) -> Option<Vec<u8>> {
        fs::read(path).ok()
    }

    /// The last lines of a node's log, and what is in the way of reading them.
    async fn lines(&self, place: &LogPlace) -> Vec<String> {
        let mut reader = LogReader::new(&[vec![place.clone()]], Arc::new(SystemRunner));
        let mut lines = Vec::new();
        let mut heard = |line: LogLine<'_>| {
            lines.push(line.text.to_owned());
            true
        };
        let faults = reader.last(100, false, &mut heard).await;
        lines.extend(faults.into_iter().map(|fault| fault.text));
        lines
    }

    /// Whether the manager on trial keeps nothing of what nodes print.
    fn keeps_nothing_printed(&self) -> bool {
        false
    }

    /// Writes a file; its directory is made when it is not there.
    async fn write(&self, path: &Path, content: &[u8]) {
        fs::create_dir_all(path.with_file_name("")).expect("a directory is made");
        fs::write(path, content).expect("a file is written");
    }

    /// Whether there is something of this name, be it a link that leads nowhere.
    async fn exists(&self, path: &Path) -> bool {
        path.symlink_metadata().is_ok()
    }

    /// Makes a symbolic link.
    async fn link(&self, target: &Path, link: &Path) {
        symlink(target, link).expect("a link is made");
    }

    /// Renames a file or directory.
    async fn rename(&self, from: &Path, to: &Path) {
        fs::rename(from, to).expect("it is renamed");
    }

    /// Deletes a file, a link or an empty directory.
    async fn delete(&self, path: &Path) {
        let deleted = fs::remove_file(path).or_else(|_| fs::remove_dir(path));
        deleted.expect("it is deleted");
    }
}

/// The port that a node talks to its peers on.
///
/// # Panics
/// When it has none.
#[must_use]
pub fn node_port(spec: &NodeSpec) -> u16 {
    spec.ports.node().expect("every node has a node port")
}

/// The port that a node answers on how it is.
///
/// # Panics
/// When it has none.
#[must_use]
pub fn metrics_port(spec: &NodeSpec) -> u16 {
    spec.ports.metrics().expect("nodes of v1 have a metrics port")
}

/// Nodes that run on this machine, in a directory of the test's own.
#[derive(Debug)]
pub struct HostWorld {
    directory: PathBuf,
    ports: PortBlock,
}

impl HostWorld {
    /// Keeps nodes in `directory/node`, their logs in `directory/log`, and takes a block of ports.
    #[must_use]
    pub fn new(directory: &Path) -> Self {
        Self { directory: directory.to_owned(), ports: PortBlock::reserve() }
    }

    /// Where the nodes' directories are.
    #[must_use]
    pub fn node_storage(&self) -> PathBuf {
        self.directory.join("node")
    }

    /// The block of ports that the nodes have.
    #[must_use]
    pub fn ports(&self) -> &PortBlock {
        &self.ports
    }
}

#[async_trait]
impl ContractWorld for HostWorld {
    fn spec(&self, number: u32) -> NodeSpec {
        let id = NodeId(number);
        let root_dir = self.node_storage().join(id.name());
        NodeSpec {
            id,
            name: id.name(),
            flavour: Flavour::V1,
            program: test_node("0.4.17"),
            version: Some(Version::new(0, 4, 17)),
            binary: root_dir.join("antnode"),
            log_dir: self.directory.join("log").join(id.name()),
            root_dir,
            bootstrap_cache_dir: self.directory.join("bootstrap-cache"),
            ports: self.ports.ports(u16::try_from(number).expect("the contract uses small numbers")),
            wallet: "0x03B770D9cD32077cC0bF330c13C114a87643B124".to_owned(),
            network: "evm-arbitrum-one".to_owned(),
            no_upnp: true,
            environment: vec![("WNM_TEST_NODE".to_owned(), "record".to_owned())],
            start_args: vec![],
            group: None,
        }
    }
}
