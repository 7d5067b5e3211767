//! A reason is why something is done, or is not: the cause with its figures. The sentences are in [`crate::report`].

use std::path::PathBuf;

use semver::Version;
use serde::{Deserialize, Serialize};

use super::{Gauge, Rule};
use crate::node::{Flavour, NodeId, Verb};
use crate::pause::CyclePause;
use crate::rollout::Pause;
use crate::snapshot::{Allowance, Blocker};
use wnm_allocator::LayoutError;
use wnm_pm::container_host::GroupState;

/// Why something is done, or is not.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Reason {
    /// The nodes that it is about; empty when it is about the machine.
    pub nodes: Vec<NodeId>,
    /// What it is, with the figures.
    pub cause: Cause,
}

/// What a rule did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Effect {
    /// It caused an action.
    Did,
    /// It held an action back.
    Held,
}

impl Effect {
    /// The word that plans and the history use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Did => "did",
            Self::Held => "held",
        }
    }
}

/// A limit on what may be in progress at the same time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Limit {
    /// The setting.
    pub rule: Rule,
    /// What is in progress already, or is begun by this very plan.
    pub in_progress: u32,
    /// How much may be.
    pub most: u32,
}

impl Limit {
    /// How many more may begin.
    #[must_use]
    pub fn free(self) -> u32 {
        self.most.saturating_sub(self.in_progress)
    }

    /// After this many more were begun.
    #[must_use]
    pub fn after(self, begun: usize) -> Self {
        let begun = u32::try_from(begun).unwrap_or(u32::MAX);
        Self { in_progress: self.in_progress.saturating_add(begun), ..self }
    }
}

