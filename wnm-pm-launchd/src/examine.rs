//! Examining: what would not work with launchd on this machine, and what fixes it.

use std::path::Path;

use plist::Value;
use wnm_pm::hint::chain;
use wnm_pm::process_manager::{Finding, Mode};
use wnm_pm::shell::word;

use crate::Launchd;
use crate::observe::lost_directory;

/// What to do where there is no launchd.
pub(crate) const ONLY_ON_MACOS: &str =
    "launchd is part of macOS; elsewhere use setsid+user, with a database of its own";

/// What to do where launchd keeps no jobs of this user's.
pub(crate) const LOG_IN: &str =
    "log in at the screen, or use launchd+sudo, with a database of its own, which needs no login";

impl Launchd {
    /// Why launchd keeps no jobs of this user's.
    pub(crate) fn no_session(&self) -> String {
        format!("launchd has no domain {}: this user is not logged in at the screen", self.domain.target)
    }

    /// All findings; reads only.
    pub(crate) async fn findings(&self) -> Vec<Finding> {
        match self.launchctl.domain_exists().await {
            Err(error) => vec![Finding::error("no-launchd", chain(&error), "no node can be started", ONLY_ON_MACOS)],
            Ok(false) if self.mode == Mode::User => vec![Finding::error(
                "no-gui-session",
                self.no_session(),
                "agents run only while their user is logged in",
                LOG_IN,
            )],
            Ok(_) => self.findings_in_plists(),
        }
    }

    fn findings_in_plists(&self) -> Vec<Finding> {
        match self.labels() {
            Ok(labels) => labels.iter().filter_map(|(label, path)| self.finding_in_plist(label, path)).collect(),
            Err(error) => {
                let fix = format!("let this user read {}", self.domain.plists.display());
                vec![Finding::error("plists-unreadable", error.text(), "no node is seen", fix)]
            }
        }
    }

    fn finding_in_plist(&self, label: &str, path: &Path) -> Option<Finding> {
        let plist = match Value::from_file(path) {
            Ok(plist) => plist,
            Err(error) => {
                return Some(Finding::error(
                    "plist-damaged",
                    format!("{} cannot be read: {error}", path.display()),
                    "launchd cannot load it",
                    "start its node: that writes it anew",
                ));
            }
        };
        let root_dir = lost_directory(&plist)?;
        Some(Finding::warning(
            "plist-without-node",
            format!("{label} belongs to {}, which is gone", root_dir.display()),
            "launchd tries to start it at each login",
            format!("launchctl bootout {}/{label}; rm {}", self.domain.target, word(path)),
        ))
    }
}
