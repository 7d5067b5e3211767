//! ufw, the firewall of Ubuntu and Debian: a rule per node, with a comment by which wnm knows its own.
//!
//! A range of ports would be one rule instead of many, and could not be taken apart again when one of its nodes goes.

use std::sync::Arc;

use async_trait::async_trait;

use super::{Change, Firewall, FirewallError, OpenPort, PortOutcomes, range, root_command, same};
use wnm_pm::command::{Command, CommandRunner};
use wnm_pm::privilege::Privilege;

/// What the comments of wnm's rules begin with.
const COMMENT: &str = "wnm ";

/// Rules of ufw, also while ufw itself is off: then they count from the day that it is switched on.
pub struct Ufw {
    runner: Arc<dyn CommandRunner>,
    privilege: Privilege,
}

/// A rule that lets UDP ports in from everywhere.
struct Rule {
    first: u16,
    last: u16,
    ours: bool,
}

impl Ufw {
    /// Runs `ufw` by this runner and in this name.
    #[must_use]
    pub fn new(runner: Arc<dyn CommandRunner>, privilege: Privilege) -> Self {
        Self { runner, privilege }
    }

    async fn ufw(&self, command: Command) -> Result<String, FirewallError> {
        let said = self.runner.succeed(&command).await;
        said.map(|output| output.stdout).map_err(|source| FirewallError { firewall: "ufw", source })
    }

    async fn rules(&self) -> Result<Vec<Rule>, FirewallError> {
        let added = self.ufw(root_command(self.privilege, "ufw").args(["show", "added"])).await?;
        Ok(added.lines().filter_map(rule).collect())
    }
}

/// `ufw allow 55007/udp comment 'wnm antnode0007'`; rules of another form are nothing that wnm could have made.
fn rule(line: &str) -> Option<Rule> {
    let rest = line.strip_prefix("ufw allow ")?;
    let (target, comment) = rest.split_once(" comment ").unwrap_or((rest, ""));
    let (first, last) = range(target.strip_suffix("/udp")?, ':')?;
    Some(Rule { first, last, ours: first == last && comment.trim_start_matches('\'').starts_with(COMMENT) })
}

