//! Ports are opened before their nodes start and closed after their nodes were stopped for good. The firewall's failures
//! are reported, and are never a node's.

use std::collections::BTreeMap;

use super::Executor;
use crate::event::Event;
use crate::host::firewall::{Change, OpenPort, PortOutcomes};
use crate::node::Node;
use crate::report::port_ranges;
use wnm_pm::hint::{Hint, Hinted, chain};

/// What the firewall did and did not do.
#[derive(Default)]
pub(super) struct PortNotes {
    /// For the database: what changed, and what failed.
    pub events: Vec<Event>,
    /// For the report: what failed, a sentence each.
    pub failures: Vec<String>,
    /// What can be done about that.
    pub hints: Vec<Hint>,
}

impl Executor<'_> {
    /// Opened at each start and not only at the first, so that a firewall that was switched on since lets nodes in, too.
    pub(super) async fn open_ports(&self, rows: &[Node]) -> PortNotes {
        if rows.is_empty() {
            return PortNotes::default();
        }
        let Some(name) = self.firewall.name().await else { return PortNotes::default() };
        tell(self.firewall.open(&ports(rows)).await, &format!("opened in {name}"))
    }

    pub(super) async fn close_ports(&self, rows: &[Node]) -> PortNotes {
        if rows.is_empty() {
            return PortNotes::default();
        }
        let Some(name) = self.firewall.name().await else { return PortNotes::default() };
        tell(self.firewall.close(&ports(rows)).await, &format!("closed in {name}"))
    }
}

fn ports(rows: &[Node]) -> Vec<OpenPort> {
    rows.iter().flat_map(|row| OpenPort::of(row.spec())).collect()
}

fn tell(outcomes: PortOutcomes, done: &str) -> PortNotes {
    let mut told = PortNotes::default();
    let mut failures: BTreeMap<String, Vec<u16>> = BTreeMap::new();
    for (OpenPort { port, node }, outcome) in outcomes {
        let what = match outcome {
            Ok(Change::Unneeded) => continue,
            Ok(Change::Made) => format!("UDP port {port} was {done}"),
            Err(error) => {
                told.hints.extend(error.hints());
                let error = chain(&error);
                failures.entry(error.clone()).or_default().push(port);
                format!("UDP port {port} was not {done}: {error}")
            }
        };
        told.events.push(Event::Noted { id: Some(node), what });
    }
    let note = |(error, ports): (String, Vec<u16>)| {
        let s = if ports.len() == 1 { "" } else { "s" };
        format!("UDP port{s} {} not {done}: {error}", port_ranges(&ports))
    };
    told.failures = failures.into_iter().map(note).collect();
    told
}
