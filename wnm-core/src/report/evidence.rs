//! What was seen of a node, in words.

use std::fmt;

use crate::node::{End, Evidence, HealthFrom, PortFault};

/// What the sentence about an ended process begins with.
pub(crate) const PROCESS_GONE: &str = "its process is gone";

impl fmt::Display for Evidence {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Running => formatter.write_str("it is running and answers"),
            Self::Shows { health_from: HealthFrom::Process | HealthFrom::Metrics } => {
                formatter.write_str("it is running")
            }
            Self::Shows { health_from: HealthFrom::Port } => {
                formatter.write_str("it is running and has its node port bound")
            }
            Self::Shows { health_from: HealthFrom::Growth } => {
                formatter.write_str("it is running and stores more than before")
            }
            Self::Shows { health_from: HealthFrom::Peers } => formatter.write_str("it is running and knows peers"),
            Self::NotBound { port } => {
                write!(formatter, "its process is running, but has not bound its node port {port}")
            }
            Self::NoPeers => formatter
                .write_str("its process is running as another version, but it knows no peers, as it did before"),
            Self::StartedAgain => formatter.write_str("its process ended, and its process manager started it again"),
            Self::UpgradedItself { from, to } => {
                formatter.write_str("it upgraded itself")?;
                from.iter().try_for_each(|from| write!(formatter, " from {from}"))?;
                to.iter().try_for_each(|to| write!(formatter, " to {to}"))?;
                if to.is_none() { formatter.write_str(" and ended, to be started again") } else { Ok(()) }
            }
            Self::NotAnswering { port, fault } => {
                write!(formatter, "its process is running, but its metrics port {port} {fault}")
            }
            Self::Halted => formatter.write_str("its process is halted by a signal (SIGSTOP); SIGCONT would wake it"),
            Self::Waiting { reason } => write!(formatter, "waiting for its process manager to start it: {reason}"),
            Self::ProcessGone { reason: None } => formatter.write_str(PROCESS_GONE),
            Self::ProcessGone { reason: Some(reason) } => write!(formatter, "{PROCESS_GONE}: {reason}"),
            Self::Incomplete { missing } => write!(formatter, "it is not complete: {missing} is missing"),
            Self::DirectoryGone { directory } => write!(formatter, "its directory {} is gone", directory.display()),
            Self::NotADirectory { path } => {
                write!(formatter, "{} is not a directory (it is a symbolic link or a file)", path.display())
            }
            Self::Unable { reason } => formatter.write_str(reason),
            Self::Interrupted { verb, end } => write!(formatter, "{verb} was interrupted: {}", became(*end)),
        }
    }
}

impl fmt::Display for PortFault {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Closed => formatter.write_str("is closed"),
            Self::TimedOut => formatter.write_str("does not answer in time"),
            Self::Unreadable { reason } => write!(formatter, "sends an unreadable answer ({reason})"),
            Self::OtherProgram { said } => write!(formatter, "is answered by another program ({said})"),
            Self::OtherNode { peer_id } => write!(formatter, "answers for another node, {peer_id}"),
        }
    }
}

fn became(end: End) -> &'static str {
    match end {
        End::StillRunning => "the node is still running",
        End::Underway => "the node is running",
        End::Stopped | End::Disabled => "the node is not running",
        End::Incomplete => "the node is not complete",
        End::Removing => "the removal goes on",
        End::Enabled => "the node is managed again",
    }
}
