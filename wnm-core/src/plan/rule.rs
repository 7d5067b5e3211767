//! The rules: every word that a reason can carry, declared once. The reference page `docs/rules.md` follows.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::Effect::{self, Did, Held};

macro_rules! rules {
    ($( $(#[doc = $explanation:literal])+ $rule:ident = $word:literal, $effects:expr; )+) => {
        /// What makes wnm do something, or holds it back. A rule that is a setting has the name of that setting.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        pub enum Rule {
            $( $(#[doc = $explanation])+ #[serde(rename = $word)] $rule, )+
        }

        impl Rule {
            /// Every rule, in the order of the reference page.
            pub const ALL: &'static [Self] = &[ $( Self::$rule, )+ ];

            /// The word that plans, the history and metrics use.
            #[must_use]
            pub fn as_str(self) -> &'static str {
                match self {
                    $( Self::$rule => $word, )+
                }
            }

            /// What it does or holds back, and when: one line in Markdown.
            #[must_use]
            pub fn explanation(self) -> &'static str {
                match self {
                    $( Self::$rule => concat!($($explanation),+).trim_ascii(), )+
                }
            }

            /// Whether it causes actions, holds them back, or either.
            #[must_use]
            pub fn effects(self) -> &'static [Effect] {
                match self {
                    $( Self::$rule => $effects, )+
                }
            }
        }
    };
}

