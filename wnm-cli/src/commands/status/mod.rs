//! `wnm status` shows the nodes as they are now, not as they were when last recorded.

mod details;
mod table;

use std::time::Duration;

use wnm::{Progress, Silent};
use wnm_core::decide::Refusal;
use wnm_core::report::{StatusReport, status as report};

use crate::arguments::{Common, Status};
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
    let wanted = observation.snapshot.named(&options.names).map_err(Refusal::UnknownNames)?;
    let mut report = report(machine.config(), &observation.snapshot);
    let (of, totals) = (report.nodes.len(), table::totals(&report));
    if !options.names.is_empty() {
        report.nodes.retain(|row| wanted.iter().any(|each| each.node.id() == row.number));
    }
    table::sort(&mut report.nodes, options.sort, options.reverse);
    // A disk that does not answer is not asked again.
    if observation.hanging.is_none() && (common.details || common.json) {
        report.look_at_programs();
    }
    Ok(Seen { report, of, totals, warnings: observation.warnings })
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
