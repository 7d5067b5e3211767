//! Found nodes: what a survey of the machine tells, whether the database knows of it or not.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::ProcessState;
use crate::flavour::CommandLine;
use crate::node::{Flavour, NodeId, Ports};

/// A node found on the machine, in the database or not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FoundNode {
    /// The name under which the process manager knows it.
    pub service: String,
    /// Its number, where the name tells one.
    pub id: Option<NodeId>,
    /// Which program it is, where its command line tells.
    pub flavour: Option<Flavour>,
    /// Its own directory.
    pub root_dir: Option<PathBuf>,
    /// Its own copy of the program.
    pub binary: Option<PathBuf>,
    /// Where it writes its logs.
    pub log_dir: Option<PathBuf>,
    /// Its ports, as far as its command line tells them.
    pub ports: Ports,
    /// The address it earns for.
    pub wallet: Option<String>,
    /// The payment network, in the settings' words.
    pub network: Option<String>,
    /// What it was given beside what wnm gives every node, where its command line is known.
    #[serde(default)]
    pub start_args: Option<Vec<String>>,
    /// Whether it leaves the router alone, where its command line tells.
    #[serde(default)]
    pub no_upnp: Option<bool>,
    /// The container group that it lives in; none where nodes live in no containers.
    pub group: Option<u32>,
    /// Its process, as far as seen.
    pub state: ProcessState,
}

impl FoundNode {
    /// A node of which only the name is known.
    #[must_use]
    pub fn named(service: impl Into<String>, id: Option<NodeId>, state: ProcessState) -> Self {
        Self {
            service: service.into(),
            id,
            flavour: None,
            root_dir: None,
            binary: None,
            log_dir: None,
            ports: Ports::default(),
            wallet: None,
            network: None,
            start_args: None,
            no_upnp: None,
            group: None,
            state,
        }
    }

    /// With what its command line tells.
    #[must_use]
    pub fn told(mut self, line: &CommandLine) -> Self {
        self.flavour = line.flavour();
        self.root_dir = line.path("--root-dir");
        self.binary = line.program();
        self.log_dir = line.log_dir();
        self.ports = line.ports();
        self.wallet = line.wallet().map(str::to_owned);
        self.network = line.network();
        self.start_args = Some(line.start_args());
        self.no_upnp = line.no_upnp();
        self
    }

    /// A node without a process, by what lies in its directory. It is named as its directory is.
    #[must_use]
    pub fn at_rest(root_dir: &Path) -> Self {
        let name = root_dir.file_name().unwrap_or_default().to_string_lossy().into_owned();
        let holds = |name: &str| root_dir.join(name).is_file();
        let of_program = Flavour::ALL.into_iter().find(|flavour| holds(flavour.program_name()));
        let of_key = || Flavour::ALL.into_iter().find(|flavour| holds(flavour.key_file()));
        let state = match of_program {
            Some(_) => ProcessState::Stopped { reason: None },
            None => ProcessState::Incomplete { missing: "its program".to_owned() },
        };
        Self {
            flavour: of_program.or_else(of_key),
            root_dir: Some(root_dir.to_owned()),
            binary: of_program.map(|flavour| root_dir.join(flavour.program_name())),
            ..Self::named(name.clone(), NodeId::of_name(&name), state)
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    #[test]
    fn a_directory_tells_what_lies_in_it() {
        let storage = tempfile::tempdir().expect("a temporary directory");
        let root_dir = storage.path().join("antnode0007");
        fs::create_dir(&root_dir).expect("it is made");
        let nothing = FoundNode::at_rest(&root_dir);
        assert_eq!((nothing.id, nothing.flavour, nothing.binary), (Some(NodeId(7)), None, None));
        assert!(matches!(nothing.state, ProcessState::Incomplete { .. }));

        fs::write(root_dir.join("node_identity.key"), "").expect("it is written");
        let without_program = FoundNode::at_rest(&root_dir);
        assert_eq!((without_program.flavour, without_program.binary), (Some(Flavour::V2), None));
        fs::write(root_dir.join("ant-node"), "").expect("it is written");
        let stopped = FoundNode::at_rest(&root_dir);
        assert_eq!((stopped.flavour, stopped.binary), (Some(Flavour::V2), Some(root_dir.join("ant-node"))));
        assert_eq!(stopped.state, ProcessState::Stopped { reason: None });
        assert_eq!(FoundNode::at_rest(storage.path()).id, None);
    }
}
