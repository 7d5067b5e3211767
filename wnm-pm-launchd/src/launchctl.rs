//! All calls of launchctl are here; what its exit codes mean is known nowhere else.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;
use wnm_pm::command::{Command, CommandError, CommandRunner};
use wnm_pm::patience::poll;
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
        let command = launchctl("print").arg(self.name(label));
        let output = self.runner.run(&command).await?;
        match output.code {
            Some(0) => Ok(Some(parse::job(&output.stdout))),
            Some(NOT_FOUND) => Ok(None),
            _ => Err(output.failure(&command).into()),
        }
    }

    /// Whether the domain itself is there.
    pub(crate) async fn domain_exists(&self) -> Result<bool, CommandError> {
        Ok(self.runner.run(&launchctl("print").arg(&self.target)).await?.success())
    }

    /// Lets a job be loaded, now and when the session or the machine starts.
    pub(crate) async fn enable(&self, label: &str) -> Result<(), ManagerError> {
        Ok(self.runner.succeed(&launchctl("enable").arg(self.name(label))).await.map(drop)?)
    }

    /// Keeps a job from being loaded, also when the session or the machine starts.
    pub(crate) async fn disable(&self, label: &str) -> Result<(), ManagerError> {
        Ok(self.runner.succeed(&launchctl("disable").arg(self.name(label))).await.map(drop)?)
    }

    /// Loads several jobs in one call. What failed is seen, and reported, when each is loaded by itself.
    pub(crate) async fn bootstrap_all(&self, plists: &[PathBuf]) -> Result<(), CommandError> {
        self.runner.run(&launchctl("bootstrap").arg(&self.target).args(plists)).await.map(drop)
    }

    /// Loads a job that is not loaded yet.
    pub(crate) async fn bootstrap(&self, label: &str, plist: &Path) -> Result<(), ManagerError> {
        let command = launchctl("bootstrap").arg(&self.target).arg(plist);
        let deadline = Instant::now() + BOOTSTRAP_PATIENCE;
        loop {
            let output = self.runner.run(&command).await?;
            // Exit code 5 means anything: loaded already, not quite gone, or not to be loaded at all.
            if output.success() || self.print(label).await?.is_some() {
                return Ok(());
            }
            if Instant::now() > deadline {
                return Err(output.failure(&command).into());
            }
            tokio::time::sleep(PAUSE).await;
        }
    }

    /// Takes a job out of launchd, and returns when it and its process are gone.
    pub(crate) async fn bootout(&self, label: &str) -> Result<(), ManagerError> {
        let command = launchctl("bootout").arg(self.name(label));
        let output = self.runner.run(&command).await?;
        if !matches!(output.code, Some(0 | NO_SUCH_PROCESS | IN_PROGRESS | NOT_FOUND))
            && self.print(label).await?.is_some()
        {
            return Err(output.failure(&command).into());
        }
        let gone = || async { self.print(label).await.map(|job| job.is_none().then_some(())).transpose() };
        poll(BOOTOUT_PATIENCE, PAUSE, gone).await.unwrap_or_else(|| {
            let (name, seconds) = (self.name(label), BOOTOUT_PATIENCE.as_secs());
            Err(ManagerError::Failed(format!("launchd did not end {name} within {seconds} s")))
        })
    }

    /// A job as launchctl names it.
    fn name(&self, label: &str) -> String {
        format!("{}/{label}", self.target)
    }
}

fn launchctl(verb: &str) -> Command {
    Command::new("launchctl").arg(verb)
}
