//! The name of a machine in a backup: enough to tell it from another one, and nothing that other programs know it by.

use std::fs;

use serde::{Deserialize, Serialize};

use super::manifest::digest;

/// Where Linux keeps the machine's id.
const PLACES: [&str; 2] = ["/etc/machine-id", "/var/lib/dbus/machine-id"];

/// A machine, as a backup names it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MachineName {
    /// A digest of the machine's id; none where it has none.
    pub id: Option<String>,
    /// What it calls itself.
    pub host: Option<String>,
}

impl MachineName {
    /// This machine.
    #[must_use]
    pub fn own() -> Self {
        let read = |path| fs::read_to_string(path).ok().map(|text: String| text.trim().to_owned());
        let filled = |text: &String| !text.is_empty();
        let id = PLACES.into_iter().find_map(|path| read(path).filter(filled));
        // The id itself is not to be shown to others; this digest of it is wnm's own.
        let id = id.map(|id| digest(format!("wnm backup {id}").as_bytes()));
        Self { id, host: read("/proc/sys/kernel/hostname").filter(filled) }
    }

    /// Whether both are the same machine. Of those without an id, what they call themselves is all that is known.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        match (&self.id, &other.id) {
            (None, None) => self.host.is_some() && self.host == other.host,
            (own, other) => own == other,
        }
    }
}