/// Everything that can be the reason for an action, or for holding one back. Which rule it belongs to follows from it.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
#[non_exhaustive]
pub enum Cause {
    /// The owner paused the cycles.
    Paused {
        /// Since when, how long, and why.
        pause: CyclePause,
    },
    /// These nodes are down, and no cycle starts them while cycles are paused.
    DownWhilePaused,
    /// Container groups have nodes and are not up, and no cycle repairs them while cycles are paused.
    GroupsDownWhilePaused {
        /// Which ones: 1 is a1.
        groups: Vec<u32>,
    },
    /// These nodes shall run and are down.
    Down,
    /// Everything was taken down.
    TornDown,
    /// The machine was restarted since the last cycle.
    Reboot,
    /// The delay before the removal of these nodes has passed.
    RemovalDue,
    /// These nodes ended to start again as another version.
    LeftToUpgrade,
    /// Disabling these nodes was begun and not finished.
    DisableInterrupted,
    /// The directories of these nodes are gone.
    DirectoryGone,
    /// These nodes are running, and their directories are gone.
    RunsWithoutDirectory,
    /// These nodes are dead though something may be left of their directories: they were never completely created.
    NothingToRun,
    /// A container group has nodes and is not up.
    GroupNotUp {
        /// Which one: 1 is a1.
        group: u32,
        /// What it is.
        state: GroupState,
    },
    /// Container groups are opened, since new nodes go into them.
    GroupsNeeded {
        /// Which ones: 1 is a1.
        groups: Vec<u32>,
    },
    /// Container groups are opened with the first nodes, though none goes into them yet.
    FirstGroups {
        /// Which ones: 1 is a1.
        groups: Vec<u32>,
        /// How many groups there are at least.
        least: u32,
    },
    /// A container group uses another image than the settings name.
    ImageChanged {
        /// Which one: 1 is a1.
        group: u32,
        /// The image that it uses.
        from: String,
        /// The image of the settings.
        to: String,
    },
    /// As many operations as may be are in progress.
    OperationsInProgress {
        /// How many.
        in_progress: u32,
        /// How many may be.
        most: u32,
    },
    /// The machine measures more than its owner allows. Without nodes, nothing could be done about it.
    Pressure {
        /// What is too high.
        gauge: Gauge,
        /// How high it is, in the unit of the gauge.
        figure: f64,
        /// How high it may be, in the same unit.
        limit: f64,
    },
    /// There are more nodes than may be. Without nodes, nothing could be done about it.
    OverCap {
        /// How many there are, without those that are being removed.
        total: u32,
        /// How many may be.
        cap: u32,
    },
    /// These nodes are stopped, since they are the youngest.
    YoungestStopped,
    /// These nodes are stopped, since they are the youngest of those that do not wait for another try.
    YoungestOthersStopped,
    /// These nodes are removed, since they were stopped already or are the youngest.
    YoungestRemoved,
    /// Nothing else is stopped or removed before the removals in progress end.
    RemovalsInProgress {
        /// How many.
        removing: u32,
        /// How many may be.
        most: u32,
    },
    /// Removing these nodes failed, and no other is removed before it was tried again.
    RemovalFailed,
    /// The last operation on these running nodes failed; they are neither stopped nor upgraded before their pause ends.
    OperationFailed,
    /// No node is left that could be stopped or removed.
    NothingLeft,
    /// These nodes are upgraded, since they are older than the node program.
    Outdated {
        /// The version of the node program.
        version: Version,
    },
    /// Outdated nodes that wait for a later cycle.
    UpgradesLater {
        /// How many.
        waiting: u32,
        /// The version of the node program.
        version: Version,
        /// What they wait for.
        limit: Limit,
    },
    /// Nothing grows while running nodes are outdated.
    UpgradesFirst {
        /// The version of the node program.
        version: Version,
    },
    /// The others wait until the version has proved itself on the canaries.
    CanariesFirst {
        /// How many wait.
        waiting: u32,
        /// How many try it.
        canaries: u32,
        /// The version of the node program.
        version: Version,
    },
    /// These nodes have the version, and have yet to prove themselves with it.
    Proving {
        /// The version of the node program.
        version: Version,
        /// How long they have to be healthy.
        settle_seconds: u64,
    },
    /// These nodes have proved themselves; their previous programs are deleted.
    Proved,
    /// A version failed on these nodes; their previous programs are put back.
    Reverting {
        /// The version that failed.
        version: Version,
    },
    /// The roll-out of the version is paused.
    RolloutPaused {
        /// The version of the node program.
        version: Version,
        /// Why.
        pause: Pause,
    },
    /// The owner ended the roll-out of the version.
    RolloutAborted {
        /// The version of the node program.
        version: Version,
    },
    /// Another version is on trial on these nodes.
    OneAtATime {
        /// The version of the node program.
        version: Version,
        /// The other one.
        other: Version,
    },
    /// No node is added with a version that has not proved itself.
    Unproved {
        /// The version of the node program.
        version: Version,
    },
    /// The node program cannot upgrade these nodes, since it is another program.
    OtherFlavour {
        /// Where the node program is.
        path: PathBuf,
        /// What the node program is.
        program: Flavour,
        /// What the nodes are.
        own: Flavour,
    },
    /// The machine measures too much for another node.
    NoRoom {
        /// What is too high.
        gauge: Gauge,
        /// How high it is, in the unit of the gauge.
        figure: f64,
        /// What it has to be below, in the same unit.
        limit: f64,
    },
    /// The disk has too few inodes left for the files of a node.
    FewInodes {
        /// How many are free.
        free: u64,
        /// How many a node may come to need.
        needed: u64,
    },
    /// One of several disks is fuller than its owner allows. Without nodes, nothing could be done about it.
    DiskPressure {
        /// The storage on it.
        storage: PathBuf,
        /// What is too high: its space or its inodes.
        gauge: Gauge,
        /// How full it is, in percent.
        figure: f64,
        /// How full it may be, in percent.
        limit: f64,
    },
    /// One of several disks is too full for another node.
    DiskNoRoom {
        /// The storage on it.
        storage: PathBuf,
        /// What is too high: its space or its inodes.
        gauge: Gauge,
        /// How full it is, in percent.
        figure: f64,
        /// What it has to be below, in percent.
        limit: f64,
    },
    /// One of several disks has too few inodes left for the files of a node.
    DiskFewInodes {
        /// The storage on it.
        storage: PathBuf,
        /// How many are free.
        free: u64,
        /// How many a node may come to need.
        needed: u64,
    },
    /// One of several disks is not mounted.
    DiskAway {
        /// The storage on it.
        storage: PathBuf,
    },
    /// What is too high is a part of what a control group may have, which is less than the machine has.
    MeasuredAgainst {
        /// What is measured.
        gauge: Gauge,
        /// What may be had.
        allowance: Allowance,
    },
    /// Nodes are being taken over.
    Migrating {
        /// How many.
        count: u32,
    },
    /// As many nodes run as may be there.
    RunningAtCap {
        /// How many run.
        running: u32,
        /// How many may be there.
        cap: u32,
    },
    /// There are as many nodes as may be.
    TotalAtCap {
        /// How many there are, whatever their status.
        total: u32,
        /// How many may be there.
        cap: u32,
    },
    /// The owner stopped these nodes by hand.
    StoppedByOwner,
    /// These nodes fell too often in a row.
    Broken {
        /// How often is too often.
        most: u32,
    },
    /// These nodes fell again soon after they were started, and their pause has not ended.
    Fell,
    /// These nodes ran a moment ago, or until the machine was restarted, and are started again.
    Returning {
        /// Whether it was restarted.
        rebooted: bool,
    },
    /// Nodes that ran a moment ago, or until the machine was restarted, and wait for a later cycle.
    ReturnsLater {
        /// Whether it was restarted.
        rebooted: bool,
        /// How many.
        waiting: u32,
        /// With how many the return begins.
        pace: u32,
    },
    /// Starting these nodes failed, and their pause has not ended.
    StartFailed,
    /// These nodes ended before they were seen up, and their pause has not ended.
    WentDown,
    /// These nodes do not answer, or their manager keeps restarting them: they are given time to recover.
    Recovering {
        /// How much, in seconds.
        delay_seconds: u64,
    },
    /// These nodes live, and another program answers on their metrics ports.
    MetricsPortInUse,
    /// These stopped nodes are started, since there is room.
    RoomToStart,
    /// Stopped nodes that wait for a later cycle.
    StartsLater {
        /// How many.
        waiting: u32,
        /// What they wait for.
        limit: Limit,
    },
    /// These nodes are added, since there is room.
    RoomToAdd {
        /// How many nodes there are without them.
        total: u32,
        /// How many may be.
        cap: u32,
    },
    /// Nodes that a later cycle adds.
    AddsLater {
        /// How many.
        waiting: u32,
        /// What they wait for.
        limit: Limit,
    },
    /// The nodes are another program than the one on this machine, and a machine has nodes of one flavour.
    MixedFlavours {
        /// Which program new nodes would be.
        program: Flavour,
        /// Which program the nodes are.
        own: Flavour,
    },
    /// There is no node program that could be used.
    NoProgram {
        /// Where it should be.
        path: PathBuf,
    },
    /// No number with free ports is left for new nodes.
    NoNumberLeft {
        /// How many nodes it is missing for.
        missing: u32,
    },
    /// The port layout does not work.
    BadLayout {
        /// Why.
        error: LayoutError,
    },
    /// These numbers are skipped, all for the same kind of thing.
    NumberTaken {
        /// What is in the way of the first of them.
        by: Blocker,
    },
    /// The owner has these nodes moved to another disk.
    StorageMoves {
        /// The storage there.
        to: PathBuf,
    },
    /// The owner asked for it.
    Requested,
    /// The owner asked for up to so many, and there are fewer.
    Fewer {
        /// What was asked for.
        verb: Verb,
        /// Up to how many.
        asked: u32,
        /// How many there are.
        there: u32,
    },
    /// The owner asked for it, and these nodes are so already.
    NothingToDo {
        /// What was asked for.
        verb: Verb,
    },
}

