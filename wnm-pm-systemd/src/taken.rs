//! Names that no new node may get: units of somebody else, masked ones, and what runs without being in the database.

use std::collections::BTreeSet;
use std::path::Path;

use wnm_pm::node::NodeRef;
use wnm_pm::process_manager::{ManagerError, TakenNumber};

use crate::Systemd;
use crate::mark::{self, Foreign};
use crate::parse::Unit;
use crate::paths::unit_name;
use crate::survey::number;

impl Systemd {
    /// The units beside those of the recorded nodes whose numbers cannot be had.
    pub(crate) async fn taken_units(&self, recorded: &[NodeRef]) -> Result<Vec<TakenNumber>, ManagerError> {
        let recorded: BTreeSet<String> = recorded.iter().map(unit_name).collect();
        let mut names = self.systemctl.names().await?;
        names.retain(|name| number(name).is_some() && !recorded.contains(name));
        let units = self.systemctl.units(&names).await?;
        let unknown = Unit::default();
        let taken = names.iter().filter_map(|name| {
            // Of an alias systemd tells under another name.
            let why = self.in_the_way(name, units.get(name).unwrap_or(&unknown))?;
            Some(TakenNumber { number: number(name)?, why })
        });
        Ok(taken.collect())
    }

    fn in_the_way(&self, name: &str, unit: &Unit) -> Option<String> {
        if let Some(Foreign { path, reason }) = self.foreign(name, unit) {
            return Some(format!("{} is there already: {reason}", path.display()));
        }
        let place = self.systemctl.places.unit(name);
        match unit.load.as_str() {
            "masked" => Some(format!("{name} is masked")),
            _ if place.is_symlink() => Some(format!("{} is a link", place.display())),
            _ if unit.is_up() => Some(format!("{name} is active, and its node is not in the database")),
            _ => None,
        }
    }

    /// Whose a unit is, where it is somebody else's; no node of it has to be in the database.
    pub(crate) fn foreign(&self, name: &str, unit: &Unit) -> Option<Foreign> {
        let is_own = |directory: &Path| self.node_storage.hold(directory);
        mark::foreign(&self.systemctl.places, &self.node_storage, (name, unit), is_own)
    }
}
