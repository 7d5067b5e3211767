//! The memory world as the contract sees it.

use std::any::Any;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use semver::Version;

use super::world::{Entry, MemoryWorld};
use crate::ContractWorld;
use wnm_pm::logs::LogPlace;
use wnm_pm::node::{Flavour, NodeId, NodeSpec, PortKind, Ports};
use wnm_pm::port_use::Protocol;
use wnm_pm::process_manager::ProcessState;

/// A port that is busy until dropped.
struct Busy(MemoryWorld, (Protocol, u16));

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.lock().busy.remove(&self.1);
    }
}

#[async_trait]
impl ContractWorld for MemoryWorld {
    fn spec(&self, number: u32) -> NodeSpec {
        let id = NodeId(number);
        let root_dir = Path::new("/memory/node").join(id.name());
        let port = u16::try_from(number).expect("the contract uses small numbers");
        NodeSpec {
            id,
            name: id.name(),
            flavour: Flavour::V1,
            program: "/memory/antnode".into(),
            version: Some(Version::new(0, 4, 17)),
            binary: root_dir.join("antnode"),
            log_dir: Path::new("/memory/log").join(id.name()),
            root_dir,
            bootstrap_cache_dir: "/memory/bootstrap-cache".into(),
            ports: Ports::default().with(PortKind::Node, 55000 + port).with(PortKind::Metrics, 13000 + port),
            wallet: "0x03B770D9cD32077cC0bF330c13C114a87643B124".to_owned(),
            network: "evm-arbitrum-one".to_owned(),
            no_upnp: true,
            environment: vec![],
            start_args: vec![],
            group: None,
        }
    }

    fn program(&self, version: &Version) -> PathBuf {
        Path::new("/memory/programs").join(version.to_string())
    }

    fn broken_program(&self, version: &Version) -> PathBuf {
        let program = Path::new("/memory/broken").join(version.to_string());
        self.break_program(&program);
        program
    }

    fn missing_program(&self) -> PathBuf {
        let program = Path::new("/memory/missing").to_owned();
        self.lose_program(&program);
        program
    }

    async fn listens(&self, spec: &NodeSpec) -> bool {
        matches!(self.lock().look(spec), ProcessState::Running { .. })
    }

    async fn kill(&self, spec: &NodeSpec) {
        self.lock().end(spec);
    }

    async fn occupy(&self, protocol: Protocol, port: u16) -> Box<dyn Any + Send> {
        self.lock().busy.insert((protocol, port));
        Box::new(Busy(self.clone(), (protocol, port)))
    }

    async fn read(&self, path: &Path) -> Option<Vec<u8>> {
        match self.lock().files.get(path) {
            Some(Entry::File(content)) => Some(content.clone()),
            _ => None,
        }
    }

    async fn lines(&self, _: &LogPlace) -> Vec<String> {
        vec!["Node started".to_owned()]
    }

    fn keeps_nothing_printed(&self) -> bool {
        true
    }

    async fn write(&self, path: &Path, content: &[u8]) {
        self.lock().write(path, content);
    }

    async fn exists(&self, path: &Path) -> bool {
        let state = self.lock();
        state.nodes.contains_key(path) || state.files.keys().any(|file| file.starts_with(path))
    }

    async fn link(&self, _: &Path, link: &Path) {
        self.lock().files.insert(link.to_owned(), Entry::Link);
    }

    async fn rename(&self, from: &Path, to: &Path) {
        let mut state = self.lock();
        let moved = |path: &Path| path.strip_prefix(from).map(|rest| to.join(rest)).unwrap_or_else(|_| path.to_owned());
        let files = std::mem::take(&mut state.files);
        state.files = files.into_iter().map(|(path, entry)| (moved(&path), entry)).collect();
        let nodes = std::mem::take(&mut state.nodes);
        state.nodes = nodes.into_iter().map(|(path, node)| (moved(&path), node)).collect();
    }

    async fn delete(&self, path: &Path) {
        self.lock().files.remove(path);
    }
}
