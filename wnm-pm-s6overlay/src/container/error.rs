//! Why the engine did not do something.

use bollard::errors::Error;
use wnm_pm::command::one_line;
use wnm_pm::hint::{Hint, Hinted, Task};
use wnm_pm::process_manager::ManagerError;

use crate::settings::MANAGER;

/// Why the engine did not do something.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum EngineError {
    /// Nobody answers there, or not to this user.
    #[error("the Docker engine cannot be reached: {reason}")]
    Unreachable {
        /// Where, and why not.
        reason: String,
        /// What to do.
        hint: Hint,
    },
    /// It answered, and refused.
    #[error("cannot {doing}: {said}")]
    Refused {
        /// What was tried.
        doing: String,
        /// The status of its answer; 0 when the answer itself was broken.
        status: u16,
        /// What it said, in one line.
        said: String,
    },
}

impl EngineError {
    /// Whether the thing asked for does not exist.
    #[must_use]
    pub fn is_missing(&self) -> bool {
        matches!(self, Self::Refused { status: 404, .. })
    }

    /// Whether what was asked for exists already, or is in the way of itself.
    #[must_use]
    pub fn is_conflict(&self) -> bool {
        matches!(self, Self::Refused { status: 409, .. })
    }

    /// That the engine did not do something, though it answered.
    #[must_use]
    pub fn refused(doing: String, status: u16, said: &str) -> Self {
        Self::Refused { doing, status, said: one_line(said) }
    }
}

impl Hinted for EngineError {
    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Unreachable { hint, .. } => vec![hint.clone()],
            Self::Refused { .. } => vec![],
        }
    }
}

impl From<EngineError> for ManagerError {
    fn from(error: EngineError) -> Self {
        let reason = error.to_string();
        match error {
            EngineError::Unreachable { hint, .. } => Self::unavailable(MANAGER, reason, hint),
            EngineError::Refused { .. } => Self::Failed(reason),
        }
    }
}

/// Says what was tried when an engine's answer is an error.
pub trait Doing<T> {
    /// With what was tried, such as `start the container wnm-0a1b2c3d-a1`.
    ///
    /// # Errors
    /// The same as before, in our words.
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, EngineError>;
}

impl<T> Doing<T> for Result<T, Error> {
    fn doing(self, doing: impl FnOnce() -> String) -> Result<T, EngineError> {
        self.map_err(|error| match error {
            Error::DockerResponseServerError { status_code, message } => {
                EngineError::refused(doing(), status_code, &message)
            }
            error @ (Error::HyperLegacyError { .. }
            | Error::IOError { .. }
            | Error::SocketNotFoundError(_)
            | Error::RequestTimeoutError) => EngineError::Unreachable {
                reason: format!("{} (while trying to {})", causes(&error), doing()),
                hint: Hint::run(Task::Cycle).to("try again once the engine runs"),
            },
            error => EngineError::refused(doing(), 0, &causes(&error)),
        })
    }
}

/// What went wrong, with the causes that bollard keeps beneath, in one line. It names some causes itself already.
pub fn causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        let said = cause.to_string();
        if !text.contains(&said) {
            text = format!("{text}: {said}");
        }
        source = cause.source();
    }
    one_line(&text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whatever_an_engine_says_an_error_is_one_line_and_its_hint_is_apart() {
        let failures = [
            Error::DockerResponseServerError { status_code: 500, message: "OCI runtime\nfailed\n".to_owned() },
            Error::DockerStreamError { error: "first\nsecond".to_owned() },
            Error::IOError { err: std::io::Error::other("broken\npipe") },
            Error::RequestTimeoutError,
        ];
        for failure in failures {
            let error = Err::<(), _>(failure).doing(|| "list the containers".to_owned()).expect_err("it failed");
            let hints = error.hints();
            let both = [error.to_string(), ManagerError::from(error.clone()).text()];
            assert!(both.iter().all(|text| !text.contains('\n') && !text.contains("hint:")), "{both:?}");
            assert_eq!(ManagerError::from(error).hints(), hints, "no hint is lost");
        }
        let refused = EngineError::refused("start the container a1".to_owned(), 500, "address in use\nagain");
        insta::assert_snapshot!(refused, @"cannot start the container a1: address in use; again");
    }
}
