//! Examining: what would not work with launchd on this machine, and what mends it.

use plist::Value;
use wnm_pm::process_manager::{Finding, Mode, Severity};

use crate::Launchd;
use crate::look::{Line, exists};

impl Launchd {
    /// All findings; reads only.
    pub(crate) async fn find_troubles(&self) -> Vec<Finding> {
        match self.launchctl.domain_exists().await {
            Err(error) => vec![finding(
                "no-launchd",
                Severity::Error,
                error.to_string(),
                "no node can be started",
                "launchd is part of macOS; elsewhere begin another record: `wnm init --process_manager setsid+user --database FILE`",
            )],
            Ok(false) if self.mode == Mode::User => vec![finding(
                "no-gui-session",
                Severity::Error,
                format!("launchd has no domain {}: this user is not logged in at the screen", self.domain.target),
                "agents run only while their user is logged in",
                "log in at the screen; only nodes of launchd+sudo, a record of its own, run without",
            )],
            _ => self.find_in_plists(),
        }
    }

    fn find_in_plists(&self) -> Vec<Finding> {
        let labels = match self.labels() {
            Ok(labels) => labels,
            Err(error) => {
                let what = error.to_string();
                return vec![finding(
                    "plists-unreadable",
                    Severity::Error,
                    what,
                    "no node is seen",
                    "let this user read it",
                )];
            }
        };
        let findings = labels.iter().filter_map(|(label, path)| {
            let line = match Value::from_file(path) {
                Ok(plist) => Line::of(&plist),
                Err(error) => {
                    return Some(finding(
                        "plist-damaged",
                        Severity::Error,
                        format!("{} cannot be read: {error}", path.display()),
                        "launchd cannot load it",
                        "`wnm start` writes it anew",
                    ));
                }
            };
            let root_dir = line.value("--root-dir")?;
            (!exists(root_dir.as_ref())).then(|| {
                finding(
                    "plist-without-node",
                    Severity::Warning,
                    format!("{label} belongs to {root_dir}, which is gone"),
                    "launchd tries to start it at each login",
                    &format!("launchctl bootout {}/{label}; rm '{}'", self.domain.target, path.display()),
                )
            })
        });
        findings.collect()
    }
}

fn finding(code: &str, severity: Severity, what: String, consequence: &str, fix: &str) -> Finding {
    Finding { code: code.to_owned(), severity, what, consequence: consequence.to_owned(), fix: fix.to_owned() }
}
