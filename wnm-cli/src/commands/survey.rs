//! `wnm survey` looks at all nodes, records what they tell, and finds untracked nodes.

use std::collections::BTreeMap;

use serde::Serialize;
use wnm::{Config, Machine};
use wnm_core::decide::Request;
use wnm_core::machine::{Trigger, Untracked};
use wnm_core::node::NodeId;
use wnm_core::progress::{Progress, Work, during};
use wnm_core::renewal::{Dropped, dropped};
use wnm_core::report::{
    self, Detail, Shared, StatusReport, by_reason, counted, errors_text, outdated_text, status, thousands,
};
use wnm_pm::shell::word;

use super::status::retain;
use super::status::table::totals;
use crate::arguments::{Common, Survey};
use crate::exit::{Exit, Failure};
use crate::output::Output;
use crate::session::{Access, Given};

#[derive(Serialize)]
struct Answer {
    status: StatusReport,
    untracked: Vec<Row>,
    adopted: Vec<String>,
    warnings: Vec<String>,
}

/// A node that is not in the database.
#[derive(Serialize)]
pub(crate) struct Row {
    service: String,
    directory: Option<String>,
    /// Why it cannot be taken into the database; none when it can.
    pub(crate) obstacle: Option<String>,
    /// Which of its options no setting of today names, so that they are gone with its next start.
    next_start_drops: Dropped,
}

impl Row {
    fn new(config: &Config, untracked: &Untracked) -> Self {
        Self {
            service: untracked.found.service.clone(),
            directory: untracked.found.root_dir.as_ref().map(|path| path.display().to_string()),
            obstacle: untracked.row.as_ref().err().cloned(),
            next_start_drops: untracked.row.as_ref().map(|node| dropped(config, node)).unwrap_or_default(),
        }
    }
}

pub(crate) async fn survey(output: Output, common: &Common, given: &Given, options: &Survey) -> Result<Exit, Failure> {
    let access = if common.dry_run { Access::Read } else { Access::Change };
    let watch = given.watch();
    let mut machine = given.open(access, &watch)?;
    if !common.dry_run {
        watch.finish_when_interrupted();
        machine.run(&Trigger::Request(Request::Survey), &watch).await?;
    }
    let mut observation = machine.observe(&watch).await?;
    let untracked = during(&watch, Work::FindUntracked, machine.untracked(&observation)).await?;
    let mut adopted = Vec::new();
    if options.adopt && !common.dry_run {
        machine.adopt(&observation, &untracked)?;
        adopted = names(&untracked);
        observation = machine.observe(&watch).await?;
    }
    drop(watch);
    let mut status = status(machine.config(), &observation.snapshot);
    let totals = totals(&status);
    retain(&mut status.nodes, machine.config(), &observation.snapshot, &options.shown)?;
    let answer = Answer {
        status,
        untracked: untracked.iter().map(|each| Row::new(machine.config(), each)).collect(),
        adopted,
        warnings: observation.warnings,
    };
    output.answer(&answer, || text(&answer, &totals, output.detail()))?;
    output.alert(&answer.warnings.iter().map(|warning| format!("warning: {warning}")).collect::<Vec<_>>());
    Ok(Exit::Done)
}

/// Takes everything into the database that can be: the names that the nodes have from now on, and what was found.
pub(crate) async fn adopt_all(
    machine: &mut Machine,
    progress: &dyn Progress,
) -> Result<(Vec<String>, Vec<Row>), Failure> {
    let observation = machine.observe(progress).await?;
    let untracked = during(progress, Work::FindUntracked, machine.untracked(&observation)).await?;
    machine.adopt(&observation, &untracked)?;
    let rows = untracked.iter().map(|each| Row::new(machine.config(), each)).collect();
    Ok((names(&untracked), rows))
}

fn names(untracked: &[Untracked]) -> Vec<String> {
    untracked.iter().filter_map(|each| each.row.as_ref().ok()).map(|node| node.name().to_owned()).collect()
}

fn text(answer: &Answer, totals: &str, detail: Detail) -> String {
    let mut text = totals.to_owned() + &errors_text(&answer.status);
    text += &outdated_text(&answer.status);
    let adopted = !answer.adopted.is_empty();
    let warnings = answer.warnings.iter().map(|warning| format!("warning: {warning}"));
    let mut lines = untracked_lines(&answer.untracked, adopted, detail);
    lines.extend(dropped_lines(&answer.untracked));
    let lines = lines.into_iter().chain(warnings);
    text + &lines.map(|line| line + "\n").collect::<String>()
}

/// A line for the nodes that can be taken over, or were, and one for each obstacle; or a line for each node.
pub(crate) fn untracked_lines(rows: &[Row], adopted: bool, detail: Detail) -> Vec<String> {
    let (free, blocked): (Vec<&Row>, Vec<&Row>) = rows.iter().partition(|row| row.obstacle.is_none());
    let size = if detail == Detail::Each { 1 } else { usize::MAX };
    let mut lines: Vec<String> = free.chunks(size).map(|rows| takeable(rows, adopted)).collect();
    let obstacles = |rows: &[&Row]| {
        let reasons = rows.iter().filter_map(|row| Some((*row, row.obstacle.as_deref()?)));
        by_reason(reasons)
            .into_iter()
            .map(|Shared { nodes, text }| format!("cannot take over {}: {text}", called(&nodes)))
            .collect::<Vec<String>>()
    };
    lines.extend(blocked.chunks(size).flat_map(obstacles));
    lines
}