impl Reason {
    /// The rule that it belongs to.
    #[must_use]
    pub fn rule(&self) -> Rule {
        self.cause.rule()
    }

    /// Whether it caused something, or held it back.
    #[must_use]
    pub fn effect(&self) -> Effect {
        use Cause as C;
        match &self.cause {
            C::Pressure { .. } | C::DiskPressure { .. } | C::OverCap { .. } if self.nodes.is_empty() => Effect::Held,
            C::Reboot
            | C::RemovalDue
            | C::LeftToUpgrade
            | C::DisableInterrupted
            | C::DirectoryGone
            | C::NothingToRun
            | C::GroupNotUp { .. }
            | C::GroupsNeeded { .. }
            | C::FirstGroups { .. }
            | C::ImageChanged { .. }
            | C::Pressure { .. }
            | C::DiskPressure { .. }
            | C::OverCap { .. }
            | C::YoungestStopped
            | C::YoungestOthersStopped
            | C::YoungestRemoved
            | C::Outdated { .. }
            | C::Returning { .. }
            | C::Proved
            | C::Reverting { .. }
            | C::RoomToStart
            | C::RoomToAdd { .. }
            | C::StorageMoves { .. }
            | C::Requested => Effect::Did,
            _ => Effect::Held,
        }
    }

    /// The nodes that it is about; empty when it is about the machine.
    #[must_use]
    pub fn nodes(&self) -> &[NodeId] {
        &self.nodes
    }

    /// What was measured or counted, where it was held against something.
    #[must_use]
    pub fn figure(&self) -> Option<f64> {
        self.cause.figures().map(|(figure, _)| figure)
    }

    /// What it was held against.
    #[must_use]
    pub fn threshold(&self) -> Option<f64> {
        self.cause.figures().map(|(_, threshold)| threshold)
    }
}

