//! launchctl is asked and told here; what its exit codes mean is known nowhere else.

use std::ffi::OsString;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use wnm_pm::command::{Command, CommandError, CommandRunner, Output};
use wnm_pm::process_manager::ManagerError;

use crate::parse::{self, Job};
use crate::render::EXIT_TIMEOUT_SECONDS;

/// `Could not find service`.
const NOT_FOUND: i32 = 113;
/// `Boot-out failed: 3: No such process`: it was not loaded.
const NO_SUCH_PROCESS: i32 = 3;
/// `Boot-out failed: 36: Operation now in progress`: it goes, and is not gone yet.
const IN_PROGRESS: i32 = 36;

/// How long a bootstrap is tried again: right after a bootout, launchd answers `5: Input/output error` for a while.
const BOOTSTRAP_PATIENCE: Duration = Duration::from_secs(10);
/// How long a job may take to be gone.
const BOOTOUT_PATIENCE: Duration = Duration::from_secs(EXIT_TIMEOUT_SECONDS.unsigned_abs() + 10);
const PAUSE: Duration = Duration::from_millis(100);

/// Talks to launchd about the jobs of one domain.
#[derive(Clone)]
pub(crate) struct Launchctl {
    pub runner: Arc<dyn CommandRunner>,
    pub target: String,
}

impl Launchctl {
    /// What launchd knows of a job; none when it is not loaded.
    pub(crate) async fn print(&self, label: &str) -> Result<Option<Job>, ManagerError> {
        let output = self.run(&["print", &self.name(label)], []).await?;
        match output.code {
            Some(0) => Ok(Some(parse::job(&output.stdout))),
            Some(NOT_FOUND) => Ok(None),
            _ => Err(failed(&format!("launchctl print {}", self.name(label)), &output)),
        }
    }

    /// Whether the domain itself is there.
    pub(crate) async fn domain_exists(&self) -> Result<bool, CommandError> {
        Ok(self.run(&["print", &self.target], []).await?.success())
    }

    /// Lets a job be loaded, now and when the session or the machine starts.
    pub(crate) async fn enable(&self, label: &str) -> Result<(), ManagerError> {
        self.succeed(&["enable", &self.name(label)]).await
    }

    /// Keeps a job from being loaded, also when the session or the machine starts.
    pub(crate) async fn disable(&self, label: &str) -> Result<(), ManagerError> {
        self.succeed(&["disable", &self.name(label)]).await
    }

    /// Starts a job that is loaded, without waiting for the pause that launchd makes after a crash.
    pub(crate) async fn kickstart(&self, label: &str) -> Result<(), ManagerError> {
        self.succeed(&["kickstart", &self.name(label)]).await
    }

    /// Loads several jobs in one call. What failed is seen, and told, when each is loaded by itself.
    pub(crate) async fn bootstrap_all(&self, plists: &[&Path]) -> Result<(), CommandError> {
        let paths = plists.iter().map(OsString::from);
        self.run(&["bootstrap", &self.target], paths).await.map(drop)
    }

    /// Loads a job that is not loaded yet.
    pub(crate) async fn bootstrap(&self, label: &str, plist: &Path) -> Result<(), ManagerError> {
        let deadline = Instant::now() + BOOTSTRAP_PATIENCE;
        loop {
            let output = self.run(&["bootstrap", &self.target], [plist.into()]).await?;
            // Exit code 5 means anything: loaded already, not quite gone, or not to be loaded at all.
            if output.success() || self.print(label).await?.is_some() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(failed(&format!("launchctl bootstrap {} {}", self.target, plist.display()), &output));
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Takes a job out of launchd, and returns when it and its process are gone.
    pub(crate) async fn bootout(&self, label: &str) -> Result<(), ManagerError> {
        let name = self.name(label);
        let output = self.run(&["bootout", &name], []).await?;
        if !matches!(output.code, Some(0 | NO_SUCH_PROCESS | IN_PROGRESS | NOT_FOUND))
            && self.print(label).await?.is_some()
        {
            return Err(failed(&format!("launchctl bootout {name}"), &output));
        }
        let deadline = Instant::now() + BOOTOUT_PATIENCE;
        while self.print(label).await?.is_some() {
            if Instant::now() > deadline {
                let seconds = BOOTOUT_PATIENCE.as_secs();
                return Err(ManagerError::Failed(format!("launchd did not end {name} within {seconds} s")));
            }
            tokio::time::sleep(PAUSE).await;
        }
        Ok(())
    }

    /// A job as launchctl names it.
    fn name(&self, label: &str) -> String {
        format!("{}/{label}", self.target)
    }

    async fn succeed(&self, words: &[&str]) -> Result<(), ManagerError> {
        let output = self.run(words, []).await?;
        match output.success() {
            true => Ok(()),
            false => Err(failed(&format!("launchctl {}", words.join(" ")), &output)),
        }
    }

    async fn run(
        &self,
        words: &[&str],
        more: impl IntoIterator<Item = OsString> + Send,
    ) -> Result<Output, CommandError> {
        self.runner.run(&Command::new("launchctl").args(words).args(more)).await
    }
}

/// launchctl's failure with what it said.
fn failed(command: &str, output: &Output) -> ManagerError {
    let said = if output.stderr.trim().is_empty() { &output.stdout } else { &output.stderr };
    let how = output.code.map_or("ended by a signal".to_owned(), |code| format!("exit code {code}"));
    ManagerError::Command(CommandError::Failed { command: command.to_owned(), how, said: said.trim().to_owned() })
}
