//! Looking at nodes: their property lists, their files and what launchd says.

use std::fs;
use std::path::{Path, PathBuf};

use plist::Value;
use wnm_pm::node::{NodeRef, Ports};
use wnm_pm::process::identity;
use wnm_pm::process_manager::{FoundNode, ManagerError, Outcome, ProcessState};

use crate::Launchd;
use crate::parse::Job;
use crate::render::{self, OUTPUT};

impl Launchd {
    /// What becomes of a node's process.
    pub(crate) async fn state(&self, node: &NodeRef) -> Outcome<ProcessState> {
        let job = self.launchctl.print(&node.service).await?;
        Ok(self.state_of(&node.service, job, &node.spec.root_dir, &node.spec.binary))
    }

    fn state_of(&self, label: &str, job: Option<Job>, root_dir: &Path, binary: &Path) -> ProcessState {
        match job {
            Some(Job { pid: Some(pid), .. }) => return ProcessState::Running { process: identity(pid) },
            // launchd starts it again whatever happens, as long as it is loaded.
            Some(Job { state, end, .. }) => {
                let end = end.map(|end| format!(", last ended with {end}")).unwrap_or_default();
                return ProcessState::Waiting { reason: format!("launchd: {state}{end}") };
            }
            None => {}
        }
        if !exists(root_dir) {
            return ProcessState::Absent;
        }
        let plist = self.plist(label);
        match [binary, &plist].into_iter().find(|path| !path.is_file()) {
            Some(missing) => ProcessState::Incomplete { missing: missing.display().to_string() },
            None => ProcessState::Stopped { reason: None },
        }
    }

    /// All nodes that have a property list.
    pub(crate) async fn find_nodes(&self) -> Result<Vec<FoundNode>, ManagerError> {
        let mut found = Vec::new();
        for (label, path) in self.labels()? {
            let job = self.launchctl.print(&label).await?;
            found.push(match Value::from_file(&path) {
                Ok(plist) => self.found(&label, job, &Line::of(&plist)),
                // Unreadable, and still there.
                Err(_) => self.found(&label, job, &Line::default()),
            });
        }
        Ok(found)
    }

    /// The labels and property lists of all nodes, by number.
    pub(crate) fn labels(&self) -> Result<Vec<(String, PathBuf)>, ManagerError> {
        let folder = &self.domain.plists;
        let files = match fs::read_dir(folder) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(vec![]),
            Err(source) => return Err(ManagerError::Io { doing: "list", path: folder.clone(), source }),
            Ok(files) => files,
        };
        let mut labels: Vec<_> = files
            .flatten()
            .filter_map(|file| {
                let label = file.file_name().to_str()?.strip_suffix(".plist")?.to_owned();
                render::number(&label).map(|number| (number, label, file.path()))
            })
            .collect();
        labels.sort();
        Ok(labels.into_iter().map(|(_, label, path)| (label, path)).collect())
    }

    fn found(&self, label: &str, job: Option<Job>, line: &Line) -> FoundNode {
        let root_dir = line.value("--root-dir").map(PathBuf::from);
        let binary = line.0.first().map(PathBuf::from);
        let nowhere = PathBuf::new();
        let state =
            self.state_of(label, job, root_dir.as_ref().unwrap_or(&nowhere), binary.as_ref().unwrap_or(&nowhere));
        let port = |option: &str| line.value(option).and_then(|port| port.parse().ok()).unwrap_or_default();
        let ports = Ports { node: port("--port"), metrics: port("--metrics-server-port"), rpc: 0 };
        let network = line.value("--evm-network").or(line.0.last().map(String::as_str));
        FoundNode {
            service: label.to_owned(),
            id: render::number(label),
            binary,
            log_dir: line.value("--log-output-dest").or(line.value("--log-dir")).map(PathBuf::from),
            ports: (ports.node != 0).then_some(ports),
            wallet: line.value("--rewards-address").map(str::to_owned),
            network: network.filter(|word| word.contains("arbitrum") || word.starts_with("evm-")).map(network_word),
            root_dir,
            group: None,
            state,
        }
    }
}

/// v2 calls the networks otherwise.
fn network_word(word: &str) -> String {
    match word {
        "arbitrum-one" => "evm-arbitrum-one".to_owned(),
        "arbitrum-sepolia" => "evm-arbitrum-sepolia-test".to_owned(),
        other => other.to_owned(),
    }
}

/// The command line in a property list.
#[derive(Default)]
pub(crate) struct Line(Vec<String>);

impl Line {
    pub(crate) fn of(plist: &Value) -> Self {
        let words = plist.as_dictionary().and_then(|job| job.get("ProgramArguments")).and_then(Value::as_array);
        Self(words.into_iter().flatten().filter_map(Value::as_string).map(str::to_owned).collect())
    }

    /// The word behind an option.
    pub(crate) fn value(&self, option: &str) -> Option<&str> {
        let at = self.0.iter().position(|word| word == option)?;
        self.0.get(at + 1).map(String::as_str)
    }
}

/// The last thing that a node said before it ended.
pub(crate) fn last_words(log_dir: &Path) -> String {
    let text = |name: &str| fs::read_to_string(log_dir.join(name)).unwrap_or_default();
    let failure = wnm_pm::last_words::last_words(&text("critical_failure.log"));
    if failure.is_empty() { wnm_pm::last_words::last_words(&text(OUTPUT)) } else { failure }
}

/// Whether there is something of this name, be it a link that leads nowhere.
pub(crate) fn exists(path: &Path) -> bool {
    path.symlink_metadata().is_ok()
}
