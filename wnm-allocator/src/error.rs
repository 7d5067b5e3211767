//! A refusal names what does not fit, with the figures, and what would.

use alloc::borrow::ToOwned;
use alloc::format;
use alloc::string::String;

use thiserror::Error;

use crate::port::{HIGHEST_NUMBER, PortKind, port};

/// Why a layout, a group or a placement is not possible.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(rename_all = "snake_case"))]
pub enum LayoutError {
    /// No node can have this number.
    #[error("node number {number} is not between 1 and {HIGHEST_NUMBER}")]
    NoSuchNumber {
        /// The number.
        number: u32,
    },
    /// No container group can have this number.
    #[error("container group {group} is not between 1 and {HIGHEST_NUMBER}")]
    NoSuchGroup {
        /// The number of the group, where 1 is a1.
        group: u32,
    },
    /// The port of one node would pass 65535.
    #[error(
        "node {number} can have no {kind} port: {setting} {start} makes it {}, and ports end at {}",
        port(*start, *number),
        u16::MAX,
        setting = .kind.setting()
    )]
    NoPort {
        /// Which port.
        kind: PortKind,
        /// The start of its range, in thousands.
        start: u16,
        /// The number of the node.
        number: u32,
    },
    /// A range of ports would pass 65535.
    #[error(
        "node numbers up to {highest_number} do not fit: {kind} ports {}-{} ({setting} {start}) pass {}",
        port(*start, 1),
        port(*start, *highest_number),
        u16::MAX,
        setting = .kind.setting()
    )]
    PastLastPort {
        /// Which ports.
        kind: PortKind,
        /// The start of their range, in thousands.
        start: u16,
        /// The highest number that was to be possible.
        highest_number: u32,
        /// The highest number that is possible; 0 where none is.
        possible: u32,
    },
    /// Two ranges of ports would share ports.
    #[error(
        "node numbers up to {highest_number} do not fit: \
         {kind} ports {}-{} ({setting} {start}) overlap {other} ports {}-{} ({other_setting} {other_start})",
        port(*start, 1),
        port(*start, *highest_number),
        port(*other_start, 1),
        port(*other_start, *highest_number),
        setting = .kind.setting(),
        other_setting = .other.setting()
    )]
    Overlap {
        /// The ports of one range.
        kind: PortKind,
        /// The start of their range, in thousands.
        start: u16,
        /// The ports of the other range.
        other: PortKind,
        /// The start of their range, in thousands.
        other_start: u16,
        /// The highest number that was to be possible.
        highest_number: u32,
        /// The highest number that is possible; 0 where none is.
        possible: u32,
    },
    /// A block is empty, or larger than all numbers together.
    #[error("max_node_per_container {max_node_per_container} is not between 1 and {HIGHEST_NUMBER}")]
    BlockSize {
        /// The numbers that a block was to have.
        max_node_per_container: u32,
    },
    /// More container groups are wanted than have numbers and ports.
    #[error(
        "{groups} container groups of {max_node_per_container} nodes do not fit: \
         node numbers end at {highest_number}, which is enough for {possible} groups"
    )]
    TooManyGroups {
        /// The groups that were to be possible.
        groups: u32,
        /// The numbers in each of their blocks.
        max_node_per_container: u32,
        /// The highest number that a node can have.
        highest_number: u32,
        /// How many groups are possible.
        possible: u32,
    },
    /// More nodes are wanted than there are numbers.
    #[error(
        "{wanted} nodes cannot be placed: only {possible} more can be numbered, as numbers end at {highest_number}"
    )]
    NumbersUsedUp {
        /// The nodes that were to be placed.
        wanted: u32,
        /// How many can be placed.
        possible: u32,
        /// The highest number that a node can have.
        highest_number: u32,
    },
}

impl LayoutError {
    /// What can be done about it, where there is something: a sentence without a full stop.
    #[must_use]
    pub fn hint(&self) -> Option<String> {
        match self {
            Self::PastLastPort { kind, possible, .. } => {
                Some(format!("{}lower {}", what_fits(*possible), kind.setting()))
            }
            Self::Overlap { kind, other, possible, .. } => {
                let (one, other) = (kind.setting(), other.setting());
                Some(format!("{}set {one} and {other} further apart", what_fits(*possible)))
            }
            Self::TooManyGroups { .. } => Some("lower max_node_per_container or have fewer groups".to_owned()),
            Self::NumbersUsedUp { .. } => {
                Some("remove nodes first; numbers that are never reused come free with a teardown only".to_owned())
            }
            _ => None,
        }
    }
}

/// The beginning of a hint: whether fewer nodes would do.
fn what_fits(possible: u32) -> String {
    match possible {
        0 => String::from("no node fits; "),
        _ => format!("numbers up to {possible} fit; allow no more, or "),
    }
}

/// A text that is not the name of a container group.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("\"{}\" is not a container group (a1, a2 … a{HIGHEST_NUMBER})", .text.escape_debug())]
pub struct GroupNameError {
    /// The text.
    pub text: String,
}
