//! The commands that plan and act: a cycle, what the owner asks for, and saved plans.

use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use serde::Serialize;
use wnm::{Config, Hint, Machine, Observation, Task, chain};
use wnm_core::decide::Request;
use wnm_core::execute::{Execution, StepResult};
use wnm_core::machine::{Report, Trigger};
use wnm_core::node::{NodeId, Verb};
use wnm_core::plan::Plan;
use wnm_core::progress::{Progress, Work, during};
use wnm_core::report::{DiskRow, counted, disk_rows, execution_text, failure_lines, plan_text};

use super::remove::{Going, going_lines};
use super::schedule;
use crate::arguments::Common;
use crate::exit::{Exit, Failure};
use crate::hints::words;
use crate::output::Output;
use crate::session::{Access, Given};

/// What was planned and what was done, as a program reads it.
#[derive(Serialize)]
struct Answer<'a> {
    dry_run: bool,
    plan: &'a Plan,
    /// Nodes whose keys go, where their owner asked for that.
    #[serde(skip_serializing_if = "<[Going]>::is_empty")]
    going: &'a [Going],
    #[serde(skip_serializing_if = "Option::is_none")]
    results: Option<&'a [StepResult]>,
    group_errors: &'a [String],
    port_errors: &'a [String],
    notes: &'a [String],
    left: &'a [(Verb, NodeId)],
    warnings: &'a [String],
    /// The disks that nodes lie on, as they were observed for a plan.
    #[serde(skip_serializing_if = "Option::is_none")]
    disks: Option<Vec<DiskRow>>,
    /// What can be done about groups and ports that failed; each result has its own hints.
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<String>,
}

/// Carries out a cycle, or what the owner asks for.
pub(crate) async fn act(output: Output, common: &Common, given: &Given, trigger: &Trigger) -> Result<Exit, Failure> {
    if common.dry_run {
        return plan(output, given, trigger, None).await;
    }
    let watch = given.watch();
    let mut machine = given.open(Access::Change, &watch)?;
    watch.finish_when_interrupted();
    let report = machine.run(trigger, &watch).await?;
    drop(watch);
    answer(output, &report)
}

/// Shows what would be done.
pub(crate) async fn plan(
    output: Output,
    given: &Given,
    trigger: &Trigger,
    out: Option<&Path>,
) -> Result<Exit, Failure> {
    let watch = given.watch();
    let machine = given.open(Access::Read, &watch)?;
    let observation = machine.observe(&watch).await?;
    drop(watch);
    let plan = machine.plan(&observation, trigger)?;
    if let Some(path) = out {
        save(&plan, path)?;
        output.remark(&format!("The plan is in {}; `wnm apply` carries it out.", path.display()));
    }
    show_plan(output, machine.config(), &plan, &observation, &[])
}

/// What a dry run answers.
pub(super) fn show_plan(
    output: Output,
    config: &Config,
    plan: &Plan,
    observation: &Observation,
    going: &[Going],
) -> Result<Exit, Failure> {
    let (nothing, snapshot, seen) = (Execution::default(), &observation.snapshot, &observation.warnings);
    let disks = disk_rows(config, &snapshot.disks, snapshot.nodes.iter().map(|each| &each.node));
    let answer = Answer { going, disks: Some(disks), ..row(true, plan, None, &nothing, seen) };
    output.answer(&answer, || {
        let plan = plan_text(plan, output.detail());
        format!("{}{plan}{}Nothing was changed.\n", warnings(seen), going_lines(going))
    })?;
    output.alert(&warned(seen));
    Ok(Exit::Done)
}

/// Carries out a saved plan.
pub(crate) async fn apply(output: Output, common: &Common, given: &Given, file: &Path) -> Result<Exit, Failure> {
    let saved = load(file)?;
    if common.dry_run {
        let watch = given.watch();
        let machine = given.open(Access::Read, &watch)?;
        let observation = machine.observe(&watch).await?;
        drop(watch);
        machine.still_holds(&observation, &saved)?;
        let nothing = Execution::default();
        output.answer(&row(true, &saved, None, &nothing, &observation.warnings), || {
            let plan = plan_text(&saved, output.detail());
            format!("{}{plan}The plan holds. Nothing was changed.\n", warnings(&observation.warnings))
        })?;
        output.alert(&warned(&observation.warnings));
        return Ok(Exit::Done);
    }
    let watch = given.watch();
    let mut machine = given.open(Access::Change, &watch)?;
    watch.finish_when_interrupted();
    let report = machine.apply(saved, &watch).await?;
    drop(watch);
    answer(output, &report)
}

