//! What wnm and an image have agreed on: the label that says so, the program that controls nodes, and the names of what a container
//! finds in its environment.

/// The label that says that an image does what wnm counts on, and its value.
pub const IMAGE_LABEL: (&str, &str) = ("wnm.contract", "1");

/// The program that controls the nodes of a container, and what it takes there: names and texts. The image has them under
/// `/usr/local/lib/wnm`.
pub const PROGRAM: [(&str, &str); 6] = [
    ("nodes", include_str!("../../image/rootfs/usr/local/lib/wnm/nodes")),
    ("report", include_str!("../../image/rootfs/usr/local/lib/wnm/report")),
    ("supervision", include_str!("../../image/rootfs/usr/local/lib/wnm/supervision")),
    ("keeper", include_str!("../../image/rootfs/usr/local/lib/wnm/keeper")),
    ("run", include_str!("../../image/rootfs/usr/local/lib/wnm/run")),
    ("finish", include_str!("../../image/rootfs/usr/local/lib/wnm/finish")),
];

/// Names of what a container finds in its environment. Each is text without a unit unless its name has one.
pub mod environment {
    /// The group whose nodes live in the container: `a1`. Without it the container has no nodes.
    pub const GROUP: &str = "WNM_GROUP";
    /// The user id that nodes run as. Without it: the owner of the volume.
    pub const UID: &str = "WNM_UID";
    /// The group id that nodes run as. Without it: the group of the volume.
    pub const GID: &str = "WNM_GID";
    /// The ports that are handed to the container's 127.0.0.1: ranges separated by commas, of TCP unless `/udp` follows,
    /// such as `13001-13200`. Not in the host's own network. The container needs `NET_ADMIN` and the sysctl
    /// `net.ipv4.conf.all.route_localnet=1`. Its name is that of the ports that it was made for.
    pub const LOCAL_PORTS: &str = "WNM_METRICS_PORTS";
    /// What nodes are given to end, all at the same time, when the container ends; 60000 without it. Then they are
    /// killed. The container's own stop timeout has to be longer; the image gives s6 up to 120 s for it.
    ///
    /// `S6_KILL_GRACETIME` is something else: s6-overlay waits so long *in any case*, when the nodes are down already.
    /// The image sets it low, and so it should stay.
    pub const GRACE_MILLISECONDS: &str = "WNM_GRACE_MILLISECONDS";
}
