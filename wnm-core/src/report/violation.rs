//! What a plan may not do, in words.

use std::fmt;

use super::first_of;
use crate::plan::Violation;

/// What a plan does and may not do: the first few sentences.
#[must_use]
pub fn violations_text(violations: &[Violation]) -> String {
    first_of(violations.iter().map(ToString::to_string).collect())
}

impl fmt::Display for Violation {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NamedTwice { verb, node } => write!(formatter, "{verb} {}: the plan lists it twice", node.name()),
            Self::AlreadyThere { node } => write!(formatter, "add {}: the node already exists", node.name()),
            Self::NoSuchNode { verb, node } => write!(formatter, "{verb} {}: no such node", node.name()),
            Self::WrongStatus { verb, node, status } => {
                write!(formatter, "{verb} {}: the node is {status}", node.name())
            }
            Self::WrongPorts { node, ports } => {
                let ports: Vec<String> = ports.iter().map(|(kind, port)| format!("{kind} {port}")).collect();
                write!(formatter, "add {}: its ports ({}) do not match its number", node.name(), ports.join(", "))
            }
            Self::PortTaken { node, port } => {
                write!(formatter, "add {}: port {port} belongs to another node", node.name())
            }
            Self::WrongDirectory { node, directory } => write!(
                formatter,
                "add {}: {} is not a directory of its own in node_storage",
                node.name(),
                directory.display()
            ),
            Self::FullDisk { node, storage } => {
                write!(formatter, "add {}: the disk of {} has no room for it", node.name(), storage.display())
            }
            Self::ProgramOutside { node, program } => {
                write!(formatter, "add {}: its program {} is outside its directory", node.name(), program.display())
            }
            Self::OverCap { total, cap } => write!(formatter, "it would exceed node_cap ({total} > {cap})"),
            Self::GroupTwice { group } => write!(formatter, "container group a{group}: the plan lists it twice"),
            Self::GroupSize { group, kind, size, most } => write!(
                formatter,
                "container group a{group}: {size} {kind} ports do not match max_node_per_container = {most}"
            ),
            Self::NoGroup { node, group } => {
                write!(formatter, "add {}: there is no container group a{group}", node.name())
            }
            Self::WrongBlock { node, group } => {
                write!(formatter, "add {}: its number does not belong to container group a{group}", node.name())
            }
            Self::OverLimit { rule, begun, already, most } => write!(
                formatter,
                "it would exceed {rule} ({} > {most}: {begun} in the plan, {already} in progress)",
                begun + already
            ),
            Self::TooManyRemovals { begun, excess } => write!(
                formatter,
                "it would remove too many nodes ({begun} > {excess} above node_cap, and the disk is not full)"
            ),
            Self::Unproved { begun, most } => write!(
                formatter,
                "it would upgrade too many nodes to a version that has not proved itself ({begun} > {most})"
            ),
            Self::Paused => formatter.write_str("cycles are paused, and it would change something"),
            Self::RemovedAtOnce { node } => {
                write!(formatter, "remove {}: its files must not be deleted before delay_remove", node.name())
            }
        }
    }
}
