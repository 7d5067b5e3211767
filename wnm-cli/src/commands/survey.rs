//! `wnm survey` looks at all nodes, records what they tell, and finds nodes that nobody recorded.

use serde::Serialize;
use wnm_core::cycle::{Trigger, Untracked};
use wnm_core::decide::Request;
use wnm_core::report::{StatusReport, status};

use crate::arguments::Common;
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::{Access, Given, Session};

#[derive(Serialize)]
struct Answer {
    status: StatusReport,
    untracked: Vec<Row>,
    adopted: Vec<String>,
    warnings: Vec<String>,
}

/// A node that is not in the record.
#[derive(Serialize)]
pub(crate) struct Row {
    service: String,
    directory: Option<String>,
    /// Why it cannot be taken into the record; none when it can.
    obstacle: Option<String>,
}

impl From<&Untracked> for Row {
    fn from(untracked: &Untracked) -> Self {
        Self {
            service: untracked.found.service.clone(),
            directory: untracked.found.root_dir.as_ref().map(|path| path.display().to_string()),
            obstacle: untracked.row.as_ref().err().cloned(),
        }
    }
}

pub(crate) async fn survey(output: Output, common: &Common, given: &Given, adopt: bool) -> Result<Exit, Failure> {
    let access = if common.dry_run { Access::Read } else { Access::Change };
    let mut session = Session::open(given, access)?;
    if !common.dry_run {
        let watch = given.watch();
        session.machine.run(&Trigger::Request(Request::Survey), &watch).await?;
    }
    let mut observation = session.machine.observe().await?;
    let untracked = session.machine.untracked(&observation).await?;
    let mut adopted = Vec::new();
    if adopt && !common.dry_run {
        session.machine.adopt(&observation, &untracked)?;
        adopted = names(&untracked);
        observation = session.machine.observe().await?;
    }
    let answer = Answer {
        status: status(&observation.snapshot),
        untracked: untracked.iter().map(Row::from).collect(),
        adopted,
        warnings: observation.warnings,
    };
    output.answer(&answer, || text(&answer))?;
    Ok(Exit::Done)
}

impl Row {
    pub(crate) fn text(&self) -> String {
        let (service, directory) = (&self.service, self.directory.as_deref().unwrap_or("an unknown directory"));
        match &self.obstacle {
            None => format!("{service} in {directory} is not in the record; `wnm survey --adopt` takes it over."),
            Some(obstacle) => format!("{service} in {directory} is not in the record, and cannot be: {obstacle}."),
        }
    }
}

/// Takes everything into the record that can be: the names that the nodes have from now on, and what could not be.
pub(crate) async fn adopt_all(session: &mut Session) -> Result<(Vec<String>, Vec<Row>), Failure> {
    let observation = session.machine.observe().await?;
    let untracked = session.machine.untracked(&observation).await?;
    session.machine.adopt(&observation, &untracked)?;
    let left = untracked.iter().filter(|each| each.row.is_err()).map(Row::from).collect();
    Ok((names(&untracked), left))
}

fn names(untracked: &[Untracked]) -> Vec<String> {
    untracked.iter().filter_map(|each| each.row.as_ref().ok()).map(|node| node.name().to_owned()).collect()
}

fn text(answer: &Answer) -> String {
    let counts = &answer.status.host.counts;
    let counts: Vec<String> = counts.iter().map(|(status, count)| format!("{count} {status}")).collect();
    let mut lines = vec![format!("Nodes: {}", if counts.is_empty() { "0".to_owned() } else { counts.join(", ") })];
    for row in &answer.status.nodes {
        lines.extend(row.last_error.as_ref().map(|error| format!("{}: {error}", row.name)));
    }
    for row in &answer.untracked {
        let adopted = !answer.adopted.is_empty() && row.obstacle.is_none();
        let directory = row.directory.as_deref().unwrap_or_default();
        lines.push(if adopted { format!("Took over {} in {directory}.", row.service) } else { row.text() });
    }
    lines.extend(answer.warnings.iter().map(|warning| format!("warning: {warning}")));
    lines.join("\n") + "\n"
}