rules! {
    /// The owner paused the cycles: a cycle checks all nodes, records what it finds, and changes nothing. What
    /// the owner asks for is still done.
    Paused = "paused", &[Held];
    /// Everything on this machine was taken down: no node is added before it is initialised again.
    TornDown = "torn_down", &[Held];
    /// Nodes are down that shall run, and nothing else says what they wait for.
    Down = "down", &[Held];
    /// The machine was restarted since the last cycle: a cycle checks all nodes and does nothing else.
    Reboot = "reboot", &[Did];
    /// A node was stopped for removal this long ago, or its last removal failed a while ago: its files are deleted.
    DelayRemove = "delay_remove", &[Did];
    /// Disabling a node was interrupted: it is finished.
    Disable = "disable", &[Did];
    /// A v2 node replaced its own program and ended: it is started again, whatever the limits.
    OwnUpgrade = "own_upgrade", &[Did];
    /// A node's directory is gone, or the node was never completely created: what is left is removed.
    Dead = "dead", &[Did];
    /// A node is running, and its directory is gone: it is left alone until its owner puts the directory back or removes it.
    DirectoryGone = "directory_gone", &[Held];
    /// A container group that has nodes is not up: it is restarted, repaired or created again. A group that new nodes go
    /// into is opened.
    ContainerGroup = "container_group", &[Did];
    /// With the first new nodes, this many container groups are opened.
    MinContainerCount = "min_container_count", &[Did];
    /// A container group uses an image other than this one: it is recreated, one running group per cycle.
    DockerImage = "docker_image", &[Did];
    /// This many nodes are starting, upgrading or being removed: anything else waits for a later cycle.
    MaxConcurrentOperations = "max_concurrent_operations", &[Held];

    /// More nodes than this: the excess is removed, stopped nodes first, then the youngest. As many as this: no node is
    /// added, and with as many running none is started.
    NodeCap = "node_cap", &[Did, Held];
    /// CPU usage is above this: the youngest nodes are stopped.
    CpuRemove = "cpu_remove", &[Did, Held];
    /// Memory usage is above this: the youngest nodes are stopped.
    MemRemove = "mem_remove", &[Did, Held];
    /// Disk usage, of space or of inodes, is above this: nodes are removed, stopped ones first, then the youngest. Of several
    /// disks each sheds its own nodes only.
    HdRemove = "hd_remove", &[Did, Held];
    /// A load average (1, 5 or 15 minutes) is above this: the youngest nodes are stopped.
    MaxLoadAverageAllowed = "max_load_average_allowed", &[Did, Held];
    /// The disk read rate is above this: the youngest nodes are stopped. 0 turns it off.
    HdioReadRemove = "hdio_read_remove", &[Did, Held];
    /// The disk write rate is above this: the youngest nodes are stopped. 0 turns it off.
    HdioWriteRemove = "hdio_write_remove", &[Did, Held];
    /// The network receive rate is above this: the youngest nodes are stopped. 0 turns it off.
    NetioReadRemove = "netio_read_remove", &[Did, Held];
    /// The network send rate is above this: the youngest nodes are stopped. 0 turns it off.
    NetioWriteRemove = "netio_write_remove", &[Did, Held];
    /// Which nodes are stopped to relieve the machine: the youngest running ones.
    Stop = "stop", &[Did];
    /// Which nodes are removed to relieve the machine: stopped ones first, then the youngest.
    Remove = "remove", &[Did];
    /// Nodes are on their way out already, and relief waits for them. It is also how many are stopped or removed per
    /// cycle at most.
    MaxConcurrentRemovals = "max_concurrent_removals", &[Held];
    /// The machine needs relief, and no node is left to stop or remove.
    Relief = "relief", &[Held];

    /// A newer node program is there: running nodes are upgraded to it, the oldest first.
    Upgrade = "upgrade", &[Did];
    /// This many nodes are upgrading: the others wait for a later cycle.
    MaxConcurrentUpgrades = "max_concurrent_upgrades", &[Held];
    /// Running nodes are outdated: until they are upgraded, no node is added or started.
    UpgradesFirst = "upgrades_first", &[Held];
    /// A new version is tried on this many nodes first, spread over the container groups: the others wait until it has proved
    /// itself there.
    UpgradeCanary = "upgrade_canary", &[Held];
    /// A node has to be healthy on a new version for this long before others follow. Once it was, its previous program is
    /// deleted.
    UpgradeSettleSeconds = "upgrade_settle_seconds", &[Did, Held];
    /// A new version failed on a node: its previous program is put back.
    AutoRevert = "auto_revert", &[Did];
    /// A new version failed on more of the nodes than this: no other node gets it before the owner resumes the roll-out or
    /// the program changes.
    UpgradeFailurePercent = "upgrade_failure_percent", &[Held];
    /// A new version failed on its first nodes, the owner ended its roll-out, or another one is on trial: no node gets it. While
    /// a version is rolled out, no node is added.
    Rollout = "rollout", &[Held];
    /// The node program is of another flavour (v1 or v2) than the nodes: it cannot upgrade them.
    Flavour = "flavour", &[Held];

    /// CPU usage is not below this: no node is added or started.
    CpuLessThan = "cpu_less_than", &[Held];
    /// Memory usage is not below this: no node is added or started.
    MemLessThan = "mem_less_than", &[Held];
    /// Disk usage, of space or of inodes, is not below this, or a node's files would need more inodes than are free: no node
    /// is added or started. Of several disks that holds for each by itself, and for one that is not mounted.
    HdLessThan = "hd_less_than", &[Held];
    /// A load average (1, 5 or 15 minutes) is not below this: no node is added or started.
    DesiredLoadAverage = "desired_load_average", &[Held];
    /// The disk read rate is not below this: no node is added or started. 0 turns it off.
    HdioReadLessThan = "hdio_read_less_than", &[Held];
    /// The disk write rate is not below this: no node is added or started. 0 turns it off.
    HdioWriteLessThan = "hdio_write_less_than", &[Held];
    /// The network receive rate is not below this: no node is added or started. 0 turns it off.
    NetioReadLessThan = "netio_read_less_than", &[Held];
    /// The network send rate is not below this: no node is added or started. 0 turns it off.
    NetioWriteLessThan = "netio_write_less_than", &[Held];
    /// Nodes are being taken over from elsewhere: no node is added or started.
    Migrating = "migrating", &[Held];
    /// The machine has room: stopped nodes are started, the oldest first.
    Start = "start", &[Did];
    /// The machine has room, and fewer nodes than `node_cap`: nodes are added.
    Add = "add", &[Did];
    /// This many nodes are starting: the others wait for a later cycle.
    MaxConcurrentStarts = "max_concurrent_starts", &[Held];
    /// The owner stopped a node by hand: only the owner starts it again.
    StoppedByOwner = "stopped_by_owner", &[Held];
    /// A node fell `broken_after` times in a row: only its owner starts it again, or another program does.
    Broken = "broken", &[Held];
    /// The machine was restarted: the nodes that ran before are started, this many at first, then as many as what the machine
    /// measures allows, whatever `max_concurrent_starts` says.
    RestartPace = "restart_pace", &[Did, Held];
    /// An operation on a node failed: it is retried after a minute, then after twice as long each time, an hour at most.
    BackOff = "back_off", &[Held];
    /// A node does not answer, or its manager keeps restarting it: it is left alone for this long before it is restarted.
    DelayRestart = "delay_restart", &[Held];
    /// A node runs, but another program answers on its metrics port: a restart would not free the port.
    PortInUse = "port_in_use", &[Held];
    /// There is no usable node program at this path: no node is added.
    AntnodePath = "antnode_path", &[Held];
    /// No number is left whose ports fit the port layout (`port_start`, `metrics_port_start`, `rpc_port_start`,
    /// `webrtc_port_start`): no node is added.
    Ports = "ports", &[Held];
    /// A number is skipped when nodes are added: one of its ports, its directory or its name is in use.
    NumberTaken = "number_taken", &[Held];

    /// The owner asked for it; or there was nothing to do for what the owner asked.
    Request = "request", &[Did, Held];
}

impl fmt::Display for Rule {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}
