//! Why a process manager could not do something.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use crate::command::CommandError;
use crate::hint::{Hint, Hinted, chain};
use crate::port::Protocol;

/// What became of one node of a batch.
pub type Outcome<T> = Result<T, ManagerError>;

/// Why a process manager could not do something to a node, or at all.
#[derive(Debug, Clone, thiserror::Error)]
#[non_exhaustive]
pub enum ManagerError {
    /// The manager does not work on this machine, or not for this user.
    #[error("{manager} cannot be used here: {reason}")]
    Unavailable {
        /// Which one.
        manager: String,
        /// What is in the way.
        reason: String,
        /// What to do.
        hint: Box<Hint>,
    },
    /// A program that the manager runs failed.
    #[error(transparent)]
    Command(#[from] CommandError),
    /// A port of the node belongs to another program.
    #[error("{protocol} port {port} is in use by {holder}")]
    PortInUse {
        /// Over which protocol.
        protocol: Protocol,
        /// The port.
        port: u16,
        /// Who holds it, as far as the machine tells.
        holder: String,
    },
    /// The node program is missing, or cannot be run.
    #[error("the node program {path} cannot be used: {reason}", path = path.display())]
    Program {
        /// Where it should be.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// The node was started and exited at once.
    #[error("{name} exited right after its start ({how}){last}", last = if said.is_empty() { String::new() } else { format!(": {said}") })]
    ExitedAtOnce {
        /// The node's name.
        name: String,
        /// Exit code or signal.
        how: String,
        /// The last thing it said.
        said: String,
        /// Where its log is.
        log_dir: PathBuf,
    },
    /// A file or directory could not be read, written or deleted.
    #[error("cannot {doing} {path}", path = path.display())]
    Io {
        /// What was tried: `copy the node program to`.
        doing: &'static str,
        /// On what.
        path: PathBuf,
        /// Why not.
        source: Arc<io::Error>,
    },
    /// A path is not what the database says, so nothing there is touched.
    #[error("{path} is left alone: {reason}", path = path.display())]
    NotOurs {
        /// The path.
        path: PathBuf,
        /// What is wrong with it.
        reason: String,
    },
    /// A value cannot be handed to this manager.
    #[error("{what} cannot be used: {reason}")]
    Unusable {
        /// Which value.
        what: String,
        /// Why not.
        reason: String,
    },
    /// A node's new program does not live, and its previous one could not be started again either.
    #[error("{first}; the previous program does not run either: {second}", first = first.text(), second = second.text())]
    NotRolledBack {
        /// What is wrong with the new program.
        first: Box<Self>,
        /// What is wrong with the previous one.
        second: Box<Self>,
    },
    /// wnm itself lacks what it takes, through no fault of the node's.
    #[error("wnm itself cannot {doing}, by its own limits")]
    Shortage {
        /// What it cannot do.
        doing: &'static str,
        /// Why not.
        source: Arc<io::Error>,
    },
    /// Anything else that went wrong, with what can be done about it.
    #[error("{what}")]
    Advised {
        /// What went wrong.
        what: String,
        /// What to do.
        hint: Box<Hint>,
    },
    /// Anything else that went wrong.
    #[error("{0}")]
    Failed(String),
}

/// Whether the kernel says that a process may have no more files, processes or memory.
fn is_shortage(code: i32) -> bool {
    let errno = rustix::io::Errno::from_raw_os_error(code);
    [rustix::io::Errno::MFILE, rustix::io::Errno::NFILE, rustix::io::Errno::AGAIN, rustix::io::Errno::NOMEM]
        .contains(&errno)
}

impl ManagerError {
    /// A file or directory that something could not be done to.
    #[must_use]
    pub fn io(doing: &'static str, path: &Path, source: io::Error) -> Self {
        Self::Io { doing, path: path.to_owned(), source: Arc::new(source) }
    }

    /// The manager does not work on this machine, or not for this user.
    #[must_use]
    pub fn unavailable(manager: impl ToString, reason: impl Into<String>, hint: Hint) -> Self {
        Self::Unavailable { manager: manager.to_string(), reason: reason.into(), hint: Box::new(hint) }
    }

    /// Something went wrong, and this is what can be done about it.
    #[must_use]
    pub fn advised(what: impl Into<String>, hint: Hint) -> Self {
        Self::Advised { what: what.into(), hint: Box::new(hint) }
    }

    /// This error, where it is wnm's own lack of open files, processes or memory that something failed by.
    #[must_use]
    pub fn shortage(doing: &'static str, error: &io::Error) -> Option<Self> {
        let is_own = error.raw_os_error().is_some_and(is_shortage);
        is_own.then(|| Self::Shortage {
            doing,
            source: Arc::new(io::Error::from_raw_os_error(error.raw_os_error().unwrap_or(0))),
        })
    }

    /// A step did not say what became of a node: what is true is found out by the next observation.
    #[must_use]
    pub fn unanswered(name: &str) -> Self {
        Self::Failed(format!("it is not known what became of {name}"))
    }

    /// The error with its causes, in one line and without hints.
    #[must_use]
    pub fn text(&self) -> String {
        chain(self)
    }
}

impl Hinted for ManagerError {
    fn hints(&self) -> Vec<Hint> {
        match self {
            Self::Unavailable { hint, .. } | Self::Advised { hint, .. } => vec![(**hint).clone()],
            Self::Command(error) => error.hints(),
            Self::PortInUse { .. } => {
                vec![Hint::text("stop that program, or remove this node and let wnm choose another number")]
            }
            Self::Program { .. } => vec![Hint::change("antnode_path").to("name an executable node program")],
            Self::Shortage { .. } => {
                vec![Hint::text(
                    "raise `ulimit -n` and `ulimit -u`, or LimitNOFILE and TasksMax of the service that runs wnm",
                )]
            }
            Self::ExitedAtOnce { log_dir, .. } => vec![Hint::text(format!("see its log in {}", log_dir.display()))],
            Self::NotRolledBack { first, second } => [first.hints(), second.hints()].concat(),
            Self::Io { .. } | Self::NotOurs { .. } | Self::Unusable { .. } | Self::Failed(_) => vec![],
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// One of each kind. Whoever adds a kind adds it here: the match is exhaustive.
    fn one_of_each() -> Vec<ManagerError> {
        let failed = |text: &str| ManagerError::Failed(text.to_owned());
        let said = "first\nsecond".to_owned();
        let output = crate::command::Output { code: Some(1), stdout: String::new(), stderr: said };
        let command = output.failure(&crate::command::Command::new("ufw"));
        let (path, reason) = (PathBuf::from("/srv/x"), "it is empty".to_owned());
        let all = vec![
            ManagerError::unavailable("setsid+sudo", "this user is not root", Hint::text("run wnm as root")),
            command.into(),
            ManagerError::PortInUse { protocol: Protocol::Udp, port: 55001, holder: "nginx (pid 812)".to_owned() },
            ManagerError::Program { path: path.clone(), reason: reason.clone() },
            ManagerError::ExitedAtOnce {
                name: "a".to_owned(),
                how: "b".to_owned(),
                said: "c".to_owned(),
                log_dir: path.clone(),
            },
            ManagerError::io("delete", &path, io::ErrorKind::PermissionDenied.into()),
            ManagerError::NotOurs { path, reason: reason.clone() },
            ManagerError::Unusable { what: "x".to_owned(), reason },
            ManagerError::NotRolledBack { first: Box::new(failed("x")), second: Box::new(failed("y")) },
            ManagerError::shortage("start a process", &io::Error::from_raw_os_error(11)).expect("EAGAIN is one"),
            ManagerError::advised("x", Hint::node("remove", "antnode0001")),
            failed("x"),
        ];
        for error in &all {
            match error {
                ManagerError::Unavailable { .. } | ManagerError::Command(_) | ManagerError::PortInUse { .. } => {}
                ManagerError::Program { .. } | ManagerError::ExitedAtOnce { .. } | ManagerError::Io { .. } => {}
                ManagerError::NotOurs { .. } | ManagerError::Unusable { .. } | ManagerError::NotRolledBack { .. } => {}
                ManagerError::Shortage { .. } | ManagerError::Advised { .. } | ManagerError::Failed(_) => {}
            }
        }
        all
    }

    #[test]
    fn an_error_is_one_line_names_each_cause_once_and_keeps_its_hints_apart() {
        for error in one_of_each() {
            let text = error.text();
            assert!(!text.contains('\n') && !text.contains("hint"), "{text}");
            if let Some(cause) = std::error::Error::source(&error) {
                assert_eq!(text.matches(&cause.to_string()).count(), 1, "{text}");
            }
        }
        let hints = one_of_each().iter().flat_map(Hinted::hints).count();
        assert_eq!(
            hints, 6,
            "no manager, a port in use, a program, a node that exited, a shortage, and an advised error have one"
        );
    }
}