impl Cause {
    /// The rule that it belongs to.
    #[must_use]
    pub fn rule(&self) -> Rule {
        match self {
            Self::Paused { .. } | Self::DownWhilePaused | Self::GroupsDownWhilePaused { .. } => Rule::Paused,
            Self::Down => Rule::Down,
            Self::TornDown => Rule::TornDown,
            Self::Reboot => Rule::Reboot,
            Self::RemovalDue => Rule::DelayRemove,
            Self::LeftToUpgrade => Rule::OwnUpgrade,
            Self::DisableInterrupted => Rule::Disable,
            Self::DirectoryGone | Self::NothingToRun => Rule::Dead,
            Self::RunsWithoutDirectory => Rule::DirectoryGone,
            Self::GroupNotUp { .. } | Self::GroupsNeeded { .. } => Rule::ContainerGroup,
            Self::FirstGroups { .. } => Rule::MinContainerCount,
            Self::ImageChanged { .. } => Rule::DockerImage,
            Self::OperationsInProgress { .. } => Rule::MaxConcurrentOperations,
            Self::Pressure { gauge, .. } | Self::DiskPressure { gauge, .. } => gauge.remove_rule(),
            Self::OverCap { .. } | Self::RunningAtCap { .. } | Self::TotalAtCap { .. } => Rule::NodeCap,
            Self::YoungestStopped | Self::YoungestOthersStopped => Rule::Stop,
            Self::YoungestRemoved => Rule::Remove,
            Self::RemovalsInProgress { .. } => Rule::MaxConcurrentRemovals,
            Self::RemovalFailed | Self::OperationFailed | Self::StartFailed | Self::WentDown | Self::Fell => {
                Rule::BackOff
            }
            Self::NothingLeft => Rule::Relief,
            Self::Outdated { .. } => Rule::Upgrade,
            Self::CanariesFirst { .. } => Rule::UpgradeCanary,
            Self::Proving { .. } | Self::Proved => Rule::UpgradeSettleSeconds,
            Self::Reverting { .. } => Rule::AutoRevert,
            Self::RolloutPaused { pause: Pause::TooManyFailed { .. }, .. } => Rule::UpgradeFailurePercent,
            Self::RolloutPaused { .. }
            | Self::RolloutAborted { .. }
            | Self::OneAtATime { .. }
            | Self::Unproved { .. } => Rule::Rollout,
            Self::UpgradesLater { limit, .. } | Self::StartsLater { limit, .. } | Self::AddsLater { limit, .. } => {
                limit.rule
            }
            Self::UpgradesFirst { .. } => Rule::UpgradesFirst,
            Self::OtherFlavour { .. } | Self::MixedFlavours { .. } => Rule::Flavour,
            Self::NoRoom { gauge, .. } | Self::DiskNoRoom { gauge, .. } | Self::MeasuredAgainst { gauge, .. } => {
                gauge.less_than_rule()
            }
            Self::FewInodes { .. } | Self::DiskFewInodes { .. } | Self::DiskAway { .. } => Rule::HdLessThan,
            Self::Migrating { .. } => Rule::Migrating,
            Self::StoppedByOwner => Rule::StoppedByOwner,
            Self::Broken { .. } => Rule::Broken,
            Self::Returning { .. } | Self::ReturnsLater { .. } => Rule::RestartPace,
            Self::Recovering { .. } => Rule::DelayRestart,
            Self::MetricsPortInUse => Rule::PortInUse,
            Self::RoomToStart => Rule::Start,
            Self::RoomToAdd { .. } => Rule::Add,
            Self::NoProgram { .. } => Rule::AntnodePath,
            Self::NoNumberLeft { .. } | Self::BadLayout { .. } => Rule::Ports,
            Self::NumberTaken { .. } => Rule::NumberTaken,
            Self::StorageMoves { .. } | Self::Requested | Self::Fewer { .. } | Self::NothingToDo { .. } => {
                Rule::Request
            }
        }
    }

    /// The figure, and the threshold that it was held against.
    fn figures(&self) -> Option<(f64, f64)> {
        let counts = |figure: u32, threshold: u32| Some((f64::from(figure), f64::from(threshold)));
        match *self {
            Self::Pressure { figure, limit, .. }
            | Self::NoRoom { figure, limit, .. }
            | Self::DiskPressure { figure, limit, .. }
            | Self::DiskNoRoom { figure, limit, .. } => Some((figure, limit)),
            Self::OverCap { total, cap } | Self::TotalAtCap { total, cap } | Self::RoomToAdd { total, cap } => {
                counts(total, cap)
            }
            Self::RunningAtCap { running, cap } => counts(running, cap),
            Self::RolloutPaused { pause: Pause::TooManyFailed { failed, fleet, percent }, .. } => {
                Some((f64::from(failed) * 100.0 / f64::from(fleet.max(1)), percent))
            }
            Self::OperationsInProgress { in_progress, most } => counts(in_progress, most),
            Self::RemovalsInProgress { removing, most } => counts(removing, most),
            Self::UpgradesLater { limit, .. } | Self::StartsLater { limit, .. } | Self::AddsLater { limit, .. } => {
                counts(limit.in_progress, limit.most)
            }
            _ => None,
        }
    }
}