/// Which options nodes lose with their next start, and how to keep them; a line for those that lose the same.
pub(crate) fn dropped_lines(rows: &[Row]) -> Vec<String> {
    let mut by_options: BTreeMap<&Dropped, Vec<&str>> = BTreeMap::new();
    for row in rows.iter().filter(|row| !row.next_start_drops.options.is_empty()) {
        by_options.entry(&row.next_start_drops).or_default().push(&row.service);
    }
    let line = |(dropped, services): (&Dropped, Vec<&str>)| {
        let settings: Vec<String> =
            dropped.kept_by.iter().map(|(name, value)| word(format!("{name}={value}").as_ref())).collect();
        format!(
            "the next start of {} drops {}, which no setting names; `wnm config set {}` keeps that for all nodes",
            service_names(&services),
            dropped.options.join(" "),
            settings.join(" ")
        )
    };
    by_options.into_iter().map(line).collect()
}

fn takeable(rows: &[&Row], adopted: bool) -> String {
    let (called, is, it) =
        (called(rows), if rows.len() == 1 { "is" } else { "are" }, if rows.len() == 1 { "it" } else { "them" });
    if adopted {
        format!("Took over {called}.")
    } else {
        format!("{called} {is} untracked; `wnm survey --adopt` takes {it} over.")
    }
}

/// `antnode0007 in /srv/antnode0007`, `3 nodes (antnode0007–0009)`.
fn called(rows: &[&Row]) -> String {
    match rows {
        [Row { service, directory, .. }] => {
            format!("{service} in {}", directory.as_deref().unwrap_or("an unknown directory"))
        }
        rows => {
            let services: Vec<&str> = rows.iter().map(|row| row.service.as_str()).collect();
            format!("{} ({})", counted(rows.len(), "node"), service_names(&services))
        }
    }
}

/// Names by which process managers know nodes; those that follow from numbers as ranges.
pub(crate) fn service_names(services: &[&str]) -> String {
    const SHOWN: usize = 5;
    let number = |service: &&str| NodeId::of_name(service.strip_suffix(".service").unwrap_or(service));
    if let Some(numbers) = services.iter().map(number).collect::<Option<Vec<NodeId>>>() {
        return report::names(&numbers);
    }
    let shown = services.iter().take(SHOWN).copied().collect::<Vec<_>>().join(", ");
    match services.len().saturating_sub(SHOWN) {
        0 => shown,
        left => format!("{shown} and {} more", thousands(left)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(service: String, obstacle: Option<String>) -> Row {
        let directory = Some(format!("/srv/{service}"));
        Row { service, directory, obstacle, next_start_drops: Dropped::default() }
    }

    #[test]
    fn a_thousand_untracked_nodes_are_a_line_for_each_obstacle() {
        let name = |number: u32| NodeId(number).name();
        let obstacle = |number| {
            (number > 990).then(|| format!("/srv/{} holds neither a node's key nor its program", name(number)))
        };
        let rows: Vec<Row> = (1..=1_000).map(|number| row(name(number), obstacle(number))).collect();
        assert_eq!(
            untracked_lines(&rows, false, Detail::Summary),
            [
                "990 nodes (antnode0001–0990) are untracked; `wnm survey --adopt` takes them over.",
                "cannot take over 10 nodes (antnode0991–1000): /srv/antnode… holds neither a node's key nor its program",
            ]
        );
        assert_eq!(untracked_lines(&rows, true, Detail::Summary)[0], "Took over 990 nodes (antnode0001–0990).");
        assert_eq!(untracked_lines(&rows, false, Detail::Each).len(), 1_000);
        let one = untracked_lines(&rows[..1], false, Detail::Summary);
        assert_eq!(one, ["antnode0001 in /srv/antnode0001 is untracked; `wnm survey --adopt` takes it over."]);
    }

    #[test]
    fn names_of_other_managers_are_listed_as_they_are() {
        assert_eq!(service_names(&["antnode0001.service", "antnode0002.service"]), "antnode0001–0002");
        let services = ["antnode1", "antnode2", "antnode3", "antnode4", "antnode5", "antnode6"];
        assert_eq!(service_names(&services), "antnode1, antnode2, antnode3, antnode4, antnode5 and 1 more");
    }

    #[test]
    fn what_a_next_start_drops_is_told_with_what_keeps_it() {
        let with = |service: &str, options: &[&str], kept_by: &[(&'static str, &str)]| Row {
            next_start_drops: Dropped {
                options: options.iter().map(ToString::to_string).collect(),
                kept_by: kept_by.iter().map(|(name, value)| (*name, (*value).to_owned())).collect(),
            },
            ..row(service.to_owned(), None)
        };
        let relay = ("start_args", "--first --relay");
        let rows = [
            with("antnode1", &["--relay"], &[relay]),
            with("antnode2", &["--relay"], &[relay]),
            with(
                "antnode3",
                &["--ip", "10.0.0.1", "--no-upnp"],
                &[("start_args", "--ip 10.0.0.1"), ("no_upnp", "true")],
            ),
            row("antnode4".to_owned(), None),
        ];
        insta::assert_snapshot!(dropped_lines(&rows).join("\n"), @"
        the next start of antnode3 drops --ip 10.0.0.1 --no-upnp, which no setting names; `wnm config set 'start_args=--ip 10.0.0.1' 'no_upnp=true'` keeps that for all nodes
        the next start of antnode1, antnode2 drops --relay, which no setting names; `wnm config set 'start_args=--first --relay'` keeps that for all nodes
        ");
    }
}
