//! firewalld, the firewall of Fedora and its relatives: ports of the default zone, now and after a restart, all of a
//! batch in one call.
//!
//! It keeps no comments: a node port that its owner had opened by hand closes with the node as well.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Change, Firewall, FirewallError, OpenPort, PortOutcomes, range, root_command, same};
use wnm_pm::command::CommandRunner;
use wnm_pm::privilege::Privilege;

/// Ports of firewalld's default zone.
pub struct Firewalld {
    runner: Arc<dyn CommandRunner>,
    privilege: Privilege,
}

impl Firewalld {
    /// Runs `firewall-cmd` by this runner and in this name.
    #[must_use]
    pub fn new(runner: Arc<dyn CommandRunner>, privilege: Privilege) -> Self {
        Self { runner, privilege }
    }

    async fn firewall_cmd(&self, words: Vec<String>) -> Result<String, FirewallError> {
        let said = self.runner.succeed(&root_command(self.privilege, "firewall-cmd").args(words)).await;
        said.map(|output| output.stdout).map_err(|source| FirewallError { firewall: "firewalld", source })
    }

    /// The UDP ports that are let in now.
    async fn open_ranges(&self) -> Result<Vec<(u16, u16)>, FirewallError> {
        let listed = self.firewall_cmd(vec!["--list-ports".to_owned()]).await?;
        Ok(listed.split_whitespace().filter_map(|each| range(each.strip_suffix("/udp")?, '-')).collect())
    }

    /// Those of `ports` that are to change are changed, for now and for good.
    async fn change(&self, ports: &[OpenPort], option: &str, to_open: bool) -> PortOutcomes {
        match self.try_change(ports, option, to_open).await {
            Ok(changes) => changes.into_iter().map(|(port, change)| (port, Ok(change))).collect(),
            Err(error) => same(ports, &Err(error)),
        }
    }

    async fn try_change(
        &self,
        ports: &[OpenPort],
        option: &str,
        to_open: bool,
    ) -> Result<Vec<(OpenPort, Change)>, FirewallError> {
        let open = self.open_ranges().await?;
        let changes = |port: &OpenPort| lets_in(&open, port.port) != to_open;
        let words: Vec<String> =
            ports.iter().filter(|port| changes(port)).map(|port| format!("{option}={}/udp", port.port)).collect();
        if !words.is_empty() {
            self.firewall_cmd(words.clone()).await?;
            self.firewall_cmd([vec!["--permanent".to_owned()], words].concat()).await?;
        }
        let change = |port| if changes(port) { Change::Made } else { Change::Unneeded };
        Ok(ports.iter().map(|port| (*port, change(port))).collect())
    }
}

fn lets_in(ranges: &[(u16, u16)], port: u16) -> bool {
    ranges.iter().any(|(first, last)| (*first..=*last).contains(&port))
}

#[async_trait]
impl Firewall for Firewalld {
    async fn name(&self) -> Option<&'static str> {
        Some("firewalld")
    }

    async fn open(&self, ports: &[OpenPort]) -> PortOutcomes {
        self.change(ports, "--add-port", true).await
    }

    async fn close(&self, ports: &[OpenPort]) -> PortOutcomes {
        self.change(ports, "--remove-port", false).await
    }

    async fn closed(&self, ports: &[OpenPort]) -> Result<Vec<OpenPort>, FirewallError> {
        let open = self.open_ranges().await?;
        Ok(ports.iter().filter(|port| !lets_in(&open, port.port)).copied().collect())
    }

    async fn opening_command(&self, port: &OpenPort) -> String {
        let words = format!("firewall-cmd --add-port={}/udp", port.port);
        format!("sudo {words} && sudo {words} --permanent")
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::NodeId;
    use wnm_testing::RecordedRunner;

    #[tokio::test]
    async fn a_batch_is_opened_and_closed_in_one_call_each_for_now_and_for_good() {
        let runner = RecordedRunner::new()
            .on_success("firewall-cmd", "success\n")
            .on_success("firewall-cmd --list-ports", "22/tcp 55001/udp 55004-55005/udp 55002/tcp\n");
        let runner = Arc::new(runner);
        let firewalld = Firewalld::new(Arc::clone(&runner) as Arc<dyn CommandRunner>, Privilege::Own);
        let ports = [55001, 55002, 55003, 55005].map(|port| OpenPort { port, node: NodeId(u32::from(port) - 55000) });
        let opened = firewalld.open(&ports).await;
        let outcomes = |changes: [Change; 4]| ports.into_iter().zip(changes.map(Ok)).collect::<PortOutcomes>();
        assert_eq!(opened, outcomes([Change::Unneeded, Change::Made, Change::Made, Change::Unneeded]));
        let closed = firewalld.close(&ports).await;
        assert_eq!(closed, outcomes([Change::Made, Change::Unneeded, Change::Unneeded, Change::Made]));
        assert_eq!(firewalld.closed(&ports).await, Ok(ports[1..3].to_vec()));
        insta::assert_snapshot!(runner.lines().join("\n"), @"
        firewall-cmd --list-ports
        firewall-cmd --add-port=55002/udp --add-port=55003/udp
        firewall-cmd --permanent --add-port=55002/udp --add-port=55003/udp
        firewall-cmd --list-ports
        firewall-cmd --remove-port=55001/udp --remove-port=55005/udp
        firewall-cmd --permanent --remove-port=55001/udp --remove-port=55005/udp
        firewall-cmd --list-ports
        ");
    }
}
