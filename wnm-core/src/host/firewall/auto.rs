//! Auto is whichever firewall is active on this machine; which one that is, is looked up when a port is first needed.

use std::path::Path;
use std::sync::Arc;

use async_trait::async_trait;
use tokio::sync::OnceCell;

use super::{Firewall, FirewallError, Firewalld, Null, OpenPort, PortOutcomes, Ufw, root_command};
use wnm_pm::command::CommandRunner;
use wnm_pm::privilege::Privilege;

/// Everybody may read it, while `ufw status` is for root.
const UFW_CONFIGURATION: &str = "/etc/ufw/ufw.conf";

/// The firewall that is active.
pub struct Auto {
    runner: Arc<dyn CommandRunner>,
    found: OnceCell<Arc<dyn Firewall>>,
}

impl Auto {
    /// Looks when it is first asked, and runs programs by this runner.
    #[must_use]
    pub fn new(runner: Arc<dyn CommandRunner>) -> Self {
        Self { runner, found: OnceCell::new() }
    }

    async fn found(&self) -> &dyn Firewall {
        self.found.get_or_init(|| find(&self.runner, Path::new(UFW_CONFIGURATION))).await.as_ref()
    }
}

async fn find(runner: &Arc<dyn CommandRunner>, ufw_configuration: &Path) -> Arc<dyn Firewall> {
    let privilege = Privilege::of_root();
    if std::fs::read_to_string(ufw_configuration).is_ok_and(|text| is_enabled(&text)) {
        return Arc::new(Ufw::new(Arc::clone(runner), privilege));
    }
    if firewalld_runs(&**runner).await {
        return Arc::new(Firewalld::new(Arc::clone(runner), privilege));
    }
    Arc::new(Null)
}

/// The last word counts, as it does for ufw.
fn is_enabled(configuration: &str) -> bool {
    let mut values = configuration.lines().filter_map(|line| line.trim().strip_prefix("ENABLED="));
    values.next_back().is_some_and(|value| value.trim().trim_matches('"').eq_ignore_ascii_case("yes"))
}

/// Whoever may not ask is told so only where firewalld is there to tell it.
async fn firewalld_runs(runner: &dyn CommandRunner) -> bool {
    let asked = runner.run(&root_command(Privilege::Own, "firewall-cmd").arg("--state")).await;
    asked.is_ok_and(|output| output.success() || output.stderr.contains("Authorization failed"))
}

#[async_trait]
impl Firewall for Auto {
    async fn name(&self) -> Option<&'static str> {
        self.found().await.name().await
    }

    async fn open(&self, ports: &[OpenPort]) -> PortOutcomes {
        self.found().await.open(ports).await
    }

    async fn close(&self, ports: &[OpenPort]) -> PortOutcomes {
        self.found().await.close(ports).await
    }

    async fn closed(&self, ports: &[OpenPort]) -> Result<Vec<OpenPort>, FirewallError> {
        self.found().await.closed(ports).await
    }

    async fn opening_command(&self, port: &OpenPort) -> String {
        self.found().await.opening_command(port).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use wnm_pm::command::{CommandError, Output};
    use wnm_testing::RecordedRunner;

    async fn found(ufw: &str, firewalld: Result<Output, CommandError>) -> Option<&'static str> {
        let directory = tempfile::tempdir().expect("a temporary directory");
        let configuration = directory.path().join("ufw.conf");
        std::fs::write(&configuration, ufw).expect("it is written");
        let runner: Arc<dyn CommandRunner> = Arc::new(RecordedRunner::new().on("firewall-cmd --state", [firewalld]));
        find(&runner, &configuration).await.name().await
    }

    fn said(code: i32, stderr: &str) -> Result<Output, CommandError> {
        Ok(Output { code: Some(code), stdout: String::new(), stderr: stderr.to_owned() })
    }

    #[tokio::test]
    async fn the_firewall_that_is_active_is_found() {
        let none = || Err(CommandError::NotRun { command: "firewall-cmd --state".into(), reason: "not found".into() });
        assert_eq!(found("# ENABLED=yes\nENABLED=no\n", none()).await, None);
        assert_eq!(found("ENABLED=no\nENABLED=\"Yes\"\n", none()).await, Some("ufw"));
        assert_eq!(found("", said(0, "")).await, Some("firewalld"));
        assert_eq!(found("", said(252, "not running\n")).await, None);
        assert_eq!(found("", said(1, "Authorization failed.\n")).await, Some("firewalld"));
        assert_eq!(found("", said(36, "Error: DBUS_ERROR: Failed to connect to socket\n")).await, None);
        assert_eq!(found("ENABLED=yes\n", said(0, "")).await, Some("ufw"));
    }
}