/// Asks first: everything goes.
pub(crate) async fn teardown(output: Output, common: &Common, given: &Given, confirm: bool) -> Result<Exit, Failure> {
    let trigger = Trigger::Request(Request::Teardown);
    if !common.dry_run && !confirm {
        let watch = given.watch();
        let machine = given.open(Access::Read, &watch)?;
        let what = everything(&machine, &watch).await?;
        drop((machine, watch));
        if !output.ask(&format!("Remove {what} with their files and keys?")) {
            return Err(Failure::NotConfirmed {
                what: format!("teardown removes {what} with their files and keys, and was not confirmed"),
                hint: Hint::run(Task::ConfirmedTeardown),
            });
        }
    }
    let exit = act(output, common, given, &trigger).await?;
    if exit == Exit::Done && !common.dry_run {
        schedule::end(output, common, given).await;
    }
    Ok(exit)
}

/// What a teardown takes: some managers' takes untracked nodes as well.
async fn everything(machine: &Machine, progress: &dyn Progress) -> Result<String, Failure> {
    let recorded = format!("all {}", counted(machine.nodes()?.len(), "node"));
    if !machine.capabilities().teardown_takes_untracked {
        return Ok(recorded);
    }
    let observation = machine.observe(progress).await?;
    let others = during(progress, Work::FindUntracked, machine.untracked(&observation)).await?.len();
    Ok(if others == 0 { recorded } else { format!("{recorded} and {}", counted(others, "untracked node")) })
}

fn row<'a>(
    dry_run: bool,
    plan: &'a Plan,
    results: Option<&'a [StepResult]>,
    execution: &'a Execution,
    warnings: &'a [String],
) -> Answer<'a> {
    let Execution { group_errors, port_errors, notes, left, hints, .. } = execution;
    Answer {
        dry_run,
        plan,
        going: &[],
        results,
        group_errors,
        port_errors,
        notes,
        left,
        warnings,
        disks: None,
        hint: words(hints),
    }
}

fn answer(output: Output, report: &Report) -> Result<Exit, Failure> {
    let Report { plan, execution, warnings: warned } = report;
    output.answer(&row(false, plan, Some(&execution.results), execution, warned), || {
        format!("{}{}", warnings(warned), execution_text(plan, execution, output.detail(), &words))
    })?;
    output.alert(&alerts(report, output));
    Ok(if !execution.left.is_empty() {
        Exit::Interrupted
    } else if execution.succeeded() {
        Exit::Done
    } else {
        Exit::NodeFailed
    })
}

/// What failed, and what could not be looked at.
fn alerts(report: &Report, output: Output) -> Vec<String> {
    let failures = failure_lines(&report.execution, output.detail(), &words).into_iter().map(|line| {
        let is_hint = line.starts_with("hint: ");
        if is_hint { line } else { format!("error: {}", line.replace('\n', "\n  ")) }
    });
    warned(&report.warnings).into_iter().chain(failures).collect()
}

fn warned(warnings: &[String]) -> Vec<String> {
    warnings.iter().map(|warning| format!("warning: {warning}")).collect()
}

fn warnings(warnings: &[String]) -> String {
    warned(warnings).into_iter().map(|line| line + "\n").collect()
}

fn save(plan: &Plan, path: &Path) -> Result<(), Failure> {
    let failed =
        |error: std::io::Error| Failure::Other(format!("cannot write the plan to {}: {error}", path.display()));
    let text = serde_json::to_string_pretty(plan).map_err(|error| Failure::Other(error.to_string()))?;
    let mut file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path).map_err(failed)?;
    file.write_all(text.as_bytes()).map_err(failed)
}

fn load(path: &Path) -> Result<Plan, Failure> {
    let name = path.display();
    let text = std::fs::read_to_string(path)
        .map_err(|error| Failure::usage(format!("cannot read the plan {name}: {error}")))?;
    Plan::from_json(&text).map_err(|error| {
        let hint = Hint::run(Task::Plan { out: Some(name.to_string()) }).to("write one");
        Failure::usage_hint(format!("cannot read the plan {name}: {}", chain(&error)), hint)
    })
}
