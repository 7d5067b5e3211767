//! Ports are opened before their nodes start and closed after their nodes were stopped for good. The firewall's failures
//! are told, and are never a node's.

use std::collections::BTreeMap;

use super::Executor;
use crate::event::Event;
use crate::firewall::{Change, FirewallError, OpenPort};
use crate::node::Node;

/// What the firewall did and did not do.
#[derive(Default)]
pub(super) struct PortNotes {
    /// For the record: what changed, and what failed.
    pub events: Vec<Event>,
    /// For the report: what failed, a sentence each.
    pub notes: Vec<String>,
}

impl Executor<'_> {
    /// Opened at each start and not only at the first, so that a firewall that was switched on since lets nodes in, too.
    pub(super) async fn open_ports(&self, rows: &[Node]) -> PortNotes {
        if rows.is_empty() {
            return PortNotes::default();
        }
        let Some(name) = self.firewall.name().await else { return PortNotes::default() };
        tell(rows, self.firewall.open(&ports(rows)).await, &format!("opened in {name}"))
    }

    pub(super) async fn close_ports(&self, rows: &[Node]) -> PortNotes {
        if rows.is_empty() {
            return PortNotes::default();
        }
        let Some(name) = self.firewall.name().await else { return PortNotes::default() };
        tell(rows, self.firewall.close(&ports(rows)).await, &format!("closed in {name}"))
    }
}

fn ports(rows: &[Node]) -> Vec<OpenPort> {
    rows.iter().map(|row| OpenPort { port: row.spec().ports.node, name: row.name().to_owned() }).collect()
}

fn tell(rows: &[Node], outcomes: Vec<Result<Change, FirewallError>>, done: &str) -> PortNotes {
    let mut told = PortNotes::default();
    let mut failures: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for (row, outcome) in rows.iter().zip(outcomes) {
        let port = row.spec().ports.node;
        let what = match outcome {
            Ok(Change::Unneeded) => continue,
            Ok(Change::Made) => format!("UDP port {port} was {done}"),
            Err(error) => {
                let error = error.to_string();
                failures.entry(error.clone()).or_default().push(port.to_string());
                format!("UDP port {port} was not {done}: {error}")
            }
        };
        told.events.push(Event::Noted { id: Some(row.id()), what });
    }
    let note = |(error, ports): (String, Vec<String>)| format!("UDP port {} not {done}: {error}", ports.join(", "));
    told.notes = failures.into_iter().map(note).collect();
    told
}