#[async_trait]
impl Firewall for Ufw {
    async fn name(&self) -> Option<&'static str> {
        Some("ufw")
    }

    async fn open(&self, ports: &[OpenPort]) -> PortOutcomes {
        let rules = match self.rules().await {
            Ok(rules) => rules,
            Err(error) => return same(ports, &Err(error)),
        };
        let mut outcomes = Vec::new();
        for open @ OpenPort { port, node } in ports {
            let name = node.name();
            if rules.iter().any(|rule| (rule.first..=rule.last).contains(port)) {
                outcomes.push((*open, Ok(Change::Unneeded)));
                continue;
            }
            let words = ["allow", &format!("{port}/udp"), "comment", &format!("{COMMENT}{name}")];
            let done = self.ufw(root_command(self.privilege, "ufw").args(words)).await;
            outcomes.push((*open, done.map(|_| Change::Made)));
        }
        outcomes
    }

    async fn close(&self, ports: &[OpenPort]) -> PortOutcomes {
        let rules = match self.rules().await {
            Ok(rules) => rules,
            Err(error) => return same(ports, &Err(error)),
        };
        let mut outcomes = Vec::new();
        for open @ OpenPort { port, .. } in ports {
            if !rules.iter().any(|rule| rule.ours && rule.first == *port) {
                outcomes.push((*open, Ok(Change::Unneeded)));
                continue;
            }
            let words = ["delete", "allow", &format!("{port}/udp")];
            let done = self.ufw(root_command(self.privilege, "ufw").args(words)).await;
            outcomes.push((*open, done.map(|_| Change::Made)));
        }
        outcomes
    }

    async fn closed(&self, ports: &[OpenPort]) -> Result<Vec<OpenPort>, FirewallError> {
        let rules = self.rules().await?;
        let lets_in = |port: &OpenPort| rules.iter().any(|rule| (rule.first..=rule.last).contains(&port.port));
        Ok(ports.iter().filter(|port| !lets_in(port)).copied().collect())
    }

    async fn opening_command(&self, port: &OpenPort) -> String {
        format!("sudo ufw allow {}/udp comment '{COMMENT}{}'", port.port, port.node.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::NodeId;
    use wnm_pm::hint::{Hinted, chain};
    use wnm_testing::RecordedRunner;

    const ADDED: &str = "Added user rules (see 'ufw status' for running firewall):\n\
        ufw limit 22/tcp\n\
        ufw allow from 10.0.0.1 to any port 55004 proto udp\n\
        ufw allow 55001/udp comment 'wnm antnode0001'\n\
        ufw allow 55002/udp comment 'mine'\n\
        ufw allow 55010:55019/udp comment 'wnm antnode0010'\n\
        ufw deny 55005/udp\n";

    fn ports(numbers: &[u16]) -> Vec<OpenPort> {
        numbers.iter().map(|&number| OpenPort { port: 55000 + number, node: NodeId(number.into()) }).collect()
    }

    fn ufw(runner: RecordedRunner, privilege: Privilege) -> (Ufw, Arc<RecordedRunner>) {
        let runner = Arc::new(runner);
        (Ufw::new(Arc::clone(&runner) as Arc<dyn CommandRunner>, privilege), runner)
    }

    #[tokio::test]
    async fn only_what_is_not_open_is_opened() {
        let runner = RecordedRunner::new().on_success("ufw show added", ADDED).on_success("ufw allow", "Rule added\n");
        let (ufw, runner) = ufw(runner, Privilege::Own);
        let outcomes = ufw.open(&ports(&[1, 2, 3, 4, 12])).await;
        let changes: Vec<Change> = outcomes.into_iter().map(|(_, outcome)| outcome.expect("ufw works")).collect();
        let (made, unneeded) = (Change::Made, Change::Unneeded);
        assert_eq!(changes, [unneeded, unneeded, made, made, unneeded]);
        insta::assert_snapshot!(runner.lines().join("\n"), @"
        ufw show added
        ufw allow 55003/udp comment wnm antnode0003
        ufw allow 55004/udp comment wnm antnode0004
        ");
        assert_eq!(ufw.closed(&ports(&[1, 2, 3, 12])).await, Ok(ports(&[3])));
    }

    #[tokio::test]
    async fn only_wnms_own_rules_are_deleted() {
        let runner = RecordedRunner::new()
            .on_success("sudo -n -- ufw show added", ADDED)
            .on_success("sudo -n -- ufw delete", "Rule deleted\n");
        let (ufw, runner) = ufw(runner, Privilege::Sudo);
        let outcomes = ufw.close(&ports(&[1, 2, 3, 10])).await;
        assert_eq!(outcomes.iter().filter(|(_, outcome)| *outcome == Ok(Change::Made)).count(), 1);
        insta::assert_snapshot!(runner.lines().join("\n"), @"
        sudo -n -- ufw show added
        sudo -n -- ufw delete allow 55001/udp
        ");
    }

    #[tokio::test]
    async fn a_firewall_that_fails_says_why_and_what_to_do() {
        let runner = RecordedRunner::new().on_failure("sudo", 1, "sudo: a password is required\n");
        let (ufw, runner) = ufw(runner, Privilege::Sudo);
        let outcomes = ufw.open(&ports(&[1, 2])).await;
        assert_eq!((outcomes.len(), runner.lines().len()), (2, 1), "what is refused once is not asked for again");
        let error = outcomes[0].1.as_ref().expect_err("sudo refuses");
        insta::assert_snapshot!(chain(error), @"ufw failed: `sudo -n -- ufw show added` failed (exit code 1): sudo: a password is required");
        assert_eq!(error.hints().len(), 2);
    }
}
