//! What a machine measures and its owner limits.

use serde::{Deserialize, Serialize};

use super::Rule;

/// One measured quantity, with a setting below which nodes are added and one above which the machine is relieved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Gauge {
    /// Processor time in use, in percent.
    Cpu,
    /// Memory in use, in percent.
    Memory,
    /// Space in use on the disk of the nodes, in percent.
    Disk,
    /// Inodes in use on that disk, in percent.
    Inodes,
    /// Load average of the last minute.
    #[serde(rename = "load_1")]
    Load1,
    /// Load average of the last 5 minutes.
    #[serde(rename = "load_5")]
    Load5,
    /// Load average of the last 15 minutes.
    #[serde(rename = "load_15")]
    Load15,
    /// Read from disks, in bytes per second.
    DiskReads,
    /// Written to disks, in bytes per second.
    DiskWrites,
    /// Received from the network, in bytes per second.
    NetworkIn,
    /// Sent to the network, in bytes per second.
    NetworkOut,
}

impl Gauge {
    /// All of them, in the order in which decisions name them.
    pub const ALL: [Self; 11] = [
        Self::Cpu,
        Self::Memory,
        Self::Disk,
        Self::Inodes,
        Self::Load1,
        Self::Load5,
        Self::Load15,
        Self::DiskReads,
        Self::DiskWrites,
        Self::NetworkIn,
        Self::NetworkOut,
    ];

    /// The setting that holds growth back.
    #[must_use]
    pub fn less_than_rule(self) -> Rule {
        match self {
            Self::Cpu => Rule::CpuLessThan,
            Self::Memory => Rule::MemLessThan,
            Self::Disk | Self::Inodes => Rule::HdLessThan,
            Self::Load1 | Self::Load5 | Self::Load15 => Rule::DesiredLoadAverage,
            Self::DiskReads => Rule::HdioReadLessThan,
            Self::DiskWrites => Rule::HdioWriteLessThan,
            Self::NetworkIn => Rule::NetioReadLessThan,
            Self::NetworkOut => Rule::NetioWriteLessThan,
        }
    }

    /// The setting that asks for relief.
    #[must_use]
    pub fn remove_rule(self) -> Rule {
        match self {
            Self::Cpu => Rule::CpuRemove,
            Self::Memory => Rule::MemRemove,
            Self::Disk | Self::Inodes => Rule::HdRemove,
            Self::Load1 | Self::Load5 | Self::Load15 => Rule::MaxLoadAverageAllowed,
            Self::DiskReads => Rule::HdioReadRemove,
            Self::DiskWrites => Rule::HdioWriteRemove,
            Self::NetworkIn => Rule::NetioReadRemove,
            Self::NetworkOut => Rule::NetioWriteRemove,
        }
    }

    /// Whether it is a rate in bytes per second: there a limit of 0 is no limit.
    #[must_use]
    pub fn is_rate(self) -> bool {
        matches!(self, Self::DiskReads | Self::DiskWrites | Self::NetworkIn | Self::NetworkOut)
    }
}
