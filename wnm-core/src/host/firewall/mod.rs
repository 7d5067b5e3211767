//! A firewall lets in what nodes are told from outside: each node's UDP port is opened when the node is started, and
//! closed when the node is disabled or removed. Metrics ports are asked from this machine only and stay as they are.
//!
//! A firewall never decides whether a node lives: what it cannot do is told, and the node goes on.

use std::sync::Arc;

use async_trait::async_trait;

use crate::node::{NodeId, NodeSpec};
use crate::settings::FirewallKind;
use wnm_pm::command::{Command, CommandError, CommandRunner};
use wnm_pm::hint::{Hint, Hinted};
use wnm_pm::privilege::{Privilege, SUDO_HINT};

mod auto;
mod firewalld;
mod ufw;

pub use auto::Auto;
pub use firewalld::Firewalld;
pub use ufw::Ufw;

/// A UDP port of a node that the world talks to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OpenPort {
    /// The port.
    pub port: u16,
    /// The node; its name is what a firewall that keeps comments is told.
    pub node: NodeId,
}

impl OpenPort {
    /// The ports of a node that the world talks to.
    pub fn of(spec: &NodeSpec) -> impl Iterator<Item = Self> {
        let public = spec.ports.iter().filter(|(kind, _)| kind.is_public());
        public.map(|(_, port)| Self { port, node: spec.id })
    }
}

/// What became of each port.
pub type PortOutcomes = Vec<(OpenPort, Result<Change, FirewallError>)>;

/// The same for all ports.
fn same(ports: &[OpenPort], outcome: &Result<Change, FirewallError>) -> PortOutcomes {
    ports.iter().map(|port| (*port, outcome.clone())).collect()
}

/// What became of one port.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// It was opened or closed.
    Made,
    /// It was so already, or is not wnm's to close.
    Unneeded,
}

/// A firewall could not be asked or told.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{firewall} failed")]
pub struct FirewallError {
    /// Which one.
    pub firewall: &'static str,
    /// Why not.
    pub source: CommandError,
}

impl Hinted for FirewallError {
    fn hints(&self) -> Vec<Hint> {
        let by_hand = Hint::set("firewall", "null").to("open ports by hand");
        vec![Hint::text(SUDO_HINT), by_hand]
    }
}

/// The door to what lets packets into this machine. May be told the same thing again and again.
#[async_trait]
pub trait Firewall: Send + Sync {
    /// What it is called; none where nothing keeps packets out.
    async fn name(&self) -> Option<&'static str>;

    /// Lets these ports in.
    async fn open(&self, ports: &[OpenPort]) -> PortOutcomes;

    /// No longer lets these ports in.
    async fn close(&self, ports: &[OpenPort]) -> PortOutcomes;

    /// Which of these ports it keeps out. Reads only.
    async fn closed(&self, ports: &[OpenPort]) -> Result<Vec<OpenPort>, FirewallError>;

    /// The command by which a person opens a port, as root.
    async fn opening_command(&self, port: &OpenPort) -> String;
}

/// The firewall that the setting names.
#[must_use]
pub fn firewall(kind: FirewallKind, runner: &Arc<dyn CommandRunner>) -> Arc<dyn Firewall> {
    let runner = Arc::clone(runner);
    match kind {
        FirewallKind::Auto => Arc::new(Auto::new(runner)),
        FirewallKind::Null => Arc::new(Null),
        FirewallKind::Ufw => Arc::new(Ufw::new(runner, Privilege::of_root())),
        FirewallKind::Firewalld => Arc::new(Firewalld::new(runner, Privilege::of_root())),
    }
}

/// Nothing keeps packets out, or ports are their owner's business.
#[derive(Debug, Clone, Copy, Default)]
pub struct Null;

#[async_trait]
impl Firewall for Null {
    async fn name(&self) -> Option<&'static str> {
        None
    }

    async fn open(&self, ports: &[OpenPort]) -> PortOutcomes {
        same(ports, &Ok(Change::Unneeded))
    }

    async fn close(&self, ports: &[OpenPort]) -> PortOutcomes {
        same(ports, &Ok(Change::Unneeded))
    }

    async fn closed(&self, _: &[OpenPort]) -> Result<Vec<OpenPort>, FirewallError> {
        Ok(Vec::new())
    }

    async fn opening_command(&self, _: &OpenPort) -> String {
        String::new()
    }
}

/// A program of root's. Cron does not look in the directories where such programs lie.
fn root_command(privilege: Privilege, program: &str) -> Command {
    privilege.command(program).env("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin")
}

/// `55007` or `55001<separator>55200`, both ends included.
fn range(text: &str, separator: char) -> Option<(u16, u16)> {
    let (first, last) = text.split_once(separator).unwrap_or((text, text));
    Some((first.parse().ok()?, last.parse().ok()?))
}
