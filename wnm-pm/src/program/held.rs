//! How a node's program is held on the disk: as blocks that it shares, as one of several names of one file, or as a file
//! with blocks of its own.

use std::fmt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{shared, stamp, stamp_of};

/// How a node's program is held on the disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Held {
    /// A file of its own whose blocks are shared with the program that it was made of, until either is written to.
    Reflink,
    /// One of several names of the same file.
    HardLink,
    /// A file of its own with blocks of its own.
    Copy,
}

impl Held {
    /// The word that JSON and stamps use.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Reflink => "reflink",
            Self::HardLink => "hard_link",
            Self::Copy => "copy",
        }
    }

    /// What a word says.
    pub(super) fn of(word: &str) -> Option<Self> {
        [Self::Reflink, Self::HardLink, Self::Copy].into_iter().find(|held| held.as_str() == word)
    }
}

impl fmt::Display for Held {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(&self.as_str().replace('_', " "))
    }
}

/// How the program in its place is held; none where nobody knows. Names of a file are counted on the disk, shared blocks
/// are taken from what was noted when the program was put there.
#[must_use]
pub fn held(place: &Path) -> Option<Held> {
    if shared::is_linked(place) {
        return Some(Held::HardLink);
    }
    match stamp::held_in(&stamp_of(place), place)? {
        // The other names are gone.
        Held::HardLink => Some(Held::Copy),
        noted => Some(noted),
    }
}
