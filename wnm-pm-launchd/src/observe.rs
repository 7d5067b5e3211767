//! Observing nodes: their property lists, their files and what launchd says.

use std::path::PathBuf;

use plist::Value;
use wnm_pm::command::CommandError;
use wnm_pm::flavour::CommandLine;
use wnm_pm::hint::{Hint, chain};
use wnm_pm::node::NodeRef;
use wnm_pm::node_files::{entries, exists};
use wnm_pm::process::identity;
use wnm_pm::process_manager::{FoundNode, ManagerError, Mode, Outcome, ProcessState};

use crate::examine::{LOG_IN, ONLY_ON_MACOS};
use crate::parse::Job;
use crate::{Launchd, kind, render};

impl Launchd {
    /// What becomes of a node's process.
    pub(crate) async fn state(&self, node: &NodeRef) -> Outcome<ProcessState> {
        let is_foreign = self.is_foreign(node);
        let job = if is_foreign { None } else { self.print(&node.service).await? };
        Ok(self.state_of(&node.service, job, Some(&node.spec.root_dir), Some(&node.spec.binary)))
    }

    fn state_of(
        &self,
        label: &str,
        job: Option<Job>,
        root_dir: Option<&PathBuf>,
        binary: Option<&PathBuf>,
    ) -> ProcessState {
        match job {
            Some(Job { pid: Some(pid), .. }) => return ProcessState::Running { process: identity(pid) },
            // launchd starts it again whatever happens, as long as it is loaded.
            Some(Job { state, end, .. }) => {
                let end = end.map(|end| format!(", last ended with {end}")).unwrap_or_default();
                return ProcessState::Waiting { reason: format!("launchd: {state}{end}") };
            }
            None => {}
        }
        if !root_dir.is_some_and(|directory| exists(directory)) {
            return ProcessState::Absent;
        }
        let plist = self.plist(label);
        if let Some(binary) = binary.filter(|binary| !binary.is_file()) {
            ProcessState::Incomplete { missing: format!("its program {}", binary.display()) }
        } else if !plist.is_file() {
            ProcessState::Incomplete { missing: format!("its property list {}", plist.display()) }
        } else {
            ProcessState::Stopped { reason: None }
        }
    }

    /// What launchd knows of a job; where there is no launchd, nothing is known of any.
    async fn print(&self, label: &str) -> Outcome<Option<Job>> {
        self.launchctl.print(label).await.map_err(|error| match error {
            ManagerError::Command(CommandError::NotRun { .. }) => self.without_launchd(&error.text()),
            other => other,
        })
    }

    /// Refuses to go on where there is no launchd, or where it keeps no jobs of this user's now.
    async fn check_domain(&self) -> Outcome<()> {
        match self.launchctl.domain_exists().await {
            Err(error) => Err(self.without_launchd(&chain(&error))),
            Ok(false) if self.mode == Mode::User => {
                Err(ManagerError::unavailable(kind(self.mode), &self.no_session(), Hint::text(LOG_IN)))
            }
            Ok(_) => Ok(()),
        }
    }

    fn without_launchd(&self, reason: &str) -> ManagerError {
        ManagerError::unavailable(kind(self.mode), reason, Hint::text(ONLY_ON_MACOS))
    }

    /// All nodes that have a property list.
    pub(crate) async fn find_nodes(&self) -> Result<Vec<FoundNode>, ManagerError> {
        self.check_domain().await?;
        let mut found = Vec::new();
        for (label, path) in self.labels()? {
            let job = self.print(&label).await?;
            // One that cannot be read is there all the same.
            let line = Value::from_file(&path).map(|plist| command_line(&plist)).unwrap_or_default();
            let state = self.state_of(&label, job, line.path("--root-dir").as_ref(), line.program().as_ref());
            found.push(FoundNode::named(label.as_str(), render::number(&label), state).told(&line));
        }
        Ok(found)
    }

    /// The labels and property lists of all nodes, by number.
    pub(crate) fn labels(&self) -> Result<Vec<(String, PathBuf)>, ManagerError> {
        let of_node = |path: PathBuf| {
            let label = path.file_name()?.to_str()?.strip_suffix(".plist")?.to_owned();
            Some((render::number(&label)?, label, path))
        };
        let files = entries(&self.domain.plists)?;
        let mut labels: Vec<_> = files.into_iter().filter_map(|file| of_node(file.path())).collect();
        labels.sort();
        Ok(labels.into_iter().map(|(_, label, path)| (label, path)).collect())
    }
}

/// The command line in a property list; empty where there is none.
pub(crate) fn command_line(plist: &Value) -> CommandLine {
    let words = plist.as_dictionary().and_then(|job| job.get("ProgramArguments")).and_then(Value::as_array);
    CommandLine::new(words.into_iter().flatten().filter_map(Value::as_string).map(str::to_owned).collect())
}

/// Whether a property list belongs to a node whose directory is gone; which one that was.
pub(crate) fn lost_directory(plist: &Value) -> Option<PathBuf> {
    command_line(plist).path("--root-dir").filter(|directory| !exists(directory))
}
