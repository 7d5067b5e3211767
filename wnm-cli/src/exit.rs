//! An exit code says what kind of failure it was; they are part of the interface.

use std::path::PathBuf;

use serde::Serialize;
use wnm_core::cycle::CycleError;
use wnm_core::decide::Refusal;
use wnm_core::lock::LockError;
use wnm_core::schedule::ScheduleError;
use wnm_core::settings::{NoHome, Problems};
use wnm_core::store::{Problem, StoreError};
use wnm_pm::process_manager::ManagerError;

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
    /// The record cannot be read or written.
    Record = 7,
    /// The process manager cannot be used here.
    Manager = 8,
    /// Interrupted.
    Interrupted = 130,
}

/// Why a command came to nothing.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Failure {
    #[error(transparent)]
    Settings(#[from] Problems),
    #[error(transparent)]
    Home(#[from] NoHome),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error(transparent)]
    Lock(#[from] LockError),
    #[error(transparent)]
    Cycle(#[from] CycleError),
    #[error(transparent)]
    Refused(#[from] Refusal),
    #[error(transparent)]
    Schedule(#[from] ScheduleError),
    #[error(transparent)]
    Manager(#[from] ManagerError),
    #[error("{} is not initialised: `wnm init` began and did not end\nhint: `wnm init` goes on", .0.display())]
    NotInitialised(PathBuf),
    #[error("{0}")]
    NotConfirmed(String),
    #[error("{0}")]
    Usage(String),
    #[error("{0}")]
    Other(String),
}

impl Failure {
    pub(crate) fn exit(&self) -> Exit {
        match self {
            Self::Settings(_) | Self::Usage(_) => Exit::Usage,
            Self::Home(_) | Self::Other(_) => Exit::Failed,
            Self::Store(error) | Self::Cycle(CycleError::Store(error)) => record(error),
            Self::Lock(LockError::Held { .. }) => Exit::Locked,
            Self::Lock(_) => Exit::Record,
            Self::NotInitialised(_) => Exit::NotInitialised,
            Self::Refused(_) | Self::NotConfirmed(_) => Exit::Refused,
            Self::Manager(_) => Exit::Manager,
            Self::Schedule(ScheduleError::Taken { .. } | ScheduleError::Foreign { .. }) => Exit::Refused,
            Self::Schedule(_) => Exit::Failed,
            Self::Cycle(error) => match error {
                CycleError::Refused(_) | CycleError::Changed(_) | CycleError::Invalid(_) => Exit::Refused,
                CycleError::Manager(_) | CycleError::Unavailable(_) => Exit::Manager,
                _ => Exit::Failed,
            },
        }
    }
}

fn record(error: &StoreError) -> Exit {
    match error.problem {
        Problem::Missing => Exit::NotInitialised,
        Problem::Exists => Exit::Refused,
        _ => Exit::Record,
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
        let text = failure.to_string();
        let (error, hint) = match text.rsplit_once("\nhint: ") {
            Some((error, hint)) => (error.to_owned(), Some(hint.to_owned())),
            None => (text, None),
        };
        Self { error, hint, exit_code: failure.exit() as u8 }
    }
}
