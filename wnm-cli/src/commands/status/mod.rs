//! `wnm status` shows the nodes as they are now, not as they were when last recorded.

mod details;
pub(super) mod table;

use std::collections::BTreeSet;
use std::time::Duration;

use wnm::{Config, NodeId, NodeRow, Progress, Silent, Snapshot};
use wnm_core::report::{StatusReport, status as report};

use crate::arguments::{Common, Shown, Status};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::{Access, Given};
use table::Look;

pub(crate) async fn status(output: Output, common: &Common, given: &Given, options: &Status) -> Result<Exit, Failure> {
    let Some(seconds) = options.watch else {
        let watch = given.watch();
        let seen = see(common, given, options, &watch).await?;
        drop(watch);
        output.warn(&seen.warnings);
        output.answer(&seen.report, || seen.text(common, options))?;
        return Ok(Exit::Done);
    };
    loop {
        let seen = see(common, given, options, &Silent).await?;
        let is_read = output.frame(&seen.report, || seen.warned() + &seen.text(common, options))?;
        if !is_read {
            return Ok(Exit::Done);
        }
        tokio::time::sleep(Duration::from_secs(seconds)).await;
    }
}

/// What was seen at one moment.
struct Seen {
    report: StatusReport,
    /// How many nodes there are, and what they are: also those that were not asked for.
    of: usize,
    totals: String,
    warnings: Vec<String>,
}

async fn see(common: &Common, given: &Given, options: &Status, progress: &dyn Progress) -> Result<Seen, Failure> {
    let machine = given.open(Access::Read, progress)?;
    let observation = machine.observe(progress).await?;
    let mut report = report(machine.config(), &observation.snapshot);
    let (of, totals) = (report.nodes.len(), table::totals(&report));
    retain(&mut report.nodes, machine.config(), &observation.snapshot, &options.shown)?;
    table::sort(&mut report.nodes, options.sort, options.reverse);
    // A disk that does not answer is not asked again.
    if observation.hanging.is_none() && (common.details || common.json) {
        report.look_at_programs();
    }
    Ok(Seen { report, of, totals, warnings: observation.warnings })
}

/// Leaves the nodes that were asked for.
pub(super) fn retain(
    rows: &mut Vec<NodeRow>,
    config: &Config,
    snapshot: &Snapshot,
    shown: &Shown,
) -> Result<(), Failure> {
    let wanted: BTreeSet<NodeId> =
        shown.selection().of(config, snapshot)?.iter().map(|selected| selected.each.node.id()).collect();
    rows.retain(|row| wanted.contains(&row.number));
    Ok(())
}

impl Seen {
    fn text(&self, common: &Common, options: &Status) -> String {
        if common.details {
            return details::details_text(&self.report, &self.totals);
        }
        table::table_text(&self.report, &self.totals, Look { wide: options.wide, of: self.of })
    }

    fn warned(&self) -> String {
        self.warnings.iter().map(|warning| format!("warning: {warning}\n")).collect()
    }
}

fn dash(value: Option<impl ToString>) -> String {
    value.map_or_else(|| "-".to_owned(), |value| value.to_string())
}
