//! A container group, `a1`, `a2` …, is one container and the block of numbers, and so of ports, that belongs to it.

use alloc::string::String;
use core::fmt;
use core::ops::RangeInclusive;
use core::str::FromStr;

use crate::error::{GroupNameError, LayoutError};
use crate::layout::{Layout, PortRange};
use crate::port::HIGHEST_NUMBER;

/// Which container group: 1 is `a1`. Never 0, never above [`HIGHEST_NUMBER`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize), serde(into = "u32", try_from = "u32"))]
pub struct Group(pub(crate) u32);

impl Group {
    /// The group of this number.
    ///
    /// # Errors
    ///
    /// [`LayoutError::NoSuchGroup`] for 0 and above [`HIGHEST_NUMBER`].
    pub fn new(group: u32) -> Result<Self, LayoutError> {
        if (1..=HIGHEST_NUMBER).contains(&group) { Ok(Self(group)) } else { Err(LayoutError::NoSuchGroup { group }) }
    }

    /// The number of the group: 1 for `a1`.
    #[must_use]
    pub fn number(self) -> u32 {
        self.0
    }
}

impl fmt::Display for Group {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(formatter, "a{}", self.0)
    }
}

impl FromStr for Group {
    type Err = GroupNameError;

    /// Reads exactly what `Display` writes: no `a01`, no `a+1`, so that a group has one name.
    fn from_str(text: &str) -> Result<Self, GroupNameError> {
        text.strip_prefix('a')
            .filter(|digits| digits.starts_with(|first| matches!(first, '1'..='9')))
            .and_then(|digits| digits.parse().ok())
            .and_then(|group| Self::new(group).ok())
            .ok_or_else(|| GroupNameError { text: String::from(text) })
    }
}

impl TryFrom<u32> for Group {
    type Error = LayoutError;

    fn try_from(group: u32) -> Result<Self, LayoutError> {
        Self::new(group)
    }
}

impl From<Group> for u32 {
    fn from(group: Group) -> Self {
        group.0
    }
}

/// The ports of a group's nodes, whether or not all its nodes exist.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct GroupPorts {
    /// UDP ports of the nodes.
    pub node: PortRange,
    /// TCP ports of the metrics servers.
    pub metrics: PortRange,
    /// TCP ports of the RPC servers.
    pub rpc: PortRange,
    /// UDP ports for browsers; none where nodes have no such ports.
    pub webrtc: Option<PortRange>,
}

/// How numbers are cut into blocks: group k owns the numbers (k−1)·M+1 to k·M, where M is `max_node_per_container`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Blocks {
    /// Between 1 and `HIGHEST_NUMBER`, as is a group, so that their product stays within a `u32`.
    max_node_per_container: u32,
    min_container_count: u32,
}

impl Blocks {
    /// Blocks of `max_node_per_container` numbers, `min_container_count` of them from the start.
    ///
    /// # Errors
    ///
    /// [`LayoutError::BlockSize`] for blocks of 0 and of more than [`HIGHEST_NUMBER`] numbers.
    pub fn new(max_node_per_container: u32, min_container_count: u32) -> Result<Self, LayoutError> {
        if !(1..=HIGHEST_NUMBER).contains(&max_node_per_container) {
            return Err(LayoutError::BlockSize { max_node_per_container });
        }
        Ok(Self { max_node_per_container, min_container_count })
    }

    /// The numbers in a block.
    #[must_use]
    pub fn max_node_per_container(&self) -> u32 {
        self.max_node_per_container
    }

    /// The groups that there are from the start.
    #[must_use]
    pub fn min_container_count(&self) -> u32 {
        self.min_container_count
    }

    /// The group that owns a number.
    ///
    /// # Errors
    ///
    /// [`LayoutError::NoSuchNumber`] for 0 and above [`HIGHEST_NUMBER`].
    pub fn group_of(&self, number: u32) -> Result<Group, LayoutError> {
        if !(1..=HIGHEST_NUMBER).contains(&number) {
            return Err(LayoutError::NoSuchNumber { number });
        }
        Ok(Group((number - 1) / self.max_node_per_container + 1))
    }

    /// The numbers that a group owns, whether or not a layout has ports for them.
    #[must_use]
    pub fn numbers_of(&self, group: Group) -> RangeInclusive<u32> {
        let last = group.0 * self.max_node_per_container;
        last - self.max_node_per_container + 1..=last
    }

    /// The ports that a group owns.
    ///
    /// # Errors
    ///
    /// [`LayoutError::TooManyGroups`] where the layout has no room for the group.
    pub fn ports_of(&self, group: Group, layout: &Layout) -> Result<GroupPorts, LayoutError> {
        self.fit(group.0, layout.highest_number())?;
        let numbers = self.numbers_of(group);
        let range = |port: fn(&Layout, u32) -> Result<u16, LayoutError>| {
            Ok(PortRange { first: port(layout, *numbers.start())?, last: port(layout, *numbers.end())? })
        };
        let first_webrtc = layout.webrtc_port(*numbers.start())?;
        let last_webrtc = layout.webrtc_port(*numbers.end())?;
        Ok(GroupPorts {
            node: range(Layout::node_port)?,
            metrics: range(Layout::metrics_port)?,
            rpc: range(Layout::rpc_port)?,
            webrtc: first_webrtc.zip(last_webrtc).map(|(first, last)| PortRange { first, last }),
        })
    }

    /// How many whole groups have ports of their own: groups 1 to this one.
    #[must_use]
    pub fn groups_that_fit(&self, layout: &Layout) -> u32 {
        layout.highest_number() / self.max_node_per_container
    }

    /// Whether `groups` groups, and the groups that there are from the start, have ports of their own.
    ///
    /// # Errors
    ///
    /// [`LayoutError::TooManyGroups`], with how many fit.
    pub fn check(&self, layout: &Layout, groups: u32) -> Result<(), LayoutError> {
        self.fit(groups.max(self.min_container_count), layout.highest_number()).map(drop)
    }

    /// How many groups fit below a number, refused where it is fewer than `groups`.
    pub(crate) fn fit(&self, groups: u32, highest_number: u32) -> Result<u32, LayoutError> {
        let possible = highest_number / self.max_node_per_container;
        if groups > possible {
            let max_node_per_container = self.max_node_per_container;
            return Err(LayoutError::TooManyGroups { groups, max_node_per_container, highest_number, possible });
        }
        Ok(possible)
    }
}
