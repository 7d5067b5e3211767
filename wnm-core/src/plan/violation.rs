//! What no plan may do, as [`check`](super::check) finds it. The sentences are in [`crate::report`].

use std::path::PathBuf;

use super::Rule;
use crate::node::{NodeId, PortKind, Ports, Status, Verb};

/// One thing that a plan may not do.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Violation {
    /// The plan has a node in two actions.
    NamedTwice {
        /// What the second one is.
        verb: Verb,
        /// Which node.
        node: NodeId,
    },
    /// It adds a node that exists.
    AlreadyThere {
        /// Which node.
        node: NodeId,
    },
    /// It acts on a node that does not exist.
    NoSuchNode {
        /// What it does.
        verb: Verb,
        /// To which node.
        node: NodeId,
    },
    /// It acts on a node that must be left alone.
    WrongStatus {
        /// What it does.
        verb: Verb,
        /// To which node.
        node: NodeId,
        /// The node's status.
        status: Status,
    },
    /// The ports of a new node are not those of its number.
    WrongPorts {
        /// Which node.
        node: NodeId,
        /// Its ports.
        ports: Ports,
    },
    /// A port of a new node belongs to another node.
    PortTaken {
        /// Which node.
        node: NodeId,
        /// The port.
        port: u16,
    },
    /// The directory of a new node is not a directory of its own in `node_storage`.
    WrongDirectory {
        /// Which node.
        node: NodeId,
        /// Its directory.
        directory: PathBuf,
    },
    /// A new node would lie on a disk that has no room for it.
    FullDisk {
        /// Which node.
        node: NodeId,
        /// The storage on the disk.
        storage: PathBuf,
    },
    /// The program of a new node is outside its directory.
    ProgramOutside {
        /// Which node.
        node: NodeId,
        /// Its program.
        program: PathBuf,
    },
    /// There would be more nodes than `node_cap`.
    OverCap {
        /// How many there would be.
        total: usize,
        /// The cap.
        cap: u32,
    },
    /// It opens a container group twice.
    GroupTwice {
        /// Which one: 1 is a1.
        group: u32,
    },
    /// A container group has another number of ports of a kind than a container has nodes.
    GroupSize {
        /// Which one: 1 is a1.
        group: u32,
        /// Which ports.
        kind: PortKind,
        /// How many of them it has.
        size: u32,
        /// How many nodes a container has.
        most: u32,
    },
    /// The container group of a new node neither exists nor is opened.
    NoGroup {
        /// Which node.
        node: NodeId,
        /// Its group: 1 is a1.
        group: u32,
    },
    /// The number of a new node belongs to another container group.
    WrongBlock {
        /// Which node.
        node: NodeId,
        /// Its group: 1 is a1.
        group: u32,
    },
    /// More would be in progress than a limit allows.
    OverLimit {
        /// The limit.
        rule: Rule,
        /// How much the plan begins.
        begun: usize,
        /// How much is in progress already.
        already: usize,
        /// How much may be.
        most: u32,
    },
    /// It removes more nodes than the cap asks for, and their disk is not full.
    TooManyRemovals {
        /// How many it removes.
        begun: usize,
        /// How many there are over the cap.
        excess: usize,
    },
    /// It brings a version that has not proved itself to more nodes than may try it.
    Unproved {
        /// To how many.
        begun: usize,
        /// How many more may.
        most: usize,
    },
    /// It changes something while the owner has paused the cycles.
    Paused,
    /// It deletes the files of a node without its delay.
    RemovedAtOnce {
        /// Which node.
        node: NodeId,
    },
}
