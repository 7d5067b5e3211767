//! Settings that are one of a few words.

use serde::{Deserialize, Serialize};

use crate::node::Flavour;

/// What opens ports on this machine.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum FirewallKind {
    /// Whichever is active.
    Auto,
    /// Nothing: ports are the owner's business.
    Null,
    /// ufw.
    Ufw,
    /// firewalld.
    Firewalld,
}

impl FirewallKind {
    /// Every one, with the word that names it.
    pub const ALL: [(&'static str, Self); 4] =
        [("auto", Self::Auto), ("null", Self::Null), ("ufw", Self::Ufw), ("firewalld", Self::Firewalld)];
}

/// Which program the nodes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NodeFlavour {
    /// Whatever `antnode_path` turns out to be.
    Auto,
    /// v1, `antnode`.
    V1,
    /// v2, `ant-node`.
    V2,
}

impl NodeFlavour {
    /// Every one, with the word that names it.
    pub const ALL: [(&'static str, Self); 3] = [("auto", Self::Auto), ("v1", Self::V1), ("v2", Self::V2)];

    /// The flavour that is asked for; none where any will do.
    #[must_use]
    pub fn wanted(self) -> Option<Flavour> {
        match self {
            Self::Auto => None,
            Self::V1 => Some(Flavour::V1),
            Self::V2 => Some(Flavour::V2),
        }
    }
}
