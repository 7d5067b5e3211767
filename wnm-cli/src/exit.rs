//! An exit code says what kind of failure it was; they are part of the interface.

use serde::Serialize;
use wnm::{Error, Hint, Hinted, ManagerError, chain};
use wnm_core::backup::BackupError;
use wnm_core::decide::Refusal;
use wnm_core::host::schedule::ScheduleError;
use wnm_core::lock::LockError;
use wnm_core::machine::{BringBackError, CycleError};
use wnm_core::migration::MigrationError;
use wnm_core::relocation::RelocationError;
use wnm_core::settings::NoHome;
use wnm_core::storage::StorageError;
use wnm_core::store::{Problem, StoreError};

use crate::hints::{hints, words};

/// How wnm ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Exit {
    /// Done, also when there was nothing to do.
    Done = 0,
    /// Another failure.
    Failed = 1,
    /// Arguments or settings are wrong.
    Usage = 2,
    /// Some node failed.
    NodeFailed = 3,
    /// Refused.
    Refused = 4,
    /// Another wnm is at work.
    Locked = 5,
    /// Not initialised.
    NotInitialised = 6,
    /// The database cannot be read or written.
    Database = 7,
    /// The process manager cannot be used here.
    Manager = 8,
    /// Interrupted.
    Interrupted = 130,
}

/// Why a command came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Machine(#[from] Error),
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    #[error("{what}")]
    NotConfirmed { what: String, hint: Hint },
    #[error("{what}")]
    Usage { what: String, hint: Option<Box<Hint>> },
    #[error("{0}")]
    Other(String),
}

impl From<Refusal> for Failure {
    fn from(refusal: Refusal) -> Self {
        Self::Machine(refusal.into())
    }
}

impl From<ManagerError> for Failure {
    fn from(error: ManagerError) -> Self {
        Self::Machine(error.into())
    }
}

impl From<BackupError> for Failure {
    fn from(error: BackupError) -> Self {
        Self::Machine(error.into())
    }
}

impl From<NoHome> for Failure {
    fn from(error: NoHome) -> Self {
        Self::Machine(error.into())
    }
}

impl Failure {
    /// Something wrong with what was typed.
    pub(crate) fn usage(what: impl Into<String>) -> Self {
        Self::Usage { what: what.into(), hint: None }
    }

    /// The same, with what to do.
    pub(crate) fn usage_hint(what: impl Into<String>, hint: Hint) -> Self {
        Self::Usage { what: what.into(), hint: Some(Box::new(hint)) }
    }

    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Usage { .. } => Exit::Usage,
            Self::Other(_) => Exit::Failed,
            Self::NotConfirmed { .. } => Exit::Refused,
            Self::Schedule(ScheduleError::Taken { .. } | ScheduleError::Foreign { .. }) => Exit::Refused,
            Self::Schedule(_) => Exit::Failed,
            Self::Machine(error) => of_machine(error),
        }
    }

    /// What a person is told to do about it.
    pub(crate) fn hint(&self) -> Option<String> {
        hints(self)
    }

    /// The failure as a person reads it: of several settings each with its own hint.
    pub(crate) fn lines(&self) -> Vec<String> {
        let mut lines = Vec::new();
        match self {
            Self::Machine(Error::Settings(problems)) if problems.0.len() > 1 => {
                lines.push(format!("error: {} invalid settings:", problems.0.len()));
                for problem in &problems.0 {
                    lines.push(format!("- {problem}"));
                    lines.extend(words(problem.hint.as_slice()).map(|hint| format!("  hint: {hint}")));
                }
            }
            _ => {
                lines.push(format!("error: {}", self.text()));
                lines.extend(self.hint().map(|hint| format!("hint: {hint}")));
            }
        }
        lines
    }

    /// The failure with its causes, without the hint.
    pub(crate) fn text(&self) -> String {
        chain(self)
    }
}

impl Hinted for Failure {
    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Machine(error) => error.hints(),
            Self::Schedule(error) => error.hints(),
            Self::NotConfirmed { hint, .. } => vec![hint.clone()],
            Self::Usage { hint, .. } => hint.iter().map(|hint| (**hint).clone()).collect(),
            Self::Other(_) => vec![],
        }
    }
}

fn of_machine(error: &Error) -> Exit {
    match error {
        Error::Settings(_) | Error::Setting { .. } | Error::ConfigFile { .. } => Exit::Usage,
        Error::Store(error) => of_store(error),
        Error::Cycle(error)
        | Error::Migration(MigrationError::Cycle(error))
        | Error::Relocation(RelocationError::Cycle(error)) => of_cycle(error),
        Error::Mixed { .. } | Error::Migration(MigrationError::Refused { .. }) => Exit::Refused,
        Error::Migration(MigrationError::StillRunning(_)) => Exit::NodeFailed,
        Error::Backup(BackupError::Store(error)) => of_store(error),
        Error::Backup(BackupError::Manager(_)) => Exit::Manager,
        Error::Backup(BackupError::Storage(StorageError::Taken { .. })) => Exit::Refused,
        Error::Backup(error) if error.is_refusal() => Exit::Refused,
        Error::BringBack(BringBackError::Cycle(CycleError::Store(error))) => of_store(error),
        Error::BringBack(BringBackError::Cycle(CycleError::Manager(_))) => Exit::Manager,
        Error::BringBack(BringBackError::Cycle(_) | BringBackError::Place { .. }) => Exit::Failed,
        Error::BringBack(_) => Exit::Refused,
        Error::Lock(LockError::Held { .. }) => Exit::Locked,
        Error::Lock(_) => Exit::Database,
        Error::NotInitialised(_) => Exit::NotInitialised,
        Error::StorageInUse { .. } | Error::FirstStorage { .. } | Error::NamedElsewhere { .. } => Exit::Refused,
        Error::Relocation(RelocationError::Which(_) | RelocationError::Unknown { .. }) => Exit::Usage,
        Error::Relocation(RelocationError::Groups(_)) => Exit::Manager,
        Error::Relocation(_) => Exit::Refused,
        Error::Manager(_) => Exit::Manager,
        Error::Refused(Refusal::BadWord { .. }) => Exit::Usage,
        Error::AnotherUsers { .. } | Error::Refused(_) => Exit::Refused,
        _ => Exit::Failed,
    }
}

fn of_cycle(error: &CycleError) -> Exit {
    match error {
        CycleError::Store(error) => of_store(error),
        CycleError::BadReason(_) | CycleError::Refused(Refusal::BadWord { .. }) => Exit::Usage,
        CycleError::Manager(_) => Exit::Manager,
        CycleError::Storage(StorageError::Taken { .. })
        | CycleError::Refused(_)
        | CycleError::NoRollout(_)
        | CycleError::Changed(_)
        | CycleError::Invalid(_) => Exit::Refused,
        CycleError::Host(_) | CycleError::Storage(_) => Exit::Failed,
    }
}

fn of_store(error: &StoreError) -> Exit {
    match error.problem {
        Problem::Missing => Exit::NotInitialised,
        Problem::Exists => Exit::Refused,
        _ => Exit::Database,
    }
}

/// A failure as a program reads it.
#[derive(Serialize)]
pub(crate) struct FailureRow {
    pub error: String,
    pub hint: Option<String>,
    pub exit_code: u8,
}

impl From<&Failure> for FailureRow {
    fn from(failure: &Failure) -> Self {
        Self { error: failure.text(), hint: failure.hint(), exit_code: failure.exit() as u8 }
    }
}
